"""The ResNet: residual blocks at full resolution, no scales at all."""

import flax.linen as nn
import jax.numpy as jnp

from dipjax.generators.functions import Activation, Array, Padding, identity, leaky_relu
from dipjax.generators.layers import Conv, Generator, Norm, to_image


class ResNet(Generator):
    """The image of a residual network (He et al., CVPR 2016, Fig. 2), any size.

        z -- first -- block -- ... -- block -- last -- head --> image

        block:  x -+- conv - norm - activation - conv - norm -(+)-
                   +------------------------------------------+

    The default is the network of Ulyanov et al. (2018, Fig. 8) for the library picture, with a
    code of one channel: mirrored padding at both ends, zeros inside.

    Attributes:
        channels: of the image that is generated.
        width: channels inside.
        depth: number of blocks.
        padding: of the first and of the last convolution, "reflect" or "zero".
        activation: any function of an array, applied to each entry.
        sigmoid: the image passes through a sigmoid, which holds it in [0, 1].
        dtype: of the convolutions; params, statistics and the image are float32 at least.
    """

    channels: int = 3
    width: int = 32
    depth: int = 8
    padding: Padding = "reflect"
    activation: Activation = leaky_relu
    sigmoid: bool = True
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, z: Array) -> Array:
        """The image (H, W, channels) of the code `z` (H, W, any number of channels)."""
        ends = {"padding": self.padding, "dtype": self.dtype}
        x = self.activation(Conv(self.width, 3, name="first", **ends)(z))
        for i in range(self.depth):
            y = self._layer(f"block_{i}_0", x, self.activation)
            x = x + self._layer(f"block_{i}_1", y, identity)
        x = self._layer("last", x, identity, cancelled_bias=True)
        x = Conv(self.channels, 3, name="head", **ends)(x)
        return to_image(x, self.sigmoid, z.dtype)

    def _layer(
        self, name: str, x: Array, activation: Activation, cancelled_bias: bool = False
    ) -> Array:
        """Convolution and norm; the norm would cancel a bias, which only `last` has."""
        conv = Conv(
            self.width,
            padding="zero",
            cancelled_bias=cancelled_bias,
            bias=cancelled_bias,
            dtype=self.dtype,
            name=f"{name}_conv",
        )
        return Norm(activation, name=f"{name}_norm")(conv(x))
