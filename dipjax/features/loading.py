"""From arrays by name to the params of a network, and every mistake a file can hold."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dipjax import weights as files
from dipjax.features.layers import Layer
from dipjax.weights import WeightsError

Array = jax.Array
Table = tuple[tuple[str, Layer], ...]
Arrays = Mapping[str, np.ndarray]
Weights = str | os.PathLike[str] | Arrays | Array
Params = dict[str, Any]


def arrays_of(weights: Weights, official: str | None) -> Arrays | Array:
    """The arrays that `weights` stands for; a key stands for itself, and for random weights.

    Raises:
        WeightsError: for a file that cannot be used, or "auto" where nothing is official.
    """
    if isinstance(weights, jax.Array):
        return weights
    if isinstance(weights, Mapping):
        return {name: np.asarray(array) for name, array in weights.items()}
    if weights != "auto":
        return files.load(weights)
    if official is None:
        raise WeightsError(
            "there is no official download of this form of the network: give weights=PATH "
            "(--weights PATH); a .caffemodel is converted to .npz first "
            "(help(dipjax.weights) shows how)"
        )
    return files.load(files.official(official))


def assemble(
    name: str,
    table: Table,
    arrays: Arrays | Array,
    shape: tuple[int, int, int],
    torch_names: Mapping[str, str] | None = None,
    ignored: Iterable[str] = (),
) -> tuple[Params, Table]:
    """The params of a table of layers, and as much of the table as they reach.

    A slot is a layer, or `layer/part`. Of the slot `fire2/expand1x1` the kernel may be called
    `fire2_expand1x1_w` (k, k, in, out), or `fire2/expand1x1.weight`, `fire2_expand1x1.weight`
    or, with its name in `torch_names`, `features.3.expand1x1.weight` (out, in, k, k); the bias
    ends in `_b` or `.bias`.

    Args:
        name: of the network, for messages.
        table: (name, module) of all layers.
        arrays: by name, or a key for random weights.
        shape: of the input on which the whole table works.
        torch_names: slot -> name in torchvision.
        ignored: how names begin that belong to something else.

    Raises:
        WeightsError: for a wrong shape, a hole, a name too many, or no name that fits at all.
    """
    wanted = slots(table, shape)
    if isinstance(arrays, jax.Array):
        return _nested(_random(arrays, wanted)), table
    used: set[str] = set()
    found = {}
    for slot, shapes in wanted.items():
        pair = _find(arrays, slot, (torch_names or {}).get(slot), used)
        if pair is not None:
            found[slot] = _fitting(name, slot, pair, shapes)
    if not found:
        raise WeightsError(
            f"no weights of {name} among {_some(arrays)}: a file of another network?"
        )
    reached = _reached(name, table, list(wanted), found)
    left = [key for key in arrays if key not in used and not key.startswith(tuple(ignored))]
    if left:
        raise WeightsError(f"{name} has no place for {_some(left)}: a file of another network?")
    return _nested(found), reached


def slots(table: Table, shape: tuple[int, int, int]) -> dict[str, dict[str, tuple[int, ...]]]:
    """Slot -> shapes of kernel and bias, in the order of the network."""
    result, x = {}, jax.ShapeDtypeStruct(shape, jnp.float32)
    for name, layer in table:
        x, variables = jax.eval_shape(layer.init_with_output, jax.random.key(0), x)
        for part, params in _parts(name, variables.get("params", {})):
            result[part] = {kind: leaf.shape for kind, leaf in params.items()}
    return result


def _parts(slot: str, params: Params) -> list[tuple[str, Params]]:
    if not params or "kernel" in params:
        return [(slot, params)] if params else []
    return [part for name, below in params.items() for part in _parts(f"{slot}/{name}", below)]


def _nested(found: Mapping[str, Params]) -> Params:
    """`{"fire2/squeeze1x1": p}` -> `{"fire2": {"squeeze1x1": p}}`."""
    result: Params = {}
    for slot, pair in found.items():
        layer, _, part = slot.partition("/")
        if part:
            result.setdefault(layer, {})[part] = pair
        else:
            result[layer] = pair
    return result


def flat(params: Params) -> dict[str, np.ndarray]:
    """Params as arrays by name, `fire2_expand1x1_w` and `_b`: what `assemble` reads."""
    result = {}
    for layer, below in params.items():
        for slot, pair in _parts(layer, below):
            stem = slot.replace("/", "_")
            result[f"{stem}_w"] = np.asarray(pair["kernel"])
            result[f"{stem}_b"] = np.asarray(pair["bias"])
    return result


def _find(arrays: Arrays, slot: str, torch_name: str | None, used: set[str]):
    """(kernel (k, k, in, out) or (out, in), bias) of a slot, or None where it has neither."""
    flat = slot.replace("/", "_")
    names = [(f"{flat}_w", f"{flat}_b")]
    names += [(f"{stem}.weight", f"{stem}.bias") for stem in (slot, flat, torch_name) if stem]
    for kernel, bias in names:
        present = [key for key in (kernel, bias) if key in arrays]
        if len(present) == 1:
            raise WeightsError(
                f"{present[0]} is there, but not {({kernel, bias} - {*present}).pop()}"
            )
        if present:
            used.update(present)
            w = arrays[kernel]
            w = w.transpose(2, 3, 1, 0) if kernel.endswith(".weight") and w.ndim == 4 else w
            return w, arrays[bias]
    return None


def _fitting(name: str, slot: str, pair, shapes: Mapping[str, tuple[int, ...]]) -> Params:
    """Kernel and bias in the shapes of the network, or a WeightsError."""
    w, bias = pair
    k, _, c, d = shapes["kernel"]
    if w.shape == (d, c * k * k):  # PyTorch's and Caffe's fully connected layers
        w = w.reshape(d, c, k, k).transpose(2, 3, 1, 0)
    for kind, array in (("kernel", w), ("bias", bias)):
        if array.shape != shapes[kind]:
            raise WeightsError(
                f"{slot}: the {kind} has shape {array.shape}, {name} needs {shapes[kind]}: "
                "weights of another network, or of another form of it?"
            )
    return {"kernel": jnp.asarray(w), "bias": jnp.asarray(bias)}


def _reached(name: str, table: Table, wanted: list[str], found: Params) -> Table:
    """The table up to where weights run out; nothing may be missing before that."""
    missing = [slot for slot in wanted if slot not in found]
    if not missing:
        return table
    end = missing[0].partition("/")[0]
    later = [slot for slot in wanted[wanted.index(missing[0]) :] if slot in found]
    incomplete = [slot for slot in found if slot.partition("/")[0] == end]
    if later or incomplete:
        raise WeightsError(
            f"the weights of {name} have a hole: {missing[0]} is missing, "
            f"{(later or incomplete)[0]} is there"
        )
    return table[: [layer for layer, _ in table].index(end)]


def _random(key: Array, wanted) -> dict[str, Params]:
    """He's initialisation: `N(0, 2 / fan_in)`, biases 0."""
    # NumPy draws: JAX would compile a program for each of the shapes, ten seconds in all.
    rng, result = np.random.default_rng(np.ravel(jax.random.key_data(key))), {}
    for slot, shapes in wanted.items():
        scale = np.float32(np.sqrt(2 / np.prod(shapes["kernel"][:-1])))
        kernel = scale * rng.standard_normal(shapes["kernel"], np.float32)
        bias = np.zeros(shapes["bias"], np.float32)
        result[slot] = {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)}
    return result


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
