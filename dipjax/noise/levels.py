"""The level of the noise of a picture, from the picture: the way back from `y` to `sigma`.

level                   of white noise, a scalar
level_by_brightness     of noise that depends on the light, of every entry
level_by_colour         of noise that is not alike in the colours, as detail is
"""

from functools import partial
from itertools import pairwise
from numbers import Real
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from dipjax import images
from dipjax.compiler import traced

Array = jax.Array

STRIP = 2**22  # entries of a picture that are looked at, at most
PARTS = 8  # of equally many entries, by whose brightness the level differs
HIGH = 6 * 0.6745  # the median of |L * n| for n ~ N(0, 1)
# Of 5 x 5 neighbours in unit white noise 0.999 have slopes below. This and the next three numbers
# were chosen by how near the level comes to the true one, on crops of sixty pictures.
QUIET = 2.1
FALL = 1.5  # of a level by the second look, at most
LEAST, FEWEST = 0.05, 200  # of the entries count in any case, those with the gentlest slopes
ROWS = 32  # of the strips of a large picture
# Two differences of red, green and blue, of unit length and at right angles, one in each column.
DIFFERENCES = np.array([[1, 1], [-1, 1], [0, -2]]) / np.sqrt([2, 6])


def level(y: ArrayLike) -> Array:
    """The standard deviation of the white noise of a picture (h, w, C), a scalar.

    `median |L * y| / (6 * 0.6745)` with `L = (1, -2, 1)^T (1, -2, 1)`, which sees little of the
    picture (Immerkaer 1996, with the median for its mean), where the picture is quiet; never less
    than a hundredth.
    """
    y = images.check(y)
    return jnp.float32(0.01) if min(y.shape[:2]) < 3 else jnp.maximum(_levels(y, 1)[1][0], 0.01)


def level_by_colour(y: ArrayLike) -> Array:
    """The level of the white noise of a picture (h, w, 3), from differences of its colours.

    Texture is nearly alike in all channels, and noise that differs from entry to entry is not: of
    clean pictures made smaller it is 0.9 / 255 in the median and 3.3 / 255 at most, where `level`
    is up to 13 / 255. Noise that is alike in the channels, as film grain, it does not see.

    Args:
        y: a picture in [0, 1], of at least 3 x 3 pixels.

    Raises:
        ValueError: for a picture of another shape.
    """
    y = images.check(y)
    if y.shape[-1] != 3:
        raise ValueError(f"a picture of shape {y.shape} has not 3 channels: use noise.level")
    return _levels(y @ jnp.asarray(DIFFERENCES, y.dtype), 1)[1][0]


def level_by_brightness(y: ArrayLike, *, fall: float = FALL) -> Array:
    """The noise of every entry of a picture, `s` (H, W, C), from those that are about as bright.

    `level` of each of eight equally large parts of the entries, from the darkest to the brightest
    by the mean of their 5 x 5 neighbours, and between these what lies between: any noise that
    depends on the light, as that of photons, and speckle, and what clipping has left.

    Args:
        y: a picture (H, W, C) in [0, 1]; of fewer than 5 x 5 pixels it is `level` everywhere.
        fall: by what factor a second look, which leaves texture out, may lower a level; 1 for none.
    """
    return _level_by_brightness(images.check(y), fall)


@partial(jax.jit, static_argnames="fall")
def _level_by_brightness(y: Array, fall: float) -> Array:
    if min(y.shape[:2]) < 5:
        return jnp.full_like(y, level(y))
    light, levels = _levels(y, PARTS, fall)
    return jnp.interp(images.local_mean(y), light, jnp.maximum(levels, 0.001)).astype(y.dtype)


def unclipped_level(y: Array) -> Array:
    """The level, a scalar, of the entries of `y` (H, W, C) that are neither black nor white."""
    y = images.check(y)
    inside = (y > 0) & (y < 1)
    squares = jnp.where(inside, _level_by_brightness(y, FALL) ** 2, 0)
    return jnp.sqrt(squares.sum() / jnp.maximum(inside.sum(), 1))


def checked(y: ArrayLike, sigma: float | Array | None = None) -> tuple[Array, float]:
    """A noisy picture (H, W, C) and the level of its noise, given or estimated.

    Raises:
        ValueError: for a picture of another shape or range, or a level that is not positive.
    """
    y = images.check(y)
    return y, told(level(y) if sigma is None else sigma)


def told(sigma: float | Array, *, none: bool = False) -> float:
    """A level of noise that is given; 0 says that there is none, where that may be said.

    Raises:
        ValueError: for what is no level.
    """
    if traced(sigma):
        return cast(float, sigma)
    number = isinstance(sigma, Real | jax.Array | np.ndarray) and np.ndim(sigma) == 0
    if not number or not (0 < float(sigma) <= 10 or (none and sigma == 0)):
        zero = " or 0 for none," if none else ""
        raise ValueError(
            f"sigma {sigma}: must be positive,{zero} one number on the scale where white is 1, on "
            "which noise of 25 is 25 / 255"
        )
    return float(sigma)


@partial(jax.jit, static_argnames=("parts", "fall"))
def _levels(y: Array, parts: int, fall: float = FALL) -> tuple[Array, Array]:
    """The light of parts of the entries of a picture, and the level of noise in it (parts,).

    Texture looks like noise. So a second look leaves out the entries whose 5 x 5 neighbours have
    steeper slopes than noise of the level that the first has found, and of texture all over takes
    the quietest twentieth. Where the picture is darkest black pixels alone would be quiet, so no
    level falls by more than a third; and none rises, as a chequered pattern has no such slopes.

        X. Liu, M. Tanaka, M. Okutomi, "Single-image noise level estimation for blind denoising",
        IEEE Trans. Image Processing 22(12), 2013.
    """
    entries = jax.vmap(_entries)(_strips(y))
    light, size, slopes = lax.sort([a.ravel() for a in entries], num_keys=1)
    edges = [round(i * light.size / parts) for i in range(parts + 1)]
    within = [slice(a, b) for a, b in pairwise(edges) if b > a]
    lights = jnp.stack([light[part].mean() for part in within])
    first = jnp.stack([jnp.median(size[part]) for part in within])
    steep = QUIET * jnp.interp(light, lights, first) ** 2

    def second(part: slice) -> Array:
        least = min(1.0, max(LEAST, FEWEST / (part.stop - part.start)))
        quietest = jnp.quantile(slopes[part], least)
        counts = slopes[part] <= jnp.maximum(steep[part], quietest)
        return jnp.nanmedian(jnp.where(counts, size[part], jnp.nan))

    levels = jnp.stack([second(part) for part in within])
    return lights, jnp.clip(levels, first / fall, first)


def _strips(y: Array) -> Array:
    """A picture, or of a large one strips of it that lie all over: (n, rows, W, C).

    They tell the level as well, in a part of the memory and the time.
    """
    apart = -(-y.size // STRIP)
    if apart == 1 or len(y) < 2 * ROWS:
        return y[None]
    return y[np.arange(0, len(y) - ROWS + 1, ROWS)[::apart, None] + np.arange(ROWS)]


def _entries(y: Array) -> tuple[Array, Array, Array]:
    """Of the inner entries (h - 2, w - 2, C): the light around, the noise, and the slopes."""
    return images.local_mean(y)[1:-1, 1:-1], _noise(y), _slopes(y)


def _noise(y: Array) -> Array:
    """`|L * y| / (6 * 0.6745)` (h - 2, w - 2, C), whose median is the level of white noise.

    `L = (1, -2, 1)^T (1, -2, 1)` sees little of the picture.
    """
    return jnp.abs(jnp.diff(jnp.diff(y, 2, 0), 2, 1)) / HIGH


def _slopes(y: Array) -> Array:
    """The mean of `|D y|^2` over 5 x 5 neighbours (h - 2, w - 2, C), 1 for unit white noise."""
    rows, columns = y[2:, 1:-1] - y[:-2, 1:-1], y[1:-1, 2:] - y[1:-1, :-2]
    return images.local_mean((rows**2 + columns**2) / 4)
