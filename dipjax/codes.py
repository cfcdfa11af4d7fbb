"""Codes `z`: the fixed input of a generator, `(key, shape) -> (H, W, channels)`.

`shape` is the (H, W) or (H, W, C) of the image to be generated. Settings are keyword-only, so
that `functools.partial(uniform, channels=8)` is again a code. Jitter is the noise that is added
to the code at every step (sigma_p in the paper).
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from dipjax.compiler import traced

Array = jax.Array
Code = Callable[[Array, tuple[int, ...]], Array]
Jitter = float | Callable[[Array], Array]


def uniform(key: Array, shape: tuple[int, ...], *, channels: int = 32, scale: float = 0.1) -> Array:
    """`z ~ U(0, scale)`, independent entries: the paper's code (its `scale` is 1/10)."""
    return jax.random.uniform(key, (*shape[:2], channels), maxval=scale)


def meshgrid(key: Array, shape: tuple[int, ...]) -> Array:
    """`z_ij = (j / (W - 1), i / (H - 1))` in [0, 1]: the paper's code for large holes."""
    del key
    rows, columns = (jnp.linspace(0.0, 1.0, n) for n in shape[:2])
    return jnp.stack(jnp.meshgrid(columns, rows), -1)


def fourier(
    key: Array, shape: tuple[int, ...], *, frequencies: int = 8, base: float = 2 ** (8 / 7)
) -> Array:
    """`z = (sin, cos)(base^k pi u)` for `k < frequencies` and both coordinates `u` in [-1, 1].

    Fourier features (Shabtay et al. 2022, whose 8 frequencies these are): 4 channels each.
    """
    u = 2.0 * meshgrid(key, shape) - 1.0
    octaves = jnp.pi * base ** jnp.arange(frequencies)
    phase = jnp.einsum("k,hwu->hwku", octaves, u).reshape(*shape[:2], 2 * frequencies)
    return jnp.concatenate([jnp.sin(phase), jnp.cos(phase)], -1)


def from_image(image: Array) -> Code:
    """A code that is a picture, such as the flash photograph of a flash/no-flash pair."""

    def code(key: Array, shape: tuple[int, ...]) -> Array:
        del key
        if image.shape[:2] != shape[:2]:
            raise ValueError(f"code of shape {image.shape} for an image of shape {shape}")
        return image

    return code


def drawn(key: Array, code: Code | Array, shape: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """The code `z` of a fit, of floats, the key of its first params, and that of its steps.

    Args:
        key: of the fit.
        code: an array or a function `(key, shape) -> z`.
        shape: of the image, (H, W, C).

    Raises:
        ValueError: for a shape that is not (H, W, C), or a code without channels or not finite.
        TypeError: for a key that is not one of `jax.random`.
    """
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"shape must be (H, W, C) of an image, not {shape}")
    code_key, params_key, key = jax.random.split(one_key(key), 3)
    z = jnp.asarray(code(code_key, shape) if callable(code) else code)
    if z.shape == shape[:2]:  # and nothing else, that a generator of yours may take
        raise ValueError(f"code of shape {z.shape}: must be (H, W, channels)")
    if not traced(z) and not np.isfinite(np.asarray(z)).all():
        raise ValueError("the code has values that are infinite or no number")
    return z.astype(jnp.promote_types(z.dtype, jnp.float32)), params_key, key


def one_key(key: Array) -> Array:
    """The key of a fit, or an error that says what a key is.

    Raises:
        TypeError: for what is no key.
        ValueError: for several.
    """
    shape, kind = getattr(key, "shape", ()), getattr(key, "dtype", None)
    if kind is None or not jnp.issubdtype(kind, jax.dtypes.prng_key):
        if kind != jnp.uint32 or not shape:
            what = f"{key!r}" if kind is None else f"of {kind} {shape}"
            raise TypeError(f"key {what}: must be one of jax.random, such as jax.random.key(0)")
        shape = shape[:-1]  # the older kind of key, an array of words
    if shape:
        raise ValueError(f"keys of shape {shape}: must be one key; use jax.vmap for several")
    return key


def jitter(key: Array, z: Array, sigma: Jitter, step: Array) -> Array:
    """`z + sigma * n` with `n ~ N(0, 1)`, drawn anew at every step (the paper's sigma_p).

    Args:
        key: of this step.
        z: the code (H, W, C).
        sigma: a number, or a schedule `step -> number`, such as any of optax's.
        step: number of the step, for the schedule.
    """
    if not callable(sigma) and sigma == 0:
        return z
    scale = sigma(step) if callable(sigma) else sigma
    return z + scale * _normal(key, z.shape).astype(z.dtype)


def _normal(key: Array, shape: tuple[int, ...]) -> Array:
    """`n ~ N(0, 1)` to 16 bits, two to a random word: a third of the time of `jax.random.normal`.

    `n = sqrt(2) erfinv(u)` with `u` in the middle of one of the 2^16 parts of (-1, 1).
    """
    words = _words(key, -(-math.prod(shape) // 2))
    halves = jnp.concatenate([words >> 16, words & 0xFFFF])[: math.prod(shape)].reshape(shape)
    u = (halves.astype(jnp.float32) + 0.5) / 2**15 - 1
    return math.sqrt(2) * lax.erf_inv(u)


def _words(key: Array, count: int) -> Array:
    """Random words: their numbers, hashed twice, with a word from the key before each time.

    The twenty rounds of `jax.random.bits` are a tenth of a step of a small network on a CPU, and
    jitter need not withstand an attack. The hash is C. Wellons's "lowbias32" (2018).
    """
    x = lax.iota(jnp.uint32, count)
    for seed in jax.random.bits(key, (2,), jnp.uint32):
        x = x ^ seed
        x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
        x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
        x = x ^ (x >> 16)
    return x
