"""What is kept of the iterates: their averages, and the best."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax.numpy as jnp

from dipjax.stopping.tracker import Array, Tracker, checked_decay, tracker

Decay = float | Callable[[Array], Array]


class Average(NamedTuple):
    """Mean and variance (H, W, C) of the iterates so far, the weight of all, and their number."""

    mean: Array
    variance: Array
    weight: Array
    step: Array


@tracker
def average(decay: Decay = 0.99) -> Tracker:
    """The exponential average of the iterates, free of the bias of its start.

        m_t = sum_s d^(t-s) x_s / sum_s d^(t-s)

    with the product of the decays after `s` where they differ, and the variance of the iterates
    around it under the same weights. Averaging is worth 1 to 3 dB over a single iterate (Ulyanov et
    al. 2018, sec. 4).

    Args:
        decay: `d` in [0, 1), 0 keeps the last iterate; or a schedule of the number of iterates
            before, such as `growing()`.

    Raises:
        ValueError: for another decay.
    """
    if not callable(decay):
        decay = checked_decay(decay)

    def init(image: Array) -> Average:
        zeros, count = jnp.zeros_like(image), jnp.zeros((), jnp.int32)
        return Average(zeros, zeros, jnp.zeros((), image.dtype), count)

    def update(state: Average, info) -> Average:
        d = jnp.asarray(decay(state.step) if callable(decay) else decay, state.weight.dtype)
        weight = d * state.weight + 1
        gain = 1 / weight
        delta = info.image - state.mean
        variance = (1 - gain) * (state.variance + gain * delta**2)
        return Average(state.mean + gain * delta, variance, weight, state.step + 1)

    return Tracker(init, update)


def growing(power: int = 1) -> Callable[[Array], Array]:
    """The decay of an average over the run so far, in which `x_s` has the weight `s^power` or so.

    However long the run, the coarse iterates of its start count for little, and the average is at
    its best late and turns bad slowly: the less the power, the later and the slower.

    Args:
        power: at least 1; the last of `t` iterates has about `(power + 1) / t` of the weight.

    Raises:
        ValueError: for another power.
    """
    if power < 1:
        raise ValueError(f"power must be at least 1, not {power}")
    return _growing(int(power))


@cache
def _growing(power: int) -> Callable[[Array], Array]:
    """Equal powers give one function, by which a compiled fit is found again."""

    def decay(step: Array) -> Array:
        return step / (step + power)

    decay.__name__ = f"growing({power})"
    return decay


class WindowedAverage(NamedTuple):
    """Sums (H, W, C) of the current and the last half window; how many iterates in each."""

    current: Array
    last: Array
    filled: Array
    known: Array

    @property
    def mean(self) -> Array:
        return (self.current + self.last) / jnp.maximum(self.filled + self.known, 1)


@tracker
def windowed_average(window: int = 100) -> Tracker:
    """The plain mean of the last `window / 2` to `window` iterates, from two running sums.

    Raises:
        ValueError: for a window of less than 2 steps.
    """
    most = half(window)

    def init(image: Array) -> WindowedAverage:
        zeros, none = jnp.zeros_like(image), jnp.zeros((), image.dtype)
        return WindowedAverage(zeros, zeros, none, none)

    def update(state: WindowedAverage, info) -> WindowedAverage:
        full = state.filled == most
        last = jnp.where(full, state.current, state.last)
        current = jnp.where(full, 0, state.current) + info.image
        return WindowedAverage(
            current,
            last,
            jnp.where(full, 0, state.filled) + 1,
            jnp.where(full, state.filled, state.known),
        )

    return Tracker(init, update)


class Best(NamedTuple):
    """The lowest score so far and its iterate (H, W, C)."""

    loss: Array
    image: Array


def _loss(info) -> Array:
    return info.loss


@tracker
def best(score: Callable[[Any], Array] = _loss) -> Tracker:
    """The iterate of the lowest score, by default the energy: the best fit, not always the
    best image.

    Args:
        score: of a `Seen`, a scalar. The tracker is the same for the same function only.
    """

    def init(image: Array) -> Best:
        return Best(jnp.full((), jnp.inf, image.dtype), jnp.zeros_like(image))

    def update(state: Best, info) -> Best:
        value = score(info)
        better = value < state.loss
        new = Best(value, info.image)
        return Best(*(jnp.where(better, *pair) for pair in zip(new, state, strict=True)))

    return Tracker(init, update)


def half(window: int) -> int:
    """Half of a window of at least 2 steps."""
    if window < 2:
        raise ValueError(f"window must be at least 2 steps, not {window}")
    return int(window) // 2
