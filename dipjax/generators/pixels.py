"""No network at all: the params are the image, which starts as the code."""

from dataclasses import dataclass

import jax

Array = jax.Array


@dataclass(frozen=True)
class Pixels:
    """`f_theta(z) = theta`, with `theta = z` at the start: the generator without a prior.

    With an explicit regulariser in the energy this is the classical baseline, in the same fit.
    Its code is a first guess of the image, (H, W, C), and takes no jitter. Nothing holds the
    image in [0, 1].
    """

    def init(self, key: Array, z: Array) -> Array:
        """The code itself; `key` is not looked at."""
        del key
        return z

    def apply(self, params: Array, z: Array) -> Array:
        """The params themselves; `z` is not looked at."""
        del z
        return params
