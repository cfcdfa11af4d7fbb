"""Masks `m`: 1 where a picture is known and 0 where it is missing, looked at before any compute."""

import jax
import jax.numpy as jnp
import numpy as np

from dipjax import images
from dipjax.compiler import traced

Array = jax.Array


def masked(y: Array, mask: Array) -> tuple[Array, Array]:
    """The picture with zeros where it is missing, and its mask.

    Args:
        y: (H, W) or (H, W, C); what it holds at missing pixels does not matter, NaN is fine.
        mask: (H, W), (H, W, 1) or (H, W, C): 1 or True where `y` is known, 0 where missing.

    Returns:
        `m * y` (H, W, C) and `m` (H, W, 1 or C), both of the type of the picture.

    Raises:
        ValueError: for a picture of another shape or range, a mask that does not fit it, has
            other values than 0 and 1, knows all or nothing, or seems to be inverted.
    """
    m = jnp.asarray(images.array(mask, "mask"))
    m = m[..., None] if m.ndim == 2 else m
    y = jnp.asarray(images.array(y, "picture"))
    y = y[..., None] if y.ndim == 2 else y
    if m.ndim != 3 or m.shape[:2] != y.shape[:2] or m.shape[2] not in (1, *y.shape[2:]):
        raise ValueError(
            f"mask of shape {jnp.shape(mask)} does not fit a picture of shape {y.shape}"
        )
    if not traced((m, y)):
        # NumPy, because inside a jit even a constant handed to jax.numpy becomes a tracer.
        _check(np.asarray(m), np.asarray(y))
    y = images.check(jnp.where(m > 0, y, jnp.zeros((), y.dtype)))
    return y, m.astype(y.dtype)


def _check(m: np.ndarray, y: np.ndarray) -> None:
    if not np.all((m == 0) | (m == 1)):
        raise ValueError("a mask holds 1 where the picture is known and 0 where not, nothing else")
    if np.all(m == 1):
        raise ValueError("the mask says that every pixel is known: there is nothing to inpaint")
    if np.all(m == 0):
        raise ValueError("the mask says that no pixel is known: there is nothing to start from")
    known = np.broadcast_to(m == 1, y.shape)
    if np.all(y[known] == 0) and np.any(np.nan_to_num(y[~known]) != 0):
        raise ValueError(
            "all known pixels are black and the missing ones are not: the mask seems to be "
            "inverted, it must be 1 where the picture is known"
        )
