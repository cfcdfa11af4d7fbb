"""The steps of JPEG that a picture was rounded to, seen in what a copy in another format keeps.

A coefficient of a decoded file is `c = q k + e` with an integer `k`, and `e` what rounding to 8
bits has left. How much better a step `q` explains those of one frequency than a density without:

    G(q) = sum log [(1 - o) P(k) N(e; 0, s^2) + o f(c)] - log f(c),    P(k) the mass of f in a step

`f` is that of Laplace, `o` the part of outliers, as where the picture was clipped. A multiple of
the true step leaves `e` that are too large, and a part of it needs more integers than there are.
Where all of a frequency was rounded to 0 nothing is to be seen, so a whole table is looked for, of
those of the standard scaled by a quality, as most programs write them. With others nothing is seen:
steps that are free one by one find themselves in any drawing of few levels.

Z. Fan, R. de Queiroz, "Identification of bitmap compression history: JPEG detection and quantizer
estimation", IEEE Trans. Image Processing 12(2), 2003.
"""

import jax
import jax.numpy as jnp
import numpy as np

from dipjax import images
from dipjax.compiler import looks, traced
from dipjax.operators import Jpeg
from dipjax.operators.jpeg import ROUNDING, SIDE, light

Array = jax.Array

# ITU-T T.81, annex K: of light and of colour, scaled by the qualities of the usual programs.
_LIGHT = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
_COLOUR = np.full((SIDE, SIDE), 99)
_COLOUR[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
SAMPLINGS = (2, 2), (1, 1), (1, 2), (2, 1)  # the usual first, for a picture without colour

WHITE = 255
STEPS = np.arange(1, 256)
LEAST, MOST = 64, 512  # pixels of a side that are looked at
BLOCKS = 1024  # of these, in any order
# What rounding leaves of light and of colour, in levels of 255, and of the mean of a block, where
# what is alike all over it adds up.
ERROR, COLOUR_ERROR, MEAN_ERROR = 0.35, 0.6, 2.0
OUTLIERS = 0.02
# What a table gains of a coefficient, in nats, and the part of what single steps could. Of files,
# some saved once more, .2 to 1.3 and .9 to 1; of files that were cut within a block .05 and .17, of
# a drawing .7 and .75.
GAIN, USUAL = 0.1, 0.85
FEW = 24  # blocks that are not flat and not alike: of fewer, as in a drawing, any steps are found
COARSER = 1.5  # times the level of a file are steps that were before it, and not its own


def seen(y: Array) -> Jpeg | None:
    """What a file of JPEG had kept of a picture, as `images.load_picture(path).jpeg` of the file.

    The picture is whole, or was cut at its right and lower side only, and its tables were those of
    the standard. Nothing is seen behind a filter or another size; what was saved once more, in
    finer steps, mostly shows the coarse ones.

    Args:
        y: the picture (H, W, 1 or 3), floats in [0, 1] or 8- and 16-bit integers.

    Returns:
        The operator of the file; None where none is seen, as in what is traced or smaller than 64.
    """
    return kept(y, None)


@looks
def kept(y: Array, jpeg: Jpeg | None) -> Jpeg | None:
    """What a file says that it has kept of a picture, or what is seen where that is coarser.

    Args:
        y: the picture, as for `seen`.
        jpeg: what its file says, None for one of another format.
    """
    y = images.check(y)
    if traced((y, jpeg)) or min(y.shape[:2]) < LEAST or y.shape[-1] not in (1, 3):
        return jpeg
    found = _seen(_middle(y), jpeg)
    coarser = found and (jpeg is None or float(found.level / jpeg.level) > COARSER)
    return found if coarser else jpeg


def _seen(y: Array, last: Jpeg | None) -> Jpeg | None:
    """The steps that a picture was in, before it was in those of its last file."""
    tables, c = _tables(_LIGHT), _coefficients(light(y))
    c = c.at[:, 0].add(-SIDE * (WHITE + 1) / 2)  # a file counts light from the middle grey on
    gains = _gains(c, _error(ERROR, last, 0))
    each = gains[np.arange(SIDE * SIDE)[:, None], tables.T - 1]  # (64, 96)
    quality = int(each.sum(0).argmax())
    told = jnp.maximum(each[:, quality], 0).sum()
    most = jnp.maximum(gains.max(1), 0).sum()
    if told < GAIN * c.size or told < USUAL * most or _distinct(c) < FEW:
        return None
    if y.shape[-1] == 1:
        return _jpeg([tables[quality]], (1, 1))
    colour = _tables(_COLOUR)[quality]
    sampling = max(SAMPLINGS, key=lambda sampling: _explained(y, sampling, colour, last))
    return _jpeg([tables[quality], colour, colour], sampling)


def _distinct(c: Array) -> int:
    """How many blocks differ in what is not their mean, and have anything of it."""
    rounded = np.unique(np.round(np.asarray(c[:, 1:])), axis=0)
    return int(rounded.any(1).sum())


def _middle(y: Array) -> Array:
    """So much of a large picture as is looked at, from where a block begins."""
    starts = [max(n - MOST, 0) // 2 // (2 * SIDE) * 2 * SIDE for n in y.shape[:2]]
    rows, columns = (slice(start, start + MOST) for start in starts)
    return y[rows, columns]


def _explained(y: Array, sampling: tuple[int, int], steps: np.ndarray, last: Jpeg | None) -> float:
    """How well the steps (64,) of colour, were it kept so, explain each that is not 0."""
    c = _coefficients(y, sampling)
    q = jnp.asarray(steps, c.dtype)[None]
    k = jnp.round(c / q)
    inside = jnp.log(q * (1 - OUTLIERS)) + _normal(c - k * q, _error(COLOUR_ERROR, last, -1))
    explained = jnp.logaddexp(inside, jnp.log(OUTLIERS)) * (k != 0)
    return float(explained.sum() / jnp.maximum((k != 0).sum(), 1))


def _jpeg(steps: list[np.ndarray], sampling: tuple[int, int]) -> Jpeg:
    tables = np.stack(steps).reshape(-1, SIDE, SIDE) / WHITE
    return Jpeg(jnp.asarray(tables, jnp.float32), sampling)


def _coefficients(y: Array, sampling: tuple[int, int] = (1, 1)) -> Array:
    """Those of some blocks (n, 64) in levels of 255, of light alone or of both colours."""
    channels, blocks = y.shape[-1], -(-y.shape[0] // SIDE) * -(-y.shape[1] // SIDE)
    one = _jpeg([np.ones(SIDE * SIDE)] * channels, sampling)
    c = one.measured(y).reshape(-1, SIDE * SIDE)
    c = c if channels == 1 else c[blocks:]
    return c[np.random.default_rng(0).permutation(len(c))[:BLOCKS]]


@jax.jit
def _gains(c: Array, error: Array) -> Array:
    """`G` (64, 255) of each frequency and step, of coefficients (n, 64)."""
    middle = jnp.median(c, 0, keepdims=True).at[:, 1:].set(0)  # but for means of blocks it is 0
    b = jnp.maximum(jnp.abs(c - middle).mean(0, keepdims=True), 0.1)
    f = -jnp.abs(c - middle) / b - jnp.log(2 * b)

    def gain(q: Array) -> Array:
        k = q * jnp.round(c / q)
        far, half = jnp.abs(k - middle) / b, q / (2 * b)
        beside = jnp.log(jnp.sinh(jnp.minimum(half, 30))) - far
        around = 1 - (jnp.exp(-half - far) + jnp.exp(jnp.minimum(far - half, 0))) / 2
        mass = jnp.where(far >= half, beside, jnp.log(jnp.maximum(around, 1e-30)))
        inside = jnp.log(1 - OUTLIERS) + mass + _normal(c - k, error) - f
        return jnp.logaddexp(inside, jnp.log(OUTLIERS)).sum(0)

    return jax.lax.map(gain, jnp.asarray(STEPS, c.dtype)).T


def _error(level: float, last: Jpeg | None, channel: int) -> Array:
    """Of a coefficient (1, 64), by rounding to 8 bits, and to the steps of the last file."""
    s = jnp.full(SIDE * SIDE, level).at[0].set(MEAN_ERROR)
    finer = 0 if last is None else ROUNDING * WHITE * last.steps[channel].ravel()
    return jnp.hypot(s, finer)[None]


def _normal(e: Array, s: Array) -> Array:
    """`log N(e; 0, s^2)`"""
    return -((e / s) ** 2) / 2 - jnp.log(s * jnp.sqrt(2 * jnp.pi))


def _tables(base: np.ndarray) -> np.ndarray:
    """The tables (96, 64) of the qualities 5 to 100; nobody writes coarser ones."""
    quality = np.arange(5, 101)
    percent = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return np.clip((base.ravel() * percent[:, None] + 50) // 100, 1, STEPS[-1])
