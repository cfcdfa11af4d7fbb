"""What is missing: the operator of inpainting."""

import flax.struct
import jax.numpy as jnp

from dipjax.operators.base import Array, Operator, Shape, list_as_array


@flax.struct.dataclass
class Mask(Operator):
    """`A x = m * x`: the operator of inpainting.

    Attributes:
        mask: `m` (H, W), (H, W, 1) or (H, W, C), 1 where the image is known and 0 where not.
    """

    mask: Array

    def __post_init__(self):
        list_as_array(self, "mask")

    def forward(self, x: Array) -> Array:
        m = self.mask if jnp.ndim(self.mask) == x.ndim else self.mask[..., None]
        if m.ndim < 3 or m.shape[:2] != x.shape[:2] or m.shape[2] not in (1, x.shape[2]):
            raise ValueError(
                f"mask of shape {self.mask.shape} does not fit an image of shape {x.shape}"
            )
        return m.astype(x.dtype) * x

    def domain(self, shape: Shape) -> Shape:
        return shape
