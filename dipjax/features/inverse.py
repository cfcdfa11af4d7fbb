"""A trained inverse of a network: Dosovitskiy and Brox, Inverting Visual Representations, 2016.

Where the prior of this library asks for nothing but the activations, their up-convolutional
decoder was trained on many pictures to give the mean of all that share them:

    min_g sum_x |x - g(Phi(x))|^2

`scripts/train_inverse.py` trains a small one on a folder of pictures.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from dipjax.features.layers import Conv, Relu, UpConv
from dipjax.features.loading import Arrays, Params, Table, Weights, arrays_of, assemble, flat
from dipjax.weights import WeightsError

Array = jax.Array


@flax.struct.dataclass
class InverseNetwork:
    """`x = g(a)`: activations (h, w, c) -> image (H, W, 3), by convolutions and up-convolutions.

    A frozen pytree like the networks that it inverts. Each up-convolution doubles the size; what
    comes out of the last is resized to the shape asked for.

    Attributes:
        params: of each layer by its name.
        table: the layers in order, (name, Flax module).
    """

    params: Params
    table: Table = flax.struct.field(pytree_node=False)

    def __call__(self, activations: Array, shape: tuple[int, int] | None = None) -> Array:
        """The image (H, W, 3) behind activations (h, w, c), of shape (H, W) if given."""
        x: Any = activations
        for name, layer in self.table:
            params = {"params": self.params[name]} if name in self.params else {}
            x = layer.apply(params, x)
        if shape is not None and x.shape[:2] != tuple(shape[:2]):
            x = jax.image.resize(x, (*shape[:2], x.shape[-1]), "linear")
        return x

    def arrays(self) -> dict[str, np.ndarray]:
        """The weights by name, as `dipjax.weights.save` writes and `inverse` reads them."""
        return flat(self.params)


def inverse_table(convs: Sequence[int], upconvs: Sequence[int]) -> Table:
    """Rows `conv1`, `relu1`, ..., `upconv1`, ...: 3x3 and 5x5 kernels, leaky rectifiers of 0.2.

    Args:
        convs: channels of the convolutions that keep the size.
        upconvs: channels of the up-convolutions, of which the last is the image's, 3.
    """
    rows = []
    for i, width in enumerate(convs, 1):
        rows += [(f"conv{i}", Conv(width, 3, padding=1)), (f"relu{i}", Relu(0.2))]
    for i, width in enumerate(upconvs, 1):
        rows += [(f"upconv{i}", UpConv(width)), (f"uprelu{i}", Relu(0.2))]
    return tuple(rows[:-1])  # nothing behind the image


def inverse(
    weights: Weights,
    *,
    activations: tuple[int, int, int] | None = None,
    convs: Sequence[int] = (256, 256, 256),
    upconvs: Sequence[int] = (256, 128, 64, 32, 3),
) -> InverseNetwork:
    """The inverse network with trained weights, or with random ones to train.

    Args:
        weights: a file or arrays by name (`conv1_w`, `upconv1_conv_w`, ..., whose shapes tell
            the widths), or a key for random weights.
        activations: the shape (h, w, c) that it takes; only for random weights.
        convs, upconvs: the widths (see `inverse_table`); only for random weights.

    Raises:
        WeightsError: for a file that cannot be used or is of another network.
        ValueError: for random weights without the shape of the activations.
    """
    arrays = arrays_of(weights, None)
    if isinstance(arrays, Mapping):
        convs, upconvs = (_widths(arrays, stem) for stem in ("conv", "upconv"))
        first = "conv1" if convs else "upconv1_conv"
        if not upconvs or f"{first}_w" not in arrays:
            raise WeightsError("no weights of an inverse network: no upconv1_conv_w in the file")
        activations = (4, 4, arrays[f"{first}_w"].shape[-2])
    elif activations is None:
        raise ValueError("random weights need activations=(h, w, c), what the network takes")
    table = inverse_table(convs, upconvs)
    params, reached = assemble("the inverse network", table, arrays, activations)
    return InverseNetwork(params, reached)


def _widths(arrays: Arrays, stem: str) -> list[int]:
    """Channels of `stem1`, `stem2`, ... as the shapes of their biases tell them."""
    pattern = re.compile(rf"{stem}(\d+)(_conv)?_b")
    found = {int(m[1]): len(arrays[m[0]]) for m in map(pattern.fullmatch, arrays) if m}
    if sorted(found) != list(range(1, len(found) + 1)):
        raise WeightsError(f"the inverse network's {stem} layers {sorted(found)} have a hole")
    return [found[i] for i in sorted(found)]


def loss(network: InverseNetwork, activations: Array, image: Array) -> Array:
    """`|x - g(a)|^2 / n` of one image (H, W, 3): what training makes small."""
    return jnp.mean((network(activations, (image.shape[0], image.shape[1])) - image) ** 2)
