"""Images in memory: float32 `(H, W, C)` with values in `[0, 1]`, channels last."""

import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from dipjax.compiler import looks, traced

WHITE = {"uint8": 255, "uint16": 65535}
"""The sample that means 1.0, by integer type; other integers have no agreed white."""

LIMIT = 16.0
"""Floats beyond `[-LIMIT, LIMIT]` are on another scale. Noise may leave `[0, 1]` (single-photon
Poisson and single-look speckle reach about 12), a picture on the 0..255 scale exceeds 16."""


class ImageError(ValueError):
    """A picture or array that cannot be used: one line on which, what is wrong and what to do."""


@looks
def check(image: ArrayLike, name: str = "image") -> jax.Array:
    """Turn an array-like into an image, or say what is wrong with it.

    Values are looked at only where there are some: of what is traced by `jit`, `vmap` or `grad` the
    shape and the type are still checked, NaN and range are not.

    Args:
        image: `(H, W)` or `(H, W, C)`; floats in `[0, 1]` (noise may exceed it), uint8 or uint16.
        name: what to call it in the message.

    Returns:
        `(H, W, C)`; float32 from integers and from shorter floats, in which sums overflow; float64
        remains where JAX's x64 is on, and is float32 else.

    Raises:
        ImageError: wrong rank, no pixels, boolean or other integer type, NaN or infinity, or values
            beyond `[-LIMIT, LIMIT]`, which are on another scale.
    """
    x = array(image, name)
    if x.ndim not in (2, 3):
        raise ImageError(
            f"{name} has shape {x.shape}: expected (H, W) or (H, W, C), one image, channels last; "
            "use jax.vmap for several"
        )
    if x.size == 0:
        raise ImageError(f"{name} has shape {x.shape}: it has no pixels")
    _check_type(x.dtype, name)
    if not traced(x):
        check_values(np.asarray(x), name)
    x = x if x.ndim == 3 else x[:, :, None]
    if x.dtype.name in WHITE:
        return jnp.asarray(x, jnp.float32) / WHITE[x.dtype.name]
    size = x.dtype.itemsize
    return jnp.asarray(x.astype("float32" if size < 4 else "float64") if size not in (4, 8) else x)


def array(given: Any, name: str) -> np.ndarray | jax.Array:
    """What was given as an array, in this machine's order of bytes: JAX knows no other.

    Raises:
        ImageError: for the name of a file, or anything else that is no array.
    """
    if isinstance(given, jax.Array):
        return given
    if hasattr(given, "__jax_array__") or traced(given):  # such as a list of what is traced
        return jnp.asarray(given)
    if isinstance(given, str | os.PathLike):
        words = "not an array; dipjax.images.load reads a file"
        raise ImageError(f"{name} is {os.fspath(given)!r}, {words}")
    if hasattr(given, "colour"):
        raise ImageError(f"{name} is a {type(given).__name__}: give its .colour")
    try:
        x = np.asarray(given)
    except ValueError as error:
        raise ImageError(f"{name} is a list of parts that differ in shape, not an array") from error
    if x.dtype.kind in "OSU":
        what = given if x.ndim == 0 else f"a {type(given).__name__} of {x.dtype.type.__name__}"
        raise ImageError(f"{name} is {what}, not an array of numbers")
    return x.astype(x.dtype.newbyteorder("="), copy=False)  # FITS files have another


def middle(image: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """The middle (h, w) = `shape[:2]` of an image (H, W, C) that is at least as large."""
    i, j = ((n - m) // 2 for n, m in zip(image.shape[:2], shape[:2], strict=True))
    return image[i : i + shape[0], j : j + shape[1]]


def busiest(image: jax.Array, side: int) -> jax.Array:
    """The part of an image (H, W, C) that varies most, of windows of `side` pixels that overlap.

    It has all rows, or columns, of which there are no more.
    """
    h, w = size = [min(n, side) for n in image.shape[:2]]
    edges = [(0, 1), (0, 1), (0, 0)]
    wide = jnp.pad(image, edges, mode="edge")
    varies = (jnp.diff(wide, axis=0)[:, :-1] ** 2 + jnp.diff(wide, axis=1)[:-1] ** 2).sum(-1)
    sums = jnp.pad(varies.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    starts = [
        np.unique([*range(0, n - m, max(side // 4, 1)), n - m])
        for n, m in zip(varies.shape, size, strict=True)
    ]
    i, j = np.meshgrid(*starts, indexing="ij")
    of_windows = sums[i + h, j + w] - sums[i, j + w] - sums[i + h, j] + sums[i, j]
    most = of_windows.argmax()
    start = (jnp.asarray(i.ravel())[most], jnp.asarray(j.ravel())[most], 0)
    return lax.dynamic_slice(image, start, (h, w, image.shape[2]))


def local_mean(y: jax.Array) -> jax.Array:
    """The mean of the 5 x 5 neighbours of every pixel of a picture (H, W, C), edges mirrored.

    A picture of fewer rows or columns has fewer of them.
    """
    for axis in range(2):
        p = min(2, y.shape[axis] - 1)
        edges = [(0, 0)] * y.ndim
        edges[axis] = (p, p)
        wide, n = jnp.pad(y, edges, mode="reflect"), y.shape[axis]
        parts = [lax.slice_in_dim(wide, i, i + n, axis=axis) for i in range(2 * p + 1)]
        y = sum(parts[1:], parts[0]) / len(parts)
    return y


def repeated(x: Any, times: int) -> Any:
    """An image (H, W, C) enlarged by repeating its pixels: (H * times, W * times, C)."""
    return x.repeat(times, 0).repeat(times, 1)


def _check_type(dtype: np.dtype, name: str) -> None:
    if dtype.name in WHITE or jnp.issubdtype(dtype, jnp.floating):
        return
    if dtype.name == "bool":
        raise ImageError(f"{name} is boolean, a mask rather than an image: use .astype('float32')")
    if jnp.issubdtype(dtype, jnp.integer):
        raise ImageError(
            f"{name} has type {dtype.name}: divide by its white level (255 for 8 bits, 65535 for "
            "16) to get floats in [0, 1], or convert to uint8 or uint16"
        )
    raise ImageError(f"{name} has type {dtype}: expected floats in [0, 1], uint8 or uint16")


def check_values(x: np.ndarray, name: str) -> None:
    """Raise ImageError for floats that are not finite, or on another scale."""
    if x.dtype.name in WHITE:
        return
    bad = int(x.size - np.isfinite(x).sum())
    if bad:
        raise ImageError(
            f"{name} has {bad} NaN or infinite values of {x.size}: replace them first, "
            "for example with numpy.nan_to_num"
        )
    low, high = float(x.min()), float(x.max())
    if max(-low, high) > LIMIT:
        raise ImageError(
            f"{name} ranges from {low:.4g} to {high:.4g}, expected [0, 1]: divide by its white "
            "level (255 for 8 bits, 65535 for 16)"
        )


def quantised(x: np.ndarray, depth: int = 8) -> np.ndarray:
    """The samples of an image, held in [0, 1] and rounded to nearest; of 32 bits the floats."""
    x = x.astype(np.float32).clip(0, 1)
    return x if depth == 32 else np.rint(x * (2**depth - 1)).astype(f"uint{depth}")
