"""The positional network: every pixel on its own, from where it is to its colour."""

import flax.linen as nn
import jax.numpy as jnp

from dipjax.generators.functions import Activation, Array, leaky_relu
from dipjax.generators.layers import Block, Conv, Generator, to_image


class Positional(Generator):
    """The image of a 1x1 network on Fourier features (Shabtay et al. 2022, arXiv 2211.14298).

        z -- [1x1 -- norm -- activation] ... -- 1x1 --> image

    A pixel's colour is a function of its position alone, the same for all pixels: what is smooth
    is the code, which has to be `codes.fourier`, without jitter. Other codes of 32 channels, such
    as noise, are no prior to this network. The authors' own form keeps the paper's hourglass and
    makes its kernels 1x1: `Hourglass(kernels_down=1, kernels_up=1)`, with the same code.

    Attributes:
        channels: of the image that is generated.
        width: channels of every layer.
        depth: number of layers before the last.
        activation: any function of an array, applied to each entry.
        sigmoid: the image passes through a sigmoid, which holds it in [0, 1].
        dtype: of the convolutions; params, statistics and the image are float32 at least.
    """

    channels: int = 3
    width: int = 128
    depth: int = 5
    activation: Activation = leaky_relu
    sigmoid: bool = True
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, z: Array) -> Array:
        """The image (H, W, channels) of the code `z` (H, W, any number of channels)."""
        x = z
        for i in range(self.depth):
            x = Block(
                self.width, 1, activation=self.activation, dtype=self.dtype, name=f"layer_{i}"
            )(x)
        x = Conv(self.channels, 1, dtype=self.dtype, name="head")(x)
        return to_image(x, self.sigmoid, z.dtype)
