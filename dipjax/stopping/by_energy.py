"""Stop by the energy: down to that of the noise, or faster again after its slowest fall."""

from typing import NamedTuple

import jax.numpy as jnp

from dipjax.stopping.tracker import Array, Reason, Tracker, checked_decay, tracker


class Discrepancy(NamedTuple):
    """The moving mean of the energy, its weight, the steps so far, and whether it is low enough."""

    loss: Array
    weight: Array
    step: Array
    stop: Array


@tracker
def discrepancy(limit: float = 1.0, decay: float = 0.9) -> Tracker:
    """Stop when the energy is down to that of the noise (Morozov's discrepancy principle).

        mean_t E(x_t) <= limit,    E(x) = |A x - y|^2 / (n sigma^2)

    The mean is exponential over the last steps. Put the noise level (`noise.level`
    estimates it) into the weight of the data term, where another one compiles nothing:
    `data_term(A, y) * (1 / (y.size * sigma**2))`, and leave the limit at 1.

    Args:
        limit: of the energy.
        decay: of the moving mean, in [0, 1).

    Raises:
        ValueError: for another decay, or a limit that is not positive.
    """
    if not limit > 0:
        raise ValueError(f"limit must be positive, not {limit}")
    return _discrepancy(float(limit), 0, checked_decay(decay), Reason.DISCREPANCY)


@tracker
def zero_crossing(warmup: int = 200, decay: float = 0.9) -> Tracker:
    """Stop when the estimated risk has fallen to nothing: less than no error is none at all.

        mean_t R(x_t) <= 0,    R = E for the energies of `dipjax.risk`

    A fit that minimises an estimate of its risk learns at last the estimate's own noise, and
    falls below the least that a risk can be (Jo et al., ICCV 2021, sec. 4.3).

    Args:
        warmup: steps before the risk counts: where the noise is thought too strong, smooth pictures
            are below zero while the average still holds the first iterates.
        decay: of the moving mean, in [0, 1).

    Raises:
        ValueError: for another decay.
    """
    return _discrepancy(0.0, int(warmup), checked_decay(decay), Reason.RISK)


def _discrepancy(limit: float, warmup: int, decay: float, why: Reason) -> Tracker:
    def init(image: Array) -> Discrepancy:
        zero = jnp.zeros((), image.dtype)
        return Discrepancy(zero, zero, jnp.zeros((), jnp.int32), jnp.zeros((), bool))

    def update(state: Discrepancy, info) -> Discrepancy:
        weight = decay * state.weight + 1
        loss = state.loss + (info.loss - state.loss) / weight
        step = state.step + 1
        return Discrepancy(loss, weight, step, (loss <= limit) & (step > warmup))

    return Tracker(init, update, why)


class Inflection(NamedTuple):
    """Two means of the energy; its fastest fall, the slowest since, when; setbacks, steps, stop."""

    late: Array
    later: Array
    fastest: Array
    slowest: Array
    at: Array
    setbacks: Array
    step: Array
    stop: Array


@tracker
def inflection(fraction: float = 0.25, warmup: int = 60) -> Tracker:
    """Stop behind the slowest fall of the energy, for the energies of `dipjax.risk`.

        D_t = m_2,t - m_8,t  ~  -dE / dlog t,    m_c,t = m_c,t-1 + min(c / t, 1) (E_t - m_c,t-1)

    An estimated risk falls more and more slowly while a fit learns the picture, and faster again
    when it learns the noise of the estimate. Between them, after its highest, `D` is lowest, and
    the best image comes a little later. `D` has no scale of time, as both means look back a part of
    the run, and no level of the energy, which a noise level that is wrong by a few percent shifts
    as a whole. When the guard of the fit has gone back to an earlier step, all starts anew but the
    count of steps.

    Args:
        fraction: the fit stops when no slower fall has come for `fraction * t` steps, and for 10 at
            least, `t` being the step of the slowest so far.
        warmup: steps before the fall counts.

    Raises:
        ValueError: for a fraction that is negative.
    """
    if not fraction >= 0:
        raise ValueError(f"fraction must not be negative, not {fraction}")

    def init(image: Array) -> Inflection:
        zero, count = jnp.zeros((), image.dtype), jnp.zeros((), jnp.int32)
        infinite = zero + jnp.inf
        return Inflection(zero, zero, -infinite, infinite, count, count, count, count > 0)

    def update(state: Inflection, info) -> Inflection:
        step, setbacks = state.step + 1, jnp.int32(getattr(info, "setbacks", 0))
        back = setbacks != state.setbacks  # the energy is that of an earlier step again
        late, later = (
            jnp.where(back, info.loss, mean + _part(c, step, mean) * (info.loss - mean))
            for mean, c in ((state.late, 2), (state.later, 8))
        )
        fall, fastest = late - later, jnp.where(back, -jnp.inf, state.fastest)
        slower = (step >= warmup) & ((fall < state.slowest) | (fall >= fastest))
        at = jnp.where(slower, step, state.at)
        return Inflection(
            late,
            later,
            jnp.maximum(fall, fastest),
            jnp.where(slower, fall, state.slowest),
            at,
            setbacks,
            step,
            (at > 0) & (step - at >= jnp.maximum(fraction * at, 10)),
        )

    return Tracker(init, update, Reason.RISK)


def _part(c: int, step: Array, mean: Array) -> Array:
    """How much of a mean is new: `min(c / t, 1)`."""
    return jnp.minimum(c / step, 1).astype(mean.dtype)
