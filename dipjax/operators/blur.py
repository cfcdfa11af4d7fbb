"""Convolution with a known kernel: the operator of deblurring."""

from typing import Literal, get_args

import flax.struct
import jax.numpy as jnp

from dipjax.operators.base import Array, Operator, Shape, check_image, list_as_array

Border = Literal["valid", "edge", "reflect", "wrap"]


@flax.struct.dataclass
class Blur(Operator):
    """`A x = k * x`, a convolution channel by channel: the operator of deblurring.

        (A x)_ij = sum_ab k_ab x_(i-a)(j-b)        `k` is the picture of a point of light

    Computed by FFT, in a time that does not depend on the kernel's size.

    Attributes:
        kernel: `k` (h, w), such as `kernels.gaussian(1.6)`; a point is seen at its entry
            (h // 2, w // 2).
        border: what is behind the edge of an image. "valid": nothing, so a measurement
            (H - h + 1, W - w + 1, C) has the pixels alone of which all light is known, as a part
            of a larger view has. Else the measurement is as large as the image, whose edge is
            repeated ("edge"), mirrored ("reflect"), or meets the one on the other side ("wrap").

    Raises:
        ValueError: for another border, and when applied with a kernel of another form or, where the
            border is "valid", one that is larger than the image.
    """

    kernel: Array
    border: Border = flax.struct.field(pytree_node=False, default="valid")

    def __post_init__(self):
        if self.border not in get_args(Border):
            raise ValueError(f"border must be one of {get_args(Border)}, not {self.border!r}")
        list_as_array(self, "kernel")

    def forward(self, x: Array) -> Array:
        x = check_image(x)
        if jnp.ndim(self.kernel) != 2:
            raise ValueError(f"kernel must be (h, w), not of shape {jnp.shape(self.kernel)}")
        h, w = self.kernel.shape
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))  # an FFT knows no other
        if self.border != "valid":
            around = (((h - 1) // 2, h // 2), ((w - 1) // 2, w // 2), (0, 0))
            x = jnp.pad(x, around, mode=self.border)
        size = x.shape[:2]
        if h > size[0] or w > size[1]:
            raise ValueError(f"kernel of shape {(h, w)} is larger than an image of {x.shape}")
        k = jnp.fft.rfft2(self.kernel.astype(x.dtype), size)[..., None]
        y = jnp.fft.irfft2(k * jnp.fft.rfft2(x, axes=(0, 1)), size, axes=(0, 1))
        return y[h - 1 :, w - 1 :]  # all that did not come round

    def domain(self, shape: Shape) -> Shape:
        if self.border != "valid":
            return shape
        h, w = self.kernel.shape
        return (shape[0] + h - 1, shape[1] + w - 1, *shape[2:])
