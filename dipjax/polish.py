"""The blend of a fit with non-local Bayes, with which `denoise` ends."""

import jax
import jax.numpy as jnp
from jax import lax

from dipjax.baselines.nonlocal_bayes import FIRST, nonlocal_bayes
from dipjax.noise import local_mean

Array = jax.Array

PILOT = 0.3  # how much of the pilot is the fit; of .3 and .5, on pictures of scikit-image
# How much of the result is not the fit, and where: of .7, .85, 1 and .01, .03, .1, which differ by
# .05 dB, on crops of kodim03, lena, peppers, bird, woman and flowers with noise of 25 and 50.
POLISH, SMOOTH = 0.8, 0.05
OUTLIERS = 0.03  # there are 0.02 in Poisson noise after a fit, and 0.04 where 5 % of y are lost


@jax.jit
def polished(x: Array, y: Array, s: Array) -> Array:
    """A fit and non-local Bayes, each the other's pilot: `x + w g (NLB(x + (y - x) / g) - x)`.

    A generator draws edges and continues what it has seen elsewhere in the picture, and blurs fine
    texture; groups of alike patches keep the texture and stain what has no like. Their errors
    differ, so a blend of both finds better groups than either, of all of the pixels of `y`, and a
    blend of their results is better than both. A stain is as strong as the noise whatever the
    picture, and what a fit has blurred is a part of what varies there, so

        w = 0.8 v / (v + 0.05 s^2),    v the variance of the 5 x 5 neighbours in x.

    `g = s / mean(s)`, with `s` (H, W, C) the level of the noise, makes it the same everywhere, as
    the groups assume: on three pictures that is 0.4 dB even for white noise, which is clipped where
    they are black or white. Where many entries are beyond that level, as in salt and pepper, it is
    no level, and the fit stands.
    """
    if min(y.shape[:2]) < FIRST["side"]:  # no patches
        return x
    sigma = s.mean()
    g = s / sigma
    white = x + (y - x) / g

    def blend(x: Array) -> Array:
        pilot = PILOT * x + (1 - PILOT) * nonlocal_bayes(white, sigma=sigma)
        z = nonlocal_bayes(white, sigma=sigma, pilot=pilot)
        v, noise = (part.mean(-1, keepdims=True) for part in (_variance(x), s**2))
        w = POLISH * v / (v + SMOOTH * noise)
        return jnp.clip(x + w * g * (z - x), 0, 1)

    beyond = jnp.mean(jnp.abs(y - x) > 4 * s)
    return lax.cond(beyond < OUTLIERS, blend, lambda x: x, x)


def _variance(x: Array) -> Array:
    """Of the 5 x 5 neighbours of every entry."""
    return jnp.maximum(local_mean(x**2) - local_mean(x) ** 2, 0)
