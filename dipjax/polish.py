"""The blend of a fit with non-local Bayes, for the preset `best`."""

import jax
import jax.numpy as jnp
from jax import lax

from dipjax.baselines.nonlocal_bayes import nonlocal_bayes

Array = jax.Array

# Of .3 and .5, and of .3, .5 and .7, on pictures of scikit-image.
PILOT = 0.3  # how much of the pilot is the fit
POLISH = 0.6  # and how much of the result is not the fit
OUTLIERS = 0.03  # there are 0.02 in Poisson noise after a fit, and 0.04 where 5 % of y are lost


@jax.jit
def polished(x: Array, y: Array, s: Array) -> Array:
    """A fit and non-local Bayes, each the other's pilot: `x + 0.6 g (NLB(x + (y - x) / g) - x)`.

    A generator draws edges and continues what it has seen elsewhere in the picture, and blurs fine
    texture; groups of alike patches keep the texture and stain what has no like. Their errors
    differ, so a blend of both finds better groups than either, of all of the pixels of `y`, and a
    blend of their results is better than both.

    `g = s / mean(s)`, with `s` (H, W, C) the level of the noise, makes it the same everywhere, as
    the groups assume: on three pictures that is 0.4 dB even for white noise, which is clipped where
    they are black or white. Where many entries are beyond that level, as in salt and pepper, it is
    no level, and the fit stands.
    """
    sigma = s.mean()
    g = s / sigma
    white = x + (y - x) / g

    def blend(x: Array) -> Array:
        pilot = PILOT * x + (1 - PILOT) * nonlocal_bayes(white, sigma=sigma)
        z = nonlocal_bayes(white, sigma=sigma, pilot=pilot)
        return jnp.clip(x + POLISH * g * (z - x), 0, 1)

    beyond = jnp.mean(jnp.abs(y - x) > 4 * s)
    return lax.cond(beyond < OUTLIERS, blend, lambda x: x, x)
