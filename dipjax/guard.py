"""The guard of a fit: a step that ruins it is taken back.

A fit may fall from a good image to noise within a step, and a single NaN ends it. The guard keeps
params and optimiser state of the last good point, one that was followed by good steps until the
next was due: what ruins a fit may lie in the optimiser before it is seen in the image. After a bad
step it restores them and goes on with the noise of the next step (a fresh key) and smaller updates:

    bad      E_t not finite, or E_t > 10^(fall / 10) * max(mean of E over the last steps, floor)
    theta <- theta + scale * update,    scale halved by a bad step, doubled up to 1 by a good point

`fall` is in decibels of the data fit: the authors' code takes back what falls by 5 dB.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from dipjax.compiler import when

Array = jax.Array

DECAY = 0.9  # of the mean energy, over about ten steps


class Guard(NamedTuple):
    """The settings of the guard; hashed by value.

    Attributes:
        fall: of the data fit in dB that makes a step bad; infinite to mind NaN only, as suits
            energies that can be negative and have no decibels.
        every: steps between two points, at least, and before the first fall counts.
        retries: restorations before the next good point after which the fit has failed.
    """

    fall: float = 5.0
    every: int = 50
    retries: int = 5


GUARD = Guard()


class Point(NamedTuple):
    """Where a fit can go on from: its params, and the state of the optimiser."""

    params: Any
    opt_state: Any


class Kept(NamedTuple):
    """The last good point, and how it goes.

    Attributes:
        point: the last good one.
        trial: the one after it, which is good if no bad step comes before the next is due.
        fallen: whether the last step was bad: nothing goes on until the point is restored.
        spoilt: whether a step was bad since the trial was kept.
        at: the step of the trial, or behind the bad step.
        level: mean energy of the last good steps, infinite where there was none yet.
        scale: of the updates, 1 as long as all is well.
        failures: bad steps since there was a new good point.
        setbacks: bad steps of the whole fit.
    """

    point: Point
    trial: Point
    fallen: Array
    spoilt: Array
    at: Array
    level: Array
    scale: Array
    failures: Array
    setbacks: Array


def init(fit: Any, dtype: jnp.dtype) -> Kept:
    """Before the first step: the start is the good point."""
    count, one = jnp.zeros((), jnp.int32), jnp.ones((), dtype)
    start = Point(fit.params, fit.opt_state)
    no = jnp.zeros((), bool)
    return Kept(start, start, no, no, count, jnp.inf * one, one, count, count)


def waits(guard: Guard, kept: Kept, fit: Any) -> Array:
    """Whether nothing goes on until `restore` or `keep` have been called."""
    return kept.fallen | (fit.step - kept.at >= guard.every)


def keep(guard: Guard, kept: Kept, fit: Any) -> Kept:
    """Between chunks, so that no step copies params: a new trial, where one is due."""
    due = fit.step - kept.at >= guard.every

    def stood(kept: Kept) -> Kept:
        scale, failures = jnp.minimum(2 * kept.scale, 1), jnp.zeros_like(kept.failures)
        return kept._replace(point=kept.trial, scale=scale, failures=failures)

    def begun(kept: Kept) -> Kept:
        trial, spoilt = Point(fit.params, fit.opt_state), jnp.zeros_like(kept.spoilt)
        return kept._replace(trial=trial, spoilt=spoilt, at=fit.step)

    return when(due, begun, when(due & ~kept.spoilt, stood, kept))


def good(guard: Guard, kept: Kept, step: Array, loss: Array, floor: float | Array) -> Array:
    """Whether a step with this energy may stand; the floor is that of the objective."""
    level = jnp.maximum(kept.level, floor)
    fallen = (step >= guard.every) & (level > 0) & (loss > 10 ** (guard.fall / 10) * level)
    return jnp.isfinite(loss) & ~fallen


def failed(guard: Guard, kept: Kept) -> Array:
    """Whether the fit has no hope left."""
    return kept.failures > guard.retries


def passed(kept: Kept, loss: Array) -> Kept:
    """After a good step: its energy is in the mean."""
    level = jnp.where(jnp.isfinite(kept.level), kept.level, loss)
    return kept._replace(level=DECAY * level + (1 - DECAY) * loss)


def fell(kept: Kept, step: Array) -> Kept:
    """After a bad step."""
    return kept._replace(
        fallen=jnp.ones_like(kept.fallen),
        spoilt=jnp.ones_like(kept.spoilt),
        at=step + 1,
        level=jnp.full_like(kept.level, jnp.inf),  # the good point may be many steps behind
        scale=kept.scale / 2,
        failures=kept.failures + 1,
        setbacks=kept.setbacks + 1,
    )


def restore(kept: Kept, fit: Any) -> tuple[Any, Kept]:
    """Between chunks: the last good point, where the last step was bad."""

    def back(both: tuple[Any, Kept]) -> tuple[Any, Kept]:
        fit, kept = both
        kept = kept._replace(fallen=jnp.zeros_like(kept.fallen))
        return fit._replace(**kept.point._asdict()), kept

    return when(kept.fallen, back, (fit, kept))
