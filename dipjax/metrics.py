"""How near an image is to its reference: PSNR, the paper's PSNR of luma, and SSIM.

Everything takes floats with white at 1, `(H, W, C)` or `(H, W)`, returns a scalar, and passes
through `jit`, `vmap` and `grad`. Values are not clipped: what is measured is what is given.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

RADIUS = 5
"""Of the SSIM window in pixels: 11 x 11, as published."""

SIGMA = 1.5
"""Of the Gaussian weights of that window, in pixels."""


def psnr(image: ArrayLike, reference: ArrayLike) -> jax.Array:
    """Peak signal-to-noise ratio, `10 log10(1 / mean((x - y)^2))`.

    Args:
        image: `x`, `(H, W, C)` or `(H, W)`, floats with white at 1.
        reference: `y`, of the same shape.

    Returns:
        Decibels, a scalar; infinity where the two are equal.

    Raises:
        ValueError: shapes differ, or values are not floats.
    """
    x, y = _pair(image, reference)
    return -10 * jnp.log10(jnp.mean((x - y) ** 2))


def psnr_y(image: ArrayLike, reference: ArrayLike, *, border: int = 4) -> jax.Array:
    """The paper's PSNR for super-resolution: of luma alone, without the border.

    Luma is `Y = 16/255 + 219/255 (0.299 R + 0.587 G + 0.114 B)`; an image of one channel is taken
    for luma as it is. The authors first cut both pictures to where their result is not black;
    that belongs to their tables and is left to the caller.

    Args:
        image: `(H, W, 3)`, `(H, W, 1)` or `(H, W)`, floats with white at 1.
        reference: of the same shape.
        border: pixels left out at each side.

    Returns:
        Decibels, a scalar, with data range 1.

    Raises:
        ValueError: shapes differ, neither grey nor RGB, or nothing is left inside the border.

    Source: `super-resolution_eval_script.py` of the authors' repository.
    """
    x, y = _pair(image, reference)
    height, width, _ = x.shape
    if border < 0 or min(height, width) <= 2 * border:
        raise ValueError(f"nothing is left of {height} x {width} pixels inside border={border}")
    inside = (slice(border, height - border), slice(border, width - border))
    return psnr(_luma(x)[inside], _luma(y)[inside])


def _luma(x: jax.Array) -> jax.Array:
    channels = x.shape[-1]
    if channels == 1:
        return x[..., 0]
    if channels != 3:
        raise ValueError(f"luma needs 1 or 3 channels (grey or RGB), not {channels}")
    r, g, b = x[..., 0], x[..., 1], x[..., 2]
    return (16 + 219 * (0.299 * r + 0.587 * g + 0.114 * b)) / 255


@jax.jit
def ssim(image: ArrayLike, reference: ArrayLike) -> jax.Array:
    """Mean structural similarity, with the published Gaussian window.

    `S = (2 u_x u_y + C1) (2 v_xy + C2) / ((u_x^2 + u_y^2 + C1) (v_x + v_y + C2))` for the weighted
    means `u`, variances `v_x, v_y` and covariance `v_xy` in an 11 x 11 window of standard deviation
    1.5; `C1 = 0.01^2`, `C2 = 0.03^2`. Averaged over the channels and over the windows that lie
    wholly inside, as scikit-image does with `gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, data_range=1`.

    Args:
        image: `x`, `(H, W, C)` or `(H, W)`, at least 11 x 11, floats with white at 1.
        reference: `y`, of the same shape.

    Returns:
        A scalar in `[-1, 1]`; 1 where the two are equal.

    Raises:
        ValueError: shapes differ, values are not floats, or a side is under 11 pixels.

    Source: Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13 (2004), 600-612.
    """
    x, y = _pair(image, reference)
    side = 2 * RADIUS + 1
    if min(x.shape[:2]) < side:
        raise ValueError(f"SSIM needs at least {side} x {side} pixels, not {x.shape[:2]}")
    c1, c2 = 0.01**2, 0.03**2
    u = jnp.stack([x, y])
    v = jnp.zeros((3, *x.shape), x.dtype)
    for axis in (1, 2):
        u, v = _moments(u, v, axis)
    (ux, uy), (vx, vy, vxy) = u, v
    s = (2 * ux * uy + c1) * (2 * vxy + c2) / ((ux**2 + uy**2 + c1) * (vx + vy + c2))
    return jnp.mean(s)


def _moments(u: jax.Array, v: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
    """Means `u = (u_x, u_y)` and covariances `v = (v_x, v_y, v_xy)`, windowed along one axis more.

    The window is separable, so one axis follows the other by the law of total covariance,
    `v_xy = sum_k w_k (v_xy[k] + (u_x[k] - u_x) (u_y[k] - u_y))`. The textbook's
    `mean(x y) - u_x u_y` loses in float32 what flat regions have: C2 is only 9e-4.
    """
    inside = u.shape[axis] - 2 * RADIUS

    def shift(a: jax.Array, k: ArrayLike) -> jax.Array:
        return jax.lax.dynamic_slice_in_dim(a, k, inside, axis)

    def spread(k: ArrayLike) -> jax.Array:
        dx, dy = shift(u, k) - mean
        return shift(v, k) + jnp.stack([dx * dx, dy * dy, dx * dy])

    mean = _weighted_sum(lambda k: shift(u, k))
    return mean, _weighted_sum(spread)


def _weighted_sum(term: Callable[[ArrayLike], jax.Array]) -> jax.Array:
    """`sum_k w_k term(k)` over the window.

    A loop over shifts rather than a convolution, which accelerators round to fewer bits; a scan
    rather than a Python loop, which takes seconds to compile.
    """
    w = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
    zero = jnp.zeros_like(term(0))

    def add(total: jax.Array, kw: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        k, wk = kw
        return total + wk * term(k), None

    shifts = jnp.arange(2 * RADIUS + 1), jnp.asarray(w / w.sum(), zero.dtype)
    return jax.lax.scan(add, zero, shifts)[0]


def _pair(image: ArrayLike, reference: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Both as `(H, W, C)` arrays of floats, or a clear refusal."""
    x, y = jnp.asarray(image), jnp.asarray(reference)
    if x.shape != y.shape:
        raise ValueError(f"image and reference differ in shape: {x.shape} and {y.shape}")
    if x.ndim not in (2, 3) or x.size == 0:
        raise ValueError(f"expected shape (H, W, C) or (H, W), got {x.shape}; vmap over several")
    for array in (x, y):
        if not jnp.issubdtype(array.dtype, jnp.floating):
            raise ValueError(f"expected floats with white at 1, got {array.dtype}; divide first")
    return (x, y) if x.ndim == 3 else (x[:, :, None], y[:, :, None])
