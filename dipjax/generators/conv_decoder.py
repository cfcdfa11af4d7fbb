"""The ConvDecoder: 3x3 convolutions between nearest-neighbour enlargements."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from dipjax.generators.functions import Activation, Array, nearest
from dipjax.generators.layers import Conv, Generator, Norm, to_image


class ConvDecoder(Generator):
    """The image of a ConvDecoder (Darestani and Heckel, IEEE TCI 2021, Fig. 2), any size.

        z -- [enlarge -- 3x3 -- relu -- norm] ... -- 3x3 -- relu -- norm -- 1x1 --> image

    Each enlargement, to the nearest neighbour, is by the same factor, from a small grid to the
    image in `depth - 1` steps. The default is the network of the authors' MRI reconstructions,
    whose code has `width` channels, without jitter, and whose image no sigmoid
    (`sigmoid=False`, real and imaginary parts as channels).

    Attributes:
        channels: of the image that is generated.
        width: channels of every layer.
        depth: number of 3x3 convolutions.
        grid: rows and columns that it starts from; less where the image has less.
        activation: any function of an array, applied to each entry.
        sigmoid: the image passes through a sigmoid, which holds it in [0, 1].
        dtype: of the convolutions; params, statistics and the image are float32 at least.
    """

    channels: int = 3
    width: int = 160
    depth: int = 8
    grid: tuple[int, int] = (8, 4)
    activation: Activation = jax.nn.relu
    sigmoid: bool = True
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, z: Array) -> Array:
        """The image (H, W, channels) of the code `z` (H, W, any number of channels)."""
        rows, columns = (sizes(self.grid[i], z.shape[i], self.depth) for i in range(2))
        first, *grids = zip(rows, columns, strict=True)
        x = nearest(z, first)
        for i, shape in enumerate(grids):
            x = self._layer(i, nearest(x, shape))
        x = self._layer(self.depth - 1, x)
        x = Conv(self.channels, 1, bias=False, dtype=self.dtype, name="head")(x)
        return to_image(x, self.sigmoid, z.dtype)

    def _layer(self, i: int, x: Array) -> Array:
        conv = Conv(self.width, padding="zero", bias=False, dtype=self.dtype, name=f"conv_{i}")
        return Norm(name=f"norm_{i}")(self.activation(conv(x)))


def sizes(first: int, last: int, n: int) -> list[int]:
    """`n` sizes from `first` to `last` (or all `last` where that is less), by equal factors."""
    first = min(first, last)
    between = [math.ceil(first * (last / first) ** (i / (n - 1)) - 1e-9) for i in range(n - 1)]
    return [*between, last]
