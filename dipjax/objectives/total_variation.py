"""Total variation, the explicit regulariser."""

import flax.struct
import jax
import jax.numpy as jnp

from dipjax.objectives.base import Objective

Array = jax.Array


@flax.struct.dataclass
class TotalVariation(Objective):
    """`sum_ij ((x_(i,j+1) - x_ij)^2 + (x_(i+1,j) - x_ij)^2)^(beta / 2)`, summed over channels.

    The isotropic total variation of Mahendran and Vedaldi (2015, eq. 3); its gradient where an
    image is flat is taken to be 0. Where one of the neighbours is missing, in the last row and
    column, there is no term.

    Attributes:
        beta: 1 for the usual one, 2 for the squared gradient.
    """

    beta: float = flax.struct.field(pytree_node=False, default=1.0)

    def __call__(self, x: Array) -> Array:
        corner = x[:-1, :-1]
        squares = (x[:-1, 1:] - corner) ** 2 + (x[1:, :-1] - corner) ** 2
        flat = squares == 0
        return jnp.sum(jnp.where(flat, 0.0, jnp.where(flat, 1.0, squares) ** (self.beta / 2)))
