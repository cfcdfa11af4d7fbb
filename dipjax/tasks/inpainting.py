"""Missing pixels: `E(x) = |m * x - m * y|^2`, `m` is 1 where `y` is known."""

from typing import Literal, get_args

import jax
import jax.numpy as jnp

from dipjax.fitting import fit
from dipjax.masks import masked
from dipjax.objectives import data_term
from dipjax.operators import Mask
from dipjax.restoration import Driver, Restoration
from dipjax.tasks.recipe import measured

Array = jax.Array
Missing = Literal["half", "text", "sparse", "hole"]


def inpaint(
    key: Array,
    y: Array,
    mask: Array,
    *,
    missing: Missing = "half",
    polish: bool = True,
    preset: str = "fast",
    driver: Driver = fit,
    **settings,
) -> Restoration:
    """Fill in what is missing of a picture: `E(x) = |m * x - m * y|^2`.

    Args:
        key: of all randomness; the same key gives the same bits.
        y: the picture (H, W, C); what it holds at missing pixels does not matter, NaN is fine.
        mask: `m` (H, W), (H, W, 1) or (H, W, C): 1 or True where `y` is known, 0 where missing.
        missing: what is missing, which chooses the settings: "half" of the pixels or so,
            scattered; thin strokes as of "text"; nearly all ("sparse", 98 % as published);
            a large "hole".
        polish: go on behind the fit by non-local Bayes and back-projection in turn (see
            `polish.refined`), but where `preset="paper"` is asked for.
        preset: "paper" (Ulyanov et al. 2018, sec. 4), "fast", or "best", the mean of four fits.
        driver: what runs the fit; any function with the arguments of `fit`.
        **settings: arguments of `fit` in place of the preset's; `stop` is a rule, "auto" or
            "held_out".

    Returns:
        A `Restoration`; `.image` (H, W, C) is `y` where it is known and the average, polished,
            elsewhere.

    Raises:
        ValueError: for a picture of another shape or range, a mask that does not fit it, has
            other values than 0 and 1, knows all or nothing, or seems to be inverted; for
            an unknown preset or kind of `missing`.
    """
    if missing not in get_args(Missing):
        raise ValueError(f"missing must be one of {get_args(Missing)}, not {missing!r}")
    y, m = masked(y, mask)
    task = "inpaint" if missing == "half" else f"inpaint_{missing}"
    result = measured(task, key, data_term(Mask(m), y), y.shape, preset, driver, settings, polish)
    return result._replace(image=jnp.where(m > 0, y, result.image))
