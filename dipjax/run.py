"""The run of a fit: its steps one after the other, and all that watches them.

    theta, x <- step(theta),    x -> average, best image, stop rule;    a bad step is taken back

`chunk` makes some steps, or fewer where the fit ends. It is pure, and what both drivers of
`fitting` repeat.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dipjax import guard, stopping
from dipjax.compiler import chosen, repeated, traced
from dipjax.objectives import Objective
from dipjax.restoration import Restoration
from dipjax.settings import Settings
from dipjax.step import FitInfo, FitState, fitter, scalar
from dipjax.stopping import Reason, Seen

Array = jax.Array

# The curves of a fit are as long as a multiple of so many steps, for fits of other numbers to share
# its program; those of few steps are as long as they.
ROOM, FEW = 10_000, 50


class Run(NamedTuple):
    """The carry of the loop: the fit and its trackers, and how many steps are to be made."""

    fit: FitState
    steps: Array
    image: Array
    average: stopping.Average
    best: stopping.Best
    stop: Any
    loss: Array
    error: Array
    kept: guard.Kept
    reason: Array


def begin(key, objective, z, settings: Settings, shape, steps, start=None, *, room: int) -> Run:
    """The state before the first step, with room for the losses of so many.

    A copy, because `iterate` uses its memory again.
    """
    if start is None:
        state = fitter(objective, settings.generator, settings.optimizer).init(key, z)
    else:
        state = jax.tree.map(jnp.copy, start._replace(step=jnp.zeros((), jnp.int32), z=z))
    made = jax.eval_shape(settings.generator.apply, state.params, z)
    if made.shape != shape:
        raise ValueError(
            f"the generator makes images of shape {made.shape}, but {shape} was asked for: "
            "set its channels, or the shape of the code"
        )
    jax.eval_shape(lambda x: scalar(objective(x)), made)
    image = jnp.zeros(shape, made.dtype)
    return Run(
        fit=state,
        steps=jnp.asarray(steps, jnp.int32),
        image=image,
        average=settings.average.init(image),
        best=stopping.best().init(image),
        stop=settings.stop.init(image),
        loss=jnp.full(room, jnp.nan, made.dtype),
        error=jnp.full(room, jnp.nan, made.dtype),
        kept=guard.init(state, made.dtype),
        reason=jnp.zeros((), jnp.int32),
    )


def chunk(
    key: Array,
    run: Run,
    objective: Objective,
    settings: Settings,
    length: int,
    until: Array | int | None = None,
) -> Run:
    """`length` steps, or fewer: to where the guard has to look, a step, or the end of the fit.

    Where chunks begin and end changes nothing, so that both drivers make the same fit.
    """
    step = fitter(objective, settings.generator, settings.optimizer, jitter=settings.jitter).step
    run = run._replace(kept=guard.keep(settings.guard, run.kept, run.fit))

    def body(run: Run) -> Run:
        i = run.fit.step
        state, info = step(jax.random.fold_in(key, i), run.fit, run.kept.scale)
        run = run._replace(fit=state, loss=run.loss.at[i].set(info.loss))
        good = guard.good(settings.guard, run.kept, i, info.loss, objective.floor)
        # No tracker sees what is bad; what it made of the params is taken back behind the loop.
        fallen = run._replace(kept=guard.fell(run.kept, i))
        run = chosen(good, _seen(objective, settings, run, info), fallen)
        return run._replace(reason=_reason(run, settings))

    def going(run: Run) -> Array:
        on = (run.reason == Reason.RUNNING) & ~guard.waits(settings.guard, run.kept, run.fit)
        return on if until is None else on & (run.fit.step < until)

    run = repeated(body, run, going, length)
    fit, kept = guard.restore(run.kept, run.fit)
    return run._replace(fit=fit, kept=kept)


def _seen(objective: Objective, settings: Settings, run: Run, info: FitInfo) -> Run:
    """After a good step: all trackers have seen it."""
    average = settings.average.update(run.average, info)
    error = _error(objective, average.mean)
    error_of = partial(_error, objective)
    seen = Seen(info.loss, info.image, average.mean, error_of, run.kept.setbacks)
    return run._replace(
        image=info.image,
        average=average,
        best=stopping.best().update(run.best, seen),
        stop=settings.stop.update(run.stop, seen),
        error=run.error if error is None else run.error.at[run.fit.step - 1].set(error),
        kept=guard.passed(run.kept, info.loss),
    )


def _reason(run: Run, settings: Settings) -> Array:
    """Why the fit is at its end, or that it is not."""
    ends = [
        (guard.failed(settings.guard, run.kept) | _in_vain(run), Reason.FAILED),
        (run.stop.stop, stopping.reason(settings.stop, run.stop)),
        (run.fit.step >= run.steps, Reason.STEPS),
    ]
    conditions, reasons = zip(*ends, strict=True)
    return jnp.select(conditions, [jnp.int32(r) for r in reasons], jnp.int32(Reason.RUNNING))


def _in_vain(run: Run) -> Array:
    """Whether all steps are made, and none was good."""
    return (run.fit.step >= run.steps) & (run.average.step == 0)


def room_for(steps: int) -> int:
    """The length of the curves of a fit of so many steps, which is a part of its program."""
    return steps if steps < FEW else -(-steps // ROOM) * ROOM


def _error(objective: Objective, image: Array) -> Array | None:
    error = objective.error(image)
    return None if error is None else error.astype(image.dtype)


def resume(state: Run, steps: int) -> Run:
    """A copy of the state that is to make so many steps."""
    if int(state.fit.step) > steps:
        raise ValueError(f"the state has made {int(state.fit.step)} steps already, not {steps}")
    room = room_for(steps)
    known = min(room, state.loss.size)

    def longer(curve: Array) -> Array:
        return jnp.full(room, jnp.nan, curve.dtype).at[:known].set(curve[:known])

    vain = _in_vain(state)
    going = (state.reason == Reason.RUNNING) | (state.reason == Reason.STEPS) | vain
    ended = jnp.where(vain, Reason.FAILED, Reason.STEPS)
    now = ended if int(state.fit.step) == steps else Reason.RUNNING
    run = state._replace(
        steps=jnp.asarray(steps, jnp.int32),
        loss=longer(state.loss),
        error=longer(state.error),
        reason=jnp.where(going, now, state.reason).astype(jnp.int32),
    )
    return jax.tree.map(jnp.copy, run)


def finish(run: Run) -> Restoration:
    """The `Restoration` of a fit that was driven by `iterate`, wherever it is."""
    result = Restoration(
        image=stopping.estimate(run.stop, run.average.mean),
        last=run.image,
        average=run.average.mean,
        best=run.best.image,
        std=jnp.sqrt(run.average.variance),
        loss=run.loss,
        stopped_at=run.fit.step,
        error=run.error,
        stop_reason=run.reason,
        setbacks=run.kept.setbacks,
    )
    # A copy, because `iterate` uses the memory of the state again.
    return cut(jax.tree.map(jnp.copy, result), run.steps)


def cut(result: Restoration, steps: int | Array) -> Restoration:
    """A result with curves of so many steps; as they are where their number is traced."""
    if traced(steps):
        return result
    n = int(np.max(steps))
    return result._replace(loss=result.loss[..., :n], error=result.error[..., :n])
