"""Models of measurement noise: `(key, x) -> y`, for experiments whose truth `x` is known.

    gaussian    y = x + sigma n                     n ~ N(0, 1)
    poisson     y = k / peak                        k ~ Poisson(peak x)
    speckle     y = x + sigma x n                   n ~ N(0, 1)
    impulse     y = 0 or 1 with probability p       salt and pepper, else x

Each draws anew for every entry, and clips to [0, 1] as a picture file does and as the published
inputs are (see `clipping`). A level out of range, and what is no image, raise `ValueError`.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from dipjax import images
from dipjax.compiler import traced

Array = jax.Array


def gaussian(key: Array, x: Array, sigma: float) -> Array:
    """`y = x + sigma n`: the noise of electronics.

    Args:
        key: of the noise.
        x: an image (H, W, C) in [0, 1].
        sigma: standard deviation on the image's scale; "sigma 25" of the literature is 25 / 255.
    """
    x = _given(x, "sigma", sigma, 0, 10)
    return _clip(x + sigma * jax.random.normal(key, x.shape, x.dtype))


def poisson(key: Array, x: Array, peak: float) -> Array:
    """`y = k / peak` with `k ~ Poisson(peak x)`: the noise of counted photons.

    Args:
        key: of the noise.
        x: an image (H, W, C) in [0, 1].
        peak: photons of the value 1; the noise has variance `x / peak`.
    """
    x = _given(x, "peak", peak, 1e-3, 1e9)
    return _clip(jax.random.poisson(key, peak * x).astype(x.dtype) / peak)


def speckle(key: Array, x: Array, sigma: float) -> Array:
    """`y = x + sigma x n`: the multiplicative noise of radar and ultrasound.

    Args:
        key: of the noise.
        x: an image (H, W, C) in [0, 1].
        sigma: standard deviation of a white pixel.
    """
    x = _given(x, "sigma", sigma, 0, 10)
    return _clip(x + sigma * x * jax.random.normal(key, x.shape, x.dtype))


def impulse(key: Array, x: Array, probability: float) -> Array:
    """Salt and pepper: an entry is 0 or 1, at equal odds, with some probability.

    Args:
        key: of the noise.
        x: an image (H, W, C) in [0, 1].
        probability: of an entry to be lost, in [0, 1].
    """
    x = _given(x, "probability", probability, 0, 1)
    lost, value = jax.random.split(key)
    salt = jax.random.bernoulli(value, 0.5, x.shape).astype(x.dtype)
    return jnp.where(jax.random.bernoulli(lost, 1.0 * probability, x.shape), salt, x)


def _given(x: ArrayLike, name: str, level: float, least: float, most: float) -> Array:
    """An image; it and the level of its noise are looked at where they are known."""
    if not traced(level):
        values = np.asarray(level)
        if not np.all((least <= values) & (values <= most)):
            raise ValueError(f"{name} {level}: must be from {least:g} to {most:g}")
    return images.check(x)


def _clip(y: Array) -> Array:
    return jnp.clip(y, 0, 1)
