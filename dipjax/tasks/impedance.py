"""The impedance to noise: what is natural a generator learns at once, and what is noise late.

min_theta |f_theta(z) - t|^2    for a target t:

natural            x
natural + noise    x + sigma n
shuffled           the pixels of x in random order
noise              U(0, 1)
"""

from collections.abc import Sequence

import jax

from dipjax import images, noise
from dipjax.fitting import fit
from dipjax.restoration import Driver, Restoration
from dipjax.tasks.recipe import near

Array = jax.Array

KINDS = ("natural", "natural + noise", "shuffled", "noise")
SIGMA = 25 / 255


def noise_impedance(
    key: Array,
    x: Array,
    *,
    kinds: Sequence[str] = KINDS,
    preset: str = "fast",
    driver: Driver = fit,
    **settings,
) -> dict[str, Restoration]:
    """Fit a picture, the picture with noise, its pixels shuffled, and noise alone.

    A generator could learn each of them, and learns what is natural much sooner: its `.loss` falls
    in that order, which is the whole prior (Ulyanov et al. 2018, Fig. 2). All start from the same
    params and code. The mean squared error by step is `result[kind].loss / x.size`.

    Args:
        key: of all randomness; the same key gives the same bits.
        x: the picture (H, W, C), floats in [0, 1] or 8- and 16-bit integers.
        kinds: of what is fitted, some of "natural", "natural + noise", "shuffled" and "noise".
        preset: "paper" (its network, 10000 steps), or "fast" (a narrower one, for 128 x 128 pixels
            or so, 500 steps).
        driver: what runs the fits; any function with the arguments of `fit`.
        **settings: arguments of `fit` in place of the preset's.

    Returns:
        A `Restoration` for each kind; `.last` (H, W, C) is what its fit has learnt.

    Raises:
        ValueError: for a picture of another shape or range, or an unknown kind or preset.
    """
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise ValueError(f"kinds must be some of {KINDS}, not {unknown}")
    made, (_, key) = targets(key, x), jax.random.split(key)
    return {k: near("noise_impedance", key, made[k], preset, driver, settings) for k in kinds}


def targets(key: Array, x: Array) -> dict[str, Array]:
    """What `noise_impedance` fits for the same key and picture (H, W, C), by kind."""
    x = images.check(x)
    noisy, shuffled, alone = jax.random.split(jax.random.split(key)[0], 3)
    pixels = jax.random.permutation(shuffled, x.reshape(-1, x.shape[-1]))
    made = (
        x,
        noise.gaussian(noisy, x, SIGMA),
        pixels.reshape(x.shape),
        jax.random.uniform(alone, x.shape, x.dtype),
    )
    return dict(zip(KINDS, made, strict=True))
