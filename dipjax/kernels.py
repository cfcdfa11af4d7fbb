"""Kernels `k` of a blur: the picture of a point of light, of the sum 1.

    gaussian    k_ij ~ exp(-(i^2 + j^2) / (2 sigma^2))       a soft lens, turbulent air
    disc        k_ij ~ 1 within the radius                   a lens out of focus
    motion      k_ij ~ 1 along a line                        a camera that moved

`i` and `j` are counted from the middle of an array (h, w) of odd sides, which is what all of these
return, in float32. See `operators.Blur`.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from dipjax import images
from dipjax.compiler import looks, traced

Array = jax.Array

FINE = 16  # lines through a pixel of a disc, and points of a line of motion along a pixel


def gaussian(sigma: float) -> Array:
    """A soft blur, up to three sigma.

    Args:
        sigma: its standard deviation in pixels, positive.

    Raises:
        ValueError: for another sigma.
    """
    _check_length("sigma", sigma)
    radius = math.ceil(3 * sigma)
    k = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return _normalised(np.outer(k, k))


def disc(radius: float) -> Array:
    """A blur of a lens out of focus, each pixel by the part of it that is within the circle.

    Args:
        radius: in pixels, positive.

    Raises:
        ValueError: for another radius.
    """
    _check_length("radius", radius)
    side = 2 * math.ceil(radius - 0.5) + 1
    if side == 1:  # of which no line may be within the circle
        return _normalised(np.ones((1, 1)))
    left = np.arange(side) - side / 2
    k = np.zeros((side, side))
    for i in range(FINE):  # lines through each row, of which a chord is within the circle
        half = np.sqrt(np.maximum(radius**2 - (left + (i + 0.5) / FINE) ** 2, 0))[:, None]
        k += np.clip(np.minimum(left + 1, half) - np.maximum(left, -half), 0, None)
    return _normalised(k)


def motion(length: float, angle: float = 0.0) -> Array:
    """A blur of a camera that moved along a line, each pixel by how near the line passes it.

    Args:
        length: of the line in pixels, positive.
        angle: in degrees, counter-clockwise from the horizontal.

    Raises:
        ValueError: for another length, or an angle that is no number.
    """
    _check_length("length", length)
    if not math.isfinite(angle):
        raise ValueError(f"angle {angle}: must be a number of degrees")
    t = np.linspace(-length / 2, length / 2, math.ceil(length * FINE) + 1)
    rows, columns = -t * math.sin(math.radians(angle)), t * math.cos(math.radians(angle))
    # A line along an axis has no other rows, though the sine of 180 degrees is not zero.
    at = [np.arange(-(r := math.ceil(np.abs(p).max() - 1e-9)), r + 1) for p in (rows, columns)]
    near_rows, near_columns = (
        np.maximum(1 - np.abs(a[:, None] - p), 0) for a, p in zip(at, (rows, columns), strict=True)
    )
    return _normalised(near_rows @ near_columns.T)


@looks
def checked(kernel: ArrayLike, shape: tuple[int, ...]) -> Array:
    """A kernel (h, w) or (h, w, 1) for pictures of this shape, as (h, w), scaled to the sum 1.

    Raises:
        ValueError: for a kernel of another form, that holds NaN, whose sum is not positive, or that
            is larger than the picture.
    """
    k = jnp.asarray(images.array(kernel, "kernel"))
    k = k.astype(jnp.promote_types(k.dtype, jnp.float32))  # sums of float16 overflow
    k = k[..., 0] if k.ndim == 3 and k.shape[-1] == 1 else k
    if k.ndim != 2 or 0 in k.shape:
        raise ValueError(f"a kernel is an array (h, w), not of shape {jnp.shape(kernel)}")
    if k.shape[0] > shape[0] or k.shape[1] > shape[1]:
        raise ValueError(
            f"a kernel of {k.shape[1]} x {k.shape[0]} for pictures or tiles of {shape[1]} x "
            f"{shape[0]} pixels: must not be larger; cut away its black margins"
        )
    if not traced(k) and not 0 < np.sum(k, dtype=float) < np.inf:
        raise ValueError("a kernel says where the light of a point goes: its sum must be positive")
    return k / k.sum()


def _check_length(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"{name} {value}: must be a positive number of pixels")


def _normalised(k: np.ndarray) -> Array:
    return jnp.asarray(k / k.sum(), jnp.float32)
