"""What clipping to [0, 1] does to noise, and the way back.

    y = clip(x + s n, 0, 1),    n normal,    E y = m(x, s),    var y = s_left(x, s)^2

A picture file holds no light below black or above white. The mean of what it holds is too bright
near black and too dark near white, by up to 0.4 s, and that mean is what a fit tends to.

    undo            from a fit to the light
    unclipped       from the mean of clipped pixels to the light
    level_after     what clipping leaves of a level of noise
    level_before    and what it was before
    at_black        whether noise is clipped at black at all
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.stats import norm

from dipjax.images import local_mean
from dipjax.noise.levels import level_by_brightness

Array = jax.Array

ROUNDS = 8  # of the iterations that undo clipping
LEAST = 1e-6  # of a level, by which is divided


@jax.jit
def undo(x: Array, y: Array, *, sigma: float | None = None, s: Array | None = None) -> Array:
    """The light that a fit `x` (H, W, C) of clipped noise stands for, in [0, 1].

    Args:
        x: the fit, which tends to the mean of the noisy pixels.
        y: the noisy picture (H, W, C).
        sigma: of the noise, before clipping.
        s: what is left of it in every entry (H, W, C), where no sigma is given; that of white noise
            by default. What fades in the dark is not taken for clipped there.
    """
    if sigma is not None:
        return unclipped(x, sigma)
    before = level_before(y, level_by_brightness(y) if s is None else s)
    kept = (x < 0.5) & ~at_black(y, before)
    return jnp.where(kept, x, unclipped(x, before))


@jax.jit
def unclipped(mean: Array, sigma: float | Array) -> Array:
    """The light `x` in [0, 1] whose noisy pixels have this mean once they are clipped to [0, 1].

        E clip(x + sigma n, 0, 1) = mean,    n normal.

    What a fit of clipped pixels tends to is their mean, which is too bright near black and too dark
    near white, by up to 0.4 sigma.

    Args:
        mean: image (H, W, C).
        sigma: standard deviation of the noise before clipping, a number or that of every entry.
    """

    sigma = jnp.maximum(sigma, LEAST)

    def nearer(_, x: Array) -> Array:
        offset = sigma * _clipped(-x / sigma, (1 - x) / sigma)[0]
        return jnp.clip(mean - offset, 0, 1).astype(mean.dtype)

    return lax.fori_loop(0, ROUNDS, nearer, jnp.clip(mean, 0, 1))


@jax.jit
def level_after(y: Array, sigma: float | Array) -> Array:
    """What clipping to [0, 1] has left of white noise in a picture: `s` (H, W, C).

        s^2 = var clip(x + sigma n, 0, 1),    n normal,

    where `x` is the light that has the mean of the 5 x 5 neighbours after clipping.

    Args:
        y: a picture (H, W, C) in [0, 1].
        sigma: standard deviation of the noise before clipping.
    """
    return (sigma * _left(local_mean(y), sigma)).astype(y.dtype)


@jax.jit
def level_before(y: Array, s: Array) -> Array:
    """The level that noise had before clipping to [0, 1], from what is left of it: (H, W, C).

    The inverse of `level_after`, for a level of every entry; at most twice that, because clipping
    takes no more from light in [0, 1], and at most half of the range.

    Args:
        y: a picture (H, W, C) in [0, 1].
        s: the level of its noise (H, W, C), such as from `level_by_brightness`.
    """
    mean = local_mean(y)

    def nearer(_, sigma: Array) -> Array:
        return jnp.minimum(s / _left(mean, sigma), jnp.maximum(jnp.minimum(2 * s, 0.5), s))

    return lax.fori_loop(0, ROUNDS, nearer, s)


def at_black(y: Array, sigma: Array) -> Array:
    """Whether the noise of a picture reaches below black, and not the light alone: a scalar.

    White noise does, and as it was before clipping it is as strong in the dark as elsewhere. That
    of photons and speckle fades with the light, and only looks clipped where there is little.

    Args:
        y: a picture (H, W, C) in [0, 1].
        sigma: the level of its noise before clipping (H, W, C).
    """
    mean = local_mean(y)
    dark = mean <= jnp.quantile(mean, 1 / 8)
    return jnp.mean(sigma, where=dark) > 0.75 * jnp.quantile(sigma, 0.75)


def _left(mean: Array, sigma: float | Array) -> Array:
    """What clipping leaves of a level of noise, a factor, where the pixels have this mean."""
    x, sigma = unclipped(mean, sigma), jnp.maximum(sigma, LEAST)
    return jnp.sqrt(_clipped(-x / sigma, (1 - x) / sigma)[1])


def _clipped(a: Array, b: Array) -> tuple[Array, Array]:
    """Mean and variance of a standard normal number that is clipped to [a, b]."""
    below, above = norm.cdf(a), norm.sf(b)
    mean = norm.pdf(a) - norm.pdf(b) + a * below + b * above
    square = 1 - below - above + a * norm.pdf(a) - b * norm.pdf(b) + a**2 * below + b**2 * above
    return mean, jnp.maximum(square - mean**2, 1e-6)
