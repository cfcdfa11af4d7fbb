"""A fit that removes noise, blended with non-local Bayes."""

import jax
import jax.numpy as jnp
from jax import lax

from dipjax.images import local_mean
from dipjax.noise.spectrum import coarse_power
from dipjax.polish.nonlocal_bayes import FIRST, staged, too_few

Array = jax.Array

PILOT = 0.3  # how much of the pilot is the fit; of .3 and .5, on pictures of scikit-image
# How much of the result is not the fit, and where: .7 and .85, .03 and .1 are within .05 dB, on
# crops of kodim03, lena, peppers, bird, woman and flowers, noise of 25 and 50. What a fit is off by
# matters there by .01 dB at most, and in tiles of them by .1 to .3.
POLISH, SMOOTH, OFF = 0.8, 0.05, 0.02
# Of the entries so many are beyond: 0.02 in Poisson noise, 0.04 where 5 % of y are lost.
FAR, OUTLIERS = 0.2, 0.03


@jax.jit
def polished(x: Array, y: Array, s: Array, S: Array | None = None) -> Array:
    """A fit and non-local Bayes, each the other's pilot: `x + w g (NLB(x + (y - x) / g) - x)`.

    A generator draws edges and continues what it has seen elsewhere in the picture, and blurs fine
    texture; groups of alike patches keep the texture and stain what has no like. Their errors
    differ, so a blend of both finds better groups than either, of all of the pixels of `y`, and a
    blend of their results is better than both. A stain is as strong as the noise whatever the
    picture, and what a fit has blurred is a part of what varies there, or, where it is far from its
    end and has blurred all, of what it is off by on average, so

        w = (0.8 v + m) / (v + m + 0.05 s^2),    m = max(0, mean(g (NLB - x))^2 - 0.02 S_0 s^2),

    mean and variance `v` of x being those of 5 x 5 neighbours, and `S_0` the power of coloured
    noise in what is coarse, as its stains are, 1 if white.

    `g = s / mean(s)`, with `s` (H, W, C) the level of the noise, makes it the same everywhere, as
    the groups assume: on three pictures that is 0.4 dB even for white noise, which is clipped where
    they are black or white. Where many entries are farther from the fit than four levels and than
    0.2, as in salt and pepper, it is no level, and the fit stands; as it does of a picture that has
    fewer patches than a group. Of coloured noise `S` is the spectrum (see `dipjax.noise.spectrum`).
    """
    if too_few(y, **FIRST):
        return x
    dtype = jnp.promote_types(jnp.result_type(x, y, s), jnp.float32)
    x, y, s = (v.astype(dtype) for v in (x, y, s))
    sigma = s.mean()
    g = s / sigma
    even = x + (y - x) / g
    power = 1.0 if S is None else coarse_power(S[0, 0].real)

    def blend(x: Array) -> Array:
        pilot = PILOT * x + (1 - PILOT) * staged(even, sigma, S=S)
        z = staged(even, sigma, pilot, S)
        off = g * (z - x)
        parts = _variance(x), local_mean(off) ** 2, s**2
        v, m, noise = (part.mean(-1, keepdims=True) for part in parts)
        m = jnp.maximum(m - OFF * power * noise, 0)
        w = (POLISH * v + m) / (v + m + SMOOTH * noise)
        return jnp.clip(x + w * off, 0, 1)

    # 0.2, because where there is little noise a fit is itself off by more than four levels of it.
    beyond = jnp.mean(jnp.abs(y - x) > jnp.maximum(4 * s, FAR))
    return lax.cond(beyond < OUTLIERS, blend, lambda x: x, x)


def _variance(x: Array) -> Array:
    """Of the 5 x 5 neighbours of every entry."""
    return jnp.maximum(local_mean(x**2) - local_mean(x) ** 2, 0)
