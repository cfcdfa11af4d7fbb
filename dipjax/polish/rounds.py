"""A fit whose measurement is of less than the image, refined: denoised, and brought back to `y`."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from dipjax.operators import Operator, backproject, linearized
from dipjax.polish.nonlocal_bayes import grouped, too_few

Array = jax.Array

# Chosen on crops of kodim03, lena, peppers, bird, woman, flowers, boat and peppers256, for factors
# of 4 and 8 and half of the pixels. On three of the first six text gains 2 to 3 dB, a tenth of the
# pixels .4 to .9, a hole .1 to 1.
ROUNDS, MOMENTUM = 24, 0.8
# How far the first image may be off, and the last: in levels of the noise, and at most.
WIDE, NARROW, NARROW_AT_MOST = 6 / 255, 4, 12 / 255
# The first behind a blur, where a fit is farther off: of 6, 20, 30, 50 on crops of kodim03, lena
# and peppers, blurred by a square, lines and a Gaussian, 0.2 to 1.2 dB better than 6.
BLURRED = 30 / 255
ALIKE = {"side": 4, "group": 40}
# What a measurement may be off: more is better for one with noise or of a JPEG file, and worse for
# others (0.1 dB for four times as much).
EXACT = 0.5 / 255


@partial(jax.jit, static_argnames="rounds")
def refined(
    x: Array,
    A: Operator,
    y: Array,
    s: float | Array = EXACT,
    wide: float = WIDE,
    narrow: float | Array | None = None,
    rounds: int = ROUNDS,
) -> Array:
    """A fit of `y = A x`, by denoising and back-projection in turn, with momentum.

        z_k = x_k + 0.8 (x_k - x_{k-1}),    v_k = NLB(z_k),    z_k held in [0, 1]
        x_{k+1} = argmin_u |A u - y|^2 / s^2 + |u - v_k|^2 / sigma_k^2

    `sigma_k`, from `wide` to `narrow`, is what an image may be off, for non-local Bayes as for the
    measurement. What the generator has drawn, the groups of alike patches make sharper, and every
    round goes back towards what was measured: for an operator that is not linear, by its derivative
    at `v_k` (Gauss, Newton).

    T. Tirer, R. Giryes, "Image restoration by iterative denoising and backward projections", IEEE
    Trans. Image Processing 28(3), 2019.

    Args:
        x: the fit (H, W, C).
        A: an operator, linear or with a derivative.
        y: its measurement.
        s: the level of the noise in it, 0 for none; by default half a level of 8 bits.
        wide: how far the fit may be off.
        narrow: how far the last image may be; by default `narrowest(s)`.
        rounds: from the one to the other.

    Returns:
        (H, W, C), held in [0, 1]; the fit itself where it has fewer patches than a group.
    """
    if too_few(x, **ALIKE):
        return x
    dtype = jnp.promote_types(jnp.result_type(x, y.real), jnp.float32)
    x, y = x.astype(dtype), y.astype(jnp.promote_types(y.dtype, dtype))  # y may be complex

    def turn(carry: tuple[Array, Array], sigma: Array) -> tuple[tuple[Array, Array], None]:
        x, last = carry
        z = jnp.clip(x + MOMENTUM * (x - last), 0, 1)
        v = smoothed(z, sigma)
        return (_towards(v, A, y, s / sigma), x), None

    last = narrowest(s) if narrow is None else jnp.clip(narrow, EXACT, NARROW_AT_MOST)
    sigmas = jnp.geomspace(jnp.maximum(wide, last), last, rounds, dtype=dtype)
    start = _towards(x, A, y, s / sigmas[0])
    (x, _), _ = lax.scan(turn, (start, start), sigmas)
    return jnp.clip(x, 0, 1)


def narrowest(s: float | Array) -> Array:
    """How far the last image may be off, for noise that is of this level in the image: `4 s`.

    At most 12 / 255, and no less than what an image is off in any case.
    """
    return jnp.clip(NARROW * s, EXACT, NARROW_AT_MOST)


def _towards(x: Array, A: Operator, y: Array, ratio: Array) -> Array:
    """From an image towards what was measured, whose levels of error are in this ratio."""
    inside = jnp.clip(x, EXACT, 1 - EXACT)  # a power has an endless derivative at black
    return backproject(x, linearized(A, inside), y, ridge=ratio**2)


def smoothed(x: Array, sigma: float | Array) -> Array:
    """An image (H, W, C) by the groups of its alike patches, which may be off by `sigma`."""
    return x if too_few(x, **ALIKE) else grouped(x, x, sigma, noisy=False, **ALIKE).astype(x.dtype)
