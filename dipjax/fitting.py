"""The fit: `min_theta E(f_theta(z))`, stopped before it learns the noise.

A generator `f`, a code `z`, an energy `E` and an optimiser go in; iterates come out. One chunk of
steps, two drivers: `fit` is the whole optimisation as one pure function, `iterate` the same driven
from Python. `step` has what they repeat, `run` what is carried from step to step.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from dipjax import codes, stopping
from dipjax.codes import Code, Jitter
from dipjax.compiler import compiled, traced
from dipjax.guard import GUARD, Guard
from dipjax.objectives import as_objective
from dipjax.restoration import FitError as FitError
from dipjax.restoration import Restoration as Restoration
from dipjax.run import Run as Run
from dipjax.run import begin, chunk, cut, resume, room_for
from dipjax.run import finish as finish
from dipjax.settings import Settings, whole
from dipjax.step import ADAM, Energy
from dipjax.step import FitInfo as FitInfo
from dipjax.step import FitState as FitState
from dipjax.step import Fitter as Fitter
from dipjax.step import fitter as fitter
from dipjax.stopping import Decay, Reason, Tracker

Array = jax.Array

STEPS = 2000  # of a fit that is asked for no other number
CHUNK = 50  # steps of one dispatch: long enough to cost nothing, short enough to stop in time


class Progress(NamedTuple):
    """A running fit after `step` steps; `state` resumes it (see `iterate`)."""

    step: int
    loss: float
    image: Array
    average: Array
    state: Run


def fit(
    key: Array,
    objective: Energy,
    shape: tuple[int, int, int],
    *,
    generator: Any = None,
    code: Code | Array = codes.uniform,
    optimizer: optax.GradientTransformation = ADAM,
    jitter: Jitter = 1 / 30,
    decay: Decay = 0.99,
    steps: int = STEPS,
    stop: Tracker = stopping.never(),
    guard: Guard = GUARD,
    start: FitState | None = None,
) -> Restoration:
    """Fit a generator to one measurement: `min_theta E(f_theta(z))`, stopped before the noise.

    Pure: `jax.vmap` fits several measurements or seeds at once, and ends when all have stopped.
    It is compiled once for each shape and each equal set of settings, of which the number of
    steps, from 50 on, is none.

    Args:
        key: of all randomness: code, params and jitter. The same key gives the same bits.
        objective: `E`, any differentiable function from an image (H, W, C) to a scalar.
        shape: of the image, (H, W, C).
        generator: `f`, anything with `init(key, z) -> params` and `apply(params, z) -> image`;
            the paper's `Hourglass` by default.
        code: `z`, an array or a function `(key, shape) -> z` such as those in `codes`.
        optimizer: any optax transformation. Make it once: a new one compiles again, but for
            `dipjax.optimizers.adam`.
        jitter: noise on the code at each step, a number of Python or a schedule (sigma_p in the
            paper).
        decay: of the average of the iterates, in [0, 1), or a schedule of the number of those
            before.
        steps: at most this many.
        stop: the rule that ends the fit earlier, from `stopping`.
        guard: when a step is taken back.
        start: the end of another fit (`.state.fit` of a `Progress`), whose params and
            optimiser state this one starts from; random params by default.

    Returns:
        A `Restoration`, whose `.image` is what the stop rule has kept, or the average.

    Raises:
        ValueError: before any step, when the generator or the objective do not fit the shape,
            or `steps` is not positive.
        TypeError: for a generator, an optimiser, a rule or a key of the wrong kind.
        FitError: when the guard gives up; it has the result. Within `jit` and `vmap` nothing
            is raised: look at `.stop_reason`.
    """
    z, *keys = codes.drawn(key, code, shape)
    settings = Settings.of(shape, generator, optimizer, jitter, decay, stop, guard)
    steps = whole(steps)
    args = keys, as_objective(objective), z, settings, tuple(shape), steps, start
    return _checked(cut(_fit(*args, room=room_for(steps)), steps))


def iterate(
    key: Array,
    objective: Energy,
    shape: tuple[int, int, int],
    *,
    generator: Any = None,
    code: Code | Array = codes.uniform,
    optimizer: optax.GradientTransformation = ADAM,
    jitter: Jitter = 1 / 30,
    decay: Decay = 0.99,
    steps: int = STEPS,
    stop: Tracker = stopping.never(),
    guard: Guard = GUARD,
    start: FitState | None = None,
    every: int = CHUNK,
    state: Run | Callable[[Run], Run] | None = None,
) -> Iterator[Progress]:
    """The same fit driven from Python: yields its `Progress` every few steps.

    This is where progress bars, live pictures, checkpoints and Ctrl-C live. `finish` turns the
    last state into a `Restoration`. The arguments are those of `fit`, and:

    Args:
        every: steps between two yields, counted anew from a bad step. Where that neither divides
            nor is a multiple of `guard.every`, an accelerator makes steps in vain.
        state: the `.state` of an earlier `Progress`, to go on from there: with the same key
            and settings the result is the same as without the interruption. Or what makes one of
            its shapes, such as `partial(checkpoints.load, path)`.

    Yields:
        `Progress`. Its `state` is valid until the next one is asked for (its memory is used
        again): copy it to keep it. The images stay. Of a `state` that is at its end, that one.

    Raises:
        FitError: after the last `Progress`, when the guard gives up; it has the result.
    """
    z, params_key, key = codes.drawn(key, code, shape)
    settings = Settings.of(shape, generator, optimizer, jitter, decay, stop, guard)
    steps = whole(steps)
    room = room_for(steps)
    objective, every = as_objective(objective), min(whole(every, "every"), steps)
    begun = partial(_begun, settings=settings, shape=tuple(shape), steps=steps, room=room)
    if callable(state):
        state = state(jax.eval_shape(begun, params_key, objective, z, start=start))
    run = begun(params_key, objective, z, start=start) if state is None else resume(state, steps)
    length, due = min(every, settings.guard.every), int(run.fit.step) + every
    if run.reason:
        yield _progress(run, run.image, run.average.mean)
    while not run.reason:
        setbacks = int(run.kept.setbacks)
        run, image, average = _advance(key, run, objective, settings, length, due)
        if run.reason or run.fit.step == due or run.kept.setbacks > setbacks:
            due = int(run.fit.step) + every  # the guard counts from a bad step on, too
            yield _progress(run, image, average)
    _checked(finish(run))


def _progress(run: Run, image: Array, average: Array) -> Progress:
    step = int(run.fit.step)
    return Progress(step, float(run.loss[step - 1]), image, average, run)


@partial(compiled, static_argnames=("settings", "shape", "room"))
def _fit(keys, objective, z, settings: Settings, shape, steps, start=None, *, room) -> Restoration:
    params_key, key = keys
    run = begin(params_key, objective, z, settings, shape, steps, start, room=room)
    length = min(CHUNK, settings.guard.every, room)
    run = lax.while_loop(
        lambda run: run.reason == Reason.RUNNING,
        lambda run: chunk(key, run, objective, settings, length),
        run,
    )
    return finish(run)


@partial(compiled, clears=False, static_argnames=("settings", "length"), donate_argnames="run")
def _advance(key, run: Run, objective, settings: Settings, length: int, until=None):
    run = chunk(key, run, objective, settings, length, until)
    return run, jnp.copy(run.image), jnp.copy(run.average.mean)


_begun = compiled(begin, static_argnames=("settings", "shape", "room"))


def _checked(result: Restoration) -> Restoration:
    """The result, or the error that has it; what is traced cannot be looked at."""
    if not traced(result.stop_reason) and result.stop_reason == Reason.FAILED:
        raise FitError(result)
    return result
