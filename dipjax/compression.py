"""The steps of JPEG that a picture was rounded to, seen in what a copy in another format keeps.

A coefficient of a decoded file is `c = q k + e` with an integer `k`, and `e` what rounding to 8
bits has left. How much better a step `q` explains those of one frequency than a density without:

    G(q) = sum log [(1 - o) P(k) N(e; 0, s^2) + o f(c)] - log f(c),    P(k) the mass of f in a step

`f` is that of Laplace, `o` the part of outliers, as where the picture was clipped. A multiple of
the true step leaves `e` that are too large, and a part of it needs more integers than there are.
Where all of a frequency was rounded to 0 nothing is to be seen, and tables are of a kind: those of
the standard, scaled by a quality, or else such as are near to them.

Z. Fan, R. de Queiroz, "Identification of bitmap compression history: JPEG detection and quantizer
estimation", IEEE Trans. Image Processing 12(2), 2003.
"""

import jax
import jax.numpy as jnp
import numpy as np

from dipjax import images
from dipjax.compiler import traced
from dipjax.operators import Jpeg
from dipjax.operators.jpeg import SIDE, light

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
LEAST = 64  # pixels of a side: of fewer blocks less is seen
BLOCKS = 1024  # that are looked at
# What rounding leaves of light and of colour, in levels of 255, and of the mean of a block, where
# what is alike all over it adds up.
ERROR, COLOUR_ERROR, MEAN_ERROR = 0.35, 0.6, 2.0
OUTLIERS = 0.02
GAIN = 0.02  # of a coefficient, in nats
USUAL = 0.9  # of what steps gain one by one a table of the standard has to gain
COARSER = 1.5  # times the level of a file are steps that were before it, and not its own
KIND = 0.3  # how far steps of another table are from one of the standard, in their logarithm


def seen(y: Array) -> Jpeg | None:
    """What a file of JPEG had kept of a picture, as `images.load_picture(path).jpeg` of the file.

    The picture is whole, or was cut at its right and lower side only. Nothing is seen behind a
    filter or another size; what was saved once more, in finer steps, still shows the coarse ones.

    Args:
        y: the picture (H, W, 1 or 3), floats in [0, 1] or 8- and 16-bit integers.

    Returns:
        The operator of the file; None where none is seen, as in what is traced or smaller than 64.
    """
    y = images.check(y)
    if traced(y) or min(y.shape[:2]) < LEAST or y.shape[-1] not in (1, 3):
        return None
    c = _coefficients(light(y))
    gains = _gains(c.at[:, 0].add(-SIDE * (WHITE + 1) / 2))  # a file counts light from here
    tables = _tables(_LIGHT)
    quality = int(_of(gains, tables).argmax())
    steps, usual = tables[quality], True
    if _told(gains, steps) < USUAL * jnp.maximum(gains.max(1), 0).sum():
        (steps, quality), usual = _near(gains, tables), False
    if _told(gains, steps) < GAIN * c.size:
        return None
    if y.shape[-1] == 1:
        return _jpeg([steps], (1, 1))
    found = {sampling: _colour(y, sampling, quality, usual) for sampling in SAMPLINGS}
    sampling = max(SAMPLINGS, key=lambda sampling: found[sampling][1])
    return _jpeg([steps, found[sampling][0], found[sampling][0]], sampling)


def kept(y: Array, jpeg: Jpeg | None) -> Jpeg | None:
    """What a file says that it has kept of a picture, or what is seen where that is coarser.

    Args:
        y: the picture, as for `seen`.
        jpeg: what its file says, None for one of another format.
    """
    found = seen(y)
    if found is None or (jpeg and float(found.level) < COARSER * float(jpeg.level)):
        return jpeg
    return found


def _colour(y: Array, sampling: tuple[int, int], quality: int, usual: bool):
    """The steps (64,) of colour, were it kept so, and how well they explain what is not 0."""
    c, steps = _coefficients(y, sampling), _tables(_COLOUR)[quality]
    if not usual:
        steps, _ = _near(_gains(c, COLOUR_ERROR), steps[None])
    q = jnp.asarray(steps, c.dtype)[None]
    k = jnp.round(c / q)
    inside = jnp.log(q * (1 - OUTLIERS)) + _normal(c - k * q, COLOUR_ERROR)
    explained = jnp.logaddexp(inside, jnp.log(OUTLIERS)) * (k != 0)
    return steps, float(explained.sum() / jnp.maximum((k != 0).sum(), 1))


def _jpeg(steps: list[np.ndarray], sampling: tuple[int, int]) -> Jpeg:
    tables = np.stack(steps).reshape(-1, SIDE, SIDE) / WHITE
    return Jpeg(jnp.asarray(tables, jnp.float32), sampling)


def _coefficients(y: Array, sampling: tuple[int, int] = (1, 1)) -> Array:
    """Those of some blocks (n, 64) in levels of 255, of light alone or of both colours."""
    channels, blocks = y.shape[-1], -(-y.shape[0] // SIDE) * -(-y.shape[1] // SIDE)
    one = _jpeg([np.ones(SIDE * SIDE)] * channels, sampling)
    c = one.measured(y).reshape(-1, SIDE * SIDE)
    c = c if channels == 1 else c[blocks:]
    return c[:: -(-len(c) // BLOCKS)]


@jax.jit
def _gains(c: Array, error: float = ERROR) -> Array:
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


def _normal(e: Array, s: float) -> Array:
    """`log N(e; 0, s^2)` of coefficients (n, 64)."""
    levels = jnp.full(SIDE * SIDE, s).at[0].set(MEAN_ERROR)[None]
    return -((e / levels) ** 2) / 2 - jnp.log(levels * jnp.sqrt(2 * jnp.pi))


def _tables(base: np.ndarray) -> np.ndarray:
    """The tables (100, 64) of the qualities 1 to 100."""
    quality = np.arange(1, 101)
    percent = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return np.clip((base.ravel() * percent[:, None] + 50) // 100, 1, STEPS[-1])


def _of(gains: Array, steps: np.ndarray) -> Array:
    """What steps (..., 64) gain in all."""
    return gains[np.arange(SIDE * SIDE), steps - 1].sum(-1)


def _told(gains: Array, steps: np.ndarray) -> Array:
    """What steps (64,) gain where they gain; where all was rounded to 0 they cannot."""
    return jnp.maximum(gains[np.arange(SIDE * SIDE), steps - 1], 0).sum()


def _near(gains: Array, tables: np.ndarray) -> tuple[np.ndarray, int]:
    """The steps (64,) that gain most near to one of the tables, and which that is."""
    away = np.log(STEPS / tables[:, :, None]) / KIND
    likely = np.asarray(gains) - away**2 / 2
    which = int(likely.max(2).sum(1).argmax())
    return STEPS[likely[which].argmax(1)], which
