"""SRResNet: the trained network that the paper measures super-resolution against.

Ledig et al., "Photo-realistic single image super-resolution using a generative adversarial
network", CVPR 2017, sec. 3.2: the generator, trained by the squared error alone.
`scripts/train_srresnet.py` trains one on a folder of pictures. A trained network has running
statistics, unlike the generators of dipjax, which are fitted to one picture.
"""

import os
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.typing import ArrayLike

from dipjax import images, weights
from dipjax.weights import WeightsError

Array = jax.Array
Variables = dict[str, Any]  # "params" and "batch_stats", as Flax has them


class Residual(nn.Module):
    """`x + norm(conv(prelu(norm(conv(x)))))`."""

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        norm = partial(nn.BatchNorm, use_running_average=not train, momentum=0.9)
        features = x.shape[-1]
        y = norm(name="norm_1")(nn.Conv(features, (3, 3), name="conv_1")(x))
        y = nn.PReLU(negative_slope_init=0.25, name="prelu")(y)
        return x + norm(name="norm_2")(nn.Conv(features, (3, 3), name="conv_2")(y))


class SRResNet(nn.Module):
    """Small picture -> large picture, `factor` times in both directions.

        y -- head (9x9) --+-- blocks -- body --(+)-- [conv, shuffle x2, prelu] ... -- tail (9x9)
                          +---------------------+

    Attributes:
        factor: 2, 4 or 8.
        features: channels inside.
        blocks: residual ones.
        channels: of the pictures.
        base: the answer is added to the bicubic enlargement, and starts at 0. The published
            network has to learn that first; a small one is ahead of bicubic within minutes so.
    """

    factor: int = 4
    features: int = 64
    blocks: int = 16
    channels: int = 3
    base: bool = False

    @nn.compact
    def __call__(self, y: Array, train: bool = False) -> Array:
        """The large pictures (..., h * factor, w * factor, C) of small ones (..., h, w, C)."""
        if self.factor not in (2, 4, 8):
            raise ValueError(f"factor {self.factor}: must be 2, 4 or 8")
        head = nn.PReLU(negative_slope_init=0.25, name="prelu")(
            nn.Conv(self.features, (9, 9), name="head")(y)
        )
        x = head
        for i in range(self.blocks):
            x = Residual(name=f"block_{i}")(x, train)
        norm = nn.BatchNorm(use_running_average=not train, momentum=0.9, name="norm")
        x = head + norm(nn.Conv(self.features, (3, 3), name="body")(x))
        for i in range(self.factor.bit_length() - 1):
            x = shuffle(nn.Conv(4 * self.features, (3, 3), name=f"up_{i}")(x))
            x = nn.PReLU(negative_slope_init=0.25, name=f"prelu_{i}")(x)
        if not self.base:
            return nn.Conv(self.channels, (9, 9), name="tail")(x)
        *batch, h, w, c = y.shape
        large = (*batch, h * self.factor, w * self.factor, c)
        zeros = nn.initializers.zeros
        tail = nn.Conv(self.channels, (9, 9), kernel_init=zeros, name="tail")
        return jax.image.resize(y, large, "cubic") + tail(x)


def shuffle(x: Array) -> Array:
    """Channels to pixels: (..., h, w, 4 C) -> (..., 2 h, 2 w, C) (Shi et al. 2016)."""
    *batch, h, w, c = x.shape
    x = x.reshape(*batch, h, w, 2, 2, c // 4)
    return jnp.moveaxis(x, -3, -4).reshape(*batch, 2 * h, 2 * w, c // 4)


def enlarge(y: ArrayLike, network: SRResNet, variables: Variables) -> Array:
    """The baseline: a picture (h, w, C) enlarged by a trained network, held in [0, 1].

    A grey picture goes through a network for colour as three equal channels.

    Raises:
        ValueError: for a picture of another shape or range, or with other channels.
    """
    y = images.check(y)
    channels = y.shape[-1]
    if channels not in (1, network.channels):
        raise ValueError(f"a picture of {channels} channels, the network has {network.channels}")
    y = jnp.broadcast_to(y, (*y.shape[:2], network.channels))
    x = jnp.clip(_apply(network, variables, y), 0, 1)
    return x.mean(-1, keepdims=True) if channels < network.channels else x


@partial(jax.jit, static_argnums=0)
def _apply(network: SRResNet, variables: Variables, y: Array) -> Array:
    x: Any = network.apply(variables, y)
    return x


def save(path: str | os.PathLike[str], network: SRResNet, variables: Variables) -> None:
    """Write a trained network into an `.npz` file, all of it or nothing.

    Raises:
        WeightsError: for another suffix.
    """
    arrays = {name: np.asarray(leaf) for name, leaf in _flat(variables).items()}
    weights.save(path, {"base": np.asarray(network.base, np.float32), **arrays})


def load(path: str | os.PathLike[str]) -> tuple[SRResNet, Variables]:
    """A trained network from a file, without running anything in it.

    Args:
        path: of an `.npz` file that `save` wrote, or a `.safetensors` file of the same names:
            `params.block_0.conv_1.kernel` (3, 3, features, features) and so on, and `base`, 1
            for a network that has it.

    Returns:
        The network, whose size is that of the arrays, and its variables.

    Raises:
        WeightsError: for a file that cannot be read (see `weights.load`) or is none of an SRResNet.
    """
    arrays = weights.load(path)
    name = repr(os.fspath(path))
    head, count = arrays.get("params.head.kernel"), partial(_count, arrays)
    if head is None or head.ndim != 4:
        raise WeightsError(f"{name}: these are not the weights of an SRResNet of dipjax")
    *_, channels, features = head.shape
    base = bool(arrays.get("base", 0.0))
    network = SRResNet(2 ** count("up_"), features, count("block_"), channels, base)
    try:
        expected = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((8, 8, channels)))
    except ValueError as error:
        raise WeightsError(f"{name}: {error}") from error
    variables = {}
    for key, leaf in _flat(expected).items():
        if key not in arrays:
            raise WeightsError(f"{name}: {key} is missing")
        if arrays[key].shape != leaf.shape:
            raise WeightsError(
                f"{name}: {key} has shape {arrays[key].shape}, expected {leaf.shape}"
            )
        variables[key] = jnp.asarray(arrays[key])
    return network, unflatten_dict(variables, sep=".")


def _flat(variables: Any) -> dict[str, Any]:
    return flatten_dict(variables, sep=".")


def _count(arrays: weights.Arrays, prefix: str) -> int:
    """How many modules of numbered names there are."""
    start = f"params.{prefix}"
    return len({key.split(".")[1] for key in arrays if key.startswith(start)})
