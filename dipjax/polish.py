"""What a task does behind its fit: non-local Bayes, of which a generator knows nothing.

denoise                   x + w (NLB(y) - x)                   a blend, where x varies or is off
super_resolve, inpaint,
deblur, reconstruct,
remove_jpeg_artifacts     min_x |A x - y|^2 with prior NLB     rounds, from the fit on
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.fft import dctn, idctn

from dipjax.noise import local_mean
from dipjax.nonlocal_bayes import FIRST, RADIUS, grouped, nonlocal_bayes
from dipjax.operators import Operator, backproject, linearized

Array = jax.Array

PILOT = 0.3  # how much of the pilot is the fit; of .3 and .5, on pictures of scikit-image
# How much of the result is not the fit, and where: of .7, .85, 1 and .01, .03, .1, which differ by
# .05 dB, on crops of kodim03, lena, peppers, bird, woman and flowers, noise of 25 and 50. What a
# fit is off by matters there by .01 dB at most, and in tiles of them by .1 to .3.
POLISH, SMOOTH, OFF = 0.8, 0.05, 0.02
COARSE = 8.0  # pixels, wide enough for next to no noise
EPSILON = 1e-12  # of a division
# Of the entries so many are beyond: 0.02 in Poisson noise, 0.04 where 5 % of y are lost.
FAR, OUTLIERS = 0.2, 0.03

# Of `refined`: chosen on the same six, boat and peppers256, for factors of 4 and 8 and half of the
# pixels. On three of the six text gains 2 to 3 dB, a tenth of the pixels .4 to .9, a hole .1 to 1.
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


@jax.jit
def corrected(x: Array, y: Array, s: Array, power: float | Array = 1.0) -> Array:
    """A fit with the coarse part of its measurement, where they differ by more than the noise.

        x + c^3 / (c^2 + 4 s_c^2),    c = G * (y - x),    s_c = s / sqrt(4 pi 8^2)

    with `G` a Gaussian of 8 pixels, which leaves a twenty-eighth of white noise. What a fit takes
    over from another picture that it starts from, as a tile does, are wide areas whose colour is
    off a little, and there the measurement knows better: 0.3 dB. A fit from random params that has
    made all its steps gains 0.01.

    Args:
        x: the fit (H, W, C).
        y: a picture with noise whose mean is 0.
        s: the level of the noise (H, W, C).
        power: of the noise in what is coarse, 1 if white. The stronger it is there, the wider is
            `G`, and what it leaves is the same.

    Returns:
        (H, W, C), held in [0, 1].
    """
    c = _gaussian(y - x, COARSE * power**0.5)
    left = s**2 / (4 * jnp.pi * COARSE**2)
    return jnp.clip(x + c**3 / (c**2 + 4 * left + EPSILON), 0, 1).astype(x.dtype)


def _coarse(S: Array | None) -> float | Array:
    """The power of noise in what is coarse, `S_0`; at least 1, that of white noise."""
    return 1.0 if S is None else jnp.maximum(1, jnp.trace(S[0, 0].real) / len(S[0, 0]))


def _gaussian(x: Array, width: float | Array) -> Array:
    """`G * x` (H, W, C), edges mirrored: among the cosines of a picture a product."""
    h, w = x.shape[:2]
    f = jnp.hypot(jnp.arange(h)[:, None] / h, jnp.arange(w)[None] / w)
    G = jnp.exp(-0.5 * (jnp.pi * width * f) ** 2)[..., None]
    return idctn(G * dctn(x, axes=(0, 1), norm="ortho"), axes=(0, 1), norm="ortho")


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
    fewer patches than a group. Of coloured noise `S` is the spectrum (see `dipjax.spectrum`).
    """
    if _few(y, **FIRST):
        return x
    dtype = jnp.promote_types(jnp.result_type(x, y, s), jnp.float32)
    x, y, s = (v.astype(dtype) for v in (x, y, s))
    sigma = s.mean()
    g = s / sigma
    even = x + (y - x) / g

    def blend(x: Array) -> Array:
        pilot = PILOT * x + (1 - PILOT) * nonlocal_bayes(even, sigma=sigma, S=S)
        z = nonlocal_bayes(even, sigma=sigma, pilot=pilot, S=S)
        off = g * (z - x)
        parts = _variance(x), local_mean(off) ** 2, s**2
        v, m, noise = (part.mean(-1, keepdims=True) for part in parts)
        m = jnp.maximum(m - OFF * _coarse(S) * noise, 0)
        w = (POLISH * v + m) / (v + m + SMOOTH * noise)
        return jnp.clip(x + w * off, 0, 1)

    # 0.2, because where there is little noise a fit is itself off by more than four levels of it.
    beyond = jnp.mean(jnp.abs(y - x) > jnp.maximum(4 * s, FAR))
    return lax.cond(beyond < OUTLIERS, blend, lambda x: x, x)


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

        z_k = x_k + 0.8 (x_k - x_{k-1})
        x_{k+1} = argmin_u |A u - y|^2 / s^2 + |u - NLB(z_k)|^2 / sigma_k^2

    `sigma_k`, from `wide` to `narrow`, is what an image may be off, for non-local Bayes as for the
    measurement. What the generator has drawn, the groups of alike patches make sharper, and every
    round goes back towards what was measured: for an operator that is not linear, by its derivative
    at `z_k` (Gauss, Newton).

    T. Tirer, R. Giryes, "Image restoration by iterative denoising and backward projections", IEEE
    Trans. Image Processing 28(3), 2019.

    Args:
        x: the fit (H, W, C).
        A: an operator, linear or with a derivative.
        y: its measurement.
        s: the level of the noise in it, 0 for none; by default half a level of 8 bits.
        wide: how far the fit may be off.
        narrow: how far the last image may be; by default `4 s`, and at most 12 / 255.
        rounds: from the one to the other.

    Returns:
        (H, W, C), held in [0, 1]; the fit itself where it has fewer patches than a group.
    """
    if _few(x, **ALIKE):
        return x
    dtype = jnp.promote_types(jnp.result_type(x, y.real), jnp.float32)
    x, y = x.astype(dtype), y.astype(jnp.promote_types(y.dtype, dtype))  # y may be complex

    def turn(carry: tuple[Array, Array], sigma: Array) -> tuple[tuple[Array, Array], None]:
        x, last = carry
        z = smoothed(jnp.clip(x + MOMENTUM * (x - last), 0, 1), sigma)
        return (_towards(z, A, y, s / sigma), x), None

    last = jnp.minimum(NARROW * s if narrow is None else narrow, NARROW_AT_MOST)
    last = jnp.maximum(last, EXACT)  # what an image is off in any case
    sigmas = jnp.geomspace(jnp.maximum(wide, last), last, rounds, dtype=dtype)
    start = _towards(x, A, y, s / sigmas[0])
    (x, _), _ = lax.scan(turn, (start, start), sigmas)
    return jnp.clip(x, 0, 1)


def _towards(x: Array, A: Operator, y: Array, ratio: Array) -> Array:
    """From an image towards what was measured, whose levels of error are in this ratio."""
    inside = jnp.clip(x, EXACT, 1 - EXACT)  # a power has an endless derivative at black
    return backproject(x, linearized(A, inside), y, ridge=ratio**2)


def smoothed(x: Array, sigma: float | Array) -> Array:
    """An image (H, W, C) by the groups of its alike patches, which may be off by `sigma`."""
    return x if _few(x, **ALIKE) else grouped(x, x, sigma, noisy=False, **ALIKE).astype(x.dtype)


def _few(x: Array, side: int, group: int) -> bool:
    """Whether a group finds too few patches around it; one of fewer magnifies rounding."""
    h, w = (min(max(n - side + 1, 0), 2 * RADIUS + 1) for n in x.shape[:2])
    return h * w < group


def _variance(x: Array) -> Array:
    """Of the 5 x 5 neighbours of every entry."""
    return jnp.maximum(local_mean(x**2) - local_mean(x) ** 2, 0)
