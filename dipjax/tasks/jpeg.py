"""JPEG: `E(x) = |x - y|^2`, stopped before the blocks, or polished by what the file has kept."""

from typing import Any, Literal

import jax
import jax.numpy as jnp

from dipjax import compression, images
from dipjax.fitting import fit
from dipjax.operators import Jpeg
from dipjax.operators.jpeg import ROUNDING, light
from dipjax.polish import refined
from dipjax.restoration import Driver, Restoration
from dipjax.tasks.recipe import behind, near

Array = jax.Array
# How much of the decoded colour stays, of which a file keeps means alone: 0 to .4 dB better than
# none on crops of kodim03, lena and peppers, in qualities from 10 to 60, and 1 dB at most in 90.
COLOUR = 0.25
FEW = 400  # steps of a fit that a known compression polishes: of 1600 no more was left, 0.02 dB


def remove_jpeg_artifacts(
    key: Array,
    y: Array,
    *,
    jpeg: Jpeg | Literal["auto"] | None = "auto",
    preset: str = "fast",
    driver: Driver = fit,
    **settings,
) -> Restoration:
    """Remove the blocks and ripples that JPEG leaves: `E(x) = |x - y|^2`, stopped in time.

    Where the compression is known, or seen, the fit is polished by it (see `polish.refined`), and
    agrees with the file. Blind, as published, the generator takes longer over blocks than over the
    picture (Ulyanov et al. 2018, Fig. 3).

    Args:
        key: of all randomness; the same key gives the same bits.
        y: the picture as decoded (H, W, C), floats in [0, 1] or 8- and 16-bit integers.
        jpeg: what the file has kept of it, as `images.load_picture(path).jpeg`, of a picture that
            is whole and was not in coarser steps before. "auto" looks for it in the picture (see
            `compression.seen`), None is blind, as are what is traced and `preset="paper"`.
        preset: "paper", "fast", or "best", the mean of four fits; by `jpeg` of 400 steps each.
        driver: what runs the fit; any function with the arguments of `fit`.
        **settings: arguments of `fit` in place of the preset's; `stop` is a rule, "auto" or
            "held_out".

    Returns:
        A `Restoration`; `.image` (H, W, C) is the best estimate of the run.

    Raises:
        ValueError: for a picture of another shape or range, of other channels than those of `jpeg`,
            or for an unknown preset.
    """
    y = images.check(y)
    kept: Jpeg | None = sees(y, jpeg=jpeg, preset=preset)["jpeg"]
    if kept is None:
        return near("remove_jpeg_artifacts", key, y, preset, driver, settings)
    jax.eval_shape(kept.forward, y)  # whether it fits
    settings = {"steps": FEW, **settings}
    result = near("remove_jpeg_artifacts", key, y, preset, driver, settings)

    def refine(x: Array) -> Array:
        x = refined(x, A=kept, y=kept.measured(y), s=ROUNDING, narrow=kept.level)
        if kept.sampling == (1, 1):
            return x
        change = x - y
        return jnp.clip(x - COLOUR * (change - light(change)), 0, 1)

    return behind(result, driver, refine)


def sees(y: Array, *, jpeg: Any = "auto", preset: str = "fast", **_: Any) -> dict[str, Any]:
    """What `remove_jpeg_artifacts` takes for a compression that is "auto"."""
    if not (jpeg is None or isinstance(jpeg, Jpeg) or (isinstance(jpeg, str) and jpeg == "auto")):
        raise ValueError(f'jpeg must be a Jpeg, "auto" or None, not {jpeg!r}')
    if preset == "paper":
        return {"jpeg": None}
    return {"jpeg": compression.seen(y) if isinstance(jpeg, str) else jpeg}
