"""Fidelities: how far a prediction `A x` is from its measurement `y`, summed over the entries."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

Array = jax.Array
Fidelity = Callable[[Array, Array], Array]


def l2(prediction: Array, y: Array) -> Array:
    """`sum |A x - y|^2`: Gaussian noise."""
    r = prediction - y
    return jnp.sum((r * jnp.conj(r)).real)


def l1(prediction: Array, y: Array) -> Array:
    """`sum |A x - y|`: impulse noise, outliers."""
    return jnp.sum(jnp.abs(prediction - y))


def huber(prediction: Array, y: Array, delta: float = 0.1) -> Array:
    """`sum h(|A x - y|)`, `h(r) = r^2 / 2` up to `delta`, `delta (|r| - delta / 2)` beyond."""
    return jnp.sum(optax.losses.huber_loss(jnp.abs(prediction - y), delta=delta))


def poisson(prediction: Array, y: Array) -> Array:
    """`sum A x - y + y log(y / A x)`: the noise of counted photons, however many they are.

    By what counts are less likely under `A x` than under `y`, over the number of photons of the
    value 1. Both are raised by a thousandth, which keeps the logarithm and its gradient finite
    where it is dark.
    """
    p, q = (jnp.maximum(v, 0) + 0.001 for v in (prediction, y))
    return jnp.sum(p - q + q * jnp.log(q / p))


def robust(prediction: Array, y: Array) -> Array:
    """`sum h(|A x - y|)`, `h(r) = r^2` up to 0.2 and `0.4 r - 0.04` beyond (Huber).

    The square for noise as of pictures in [0, 1], and no more than the distance for outliers, of
    which a few would decide which of two images predicts the rest better.
    """
    r = jnp.abs(prediction - y)
    return 2 * huber(r, jnp.zeros_like(r), delta=0.2)


FIDELITIES: dict[str, Fidelity] = {"l2": l2, "l1": l1, "huber": huber, "poisson": poisson}
