"""The guard of a fit: a step that ruins it is taken back.

A fit may fall from a good image to noise within a step, and a single NaN ends it. The guard keeps
params and optimiser state of the last good point, one from which every step of the next `every` was
good: what ruins a fit may lie in the optimiser before it is seen in the image. After a bad step it
restores them and goes on with the noise of the next step (a fresh key) and with smaller updates:

    bad      E_t not finite, or E_t > 10^(fall / 10) * max(mean of E over the last steps, floor)
    theta <- theta + scale * update,    scale halved by a bad step, doubled up to 1 by a good point

`fall` is in decibels of the data fit: the authors' code takes back what falls by 5 dB.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from dipjax.compiler import either

Array = jax.Array

DECAY = 0.9  # of the mean energy, over about ten steps


class Guard(NamedTuple):
    """The settings of the guard; hashed by value.

    Attributes:
        fall: of the data fit in dB that makes a step bad; infinite to mind NaN only, as suits
            energies that can be negative and have no decibels.
        every: steps between two points, and before the first fall counts.
        retries: restorations before the next point after which the fit has failed.
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
        trial: the one after it, which is good if no bad step comes before the next.
        level: mean energy of the last good steps, infinite where there was none yet.
        scale: of the updates, 1 as long as all is well.
        failures: bad steps since there was a new trial.
        setbacks: bad steps of the whole fit.
    """

    point: Point
    trial: Point
    level: Array
    scale: Array
    failures: Array
    setbacks: Array


def init(fit: Any, dtype: jnp.dtype) -> Kept:
    """Before the first step: the start is the good point."""
    count = jnp.zeros((), jnp.int32)
    one = jnp.ones((), dtype)
    start = Point(fit.params, fit.opt_state)
    return Kept(start, start, jnp.inf * one, one, count, count)


def good(guard: Guard, kept: Kept, step: Array, loss: Array, floor: float | Array) -> Array:
    """Whether a step with this energy may stand; the floor is that of the objective."""
    level = jnp.maximum(kept.level, floor)
    fallen = (step >= guard.every) & (level > 0) & (loss > 10 ** (guard.fall / 10) * level)
    return jnp.isfinite(loss) & ~fallen


def failed(guard: Guard, kept: Kept) -> Array:
    """Whether the fit has no hope left."""
    return kept.failures > guard.retries


def scaled(kept: Kept, before: Any, after: Any) -> Any:
    """`theta + scale * update`; the very bits of `after` while the scale is 1."""

    def shrink(before: Any, after: Any) -> Any:
        return jax.tree.map(lambda a, b: a + kept.scale.astype(a.dtype) * (b - a), before, after)

    return either(kept.scale < 1, shrink, lambda before, after: after, before, after)


def keep(guard: Guard, kept: Kept, fit: Any, loss: Array) -> Kept:
    """After a good step: its mean energy, and every few steps what it started from, on trial."""
    level = jnp.where(jnp.isfinite(kept.level), kept.level, loss)
    kept = kept._replace(level=DECAY * level + (1 - DECAY) * loss)
    due = (fit.step > 0) & (fit.step % guard.every == 0)
    new = kept._replace(
        point=kept.trial,
        trial=Point(fit.params, fit.opt_state),
        scale=jnp.minimum(2 * kept.scale, 1),
        failures=jnp.zeros_like(kept.failures),
    )
    return either(due, lambda kept, new: new, lambda kept, new: kept, kept, new)


def restore(kept: Kept, fit: Any) -> tuple[Any, Kept]:
    """After a bad step: the last good point as the state of the next step, and smaller steps."""
    fit = fit._replace(step=fit.step + 1, **kept.point._asdict())
    kept = kept._replace(
        trial=kept.point,
        level=jnp.full_like(kept.level, jnp.inf),  # the good point may be many steps behind
        scale=kept.scale / 2,
        failures=kept.failures + 1,
        setbacks=kept.setbacks + 1,
    )
    return fit, kept
