"""The texture network: a pyramid of noise, joined from the coarsest scale to the finest."""

from functools import partial

import flax.linen as nn
import jax.numpy as jnp

from dipjax.generators.functions import (
    Activation,
    Array,
    Padding,
    Upsampling,
    halve,
    leaky_relu,
    upsample,
)
from dipjax.generators.layers import Block, Conv, Generator, Norm, to_image


class TextureNet(Generator):
    """The image of a texture network (Ulyanov et al., ICML 2016, Fig. 2), any size.

        z_0 ----------------------------------------------- own_0 -- join -- mix_0 -- 1x1 --> image
        z_1 -------------------- own_1 -- join -- mix_1 -- x2 -------+
        z_2 -- own_2 -- x2 ---------------+

    `z_k` is the code, halved k times by averages; own and mix are three convolutions each (3x3,
    3x3, 1x1), and a join normalises both parts and concatenates them. The default has the six
    scales of the code that came with the Deep Image Prior.

    Attributes:
        channels: of the image that is generated.
        width: channels of each scale's own part; scale k of n has (n - k) * width.
        depth: number of scales.
        upsample: "nearest" or "bilinear".
        padding: "zero" or "reflect" (mirrored without the edge).
        activation: any function of an array, applied to each entry.
        sigmoid: the image passes through a sigmoid, which holds it in [0, 1].
        dtype: of the convolutions; params, statistics and the image are float32 at least.
    """

    channels: int = 3
    width: int = 8
    depth: int = 6
    upsample: Upsampling = "nearest"
    padding: Padding = "zero"
    activation: Activation = leaky_relu
    sigmoid: bool = True
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, z: Array) -> Array:
        """The image (H, W, channels) of the code `z` (H, W, any number of channels)."""
        pyramid = [z]
        for _ in range(self.depth - 1):
            pyramid.append(halve(pyramid[-1], "average"))
        x = self._three(f"own_{self.depth - 1}", pyramid[-1], self.width)
        for i, z_i in reversed(list(enumerate(pyramid[:-1]))):
            own = self._three(f"own_{i}", z_i, self.width)
            x = upsample(x, self.upsample, z_i.shape)
            x = jnp.concatenate([Norm(name=f"deep_{i}")(x), Norm(name=f"side_{i}")(own)], -1)
            x = self._three(f"mix_{i}", x, x.shape[-1])
        x = Conv(self.channels, 1, padding=self.padding, dtype=self.dtype, name="head")(x)
        return to_image(x, self.sigmoid, z.dtype)

    def _three(self, name: str, x: Array, width: int) -> Array:
        block = partial(
            Block, width, padding=self.padding, activation=self.activation, dtype=self.dtype
        )
        for k, kernel in enumerate((3, 3, 1)):
            x = block(kernel=kernel, name=f"{name}_{k}")(x)
        return x
