"""What is missing: the operator of inpainting."""

import flax.struct
import jax.numpy as jnp
import numpy as np

from dipjax.operators.base import Array, Operator, Shape


@flax.struct.dataclass
class Mask(Operator):
    """`A x = m * x`: the operator of inpainting.

    Attributes:
        mask: `m` (H, W), (H, W, 1) or (H, W, C), 1 where the image is known and 0 where not.
    """

    mask: Array

    def forward(self, x: Array) -> Array:
        m = jnp.asarray(self.mask)
        m = m if m.ndim == x.ndim else m[..., None]
        if m.ndim < 3 or m.shape[:2] != x.shape[:2] or m.shape[2] not in (1, x.shape[2]):
            raise ValueError(
                f"mask of shape {np.shape(self.mask)} does not fit an image of shape {x.shape}"
            )
        return m.astype(x.dtype) * x

    def domain(self, shape: Shape) -> Shape:
        return shape
