"""Line integrals: the operator of computed tomography."""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from dipjax.compiler import once
from dipjax.operators.base import Array, Operator, Shape, list_as_array


@flax.struct.dataclass
class Radon(Operator):
    """`(A x)(t, s)`: the integral of `x` along the line at angle `t` and distance `s`.

    By the projection-slice theorem: the Fourier transform of a view is that of the image on a line
    through the origin. Where this is nearer to the axis of `u` than to that of `v`,

        p_t(s) = 1 / (n |a|) sum_u S(u) X(u, u b / a) exp(1i u s / a),    a = cos t, b = -sin t
        X(u, v) = sum_ij x_ij exp(-1i (u j + v i)),                       u = 2 pi k / n,

    and else with rows for columns; nothing is interpolated. `i`, `j` and `s` are counted from the
    middle. Pixels are squares of side 1, detectors as wide: `S`, three sincs. What is finer than
    the grid of pixels (`u` beyond pi) is left out, so an edge along an axis rings a little.

    Attributes:
        angles: `t` (views,), in degrees; at 0 the columns are summed up, as in scikit-image.
        detectors: how many a view has; by default as many as the larger side of an image, which
            see the disc in it.

    Raises:
        ValueError: for detectors that are no positive integer, and when applied with angles that
            are no list, or to what is no image (H, W, C).
    """

    angles: Array
    detectors: int | None = flax.struct.field(pytree_node=False, default=None)

    def __post_init__(self):
        list_as_array(self, "angles")
        d = self.detectors
        if d is not None and (not isinstance(d, int | np.integer) or d < 1):
            raise ValueError(f"detectors must be an integer of at least 1, not {d!r}")

    def forward(self, x: Array) -> Array:
        if jnp.ndim(self.angles) != 1 or jnp.ndim(x) != 3:
            raise ValueError(
                f"angles must be (views,) and the image (H, W, C), not of shapes "
                f"{jnp.shape(self.angles)} and {jnp.shape(x)}"
            )
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))  # an FFT knows no other
        d = self.detectors or max(x.shape[:2])
        return _views(x, jnp.asarray(self.angles, x.dtype), d)

    def domain(self, shape: Shape) -> Shape:
        """Of the square image whose disc such a measurement sees."""
        return (shape[1], shape[1], *shape[2:])


@once("d")
def _views(x: Array, angles: Array, d: int) -> Array:
    """Of an image (H, W, C) by `d` detectors, one view after another."""
    h, w, _ = x.shape
    side = max(h, w, d)
    n = 2 * side  # what comes round lies beside the detectors
    k = jnp.arange(side + 1, dtype=x.dtype)
    s = jnp.arange(d, dtype=x.dtype) - (d - 1) / 2
    both = jnp.where(k % side == 0, 1, 2).astype(x.dtype)  # a real image: -k adds the same
    flat, steep = _lines(x, side), _lines(x.swapaxes(0, 1), side)

    @jax.checkpoint  # waves are cheaper than the memory of all of them
    def view(t: Array) -> Array:
        a, b = jnp.cos(t), -jnp.sin(t)
        near = jnp.abs(a) >= jnp.abs(b)
        a, b = jnp.where(near, a, b), jnp.where(near, b, a)
        lines = jnp.where(near, flat, steep)
        i = jnp.arange(side, dtype=x.dtype) - jnp.where(near, (h - 1) / 2, (w - 1) / 2)
        X = jnp.sum(_waves(k, -b / a * i / n) * lines, -1)
        S = _sinc(k / n) * _sinc(k / n * b / a) * _sinc(k / n / a)
        P = (both * S / (n * jnp.abs(a)))[None] * X
        return jnp.sum(_waves(s / a / n, k) * P[:, None], -1).real.T

    return lax.map(view, jnp.deg2rad(angles))


def _lines(x: Array, side: int) -> Array:
    """The transform of every row, origin in its middle: (C, frequencies, side)."""
    h, w, _ = x.shape
    X = jnp.fft.rfft(x, 2 * side, axis=1)
    X *= _waves(jnp.arange(side + 1, dtype=x.dtype), jnp.full(1, (w - 1) / 4 / side, x.dtype))
    return jnp.pad(X, ((0, side - h), (0, 0), (0, 0))).transpose(2, 1, 0)


def _waves(f: Array, k: Array) -> Array:
    """`exp(2 pi 1i f k)` (1, f, k); whole turns are left out, which float32 would blur."""
    turns = jnp.outer(f, k)[None]
    phase = 2 * jnp.pi * (turns - jnp.round(turns))
    return lax.complex(jnp.cos(phase), jnp.sin(phase))


def _sinc(f: Array) -> Array:
    """`sin(pi f) / (pi f)`, with a derivative that holds near 0, too."""
    q = jnp.pi * f
    small = jnp.abs(q) < 1e-2
    away = jnp.where(small, 1, q)
    return jnp.where(small, 1 - q**2 / 6, jnp.sin(away) / away)
