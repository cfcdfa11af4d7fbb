"""Details: `x_e = y + (y - x_c)`, `x_c` fits `y`, but coarsely."""

import math

import jax
import jax.numpy as jnp

from dipjax import images
from dipjax.compiler import traced
from dipjax.fitting import fit
from dipjax.restoration import Driver, Restoration
from dipjax.tasks.recipe import near

Array = jax.Array


def enhance(
    key: Array,
    y: Array,
    *,
    strength: float = 1.0,
    preset: str = "fast",
    driver: Driver = fit,
    **settings,
) -> Restoration:
    """Boost the details of a picture: `x_e = y + strength * (y - x_c)`.

    `x_c` is a fit of `y` that is stopped while it is coarse: what it has not learnt yet is
    detail (Ulyanov et al. 2020, IJCV, "image enhancement"). Fewer `steps` leave more to boost.

    Args:
        key: of all randomness; the same key gives the same bits.
        y: the picture (H, W, C), floats in [0, 1] or 8- and 16-bit integers. Noise is detail.
        strength: of the details that are added, positive.
        preset: "paper" (its network; the number of steps is ours), "fast", or
            "best", the mean of four fits.
        driver: what runs the fit; any function with the arguments of `fit`.
        **settings: arguments of `fit` in place of the preset's; `stop` is a rule, "auto" or
            "held_out".

    Returns:
        A `Restoration`; `.image` (H, W, C) is `x_e`, held in [0, 1], and `.average` is `x_c`.

    Raises:
        ValueError: for a picture of another shape or range, an unknown preset, or a strength that
            is not positive.
    """
    if not traced(strength) and not 0 < strength < math.inf:
        raise ValueError(f"strength {strength}: must be a positive number")
    y = images.check(y)
    result = near("enhance", key, y, preset, driver, settings)
    return result._replace(image=jnp.clip(y + strength * (y - result.image), 0, 1))
