"""The decoder of a DCGAN: transposed convolutions from a coarse grid to the image."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from dipjax.generators.functions import Activation, Array, grids, nearest
from dipjax.generators.layers import Conv, Deconv, Generator, Norm, to_image


class DCGAN(Generator):
    """The image of a DCGAN's generator (Radford, Metz and Chintala, ICLR 2016, Fig. 1), any size.

        z -- first (/2^n) -- norm -- x2 -- norm -- x2 -- ... -- x2 --> image

    Transposed convolutions (4x4, stride 2) with norm and activation, no other up-sampling and
    no skips. It starts from the entries of the code on the grid that is 2^n times coarser, for
    n widths; the default has those of the figure, for which a grid of 4 x 4 makes 64 x 64.

    Attributes:
        channels: of the image that is generated.
        widths: channels from the coarsest scale to the finest; each is followed by a doubling.
        activation: any function of an array, applied to each entry.
        sigmoid: the image passes through a sigmoid, which holds it in [0, 1].
        dtype: of the convolutions; params, statistics and the image are float32 at least.
    """

    channels: int = 3
    widths: tuple[int, ...] = (1024, 512, 256, 128)
    activation: Activation = jax.nn.relu
    sigmoid: bool = True
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, z: Array) -> Array:
        """The image (H, W, channels) of the code `z` (H, W, any number of channels)."""
        *finer, coarsest = grids(z.shape, len(self.widths))
        first = Conv(self.widths[0], padding="zero", bias=False, dtype=self.dtype, name="first")
        x = first(nearest(z, coarsest))
        for i, (h, w) in enumerate(reversed(finer)):
            x = Norm(self.activation, name=f"norm_{i}")(x)
            width = (*self.widths, self.channels)[i + 1]
            x = Deconv(width, bias=False, dtype=self.dtype, name=f"double_{i}")(x)[:h, :w]
        return to_image(x, self.sigmoid, z.dtype)
