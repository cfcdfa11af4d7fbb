"""Which light a blur has added up: that of the scene, or the values that a file holds for it.

    stored      y = k * x                  an image editor, and files of a sensor that are linear
    linear      y = g(k * g^-1(x))         a lens or a camera; g is the curve of sRGB

Taken for the other one, edges between bright and dark ring.
"""

import math
from functools import partial
from typing import Literal, get_args

import jax
import jax.numpy as jnp

from dipjax import images, noise
from dipjax.compiler import looks, traced
from dipjax.operators import Blur, Operator, in_light
from dipjax.polish import BLURRED, EXACT, refined

Array = jax.Array
Light = Literal["stored", "linear"]
Asked = Literal["auto", "stored", "linear"]

PART, LEAST = 128, 64  # pixels of a side that are looked at, and that tell anything
ROUNDS = 8  # of the polish: with all 24 nothing is seen that is not seen so


def operator(k: Array, light: Light) -> Operator:
    """The blur of that light by the kernel `k` (h, w)."""
    return Blur(k) if light == "stored" else in_light(Blur(k))


def asked(light: Asked, y: Array, *kernels: Array) -> Light:
    """The light that is asked for, of a blurred picture (H, W, C); "auto" looks, as `seen` does.

    Raises:
        ValueError: for another word.
    """
    checked(light)
    return seen(y, *kernels) if light == "auto" else light


def checked(light: Asked) -> Asked:
    """One of the three words.

    Raises:
        ValueError: for another.
    """
    if light not in get_args(Asked):
        raise ValueError(f"light must be one of {get_args(Asked)}, not {light!r}")
    return light


def shows(y: Array) -> bool:
    """Whether a picture is large enough, and known, to tell."""
    return min(y.shape[:2]) >= LEAST and not traced(y)


@looks
def seen(y: Array, *kernels: Array) -> Light:
    """The light in which a picture rings less, sharpened in the one and in the other.

        TV(x_stored) > TV(x_linear)        linear

    The fewest oscillations are those of the scene. A soft kernel, as a Gaussian, makes none and is
    mostly taken for one of stored values, which may lose some dB: say "linear" of a lens. In small
    pictures, and in what is traced, nothing is seen, and it is "stored".

    Args:
        y: the blurred picture (H, W, C), floats in [0, 1] or 8- and 16-bit integers.
        kernels: its kernel (h, w), of the sum 1, or several that it may be: then the products of
            what varies by each are compared.
    """
    y = images.check(y)
    if not shows(y) or traced(kernels):
        return "stored"
    most = y.var((0, 1)).argmax()  # all channels together tell no more, in more time
    part = images.busiest(y[..., most, None], PART)
    s = jnp.maximum(noise.unclipped_level(part), EXACT)
    ratios = [_rings(part, k, s, "stored") / _rings(part, k, s, "linear") for k in kernels]
    return "linear" if math.prod(map(float, ratios)) > 1 else "stored"


@partial(jax.jit, static_argnames="light")
def _rings(y: Array, k: Array, s: Array, light: Light) -> Array:
    """How much a sharpened picture varies in all."""
    h, w = k.shape
    x = jnp.pad(y, (((h - 1) // 2, h // 2), ((w - 1) // 2, w // 2), (0, 0)), mode="edge")
    x = refined(x, operator(k, light), y, s, BLURRED, rounds=ROUNDS)
    return jnp.abs(jnp.diff(x, axis=0)).mean() + jnp.abs(jnp.diff(x, axis=1)).mean()
