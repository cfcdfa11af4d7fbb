"""The pure functions inside a generator beside convolution: padding, norm, resampling.

Everything is written for one image `(H, W, C)`; `jax.vmap` batches. Padding, norm and bilinear
up-sampling bring their own backward passes, which are the faster for it: they have gradients by
`jax.grad` and `jax.vjp`, but no `jax.jvp`.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from dipjax.compiler import once
from dipjax.generators.winograd import interleaved
from dipjax.operators import Downsample

Array = jax.Array
Activation = Callable[[Array], Array]
Padding = Literal["reflect", "zero"]
Upsampling = Literal["bilinear", "nearest"]
Downsampling = Literal["stride", "average", "max", "lanczos2", "lanczos3"]

EPS = 1e-5  # of the norm, as in PyTorch's BatchNorm2d


def leaky_relu(x: Array) -> Array:
    """`max(x, 0.2 x)`, the activation of the published network."""
    return jnp.where(x >= 0, x, 0.2 * x)


def identity(x: Array) -> Array:
    return x


# --- padding -------------------------------------------------------------------------------


def pad(x: Array, p: int, padding: Padding) -> Array:
    """`p` rows and columns on each side of `x` (H, W, C), mirrored without the edge or zero."""
    if p == 0:
        return x
    if padding == "zero":
        return jnp.pad(x, ((p, p), (p, p), (0, 0)))
    if min(x.shape[:2]) <= p:  # mirrored more than once
        return jnp.pad(x, ((p, p), (p, p), (0, 0)), mode="reflect")
    return _reflect(x, p)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
@once("p")
def _reflect(x: Array, p: int) -> Array:
    if jax.default_backend() != "cpu":
        return _mirrored(x, p)
    # The margins are written in place, because the compiler repeats a padding that is computed
    # in each of the sixteen or nine places where a convolution reads it.
    x = jnp.pad(x, ((p, p), (p, p), (0, 0)))
    near, far = slice(p + 1, 2 * p + 1), slice(-2 * p - 1, -p - 1)
    x = x.at[:p].set(x[near][::-1]).at[-p:].set(x[far][::-1])
    return x.at[:, :p].set(x[:, near][:, ::-1]).at[:, -p:].set(x[:, far][:, ::-1])


@once("p")
def _reflect_backward(p: int, _, dy: Array) -> tuple[Array]:
    """Each margin is added to the rows or columns that it mirrors: in place, no other pass."""
    if jax.default_backend() != "cpu":
        return (_folded(dy, p),)
    near, far = slice(p + 1, 2 * p + 1), slice(-2 * p - 1, -p - 1)
    dy = dy.at[:, near].add(dy[:, :p][:, ::-1]).at[:, far].add(dy[:, -p:][:, ::-1])
    dy = dy.at[near].add(dy[:p][::-1]).at[far].add(dy[-p:][::-1])
    return (dy[p:-p, p:-p],)


_reflect.defvjp(lambda x, p: (_reflect(x, p), None), _reflect_backward)


def _mirrored(x: Array, p: int) -> Array:
    """By a list of places, for accelerators: one kernel with whatever makes `x`."""
    rows, columns = (np.pad(np.arange(n), p, mode="reflect") for n in x.shape[:2])
    where = {"mode": "promise_in_bounds", "wrap_negative_indices": False}
    return x.at[rows].get(**where).at[:, columns].get(**where)


def _folded(dy: Array, p: int) -> Array:
    """The adjoint: the margins as images that are zero elsewhere, one kernel with the next."""
    for axis in (1, 0):
        n = dy.shape[axis] - 2 * p
        near, inside, far = jnp.split(dy, (p, n + p), axis)
        dy = inside + _placed(near, 1, n, axis) + _placed(far, n - p - 1, n, axis)
    return dy


def _placed(margin: Array, start: int, n: int, axis: int) -> Array:
    """A margin, mirrored, among zeros that make it `n` rows or columns."""
    edges = [(0, 0, 0)] * margin.ndim
    edges[axis] = (start, n - start - margin.shape[axis], 0)
    return lax.pad(lax.rev(margin, (axis,)), jnp.zeros((), margin.dtype), edges)


# --- norm ----------------------------------------------------------------------------------


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def normalise(
    x: Array,
    scale: Array,
    bias: Array,
    activation: Activation = identity,
    gram: Callable[[Array], Array] = identity,
) -> Array:
    """`a(gamma (x - mean x) / sqrt(var x + eps) + beta)`, per channel over the whole image.

    Train-mode batch normalisation of one image and the activation `a` behind it, as one pass:
    the backward pass recomputes what it needs from `x` instead of reading it from memory.

    Args:
        x: image (H, W, C); the statistics are float32 at least, whatever its type.
        scale: `gamma` (C,).
        bias: `beta` (C,).
        activation: `a`, applied to each entry.
        gram: for the statistics of another image `U x` with the same mean: `U^T U`, times the
            ratio of their sizes.
    """
    return _normalise_forward(x, scale, bias, activation, gram)[0]


def _sum(x: Array) -> Array:
    """Sum over rows and columns, in two stages: faster and more exact than in one."""
    rows = x.sum(1, keepdims=True)
    if jax.default_backend() != "cpu":
        # Else XLA makes one sum of them, by as few threads as there are channels.
        rows = lax.optimization_barrier(rows)
    return rows.sum(0, keepdims=True)


@once("activation", "gram")
def _normalise_forward(x, scale, bias, activation, gram):
    wide = x.astype(scale.dtype)
    mean, variance = _moments(wide, gram)
    inverse = lax.rsqrt(variance + EPS)
    y = activation((wide - mean) * (inverse * scale[None, None]) + bias[None, None])
    return y.astype(x.dtype), (x, scale, bias, mean, inverse)


def _moments(x: Array, gram: Callable[[Array], Array]) -> tuple[Array, Array]:
    """Mean and variance of each channel."""
    n = x.shape[0] * x.shape[1]
    if jax.default_backend() == "cpu":
        mean = _sum(x) / n
        centred = x - mean
        return mean, _sum(centred * gram(centred)) / n
    # Both sums in one pass, of differences to one of the pixels, whose squares stay small.
    pixel = x[:1, :1]
    d = x - pixel
    mean = _sum(d) / n
    return pixel + mean, jnp.maximum(_sum(d * gram(d)) / n - mean**2, 0)


@once("activation", "gram")
def _normalise_backward(activation, gram, saved, dy):
    x, scale, bias, mean, inverse = saved
    n = x.shape[0] * x.shape[1]
    x_hat = (x.astype(scale.dtype) - mean) * inverse
    _, pull = jax.vjp(activation, x_hat * scale[None, None] + bias[None, None])
    (du,) = pull(dy.astype(scale.dtype))
    d_bias, d_scale = _sum(du), _sum(du * x_hat)
    dx = (scale[None, None] * inverse) * (du - d_bias / n - gram(x_hat) * (d_scale / n))
    return dx.astype(x.dtype), d_scale[0, 0], d_bias[0, 0]


normalise.defvjp(_normalise_forward, _normalise_backward)


# --- resampling ----------------------------------------------------------------------------


def upsample(x: Array, method: Upsampling, shape: tuple[int, ...]) -> Array:
    """`x` (h, w, C) at twice its size, cut to `shape` = (H, W): H in {2h - 1, 2h}, W likewise.

    `bilinear` is PyTorch's `align_corners=False`: weights 3/4 and 1/4, edges repeated.
    """
    double = _double_bilinear if method == "bilinear" else _double_nearest
    return double(x)[: shape[0], : shape[1]]


def _double_nearest(x: Array) -> Array:
    h, w, c = x.shape
    return jnp.broadcast_to(x[:, None, :, None], (h, 2, w, 2, c)).reshape(2 * h, 2 * w, c)


@jax.custom_vjp
@once()
def _double_bilinear(x: Array) -> Array:
    return _double(_double(x, 0), 1)


def _double(x: Array, axis: int) -> Array:
    """`y_2i = 3/4 x_i + 1/4 x_(i-1)`, `y_(2i+1) = 3/4 x_i + 1/4 x_(i+1)` along an axis."""
    before, after = _neighbours(x, axis)
    return interleaved([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis)


def _neighbours(x: Array, axis: int) -> tuple[Array, Array]:
    """`x_(i-1)` and `x_(i+1)` along an axis, edges repeated."""
    n = x.shape[axis]
    part = partial(lax.slice_in_dim, x, axis=axis)
    before = jnp.concatenate([part(0, 1), part(0, n - 1)], axis)
    return before, jnp.concatenate([part(1, n), part(n - 1, n)], axis)


def _halve(dy: Array, axis: int) -> Array:
    """The adjoint of `_double`, written out: the derived one takes three times as long."""
    n = dy.shape[axis] // 2
    even, odd = (lax.slice_in_dim(dy, k, None, 2, axis=axis) for k in (0, 1))
    dx = 0.75 * (even + odd) + 0.25 * (_shift(even, -1, axis) + _shift(odd, 1, axis))
    first, last = (
        lax.slice_in_dim(part, k, k + 1, axis=axis) for part, k in ((even, 0), (odd, n - 1))
    )
    at = (slice(None),) * axis
    return dx.at[(*at, slice(0, 1))].add(0.25 * first).at[(*at, slice(n - 1, n))].add(0.25 * last)


def _shift(x: Array, by: int, axis: int) -> Array:
    """`x` moved by one place along an axis, a zero where it came from."""
    edges = [(0, 0, 0)] * x.ndim
    edges[axis] = (by, -by, 0)
    return lax.pad(x, jnp.zeros((), x.dtype), edges)


_double_bilinear.defvjp(
    lambda x: (_double_bilinear(x), None), lambda _, dy: (_halve(_halve(dy, 0), 1),)
)


def gram(x: Array, method: Upsampling) -> Array:
    """`U^T U x / 4` for the up-sampling `U` to twice the size: `mean (U x)^2 = mean x (gram x)`."""
    if method == "nearest":
        return x
    for axis in range(2):
        before, after = _neighbours(x, axis)
        x = 0.625 * x + 0.1875 * (before + after)
    return x


def halve(x: Array, method: Downsampling) -> Array:
    """`x` (H, W, C) at half its size, (ceil(H / 2), ceil(W / 2), C); an odd edge is repeated."""
    if method == "lanczos2" or method == "lanczos3":
        return Downsample(2, kernel=method)(x)
    h, w, c = x.shape
    x = jnp.pad(x, ((0, h % 2), (0, w % 2), (0, 0)), mode="edge")
    cells = x.reshape(-(-h // 2), 2, -(-w // 2), 2, c)
    return cells.mean((1, 3)) if method == "average" else cells.max((1, 3))


def grids(shape: tuple[int, ...], depth: int) -> list[tuple[int, int]]:
    """(H, W) halved 0, 1, ... `depth` times, each time rounded up."""
    return [(-(-shape[0] // 2**i), -(-shape[1] // 2**i)) for i in range(depth + 1)]


def nearest(x: Array, shape: tuple[int, ...]) -> Array:
    """`y_ij = x_(floor(i h / H))(floor(j w / W))`: `x` (h, w, C) at any size (H, W).

    Smaller, these are evenly spread entries. A decoder starts from those of its code, which is
    as large as the image and so tells any generator what to make.
    """
    rows, columns = (
        jnp.arange(n) * size // n for n, size in zip(shape[:2], x.shape[:2], strict=True)
    )
    return x[rows][:, columns]
