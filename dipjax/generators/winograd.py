"""3 x 3 convolutions with a quarter of the multiplications: Winograd's F(4, 3).

An image is cut into tiles `d` of 6 x 6 pixels, 4 apart; each gives 4 x 4 pixels,

    Y = A ((G w G^T) * (B d B^T)) A^T,

where `*` multiplies entry by entry: for all tiles and channels together one matrix product for
each of the 36 entries. Lavin and Gray, "Fast algorithms for convolutional neural networks" (CVPR
2016), sec. 4.1. The gradients are the adjoints of the three steps, so they take the same products.

An image that is up-sampled before it is convolved need not be: a tile `d = S t S^T` of it is
linear in a tile `t` of 4 x 4 pixels of the small image, and is cut from that by `B S`.
"""

import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from dipjax.compiler import once

Array = jax.Array

# Where a product of polynomials is taken, beside at infinity. With 0, 1, -1, 2, -2, as in the
# article, rounding errors are twice as large.
POINTS = (0, 3 / 4, -3 / 4, 3 / 2, -3 / 2)


def _toom_cook(points: Sequence[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`A` (4, 6), `B` (6, 6), `G` (6, 3) of the bilinear algorithm with these points."""
    powers = np.vander(points, 4, increasing=True)
    roots = [np.poly([q for q in points if q != p])[::-1] for p in points]
    scale = np.array([np.polyval(root[::-1], p) for root, p in zip(roots, points, strict=True)])
    a = np.hstack([powers.T, [[0], [0], [0], [1]]])
    b = np.vstack([np.pad(roots, ((0, 0), (0, 1))), np.poly(points)[::-1]])
    g = np.vstack([powers[:, :3] / scale[:, None], [0, 0, 1]])
    return a, b, g


A, B, G = _toom_cook(POINTS)


# The six rows of a tile, up-sampled from four, of which the first and the last are only touched.
BILINEAR = np.array(
    [[3, 1, 0, 0], [1, 3, 0, 0], [0, 3, 1, 0], [0, 1, 3, 0], [0, 0, 3, 1], [0, 0, 1, 3]]
)
NEAREST = np.array(
    [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
)


@dataclass(frozen=True, eq=False)
class Cut:
    """How an image is cut into tiles along an axis.

    Attributes:
        matrix: (6, k), from the k entries of a tile, k - 2 apart, to the six that are multiplied.
        mirror: None for an image with margins. Else its edges are repeated, and this is how much
            of the step behind the edge an up-sampled and mirrored margin has, a repeated one not.
    """

    matrix: np.ndarray
    mirror: float | None = None

    @property
    def entries(self) -> int:
        return self.matrix.shape[1]


PADDED = Cut(B)
UPSAMPLED = {"bilinear": Cut(B @ BILINEAR / 4, 0.25), "nearest": Cut(B @ NEAREST, 0.0)}

# Where the margins of an image enter its tiles: the row of `B d`, the edge, what is behind it,
# and the weight.
MARGINS = ((0, 0, 1, float(B[0, 0])), (5, -1, -2, float(B[5, 5])))


def winograd(x: Array, w: Array) -> Array:
    """The convolution of an image (H + 2, W + 2, C) with a kernel (3, 3, C, D): (H, W, D)."""
    height, width = x.shape[0] - 2, x.shape[1] - 2
    x = jnp.pad(x, ((0, -height % 4), (0, -width % 4), (0, 0)))
    y: Any = _convolve((x,), w, (PADDED,))
    return y[:height, :width]


def winograd_upsampled(fine: Array | None, coarse: Array, w: Array, upsampling: str) -> Array:
    """The same of `fine` together with `coarse`, up-sampled and mirrored at its edges.

    Args:
        fine: image (H + 2, W + 2, C), with H and W multiples of 4, or None.
        coarse: image (H / 2, W / 2, C').
        w: kernel (3, 3, C + C', D).
        upsampling: "bilinear" or "nearest".

    Returns:
        Image (H, W, D).
    """
    cut = UPSAMPLED[upsampling]
    if fine is None:
        return _convolve((coarse,), w, (cut,))
    return _convolve((fine, coarse), w, (PADDED, cut))


@partial(jax.custom_vjp, nondiff_argnums=(2,))
@once("cuts")
def _convolve(images: tuple[Array, ...], w: Array, cuts: tuple[Cut, ...]) -> Array:
    v = _all_tiles(images, cuts)
    m = jnp.einsum("jihwc,jicd->jihwd", v, _on_both_sides(G, w))
    return _join(_join(m, 2), 0)


def _forward(images, w, cuts):
    return _convolve(images, w, cuts), (images, w)


@once("cuts")
def _backward(cuts, saved, dy):
    images, w = saved
    v, dm = _all_tiles(images, cuts), _split(_split(dy, 0), 2)
    dv = jnp.einsum("jihwd,jicd->jihwc", dm, _on_both_sides(G, w))
    dw = _on_both_sides(G.T, _products(v, dm))
    d_images, start = [], 0
    for x, cut in zip(images, cuts, strict=True):
        part = lax.slice_in_dim(dv, start, start + x.shape[-1], axis=-1)
        d_images.append(_untile(_untile(part, 2, cut), 0, cut))
        start += x.shape[-1]
    return tuple(d_images), dw


_convolve.defvjp(_forward, _backward)


# --- the steps, along one axis, and their adjoints -----------------------------------------


def _all_tiles(images: Sequence[Array], cuts: Sequence[Cut]) -> Array:
    """`B d B^T` of all tiles: (6, 6, H / 4, W / 4, all channels)."""
    pairs = zip(images, cuts, strict=True)
    return jnp.concatenate([_tile(_tile(x, 0, cut), 2, cut) for x, cut in pairs], -1)


def _on_both_sides(matrix: np.ndarray, x: Array) -> Array:
    """`M x M^T` over the first two axes of `x`."""
    rows = jnp.stack(_combine(matrix, _unstacked(x, 0)))
    return jnp.stack(_combine(matrix, _unstacked(rows, 1)))


def _products(v: Array, dm: Array) -> Array:
    """`v^T dm` for each of the 36 entries."""
    v, m = (x.reshape(36, -1, x.shape[-1]) for x in (v, dm))
    return lax.dot_general(v, m, (((1,), (1,)), ((0,), (0,)))).reshape(
        6, 6, v.shape[-1], m.shape[-1]
    )


def _tile(x: Array, axis: int, cut: Cut) -> Array:
    """The tiles along an axis, times the matrix: their six entries are the first axis."""
    k = cut.entries
    whole = x if cut.mirror is None else _repeated(x, axis)
    end = whole.shape[axis] - k + 1
    rows = _combine(cut.matrix, [_part(whole, axis, i, i + end, k - 2) for i in range(k)])
    if cut.mirror:
        for row, edge, behind, weight in MARGINS:
            step = _entry(x, axis, behind) - _entry(x, axis, edge)
            rows[row] = _added(rows[row], axis, edge, cut.mirror * weight * step)
    return jnp.stack(rows)


def _untile(r: Array, axis: int, cut: Cut) -> Array:
    """The adjoint of `_tile`: entries where tiles overlap are added."""
    k = cut.entries
    rows = _unstacked(r, 0)
    *parts, first, second = _combine(cut.matrix.T, rows)
    parts = [_padded(part, axis, 0, 1) for part in parts]
    parts[0] += _padded(first, axis, 1, 0)
    parts[1] += _padded(second, axis, 1, 0)
    n = (k - 2) * r.shape[axis + 1]
    y = interleaved(parts, axis)
    if cut.mirror is None:
        return _part(y, axis, 0, n + 2)
    x = _part(y, axis, 1, n + 1)
    for (row, edge, behind, weight), margin in zip(MARGINS, (0, n + 1), strict=True):
        step = cut.mirror * weight * _entry(rows[row], axis, edge)
        x = _added(x, axis, edge, _entry(y, axis, margin) - step)
        x = _added(x, axis, behind, step)
    return x


def _join(m: Array, axis: int) -> Array:
    """`A m`: the four pixels of each tile, side by side along the axis."""
    return interleaved(_combine(A, _unstacked(m, 0)), axis)


def _split(dy: Array, axis: int) -> Array:
    """The adjoint of `_join`."""
    return jnp.stack(_combine(A.T, [_part(dy, axis, i, None, 4) for i in range(4)]))


def _combine(matrix: np.ndarray, parts: Sequence[Array]) -> list[Array]:
    """The rows of `matrix @ parts`."""

    def row(weights: np.ndarray) -> Array:
        terms = [float(c) * x if c != 1 else x for c, x in zip(weights, parts, strict=True) if c]
        return functools.reduce(operator.add, terms)

    return [row(weights) for weights in matrix]


def _part(x: Array, axis: int, start: int, end: int | None, step: int = 1) -> Array:
    return lax.slice_in_dim(x, start, end, step, axis)


def _unstacked(x: Array, axis: int) -> list[Array]:
    return [lax.index_in_dim(x, i, axis, keepdims=False) for i in range(x.shape[axis])]


def _entry(x: Array, axis: int, i: int) -> Array:
    i %= x.shape[axis]
    return _part(x, axis, i, i + 1)


def _added(x: Array, axis: int, i: int, y: Array) -> Array:
    """`x` with `y` added to its entry `i` along the axis, in place."""
    i %= x.shape[axis]
    return lax.dynamic_update_slice_in_dim(x, _entry(x, axis, i) + y, i, axis)


def _padded(x: Array, axis: int, before: int, after: int) -> Array:
    edges = [(0, 0, 0)] * x.ndim
    edges[axis] = (before, after, 0)
    return lax.pad(x, jnp.zeros((), x.dtype), edges)


def _repeated(x: Array, axis: int) -> Array:
    """With its first and last entry along the axis twice."""
    return jnp.concatenate([_entry(x, axis, 0), x, _entry(x, axis, -1)], axis)


def interleaved(parts: Sequence[Array], axis: int) -> Array:
    """Entry `i` of each part, then entry `i + 1` of each."""
    shape = list(parts[0].shape)
    shape[axis] *= len(parts)
    return jnp.stack(parts, axis + 1).reshape(shape)
