"""The U-Net: an encoder-decoder whose skip connections are as wide as its scales."""

from typing import Literal, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp

from dipjax.generators.functions import Array, Padding, halve, upsample
from dipjax.generators.layers import Conv, Deconv, Generator, Norm, to_image

Enlarging = Literal["deconv", "bilinear", "nearest"]


class UNet(Generator):
    """The image of a U-Net (Ronneberger, Fischer and Brox, MICCAI 2015, Fig. 1), any size.

        z -- down_0 ------------------------ concat -- up_0 -- 1x1 --> image
               | /2                            | x2
             down_1 ---------------- concat -- up_1
               | /2                    | x2
              ...

    Every box is two 3x3 convolutions. The default is the network of Ulyanov et al. (2018,
    Fig. 8) for the library picture, with a code of one channel: norms on the way down only,
    and without params of their own.

    Attributes:
        channels: of the image that is generated.
        widths: channels of each scale, from the finest to the coarsest; the depth is their
            number. The authors' `feature_scale` divides (64, 128, 256, 512, 1024), and
            `more_layers` repeats the last.
        affine: norms have scale and bias (batch norm) or not (instance norm).
        upsample: "deconv" (transposed convolution), or "bilinear" or "nearest" with a 3x3
            convolution behind it.
        padding: "zero" or "reflect" (mirrored without the edge).
        sigmoid: the image passes through a sigmoid, which holds it in [0, 1].
        dtype: of the convolutions; params, statistics and the image are float32 at least.

    Raises:
        ValueError: for an unknown `upsample`.
    """

    channels: int = 3
    widths: tuple[int, ...] = (8, 16, 32, 64, 128, 128)
    affine: bool = False
    upsample: Enlarging = "deconv"
    padding: Padding = "zero"
    sigmoid: bool = True
    dtype: jnp.dtype = jnp.float32

    def __post_init__(self):
        super().__post_init__()
        if self.upsample not in get_args(Enlarging):
            raise ValueError(f"upsample {self.upsample!r}: must be one of {get_args(Enlarging)}")

    @nn.compact
    def __call__(self, z: Array) -> Array:
        """The image (H, W, channels) of the code `z` (H, W, any number of channels)."""
        x = self._pair("down_0", z, self.widths[0], normed=True)
        passed = [x]
        for i, width in enumerate(self.widths[1:], 1):
            x = self._pair(f"down_{i}", halve(x, "max"), width, normed=True)
            passed.append(x)
        for i, beside in reversed(list(enumerate(passed[:-1]))):
            x = jnp.concatenate([self._enlarged(i, x, beside.shape), beside], -1)
            x = self._pair(f"up_{i}", x, self.widths[i], normed=False)
        x = self._conv("head", self.channels, 1)(x)
        return to_image(x, self.sigmoid, z.dtype)

    def _pair(self, name: str, x: Array, width: int, normed: bool) -> Array:
        """Two convolutions, each with its activation, and a norm between where asked for."""
        for k in range(2):
            x = self._conv(f"{name}_conv_{k}", width, 3, cancelled_bias=normed)(x)
            norm = Norm(jax.nn.relu, self.affine, name=f"{name}_norm_{k}") if normed else None
            x = norm(x) if norm else jax.nn.relu(x)
        return x

    def _enlarged(self, i: int, x: Array, shape: tuple[int, ...]) -> Array:
        """`x` at twice its size, cut to `shape`, with the width of scale `i`."""
        width, name = self.widths[i], f"enlarge_{i}"
        if self.upsample == "deconv":
            return Deconv(width, dtype=self.dtype, name=name)(x)[: shape[0], : shape[1]]
        return self._conv(name, width, 3)(upsample(x, self.upsample, shape))

    def _conv(self, name: str, features: int, kernel: int, cancelled_bias: bool = False) -> Conv:
        return Conv(features, kernel, 1, self.padding, cancelled_bias, self.dtype, name=name)
