"""VGG-16 and VGG-19: Simonyan and Zisserman, 2014, configurations D and E of their table 1."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, get_args

import jax.numpy as jnp
import numpy as np

from dipjax.features.layers import Conv, MaxPool, Relu, Softmax
from dipjax.features.loading import Arrays, Table, Weights, arrays_of, assemble
from dipjax.features.network import Colour, Network, caffe_colour, torchvision_colour
from dipjax.weights import WeightsError

Form = Literal["torchvision", "caffe", "normalised"]

WIDTHS = (64, 128, 256, 512, 512)
CONVOLUTIONS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # in each of the five blocks
OFFICIAL = {16: "vgg16-397923af.pth", 19: "vgg19-dcbb9e9d.pth"}
SIZE = 224


@cache
def table(depth: int, border: Literal["zero", "reflect"] = "zero") -> Table:
    """`conv1_1`, `relu1_1`, ... `pool5`, `fc6`, `relu6`, `fc7`, `relu7`, `fc8`, `prob`."""
    rows: list[tuple[str, Any]] = []
    for block, (width, count) in enumerate(zip(WIDTHS, CONVOLUTIONS[depth], strict=True), 1):
        for i in range(1, count + 1):
            rows.append((f"conv{block}_{i}", Conv(width, 3, padding=1, border=border)))
            rows.append((f"relu{block}_{i}", Relu()))
        rows.append((f"pool{block}", MaxPool(2, 2)))
    rows += [("fc6", Conv(4096, 7)), ("relu6", Relu()), ("fc7", Conv(4096, 1)), ("relu7", Relu())]
    return (*rows, ("fc8", Conv(1000, 1)), ("prob", Softmax()))


def vgg16(weights: Weights = "auto", *, form: Form | None = None) -> Network:
    """VGG-16 with pretrained weights: `conv1_1`, `relu1_1` ... `conv5_3`, `fc6` ... `prob`.

    Args:
        weights: a file, "auto" (torchvision's own, downloaded once), arrays by name, or a key
            for random weights. A file may end early, the network then ends there too.
        form: "torchvision" (RGB less mean over standard deviation), "caffe" (BGR from 0 to 255
            less mean), or "normalised" (the scaled network of Gatys et al. with mirrored
            borders, whose file brings its own preprocessing). By default what the names in the
            file are those of: `features.0.weight`, or `conv1_1...`, or with `preproc_w`.

    Raises:
        WeightsError: for a file that cannot be used (see `dipjax.weights.load`), or is of
            another network.
        ValueError: for another form.
    """
    return _vgg(16, weights, form)


def vgg19(weights: Weights = "auto", *, form: Form | None = None) -> Network:
    """VGG-19 with pretrained weights: `conv1_1`, `relu1_1` ... `conv5_4`, `fc6` ... `prob`.

    Args:
        weights: as for `vgg16`.
        form: as for `vgg16`.

    Raises:
        WeightsError: for a file that cannot be used (see `dipjax.weights.load`), or is of
            another network.
        ValueError: for another form.
    """
    return _vgg(19, weights, form)


def _vgg(depth: int, weights: Weights, form: Form | None) -> Network:
    if form not in (None, *get_args(Form)):
        raise ValueError(f"form must be one of {get_args(Form)}, not {form!r}")
    arrays = arrays_of(weights, OFFICIAL[depth])
    form = form or _form(arrays)
    rows = table(depth, "reflect" if form == "normalised" else "zero")
    name = f"VGG-{depth} ({form})"
    names = _torch_names(rows) if form == "torchvision" else None
    params, reached = assemble(name, rows, arrays, (SIZE, SIZE, 3), names, ("preproc_",))
    return Network(params, _colour(form, arrays), reached, name, SIZE, rows)


def _form(arrays: Any) -> Form:
    if not isinstance(arrays, Mapping) or any(name.startswith("features.") for name in arrays):
        return "torchvision"
    return "normalised" if "preproc_w" in arrays else "caffe"


def _colour(form: Form, arrays: Arrays | Any) -> Colour:
    if form == "torchvision":
        return torchvision_colour()
    if form == "caffe" or not isinstance(arrays, Mapping):
        return caffe_colour()
    if not {"preproc_w", "preproc_b"} <= set(arrays):
        raise WeightsError("the normalised form needs preproc_w and preproc_b in its file")
    w, b = np.asarray(arrays["preproc_w"]), np.asarray(arrays["preproc_b"])
    if (w.size, b.size) != (9, 3):
        raise WeightsError(f"preproc_w {w.shape} and preproc_b {b.shape} are not (3, 3) and (3,)")
    return Colour(jnp.asarray(w.reshape(3, 3)), jnp.asarray(b.reshape(3)))


def _torch_names(rows: Table) -> dict[str, str]:
    """torchvision numbers all rows of the features, and skips dropout in the classifier."""
    features = [name for name, _ in rows if not name.startswith(("fc", "relu6", "relu7", "prob"))]
    names = {name: f"features.{i}" for i, name in enumerate(features) if name.startswith("conv")}
    return {**names, "fc6": "classifier.0", "fc7": "classifier.3", "fc8": "classifier.6"}
