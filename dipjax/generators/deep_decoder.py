"""The Deep Decoder: 1x1 convolutions and up-sampling, fewer params than pixels."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from dipjax.generators.functions import Activation, Array, Upsampling, grids, nearest, upsample
from dipjax.generators.layers import Conv, Generator, Norm, to_image


class DeepDecoder(Generator):
    """The image of a Deep Decoder (Heckel and Hand, ICLR 2019, Fig. 1), any size.

        z -- [1x1 -- x2 -- relu -- norm] ... -- 1x1 -- relu -- norm -- 1x1 --> image

    No convolution is larger than 1x1: what couples the pixels is the up-sampling alone, and with
    so few params the network cannot fit noise. It starts from the entries of the code on the grid
    that is `2^depth` times coarser, so that a code has `width` channels in the publication:
    `partial(codes.uniform, channels=128)`, without jitter. The default then has its 100 224
    params, and `width=64` 25 536.

    Attributes:
        channels: of the image that is generated.
        width: channels of every layer.
        depth: number of doublings.
        upsample: "bilinear" or "nearest".
        activation: any function of an array, applied to each entry.
        sigmoid: the image passes through a sigmoid, which holds it in [0, 1].
        dtype: of the convolutions; params, statistics and the image are float32 at least.
    """

    channels: int = 3
    width: int = 128
    depth: int = 5
    upsample: Upsampling = "bilinear"
    activation: Activation = jax.nn.relu
    sigmoid: bool = True
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, z: Array) -> Array:
        """The image (H, W, channels) of the code `z` (H, W, any number of channels)."""
        *finer, coarsest = grids(z.shape, self.depth)
        x = nearest(z, coarsest)
        for i, shape in enumerate(reversed(finer)):
            x = upsample(self._mixed(f"mix_{i}", x), self.upsample, shape)
            x = Norm(name=f"norm_{i}")(self.activation(x))
        x = self.activation(self._mixed(f"mix_{self.depth}", x))
        x = Norm(name=f"norm_{self.depth}")(x)
        x = Conv(self.channels, 1, bias=False, dtype=self.dtype, name="head")(x)
        return to_image(x, self.sigmoid, z.dtype)

    def _mixed(self, name: str, x: Array) -> Array:
        return Conv(self.width, 1, bias=False, dtype=self.dtype, name=name)(x)
