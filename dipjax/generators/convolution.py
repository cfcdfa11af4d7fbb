"""Convolution and its transpose, forwards and backwards, in the forms that run fastest.

Accelerators have their libraries, which want channels in pieces of 16 bytes, and kernels that are
the same for all images. XLA's CPU backend has one fast operation, the matrix product: a plain
convolution there runs at half of its rate, the gradient of a kernel at a tenth (and in a loop at a
hundredth). So on the CPU everything that is large is written as matrix products.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap

from dipjax.compiler import once
from dipjax.generators.winograd import interleaved, winograd

Array = jax.Array

NHWC = ("NHWC", "HWIO", "NHWC")

# Where Winograd's form pays: below, its products are too small, and only more to compile.
WINOGRAD_PIXELS, WINOGRAD_CHANNELS = 30 * 30, 16


@partial(jax.custom_vjp, nondiff_argnums=(2,))
@once("stride")
def convolve(x: Array, w: Array, stride: int = 1) -> Array:
    """`y_ijd = sum_abc w_abcd x_(si+a)(sj+b)c`: cross-correlation without padding.

    Equal to `lax.conv_general_dilated(..., padding="VALID")` up to rounding. It has gradients by
    `jax.grad` and `jax.vjp`, but no `jax.jvp`.

    Args:
        x: image (H, W, C).
        w: kernel (k, k, C, D).
        stride: the step `s` in both directions.

    Returns:
        Image ((H - k) // s + 1, (W - k) // s + 1, D).
    """
    if w.shape[0] == 1 and stride == 1:
        return x @ w[0, 0]
    return (_products if jax.default_backend() == "cpu" else _library)(x, w, stride)


def _forward(x: Array, w: Array, stride: int) -> tuple[Array, tuple[Array, Array]]:
    return convolve(x, w, stride), (x, w)


@once("stride")
def _backward(stride: int, saved: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, w = saved
    if w.shape[0] == 1 and stride == 1:
        return dy @ w[0, 0].T, (_flat(x).T @ _flat(dy))[None, None]
    backward = _products_backward if jax.default_backend() == "cpu" else _library_backward
    return backward(x, w, dy, stride)


convolve.defvjp(_forward, _backward)


def deconvolve(x: Array, w: Array) -> Array:
    """`y_(2i+a-1)(2j+b-1) += w_ab x_ij`: transposed convolution, 4 x 4 of stride 2.

    Rows and columns of the same parity see four taps each: four small convolutions of `x`,
    which are interleaved. PyTorch's `ConvTranspose2d(C, D, 4, 2, 1)`.

    Args:
        x: image (H, W, C).
        w: kernel (4, 4, D, C), of the convolution whose adjoint this is.

    Returns:
        Image (2H, 2W, D).
    """
    h, w_ = x.shape[:2]
    x, w = jnp.pad(x, ((1, 1), (1, 1), (0, 0))), w.swapaxes(2, 3)
    rows = []
    for p in range(2):
        row = x[p : p + h + 1]
        phases: list[Any] = [
            convolve(row[:, q : q + w_ + 1], w[3 - p :: -2, 3 - q :: -2]) for q in range(2)
        ]
        rows.append(interleaved(phases, 1))
    return interleaved(rows, 0)


# --- accelerators: the library's convolution -----------------------------------------------

PIECE = 16  # bytes: cuDNN fills up channels to whole pieces, by a kernel of its own each time
# Pixels up to which one product, of one image or of many, is quicker than the library. Its gradient
# adds the taps of a kernel in the type of the image, the library in float32.
PATCHES, PATCHES_OF_MANY = 32 * 32, 64 * 64


def _library(x: Array, w: Array, stride: int) -> Array:
    if _small(x.shape, stride, PATCHES):
        return _patches(x, w, stride)
    return _by_member(stride)[0](_filled(x, -1), _filled(w, 2))


def _library_backward(x: Array, w: Array, dy: Array, stride: int) -> tuple[Array, Array]:
    if _small(x.shape, stride, PATCHES):
        return _patches_backward(x, w, dy, stride)
    dx, dw = _by_member(stride)[1](_filled(x, -1), _filled(w, 2), dy)
    c = x.shape[-1]
    return dx[..., :c], dw[:, :, :c]


def _small(shape: tuple[int, ...], stride: int, most: int) -> bool:
    """Whether a 3 x 3 convolution of a padded image (H, W, C) makes at most so many pixels."""
    return shape[0] * shape[1] <= (stride * most**0.5 + 2) ** 2


def _patches(x: Array, w: Array, stride: int) -> Array:
    """All that the kernel meets at a pixel as the channels of this pixel: one matrix product."""
    k = w.shape[0]
    h, w_ = ((n - k) // stride + 1 for n in x.shape[:2])
    taps = [
        x[a : a + stride * (h - 1) + 1 : stride, b : b + stride * (w_ - 1) + 1 : stride]
        for a, b in np.ndindex(k, k)
    ]
    return jnp.concatenate(taps, -1) @ w.reshape(-1, w.shape[-1])


def _patches_backward(x: Array, w: Array, dy: Array, stride: int) -> tuple[Array, Array]:
    return jax.vjp(partial(_patches, stride=stride), x, w)[1](dy)


def _filled(x: Array, axis: int) -> Array:
    """With zeros up to whole pieces, which here become part of the kernel that made `x`."""
    edges = [(0, 0)] * x.ndim
    edges[axis] = (0, -x.shape[axis] % (PIECE // x.dtype.itemsize))
    return jnp.pad(x, edges)


@cache
def _by_member(stride: int) -> tuple[Callable, Callable]:
    """The convolution and its backward pass, with a rule of their own for many images.

    Where kernels differ by image JAX would make one grouped convolution of them, which is slow.
    """

    def forward(x: Array, w: Array) -> Array:
        return lax.conv_general_dilated(
            x[None], w, (stride, stride), "VALID", dimension_numbers=NHWC
        )[0]

    def backward(x: Array, w: Array, dy: Array) -> tuple[Array, Array]:
        return jax.vjp(forward, x, w)[1](dy)

    return _for_many(forward, _patches, stride), _for_many(backward, _patches_backward, stride)


def _for_many(fn: Callable, at_once: Callable, stride: int) -> Callable:
    """`fn`, whose `vmap` is the loop, written out; of small images it is that of `at_once`."""
    one = custom_vmap(fn)

    @one.def_vmap
    def rule(size: int, batched: list[bool], *args: Array) -> tuple[Any, Any]:
        if _small(args[0].shape[batched[0] :], stride, PATCHES_OF_MANY):
            axes = [0 if many else None for many in batched]
            result = jax.vmap(partial(at_once, stride=stride), axes)(*args)
            return result, jax.tree.map(lambda _: True, result)

        def member(i: int) -> Any:
            return one(*(x[i] if many else x for x, many in zip(args, batched, strict=True)))

        result = jax.tree.map(lambda *parts: jnp.stack(parts), *map(member, range(size)))
        return result, jax.tree.map(lambda _: True, result)

    return one


# --- the CPU: matrix products --------------------------------------------------------------


def _products(x: Array, w: Array, stride: int) -> Array:
    if _for_winograd(x, w, stride):
        return winograd(x, w)
    # A convolution without any zero padding falls to a slow library on the CPU (12 GFLOP/s
    # instead of 85 for 36 -> 16 channels): pad one row and column, and crop them away again.
    pads = ((stride, 0), (stride, 0))
    y = lax.conv_general_dilated(x[None], w, (stride, stride), pads, dimension_numbers=NHWC)
    return y[0, 1:, 1:]


def _products_backward(x: Array, w: Array, dy: Array, stride: int) -> tuple[Array, Array]:
    if _for_winograd(x, w, stride):
        return jax.vjp(winograd, x, w)[1](dy)
    return _adjoint(w, dy, stride, x.shape), _kernel_gradient(x, dy, stride, w.shape[0])


def _for_winograd(x: Array, w: Array, stride: int) -> bool:
    return stride == 1 and pays(x.shape[0] * x.shape[1], w.shape, x.dtype)


def pays(pixels: int, kernel: tuple[int, ...], dtype: Any) -> bool:
    """Whether Winograd's form of a convolution is faster on a CPU, and exact enough."""
    many = pixels >= WINOGRAD_PIXELS and min(kernel[2:]) >= WINOGRAD_CHANNELS
    return kernel[0] == 3 and many and jnp.finfo(dtype).bits >= 32


def _kernel_gradient(x: Array, dy: Array, stride: int, k: int) -> Array:
    """`dw_ab = x_ab^T dy`, one product a tap: `x_ab` are the pixels that `w_ab` meets."""

    def cut(x: Array, start: int, axis: int) -> Array:
        end = start + stride * (dy.shape[axis] - 1) + 1
        return lax.slice_in_dim(x, start, end, stride, axis=axis)

    def tap(a: int, b: int) -> Array:
        return _flat(cut(cut(x, a, 0), b, 1)).T @ _flat(dy)

    return jnp.stack([jnp.stack([tap(a, b) for b in range(k)]) for a in range(k)])


def _adjoint(w: Array, dy: Array, stride: int, shape: tuple[int, ...]) -> Array:
    """`dx_(si+a)(sj+b) += w_ab dy_ij`, the gradient for the image, of the given shape.

    Pixels whose row is p and column q modulo s see only the taps `w[p::s, q::s]`: s^2 small
    convolutions of `dy`, which are interleaved.
    """
    if stride == 1:
        p = w.shape[0] - 1
        return _products(jnp.pad(dy, ((p, p), (p, p), (0, 0))), _flipped(w), 1)
    h, w_, s = -(-shape[0] // stride), -(-shape[1] // stride), stride
    rows = []
    for p in range(s):
        phases = [_phase(w[p::s, q::s], dy, (h, w_)) for q in range(s)]
        rows.append(interleaved(phases, 1))
    return interleaved(rows, 0)[: shape[0], : shape[1]]


def _phase(taps: Array, dy: Array, shape: tuple[int, int]) -> Array:
    """`sum_ab taps_ab dy_(i-a)(j-b)` for an image of the given size."""
    total = jnp.zeros((*shape, taps.shape[2]), dy.dtype)
    h, w = dy.shape[:2]
    for a, b in np.ndindex(*taps.shape[:2]):
        part = dy @ taps[a, b].T
        total += jnp.pad(part, ((a, shape[0] - h - a), (b, shape[1] - w - b), (0, 0)))
    return total


def _flipped(w: Array) -> Array:
    """The kernel of the adjoint: taps turned around, channels exchanged."""
    return w[::-1, ::-1].swapaxes(2, 3)


def _flat(x: Array) -> Array:
    return x.reshape(-1, x.shape[-1])
