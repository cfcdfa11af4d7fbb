"""Trackers: what is kept of the iterates of a fit, and when it has seen enough.

A tracker is a pair of pure functions, `init(image) -> state` and `update(state, info) -> state`,
so it jits and vmaps with the fit. A stop rule is a tracker whose state has a field `stop`. Equal
settings give the same tracker object, which is what finds the compiled fit again.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array


class Tracker(NamedTuple):
    """`init(image) -> state`, `update(state, info) -> state`; `info` has `.loss` and `.image`."""

    init: Callable[[Array], Any]
    update: Callable[[Any, Any], Any]


class Average(NamedTuple):
    """Exponential mean and variance (H, W, C) of the iterates so far, and the weight of all."""

    mean: Array
    variance: Array
    weight: Array


def average(decay: float = 0.99) -> Tracker:
    """The exponential average of the iterates, free of the bias of its start.

        m_t = sum_s d^(t-s) x_s / sum_s d^(t-s)

    and the variance of the iterates around it under the same weights. Averaging is worth 1 to
    3 dB over a single iterate (Ulyanov et al. 2018, sec. 4).

    Args:
        decay: `d` in [0, 1); 0 keeps the last iterate.

    Raises:
        ValueError: for another decay.
    """
    return _average(_fraction(decay))


@cache
def _average(decay: float) -> Tracker:
    def init(image: Array) -> Average:
        return Average(jnp.zeros_like(image), jnp.zeros_like(image), jnp.zeros((), image.dtype))

    def update(state: Average, info) -> Average:
        weight = decay * state.weight + 1
        gain = 1 / weight
        delta = info.image - state.mean
        variance = (1 - gain) * (state.variance + gain * delta**2)
        return Average(state.mean + gain * delta, variance, weight)

    return Tracker(init, update)


class Best(NamedTuple):
    """The iterate (H, W, C) of the lowest loss so far."""

    loss: Array
    image: Array


@cache
def best() -> Tracker:
    """The iterate with the lowest energy: the best fit, not always the best image."""

    def init(image: Array) -> Best:
        return Best(jnp.full((), jnp.inf, image.dtype), jnp.zeros_like(image))

    def update(state: Best, info) -> Best:
        better = info.loss < state.loss
        return Best(*(jnp.where(better, new, old) for new, old in zip(info, state, strict=True)))

    return Tracker(init, update)


class Never(NamedTuple):
    """Always False: nothing to keep."""

    stop: Array


@cache
def never() -> Tracker:
    """The stop rule that never stops: all steps are made."""
    return Tracker(lambda image: Never(jnp.zeros((), bool)), lambda state, info: state)


class WindowedVariance(NamedTuple):
    """Exponential mean (H, W, C) and variance (scalar), its lowest value and the steps since."""

    mean: Array
    variance: Array
    lowest: Array
    steps: Array
    waited: Array
    stop: Array


def windowed_variance(decay: float = 0.9, warmup: int = 100, patience: int = 1000) -> Tracker:
    """Stop when the moving variance of the iterates has reached no new minimum for long.

        m_t = d m_(t-1) + (1 - d) x_t,    v_t = d (v_(t-1) + (1 - d) |x_t - m_(t-1)|^2 / n)

    The exponential form ES-EMV of Wang et al. (TMLR 2023), which keeps one image instead of a
    window of a hundred. The result is that of the stop, `patience` steps behind the minimum.

    Args:
        decay: `d` in [0, 1), 1 minus the paper's alpha.
        warmup: steps before the minimum counts.
        patience: steps without a new minimum after which the fit stops.

    Raises:
        ValueError: for another decay.
    """
    return _windowed_variance(_fraction(decay), int(warmup), int(patience))


@cache
def _windowed_variance(decay: float, warmup: int, patience: int) -> Tracker:
    def init(image: Array) -> WindowedVariance:
        zero = jnp.zeros((), image.dtype)
        count = jnp.zeros((), jnp.int32)
        return WindowedVariance(
            jnp.zeros_like(image), zero, zero + jnp.inf, count, count, jnp.zeros((), bool)
        )

    def update(state: WindowedVariance, info) -> WindowedVariance:
        delta = info.image - state.mean
        mean = state.mean + (1 - decay) * delta
        variance = decay * (state.variance + (1 - decay) * jnp.mean(delta**2))
        steps = state.steps + 1
        lower = (variance < state.lowest) & (steps > warmup)
        waited = jnp.where(lower | (steps <= warmup), 0, state.waited + 1)
        lowest = jnp.where(lower, variance, state.lowest)
        return WindowedVariance(mean, variance, lowest, steps, waited, waited >= patience)

    return Tracker(init, update)


def _fraction(decay: float) -> float:
    if not 0 <= decay < 1:
        raise ValueError(f"decay must be in [0, 1), not {decay}")
    return float(decay)
