"""The kernel of a blur that nobody knows, seen in the blurred picture alone.

    min_{x, k}  |k * x - y|^2 + lam |grad x|_0 + gamma |k|^2,       k >= 0,  sum k = 1

A blur makes an edge wide. `x`, a cartoon of the picture with as few edges as will do, tells `k`, by
its gradients alone, and `k` tells the next `x`, from a coarse scale, where the blur is small, to
the finest. The cartoon is then thrown away: `deblur` fits a picture to the kernel.

L. Xu, S. Zheng, J. Jia, "Unnatural L0 sparse representation for natural image deblurring", CVPR
2013; scales and kernels as in S. Cho, S. Lee, "Fast motion deblurring", SIGGRAPH Asia 2009.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.image import scale_and_translate
from jax.scipy.sparse.linalg import cg
from jax.typing import ArrayLike

from dipjax import images, noise
from dipjax import light as lights
from dipjax.operators import Decode
from dipjax.polish.nonlocal_bayes import nonlocal_bayes

Array = jax.Array

PART = 512  # pixels of a side that are looked at
FINER = math.sqrt(2)  # from scale to scale
COARSEST = 5  # the side of the kernel there
TURNS = 5  # of `x` and `k` at each scale
EDGES, EDGES_LEAST, FEWER = 4e-3, 1e-4, 1.1  # lam, its end, and by how much it falls each turn
RIDGE = 2.0  # gamma, for the sum over all pixels
STIFFEST = 1e5  # the last weight between the gradients and what stands for them
FLAT = 0.02  # what varies by less is no picture
FAINT = 0.05  # of the brightest entry of a kernel; what is less is none


def kernel(y: ArrayLike, side: int) -> Array:
    """The kernel `k` of a blur that is the same all over the picture.

        k = dipjax.blind.kernel(y, 25)
        sharp = dipjax.deblur(key, y, k)

    It is seen at edges, of all directions, in a part of 512 x 512 pixels that has most of them.
    Where a picture as a whole has gone cannot be seen: the middle of the light is put in the
    middle. Pure, as all that is traced here: `jax.vmap(blind.kernel, (0, None))` sees several.

    Args:
        y: the blurred picture (H, W, C), floats in [0, 1] or 8- and 16-bit integers.
        side: of the kernel in pixels; may be too large, by half, but not too small. An even one is
            made odd.

    Returns:
        (side, side), of the sum 1, without negative entries; a single point where no edge is.

    Raises:
        ValueError: for a picture of another shape or range, or a side that is less than 3 or more
            than half of the picture's, or of 512.
    """
    y = images.check(y)
    sides = _sides(checked(side, y.shape))
    part = images.busiest(y.mean(-1, keepdims=True), PART)
    return _of_scales(_stretched(_denoised(part)), sides)


class Seen(NamedTuple):
    """A blur as it is seen: its kernel (side, side), and the light that it has added up."""

    kernel: Array
    light: lights.Light


def seen(y: ArrayLike, side: int, light: lights.Asked = "auto") -> Seen:
    """The kernel of a blur and its light, by "auto" that in which the picture rings less.

        k, light = dipjax.blind.seen(y, 25)
        sharp = dipjax.deblur(key, y, k, light=light)

    A kernel is looked for in the one and in the other, and both have their say in which it was. The
    arguments and errors are those of `kernel`, and `light` as `deblur` has it; not for `vmap`, of
    which no word comes back.
    """
    y, light = images.check(y), lights.checked(light)
    light = light if lights.shows(y) or light != "auto" else "stored"
    pictures = {"stored": y, "linear": Decode()(jnp.clip(y, 0, 1))}
    kernels = {name: kernel(y, side) for name, y in pictures.items() if light in ("auto", name)}
    found = lights.asked(light, y, *kernels.values())
    return Seen(kernels[found], found)


def checked(side: int, shape: tuple[int, ...]) -> int:
    """The odd side of a kernel that can be seen in a picture of this shape.

    Raises:
        ValueError: for one that is less than 3 or more than half of the picture's, or of 512.
    """
    if not isinstance(side, int | np.integer) or side < 3:
        raise ValueError(f"a kernel of {side} pixels: must be a whole number, at least 3")
    side, most = int(side) | 1, min(*shape[:2], PART) // 2
    if side > most:
        raise ValueError(
            f"a kernel of {side} pixels: in {shape[1]} x {shape[0]} none is seen that is larger "
            f"than {most}"
        )
    return side


def _denoised(y: Array) -> Array:
    """By groups of alike patches, which leave a blur as it is: noise has edges of its own."""
    s = noise.level_by_brightness(y)
    return nonlocal_bayes(y, sigma=jnp.sqrt((s**2).mean()))[..., 0]


def _stretched(y: Array) -> Array:
    """From black to white, so that an edge is one in a dull or dark picture, too."""
    low, high = jnp.quantile(y, jnp.array([0.01, 0.99], y.dtype))
    return (y - low) / jnp.maximum(high - low, FLAT)


@partial(jax.jit, static_argnames="sides")
def _of_scales(y: Array, sides: tuple[int, ...]) -> Array:
    """From the coarsest scale to the finest."""
    k, lam = jnp.array([[0.5, 0.5, 0]], y.dtype), jnp.asarray(EDGES, y.dtype)
    for i, side in reversed(list(enumerate(sides))):
        k = _around(k, side) if side == sides[-1] else _scaled(k, FINER, (side, side))
        k, lam = _at_scale(_shrunk(y, i), k / k.sum(), lam)
    return k


def _shrunk(y: Array, i: int) -> Array:
    by = FINER**-i
    return _scaled(y, by, [int(n * by) for n in y.shape])


def _sides(side: int) -> tuple[int, ...]:
    """Of the kernel from the finest to the coarsest scale, all odd."""
    scales = max(0, math.floor(math.log(side / COARSEST, FINER))) + 1
    return tuple(math.ceil(side / FINER**i) // 2 * 2 + 1 for i in range(scales))


def _at_scale(y: Array, k: Array, lam: Array) -> tuple[Array, Array]:
    """The kernel at one scale, and what weighs its edges behind it."""
    side = k.shape[0]
    periodic = _periodic(y, side)
    point = jnp.zeros_like(k).at[side // 2, side // 2].set(1)

    def turn(_, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        k, lam = carry
        x = _cartoon(periodic, k, lam)[: y.shape[0], : y.shape[1]]
        k = _kernel(x, y, side)
        k = jnp.where(k.sum() > 0, k, point)  # where no edge is
        return k / k.sum(), jnp.maximum(lam / FEWER, EDGES_LEAST)

    k, lam = lax.fori_loop(0, TURNS, turn, (k, lam))
    return _centred(k), lam


def _around(k: Array, side: int) -> Array:
    """A kernel in the middle of a larger one."""
    h, w = ((side - n) // 2 for n in k.shape)
    return jnp.pad(k, ((h, h), (w, w)))


def _scaled(v: Array, by: float, shape: Sequence[int]) -> Array:
    """About the middle."""
    at = jnp.array([(n - m * by) / 2 for n, m in zip(shape, v.shape, strict=True)])
    return scale_and_translate(v, shape, (0, 1), jnp.full(2, by), at, "linear")


def _periodic(y: Array, side: int) -> Array:
    """The picture, and behind it what leads from its end to its beginning, for the FFT."""
    for _ in range(2):
        more = [(0, 2 * side), (0, 0)]
        t = jnp.linspace(0, 1, 2 * side + 2, dtype=y.dtype)[1:-1, None]
        behind = jnp.pad(y, more, "reflect")[-2 * side :]
        before = jnp.pad(y, [more[0][::-1], more[1]], "reflect")[: 2 * side]
        y = jnp.concatenate([y, (1 - t) * behind + t * before]).T
    return y


def _cartoon(y: Array, k: Array, lam: Array) -> Array:
    """`argmin_x |k * x - y|^2 + lam |grad x|_0`, where `g` stands for the gradient:

    `min_{x, g} |k * x - y|^2 + beta |grad x - g|^2 + lam |g|_0`, `beta` doubled again and again.
    """
    K = _spectrum(k, y.shape)
    d = jnp.array([[1, -1, 0]], y.dtype)
    D = [_spectrum(d.T, y.shape), _spectrum(d, y.shape)]
    KY, KK = jnp.conj(K) * jnp.fft.rfft2(y), jnp.abs(K) ** 2
    DD = sum(jnp.abs(d) ** 2 for d in D)

    def stiffer(carry):
        x, beta = carry
        X = jnp.fft.rfft2(x)
        g = jnp.stack([jnp.fft.irfft2(d * X, y.shape) for d in D])
        g = jnp.where((g**2).sum(0) < lam / beta, 0, g)
        G = jnp.fft.rfft2(g)
        DG = sum(jnp.conj(d) * g for d, g in zip(D, G, strict=True))
        return jnp.fft.irfft2((KY + beta * DG) / (KK + beta * DD), y.shape), 2 * beta

    return lax.while_loop(lambda carry: carry[1] < STIFFEST, stiffer, (y, 2 * lam))[0]


def _kernel(x: Array, y: Array, side: int) -> Array:
    """`argmin_k |k * grad x - grad y|^2 + gamma |k|^2`, without what is faint."""
    around = [(0, side), (0, side)]
    gx, gy = (jnp.stack([jnp.pad(g, around) for g in _gradient(v)]) for v in (x, y))
    shape = gx.shape[1:]
    X, Y = jnp.fft.rfft2(gx), jnp.fft.rfft2(gy)
    XX = (jnp.abs(X) ** 2).sum(0)

    def cut(K: Array) -> Array:
        k = jnp.fft.irfft2(K, shape)
        return jnp.roll(k, (side // 2, side // 2), (0, 1))[:side, :side]

    def normal(k: Array) -> Array:
        return cut(XX * _spectrum(k, shape)) + RIDGE * k

    start = jnp.full((side, side), 1 / side**2, x.dtype)
    k, _ = cg(normal, cut((jnp.conj(X) * Y).sum(0)), start, tol=1e-6, maxiter=20)
    return jnp.where(k < FAINT * k.max(), 0, k)


def _gradient(v: Array) -> tuple[Array, Array]:
    return jnp.diff(v, axis=0, append=v[-1:]), jnp.diff(v, axis=1, append=v[:, -1:])


def _spectrum(k: Array, shape: tuple[int, ...]) -> Array:
    """Of a kernel seen at its middle."""
    h, w = k.shape
    whole = jnp.zeros(shape, k.dtype).at[:h, :w].set(k)
    return jnp.fft.rfft2(jnp.roll(whole, (-(h // 2), -(w // 2)), (0, 1)))


def _centred(k: Array) -> Array:
    """With the middle of its light in the middle, to a pixel, as far as none is lost."""
    n = k.shape[0]
    for axis in (0, 1):
        light = k.sum(1 - axis)
        first, last = jnp.argmax(light > 0), n - 1 - jnp.argmax(light[::-1] > 0)
        off = jnp.round((light * jnp.arange(n)).sum()).astype(int) - n // 2
        k = jnp.roll(k, -jnp.clip(off, last - (n - 1), first), axis)
    return k
