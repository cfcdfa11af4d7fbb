"""Few pixels: `E(x) = |A x - y|^2`, `A` filters and keeps every n-th pixel."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dipjax import compression, images, noise
from dipjax.compiler import looks, traced
from dipjax.fitting import fit
from dipjax.noise import spectrum
from dipjax.objectives import data_term
from dipjax.operators import Downsample, Jpeg, Kernel
from dipjax.polish import EXACT, refined
from dipjax.restoration import Driver, Restoration
from dipjax.tasks.recipe import measured

Array = jax.Array

JPEG_AT_MOST = 12 / 255
# What the polish adds to the level, over the square of the factor, and no more than the level: of
# 0.7, 1, 1.4 and 2 times the level on crops of kodim03, lena, peppers, flowers and bird. Of what is
# twice smaller with noise of 5 it is 0.4 dB better than the level alone, with 10 as good, and for
# JPEG of 85 0.1 better; four times smaller the level itself is best.
MORE = 8 / 255
WEAK = 3.5 / 255  # weaker noise is taken for none: so much is seen in small pictures without
WHITE, TAIL = 1.3, 1.3  # of grey ones the noise has the spectrum, and the tail, of white noise


def super_resolve(
    key: Array,
    y: Array,
    *,
    factor: int = 4,
    kernel: Kernel = "lanczos2",
    sigma: float | None = None,
    polish: bool = True,
    preset: str = "fast",
    driver: Driver = fit,
    **settings,
) -> Restoration:
    """Enlarge a picture: `E(x) = |A x - y|^2`, with `A` the down-sampling that made it small.

    Args:
        key: of all randomness; the same key gives the same bits.
        y: the small picture (h, w, C), floats in [0, 1] or 8- and 16-bit integers.
        factor: by how much to enlarge, an integer of at least 2.
        kernel: of the down-sampling; "lanczos2" is the paper's and close to bicubic.
        sigma: standard deviation of the noise in the small picture, or of what JPEG has done to
            it, on the scale where white is 1; for the polish, 0 for none. If not given it is what
            is seen (see `level`), and none of what is traced, as by `vmap`.
        polish: go on behind the fit by non-local Bayes and back-projection in turn (see
            `polish.refined`), but where `preset="paper"` is asked for.
        preset: "paper" (Ulyanov et al. 2018, sec. 4), "fast", or "best", a fit of the published
            network, polished.
        driver: what runs the fit; any function with the arguments of `fit`.
        **settings: arguments of `fit` in place of the preset's; `stop` is a rule, "auto" or
            "held_out".

    Returns:
        A `Restoration`; `.image` (h * factor, w * factor, C) is the average of the iterates,
            polished.

    Raises:
        ValueError: for a picture of another shape or range, another factor, a sigma that is no
            level of noise, or an unknown preset.
    """
    y = images.check(y)
    if not isinstance(factor, int | np.integer) or not 2 <= factor <= min(y.shape[:2]):
        raise ValueError(
            f"factor {factor!r}: must be an integer from 2 to the smaller side of the picture, "
            f"which is {min(y.shape[:2])}"
        )
    s = sees(y, sigma=sigma, polish=polish, preset=preset)["sigma"]
    s = jnp.maximum(EXACT, s + jnp.minimum(s, MORE / factor**2))
    A, refine = Downsample(factor, kernel), partial(refined, s=s)
    task = "super_resolve" if factor < 8 else "super_resolve_x8"
    shape = A.domain(y.shape)
    return measured(task, key, data_term(A, y), shape, preset, driver, settings, polish, refine)


def sees(
    y: Array, *, sigma: Any = None, polish: bool = True, preset: str = "fast", **_: Any
) -> dict[str, Any]:
    """What `super_resolve` takes for a sigma that it is not told, where it polishes."""
    if sigma is None:
        sigma = level(y) if polish and preset != "paper" else 0.0
    return {"sigma": jnp.float32(noise.told(sigma, none=True))}


@looks
def level(y: Array, jpeg: Jpeg | None = None) -> float:
    """The `sigma` of a small picture (h, w, C), as far as it can be told from what it shows.

    Small pictures hold little but detail, which looks like noise, and polished for noise they lose
    it. So only what is nothing else is believed: steps of JPEG, noise that is not alike in the
    colours, and where these are alike, what is as strong at middle frequencies as at high ones.

    Args:
        y: the small picture in [0, 1].
        jpeg: what its file says, None for one of another format.

    Returns:
        0 where neither is seen, and of what is traced.
    """
    if traced(y) or min(y.shape[:2]) < 3:
        return 0.0
    kept, found = compression.kept(y, jpeg), float(_noise(y))
    return max(found if found > WEAK else 0.0, sigma_of(kept) if kept else 0.0)


def _noise(y: Array) -> Array | float:
    """The level of white noise, or what detail looks like."""
    if y.shape[-1] == 3 and jnp.any(y != y[..., :1]):
        return noise.level_by_colour(y)
    if min(y.shape[:2]) < spectrum.SIDE:
        return 0.0
    seen = spectrum.seen(y[..., :1])
    return noise.level(y) if seen.ratio < WHITE and seen.tail < TAIL else 0.0


def sigma_of(jpeg: Jpeg) -> float:
    """The `sigma` of a small picture from a JPEG file: `Jpeg.level`, and at most 12 / 255.

    On crops of kodim03, lena and peppers, in files of quality 50 to 95, it is about 0.2 dB from the
    best level at most, and 0.1 to 1.3 dB better than none. Of coarser steps most round to nothing,
    and lose less than they might.
    """
    return min(float(jpeg.level), JPEG_AT_MOST)
