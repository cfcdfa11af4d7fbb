"""The spectrum of a picture's noise: how strong it is at each frequency, and between channels.

    n = s (k * w),    k = F^-1 S^(1/2),    w white

The noise of a sensor is white until the picture is made: what each pixel lacks of the colours is
taken from its neighbours, phones smooth, files are compressed. Then neighbours err alike (coloured
noise), which no method for white noise tells from the picture. `seen` reads level and spectrum off
those parts of a picture that vary least.

`S` (16, 16, C, C) is the expected `F n F n^*` of a block of unit noise (the mean of its diagonals
is 1), of frequencies in the order of `jnp.fft.fft2`, and `s` (H, W, C) its level.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from dipjax import images
from dipjax.compiler import looks, traced
from dipjax.images import local_mean

Array = jax.Array

SPECTRA = ("auto", "white", "coloured")

SIDE = 16  # of the blocks whose frequencies are looked at, half a block apart or farther
BLOCKS = 4096  # at most, or nearly so
QUIET = 0.1  # of the blocks are taken for noise, those with least at the middle frequencies
FEWEST = 8
PARTS = 4  # of the blocks by their light, on which the level depends
SPREAD = 4.0  # between the light and all of the picture at most, of the variance
RADIUS = 4  # of `k`, in pixels

_f = np.minimum(np.arange(SIDE), SIDE - np.arange(SIDE))
_radius = np.hypot(_f[:, None], _f[None])
MIDDLE = (_radius >= 3) & (_radius < 6)  # low enough for what is smooth, too high for most pictures
HIGH = _radius >= 8
# Noise is coloured where it is so many times as strong at middle frequencies as at high ones. Noise
# of 10 and more that is blurred by 0.6 pixels has 2.2 in most pictures, white noise has 0.9. Of
# 1584 crops of sixty pictures with nine kinds of white noise 7 are beyond, 4 of them a zebra.
COLOURED, UNSURE = 1.4, 30  # the smaller a picture, the less of it is quiet
# Texture has it, too, but is stronger here than there: in crops of 128 x 128 pixels noise has a
# tail of 1.14 at most, or 1.26 where it is clipped in the dark (a photo of a cave), half of clean
# texture has 1.16 or more. The longer it is, the stronger must be what is taken for noise.
TAIL, DOUBT = 1.3, 4.0
# Texture is alike in all channels, most of it, and weak white noise above it is not: they are alike
# where the texture is strong, and not at high frequencies. Noise of a camera is alike in neither,
# and behind JPEG more at the high ones. Where nothing is left there but what rounding to 8 bits
# adds (0.3 / 255, each channel by itself), that tells nothing. With the doubt about tails, chosen
# on forty pictures: of 118 crops with white noise of 3 and 5 none is taken for coloured. On others
# (scripts/coloured.py): 3 of 360 crops in colour with weak noise of four kinds, and 50 without
# both; all of a camera either way; of noise that is the same in all channels 72 of 90, and 81.
ALIKE, FALL, ROUNDED = 0.5, 0.15, 1.5 / 255
NOTHING = 2e-7  # the power of a block that does not vary; rounding to 8 bits has 1.3e-6
LEVEL = 0.01  # weaker noise is taken for white, of which `noise.level` sees no less

_window = np.outer(np.hanning(SIDE + 2)[1:-1], np.hanning(SIDE + 2)[1:-1])
WINDOW = (_window / np.sqrt(np.mean(_window**2)))[None, :, :, None].astype(np.float32)


class Noise(NamedTuple):
    """What `seen` has seen of the noise of a picture.

    Attributes:
        S: its spectrum (16, 16, C, C).
        ratio: how many times as strong it is at middle frequencies as at high ones; 1 if white.
        tail: the mean fourth power there by that of normal numbers, 1 for noise.
        alike: the mean correlation of two channels, at middle and at high frequencies (2,); 0 where
            there is one.
        light: of the picture, from the darkest quarter of the blocks to the brightest (4,).
        variance: of the noise in that light (4,).
    """

    S: Array
    ratio: Array
    tail: Array
    alike: Array
    light: Array
    variance: Array

    def level(self, y: Array) -> Array:
        """The level `s` (H, W, C) of the noise of a picture, which depends on the light."""
        variance = jnp.interp(local_mean(y), self.light, self.variance)
        return jnp.maximum(jnp.sqrt(variance), 0.001).astype(y.dtype)


def seen(y: ArrayLike) -> Noise:
    """The noise of a picture (H, W, C), from those of its blocks that vary least.

    The level depends on the light, as that of photons does: among blocks that are as bright the
    quietest tell it.

    Args:
        y: a picture of at least 16 x 16 pixels; noise is seen well in one of 100 x 100.

    Raises:
        ValueError: for a smaller one, or one of another shape.
    """
    y = images.check(y)
    if min(y.shape[:2]) < SIDE:
        raise ValueError(f"a picture of shape {y.shape} has no block of 16 x 16 pixels to look at")
    return _seen(y)


@jax.jit
def _seen(y: Array) -> Noise:
    mean, blocks = _blocks(y)
    F = jnp.fft.fft2(blocks * WINDOW, axes=(1, 2)) / SIDE
    middle = jnp.mean(jnp.abs(F[:, MIDDLE]) ** 2, 1)  # (n, C)
    # Where nothing varies, as in a border or in what is clipped, there is no noise to be seen.
    varies = middle > NOTHING
    light, power = _power_by_light(mean, jnp.where(varies, middle, jnp.inf))
    expected = jnp.interp(mean, light, power)
    varies = jnp.all(varies | ~jnp.any(varies, 0, keepdims=True), -1) & jnp.any(varies)
    quietness = jnp.where(varies, jnp.mean(middle / expected, -1), jnp.inf)
    _, quiet = lax.top_k(-quietness, _few(len(F)))
    w = jnp.isfinite(quietness[quiet]).astype(y.dtype)
    w /= jnp.sum(w)
    F = F[quiet] / jnp.sqrt(expected[quiet])[:, None, None]
    S = jnp.einsum("n,nijc,nijd->ijcd", w, F, F.conj())
    # The mean of each block has been taken out: there is as much of it as of what is beside it.
    S = S.at[0, 0].set((S[0, 1] + S[1, 0] + S[0, -1] + S[-1, 0]).real / 4)
    strength = _strength(S)
    ratio = jnp.sqrt(jnp.mean(strength[MIDDLE]) / jnp.mean(strength[HIGH]))
    unit = jnp.mean(strength)
    alike = jnp.stack([_alike(S[band]) for band in (MIDDLE, HIGH)])
    return Noise(S / unit, ratio, _tail(F[:, MIDDLE], w), alike, light, power * unit)


@looks
def asked(spectrum: str | Array, y: Array, *, known: bool) -> Array | None:
    """The spectrum that is asked for, an array or a word, of a picture (H, W, C), None if white.

    Where the level of the noise is `known`, "auto" does not look.

    Raises:
        ValueError: for another word or shape, and where no noise is to be seen.
    """
    if isinstance(spectrum, str):
        if spectrum not in SPECTRA:
            raise ValueError(f"spectrum must be one of {SPECTRA}, or an array, not {spectrum!r}")
        if spectrum != "coloured":
            return coloured(y) if spectrum == "auto" and not known else None
        found = seen(y)
        if not traced(y) and not jnp.isfinite(found.ratio):
            raise ValueError("no noise is seen in the picture: leave spectrum out")
        return found.S
    S, shape = jnp.asarray(spectrum), (SIDE, SIDE, y.shape[-1], y.shape[-1])
    if S.shape != shape:
        raise ValueError(f"a spectrum of shape {S.shape}: for this picture it must be {shape}")
    return S


@looks
def coloured(y: Array) -> Array | None:
    """The spectrum of the noise of a picture (H, W, C), or None.

    That is where the noise is white or weak, where it is texture by its looks, where the picture is
    smaller than a block, and for what is traced, of which nothing can be seen.
    """
    if traced(y) or min(y.shape[:2]) < SIDE:
        return None
    noise, side = seen(y), math.sqrt(y.shape[0] * y.shape[1])
    beyond = DOUBT * jnp.maximum(noise.tail - 1, 0)
    unlike_white = noise.ratio > COLOURED + UNSURE / side + beyond
    strong = jnp.mean(noise.variance) > LEVEL**2
    middle, high = noise.alike
    white = jnp.mean(noise.variance) * jnp.mean(_strength(noise.S)[HIGH]) > ROUNDED**2
    texture = (noise.tail > TAIL) | (white & (middle > ALIKE) & (middle - high > FALL))
    return noise.S if unlike_white & strong & ~texture else None


def kernel(S: Array) -> Array:
    """`k` (9, 9, C, C) whose convolution with white noise has this spectrum."""
    values, vectors = jnp.linalg.eigh(S)
    root = jnp.einsum("ijab,ijb,ijcb->ijac", vectors, jnp.sqrt(values.clip(0)), vectors.conj())
    k = jnp.fft.ifft2(root, axes=(0, 1)).real
    k = jnp.roll(k, (RADIUS, RADIUS), (0, 1))[: 2 * RADIUS + 1, : 2 * RADIUS + 1]
    return k / jnp.sqrt(jnp.sum(k**2) / k.shape[-1])


def coarse_power(S_0: Array) -> Array:
    """Of noise in what is coarse, from its spectrum there (C, C): at least 1, that of white."""
    return jnp.maximum(1, jnp.trace(S_0) / len(S_0))


def draw(key: Array, k: Array, shape: tuple[int, ...]) -> Array:
    """Noise of unit level (H, W, C) with the spectrum of a kernel `k`."""
    h, w, c = shape
    n = jax.random.normal(key, (1, h + 2 * RADIUS, w + 2 * RADIUS, c), k.dtype)
    dimensions = ("NHWC", "HWOI", "NHWC")
    k = k[::-1, ::-1]  # what XLA calls a convolution is a correlation
    return lax.conv_general_dilated(n, k, (1, 1), "VALID", dimension_numbers=dimensions)[0]


def covariance(S: Array, side: int) -> Array:
    """Of the entries of a patch of `side` pixels (side * side * C, side * side * C).

    They are in the order of (row, column, channel).
    """
    R = jnp.fft.ifft2(S, axes=(0, 1)).real
    at = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), -1).reshape(-1, 2)
    apart = (at[:, None] - at[None]) % SIDE
    Sigma = R[apart[..., 0], apart[..., 1]]  # (n, n, C, C)
    n, c = len(at), S.shape[-1]
    return Sigma.transpose(0, 2, 1, 3).reshape(n * c, n * c)


def _tail(F: Array, w: Array) -> Array:
    """`E |F|^4 / 2 (E |F|^2)^2` over blocks (n, frequencies, C) of weights (n,), normally 1."""
    power = jnp.abs(F) ** 2
    square, fourth = (jnp.einsum("n,nfc->fc", w, power**k) for k in (1, 2))
    few = 1 + jnp.sum(w**2)  # what normal numbers lack where their own mean is taken
    return jnp.mean(fourth / jnp.maximum(square, 1e-30) ** 2, where=square > 0) / 2 * few


def _strength(S: Array) -> Array:
    """The mean power of the channels, of a spectrum (16, 16, C, C) at each frequency (16, 16)."""
    return jnp.einsum("ijcc->ij", S).real / S.shape[-1]


def _alike(S: Array) -> Array:
    """The mean correlation of two channels, of spectra (n, C, C); one without power has none."""
    between = jnp.mean(S.real, 0)
    power = jnp.diag(between)
    own = jnp.sqrt(jnp.outer(power, power))
    pairs = (own > 1e-6 * jnp.max(power)) & ~jnp.eye(len(power), dtype=bool)
    return jnp.sum(jnp.where(pairs, between / own, 0)) / jnp.maximum(jnp.sum(pairs), 1)


def _few(count: int) -> int:
    return min(count, max(FEWEST, round(QUIET * count)))


def _power_by_light(light: Array, power: Array) -> tuple[Array, Array]:
    """The light (4,) of four parts of the blocks, and the power of the quietest in each (4,)."""
    order = jnp.argsort(light.ravel())
    light, power = light.ravel()[order], power.ravel()[order]

    def quietest(power: Array) -> Array:
        """Where it is infinite it does not count; nan if it is everywhere."""
        least = -lax.top_k(-power, _few(len(power)))[0]
        return jnp.mean(least, where=jnp.isfinite(least))

    parts = [part for part in np.array_split(np.arange(len(light)), PARTS) if len(part)]
    of_all = jnp.nan_to_num(quietest(power), nan=NOTHING)
    of_parts = jnp.stack([quietest(power[part]) for part in parts])
    of_parts = jnp.where(jnp.isfinite(of_parts), of_parts, of_all)
    of_parts = jnp.clip(of_parts, of_all / SPREAD, of_all * SPREAD)
    return jnp.stack([light[part].mean() for part in parts]), of_parts


def _blocks(y: Array) -> tuple[Array, Array]:
    """The means (n, C) of blocks (n, 16, 16, C), and what is left of these without the slope."""
    h, w, c = y.shape
    apart = max(SIDE // 2, math.isqrt(h * w // BLOCKS))
    rows, columns = (np.arange(0, n - SIDE + 1, apart) for n in (h, w))
    within = np.arange(SIDE)
    at = (rows[:, None] + within)[:, None, :, None], (columns[:, None] + within)[None, :, None]
    blocks = y[at].reshape(-1, SIDE, SIDE, c)
    mean = blocks.mean((1, 2))
    blocks -= mean[:, None, None]
    t = jnp.asarray((within - within.mean()) / within.std(), y.dtype)
    for line in (t[None, :, None, None], t[None, None, :, None]):
        blocks -= jnp.mean(blocks * line, (1, 2), keepdims=True) * line
    return mean, blocks
