"""Trackers: what is kept of the iterates of a fit, and when it has seen enough.

A tracker is a pair of pure functions, `init(image) -> state` and `update(state, info) -> state`,
so it jits and vmaps with the fit. A stop rule is a tracker whose state has a field `stop`; where
it also has a field `image`, that is the estimate which the fit returns. Equal settings give the
same tracker object, which is what finds the compiled fit again.

    average, windowed_average      what is kept: the mean of the iterates
    best                           the iterate of the lowest score
    held_out                       stop behind the lowest error of what is not fitted
    windowed_variance              stop behind the lowest variance of the iterates in a window
    moving_variance                the same, exponentially weighted
    discrepancy                    stop when the energy is down to that of the noise
    any_of                         stop when one of several does
"""

from collections.abc import Callable
from enum import IntEnum
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array


class Reason(IntEnum):
    """Why a fit ended."""

    RUNNING = 0
    STEPS = 1
    RULE = 2
    HELD_OUT = 3
    VARIANCE = 4
    DISCREPANCY = 5
    FAILED = 6

    def __str__(self) -> str:
        return _REASONS[self]


_REASONS = {
    Reason.RUNNING: "it was interrupted",
    Reason.STEPS: "all steps were made",
    Reason.RULE: "the stop rule said so",
    Reason.HELD_OUT: "the error of the held-out measurements has passed its minimum",
    Reason.VARIANCE: "the variance of the iterates has passed its minimum",
    Reason.DISCREPANCY: "the energy is down to that of the noise",
    Reason.FAILED: "it failed again and again",
}


class Seen(NamedTuple):
    """What a tracker sees of a step.

    Attributes:
        loss: `E(x)`.
        image: the iterate `x` (H, W, C), before the update of the step.
        average: the average of the iterates so far (H, W, C), this one included.
        error: image -> its error in the held-out measurements (see `objectives.hold_out`), None
            where the objective holds nothing out.
    """

    loss: Array
    image: Array
    average: Array
    error: Callable[[Array], Array | None]


class Tracker(NamedTuple):
    """`init(image) -> state`, `update(state, info) -> state`, where `info` is a `Seen`; a
    `FitInfo` will do where neither average nor error are needed.

    Attributes:
        init: gets an image of the fit's shape and dtype.
        update: is called after every step.
        reason: of a stop rule, a `Reason` or a function that takes the state to one.
    """

    init: Callable[[Array], Any]
    update: Callable[[Any, Any], Any]
    reason: Reason | Callable[[Any], Array] = Reason.RULE


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


class WindowedAverage(NamedTuple):
    """Sums (H, W, C) of the current and the last half window; how many iterates in each."""

    current: Array
    last: Array
    filled: Array
    known: Array

    @property
    def mean(self) -> Array:
        return (self.current + self.last) / jnp.maximum(self.filled + self.known, 1)


def windowed_average(window: int = 100) -> Tracker:
    """The plain mean of the last `window / 2` to `window` iterates, from two running sums.

    Raises:
        ValueError: for a window of less than 2 steps.
    """
    return _windowed_average(_half(window))


@cache
def _windowed_average(half: int) -> Tracker:
    def init(image: Array) -> WindowedAverage:
        zeros, none = jnp.zeros_like(image), jnp.zeros((), image.dtype)
        return WindowedAverage(zeros, zeros, none, none)

    def update(state: WindowedAverage, info) -> WindowedAverage:
        full = state.filled == half
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


@cache
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


class Never(NamedTuple):
    """Always False: nothing to keep."""

    stop: Array


@cache
def never() -> Tracker:
    """The stop rule that never stops: all steps are made."""
    return Tracker(lambda image: Never(jnp.zeros((), bool)), lambda state, info: state)


class Waiting(NamedTuple):
    """The estimate (H, W, C) at the lowest score so far, and the wait for a lower one."""

    score: Array
    image: Array
    at: Array
    step: Array
    stop: Array


def _waiting(image: Array) -> Waiting:
    count = jnp.zeros((), jnp.int32)
    infinite = jnp.full((), jnp.inf, image.dtype)
    return Waiting(infinite, jnp.zeros_like(image), count, count, jnp.zeros((), bool))


def _waited(state: Waiting, score: Array, image: Array, patience: Callable) -> Waiting:
    """The state after one more step: keep what is lower, and stop after so long without."""
    step = state.step + 1
    lower = score < state.score
    at = jnp.where(lower, step, state.at)
    return Waiting(
        jnp.where(lower, score, state.score),
        jnp.where(lower | (state.at == 0), image, state.image),
        at,
        step,
        (at > 0) & (step - at >= patience(at)),
    )


class HeldOut(NamedTuple):
    """A short average of the iterates, and the wait for a lower error."""

    short: Average
    wait: Waiting

    @property
    def stop(self) -> Array:
        return self.wait.stop

    @property
    def image(self) -> Array:
        return self.wait.image


def held_out(patience: int = 100, fraction: float = 0.25, decay: float = 0.98) -> Tracker:
    """Stop when the error of what was not fitted has reached no new minimum for long.

    Noise of one pixel says nothing about that of another: what predicts held-out measurements
    `y` best is nearest to the truth,

        E |A x - y|^2 = |A x - A x_true|^2 + |noise|^2

    without a noise level, for any noise that is independent from pixel to pixel. The estimate
    is the best of all iterates, their averages, and averages over a shorter time, which are
    better where a fit learns the noise early.

    Args:
        patience: steps without a new minimum after which the fit stops,
        fraction: and this part of the steps until the minimum in addition.
        decay: of the shorter average, in [0, 1).

    Raises:
        ValueError: for another decay; by the fit, for an objective that holds nothing out.
    """
    return _held_out(int(patience), float(fraction), _fraction(decay))


@cache
def _held_out(patience: int, fraction: float, decay: float) -> Tracker:
    short = average(decay)

    def init(image: Array) -> HeldOut:
        return HeldOut(short.init(image), _waiting(image))

    def update(state: HeldOut, info: Seen) -> HeldOut:
        mean = short.update(state.short, info)
        candidates = jnp.stack([info.image, mean.mean, info.average])
        errors = jnp.stack([_held_error(info, x) for x in candidates])
        best = jnp.argmin(errors)
        wait = _waited(
            state.wait, errors[best], candidates[best], lambda at: patience + fraction * at
        )
        return HeldOut(mean, wait)

    return Tracker(init, update, Reason.HELD_OUT)


def _held_error(info: Seen, x: Array) -> Array:
    error = info.error(x)
    if error is None:
        raise ValueError(
            "nothing is held out to stop by: make the objective with objectives.hold_out"
        )
    return error


class Variance(NamedTuple):
    """What the variance (scalar) of the iterates is made of, and the wait for a lower one."""

    mean: Any
    variance: Array
    wait: Waiting

    @property
    def stop(self) -> Array:
        return self.wait.stop

    @property
    def image(self) -> Array:
        return self.wait.image


class Moments(NamedTuple):
    """Sums of iterates (H, W, C), of their mean squares, and their number, over half a window."""

    images: Array
    squares: Array
    steps: Array


def windowed_variance(window: int = 100, patience: int = 1000) -> Tracker:
    """Stop when the variance of a window of iterates has reached no new minimum for long.

        v_t = mean_s |x_s - m_t|^2 / n = mean_s |x_s|^2 / n - |m_t|^2 / n

    over the last `window` iterates and their mean `m_t`: ES-WMV of Wang et al. (TMLR 2023),
    from running sums of half windows instead of a buffer of a hundred images, so that there is
    a new `v_t` every half window. The estimate is the average at the minimum.

    Args:
        window: steps.
        patience: steps without a new minimum after which the fit stops.

    Raises:
        ValueError: for a window of less than 2 steps.
    """
    return _windowed_variance(_half(window), int(patience))


@cache
def _windowed_variance(half: int, patience: int) -> Tracker:
    def init(image: Array) -> Variance:
        zero = jnp.zeros((), image.dtype)
        none = Moments(jnp.zeros_like(image), zero, zero)
        return Variance((none, none), zero + jnp.inf, _waiting(image))

    def update(state: Variance, info) -> Variance:
        current, last = state.mean
        new = Moments(info.image, jnp.mean(info.image**2), jnp.ones_like(current.steps))
        current = jax.tree.map(jnp.add, current, new)
        full = current.steps == half
        both = jax.tree.map(jnp.add, current, last)
        variance = both.squares / both.steps - jnp.mean((both.images / both.steps) ** 2)
        variance = jnp.where(full & (last.steps > 0), variance, jnp.inf)
        last = jax.tree.map(partial(jnp.where, full), current, last)
        current = jax.tree.map(lambda x: jnp.where(full, 0, x), current)
        wait = _waited(state.wait, variance, _average_of(info), lambda at: patience)
        return Variance((current, last), jnp.where(full, variance, state.variance), wait)

    return Tracker(init, update, Reason.VARIANCE)


def moving_variance(decay: float = 0.9, warmup: int = 100, patience: int = 1000) -> Tracker:
    """Stop when the moving variance of the iterates has reached no new minimum for long.

        m_t = d m_(t-1) + (1 - d) x_t,    v_t = d (v_(t-1) + (1 - d) |x_t - m_(t-1)|^2 / n)

    The exponential form ES-EMV of Wang et al. (TMLR 2023), which keeps one image. The estimate
    is the average at the minimum.

    Args:
        decay: `d` in [0, 1), 1 minus the paper's alpha.
        warmup: steps before the minimum counts.
        patience: steps without a new minimum after which the fit stops.

    Raises:
        ValueError: for another decay.
    """
    return _moving_variance(_fraction(decay), int(warmup), int(patience))


@cache
def _moving_variance(decay: float, warmup: int, patience: int) -> Tracker:
    def init(image: Array) -> Variance:
        return Variance(jnp.zeros_like(image), jnp.zeros((), image.dtype), _waiting(image))

    def update(state: Variance, info) -> Variance:
        delta = info.image - state.mean
        mean = state.mean + (1 - decay) * delta
        variance = decay * (state.variance + (1 - decay) * jnp.mean(delta**2))
        score = jnp.where(state.wait.step < warmup, jnp.inf, variance)
        wait = _waited(state.wait, score, _average_of(info), lambda at: patience)
        return Variance(mean, variance, wait)

    return Tracker(init, update, Reason.VARIANCE)


class Discrepancy(NamedTuple):
    """The moving mean of the energy, its weight, and whether it is low enough."""

    loss: Array
    weight: Array
    stop: Array


def discrepancy(limit: float = 1.0, decay: float = 0.9) -> Tracker:
    """Stop when the energy is down to that of the noise (Morozov's discrepancy principle).

        mean_t E(x_t) <= limit,    E(x) = |A x - y|^2 / (n sigma^2)

    The mean is exponential over the last steps. Put the noise level (`noise.estimate_sigma`)
    into the weight of the data term, where another one compiles nothing:
    `data_term(A, y) * (1 / (y.size * sigma**2))`, and leave the limit at 1.

    Args:
        limit: of the energy.
        decay: of the moving mean, in [0, 1).

    Raises:
        ValueError: for another decay, or a limit that is not positive.
    """
    if not limit > 0:
        raise ValueError(f"limit must be positive, not {limit}")
    return _discrepancy(float(limit), _fraction(decay))


@cache
def _discrepancy(limit: float, decay: float) -> Tracker:
    def init(image: Array) -> Discrepancy:
        zero = jnp.zeros((), image.dtype)
        return Discrepancy(zero, zero, jnp.zeros((), bool))

    def update(state: Discrepancy, info) -> Discrepancy:
        weight = decay * state.weight + 1
        loss = state.loss + (info.loss - state.loss) / weight
        return Discrepancy(loss, weight, loss <= limit)

    return Tracker(init, update, Reason.DISCREPANCY)


class AnyOf(NamedTuple):
    """The states of several rules."""

    states: tuple

    @property
    def stop(self) -> Array:
        return jnp.any(jnp.stack([state.stop for state in self.states]), 0)

    @property
    def image(self) -> Array:
        return next(s.image for s in self.states if hasattr(s, "image"))


@cache
def any_of(*rules: Tracker) -> Tracker:
    """Stop when one of the rules does; the estimate is that of the first which keeps one.

    Raises:
        ValueError: for no rule.
    """
    if not rules:
        raise ValueError("any_of needs a rule at least")

    def init(image: Array) -> AnyOf:
        return AnyOf(tuple(rule.init(image) for rule in rules))

    def update(state: AnyOf, info) -> AnyOf:
        pairs = zip(rules, state.states, strict=True)
        return AnyOf(tuple(rule.update(old, info) for rule, old in pairs))

    def why(state: AnyOf) -> Array:
        pairs = zip(rules, state.states, strict=True)
        return jnp.max(jnp.stack([jnp.where(s.stop, reason(r, s), 0) for r, s in pairs]))

    return Tracker(init, update, why)


def reason(rule: Tracker, state: Any) -> Array:
    """The `Reason` of a rule that has stopped, as an integer."""
    why = rule.reason(state) if callable(rule.reason) else rule.reason
    return jnp.asarray(why, jnp.int32)


def estimate(state: Any, average: Array) -> Array:
    """The image that a rule has kept, or the average where it keeps none."""
    try:
        return state.image
    except (AttributeError, StopIteration):
        return average


def _average_of(info) -> Array:
    """The average where the loop makes one, the image in a loop of one's own."""
    return getattr(info, "average", info.image)


def _fraction(decay: float) -> float:
    if not 0 <= decay < 1:
        raise ValueError(f"decay must be in [0, 1), not {decay}")
    return float(decay)


def _half(window: int) -> int:
    if window < 2:
        raise ValueError(f"window must be at least 2 steps, not {window}")
    return int(window) // 2
