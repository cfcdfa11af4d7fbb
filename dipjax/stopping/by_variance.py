"""Stop by the variance of the iterates (Wang et al., TMLR 2023)."""

from functools import partial
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp

from dipjax.stopping.averages import half as half_window
from dipjax.stopping.tracker import Array, Reason, Tracker, checked_decay, tracker
from dipjax.stopping.waiting import Patient, waited, waiting


@flax.struct.dataclass
class Variance(Patient):
    """The variance (scalar) of the iterates, and what it is made of."""

    mean: Any
    variance: Array


class Moments(NamedTuple):
    """Of half a window: mean `m` (H, W, C), `M = sum_s |x_s - m|^2 / n`, and number of iterates."""

    mean: Array
    deviations: Array
    steps: Array


@tracker
def windowed_variance(window: int = 100, patience: int = 1000) -> Tracker:
    """Stop when the variance of a window of iterates has reached no new minimum for long.

        v_t = mean_s |x_s - m_t|^2 / n

    over the last `window` iterates and their mean `m_t`: ES-WMV of Wang et al. (TMLR 2023),
    from running means of half windows instead of a buffer of a hundred images, so that there is
    a new `v_t` every half window. The estimate is the average at the minimum.

    Args:
        window: steps.
        patience: steps without a new minimum after which the fit stops, half a window at least.

    Raises:
        ValueError: for a window of less than 2 steps, or a patience of less than half of it.
    """
    half = half_window(window)
    if not patience >= half:
        raise ValueError(f"patience must be at least half a window, {half} steps, not {patience}")

    def init(image: Array) -> Variance:
        zero = jnp.zeros((), image.dtype)
        none = Moments(jnp.zeros_like(image), zero, zero)
        return Variance(wait=waiting(image), mean=(none, none), variance=zero + jnp.inf)

    def update(state: Variance, info) -> Variance:
        current, last = state.mean
        one = jnp.ones_like(current.steps)
        current = _merged(current, Moments(info.image, jnp.zeros_like(one), one))
        full = current.steps == half
        both = _merged(last, current)
        variance = jnp.where(full & (last.steps > 0), both.deviations / both.steps, jnp.inf)
        last = jax.tree.map(partial(jnp.where, full), current, last)
        current = jax.tree.map(lambda x: jnp.where(full, 0, x), current)
        wait = waited(state.wait, variance, _average_of(info), lambda at: patience)
        variance = jnp.where(full, variance, state.variance)
        return Variance(wait=wait, mean=(current, last), variance=variance)

    return Tracker(init, update, Reason.VARIANCE)


def _merged(a: Moments, b: Moments) -> Moments:
    """Of the iterates of both, of which `b` has some.

        m = m_a + (k_b / k) (m_b - m_a),    M = M_a + M_b + (k_a k_b / k) |m_b - m_a|^2 / n

    Chan, Golub, LeVeque 1979. The difference of mean square and square of the mean would lose all
    digits of iterates that hardly move.
    """
    steps = a.steps + b.steps
    part, delta = b.steps / steps, b.mean - a.mean
    deviations = a.deviations + b.deviations + a.steps * part * jnp.mean(delta**2)
    return Moments(a.mean + part * delta, deviations, steps)


@tracker
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
        ValueError: for another decay, or a patience that is negative.
    """
    if not patience >= 0:
        raise ValueError(f"patience must not be negative, not {patience}")
    decay = checked_decay(decay)

    def init(image: Array) -> Variance:
        zero = jnp.zeros((), image.dtype)
        return Variance(wait=waiting(image), mean=jnp.zeros_like(image), variance=zero)

    def update(state: Variance, info) -> Variance:
        delta = info.image - state.mean
        mean = state.mean + (1 - decay) * delta
        variance = decay * (state.variance + (1 - decay) * jnp.mean(delta**2))
        score = jnp.where(state.wait.step < warmup, jnp.inf, variance)
        wait = waited(state.wait, score, _average_of(info), lambda at: patience)
        return Variance(wait=wait, mean=mean, variance=variance)

    return Tracker(init, update, Reason.VARIANCE)


def _average_of(info) -> Array:
    """The average where the loop makes one, the image in a loop of one's own."""
    return getattr(info, "average", info.image)
