"""A dark picture and one with flash: `E(x) = |x - y|^2`, `z` is the flash picture."""

import jax

from dipjax import images
from dipjax.fitting import fit
from dipjax.restoration import Driver, Restoration
from dipjax.tasks.recipe import near

Array = jax.Array


def flash_no_flash(
    key: Array,
    y: Array,
    flash: Array,
    *,
    preset: str = "fast",
    driver: Driver = fit,
    **settings,
) -> Restoration:
    """Remove the noise of a dark picture by one with flash: `E(x) = |x - y|^2`, `z = flash`.

    The generator turns the flash picture into the other, so that its edges are at hand while
    light and colour come from `y` (Ulyanov et al. 2018, Fig. 10).

    Args:
        key: of all randomness; the same key gives the same bits.
        y: the picture without flash (H, W, C), floats in [0, 1] or 8- and 16-bit integers.
        flash: the same view with flash (H, W, any number of channels), aligned with `y`.
        preset: "paper", "fast", or "best", the mean of four fits.
        driver: what runs the fit; any function with the arguments of `fit`.
        **settings: arguments of `fit` in place of the preset's; `stop` is a rule, "auto" or
            "held_out".

    Returns:
        A `Restoration`; `.image` (H, W, C) is the best estimate of the run.

    Raises:
        ValueError: for pictures of another shape or range, of different height or width, or an
            unknown preset.
    """
    y, z = images.check(y), images.check(flash, "flash")
    if y.shape[:2] != z.shape[:2]:
        raise ValueError(
            f"flash of {z.shape[1]} x {z.shape[0]} pixels for a picture of {y.shape[1]} x "
            f"{y.shape[0]}: they must agree, pixel by pixel"
        )
    return near("flash_no_flash", key, y, preset, driver, {"code": z, **settings})
