"""The fit: `min_theta E(f_theta(z))`, the one place where the four values of the method meet.

A generator `f`, a code `z`, an energy `E` and an optimiser go in; iterates come out. `fitter`
is the pure pair `(init, step)` for people who own the loop, `fit` is the whole optimisation as
one pure function, `iterate` is the same chunk of steps driven from Python.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.core import Tracer

from dipjax import codes, guard, probes, stopping
from dipjax.codes import Code, Jitter
from dipjax.compiler import chosen, compiled, repeated
from dipjax.generators import Hourglass
from dipjax.generators.hourglass import or_hourglass
from dipjax.guard import GUARD, Guard
from dipjax.objectives import Objective, as_objective
from dipjax.optimizers import adam
from dipjax.probes import Look
from dipjax.stopping import Decay, Reason, Seen, Tracker

Array = jax.Array
Energy = Callable[[Array], Array]

ADAM = adam(0.01)  # optax compares by identity: one object, one compilation
CHUNK = 50  # steps of one dispatch: long enough to cost nothing, short enough to stop in time


class FitState(NamedTuple):
    """What the next step needs."""

    step: Array
    params: Any
    opt_state: Any
    z: Array


class FitInfo(NamedTuple):
    """What a person may want to see of a step: `E(x)` and `x = f_theta(z)` before its update."""

    loss: Array
    image: Array


class Fitter(NamedTuple):
    """`init(key, z) -> state` and `step(key, state) -> (state, info)`: pure, jit and vmap them.

    `step(key, state, scale)` makes `scale` times the update.
    """

    init: Callable[[Array, Array], FitState]
    step: Callable[..., tuple[FitState, FitInfo]]


IMAGES = ("image", "last", "average", "best", "std")  # of a `Restoration`


class Restoration(NamedTuple):
    """The result of a fit. Images are (H, W, C) in the generator's range, [0, 1] by default.

    Where a task returns the mean of several fits, as by its preset "best", `image` and `average`
    are means, `std` is between the fits, `stopped_at` and `setbacks` count all, and the rest is of
    the first.

    Attributes:
        image: the best estimate of the restored image: that of the stop rule where it keeps
            one, else the average.
        last: the last iterate.
        average: the exponential average of the iterates, see `stopping.average`.
        best: the iterate of the lowest loss.
        std: standard deviation of the iterates around their average, per entry.
        loss: `E` at every step (steps,), NaN after the stop.
        stopped_at: the number of steps that were made.
        error: of the average in the held-out measurements at every step (steps,), NaN after the
            stop and where nothing is held out.
        stop_reason: why the fit ended, a `stopping.Reason` as an integer.
        setbacks: how often the guard took back a bad step.
    """

    image: Array
    last: Array
    average: Array
    best: Array
    std: Array
    loss: Array
    stopped_at: Array
    error: Array = None  # pyright: ignore[reportAssignmentType]
    stop_reason: Array = None  # pyright: ignore[reportAssignmentType]
    setbacks: Array = None  # pyright: ignore[reportAssignmentType]

    def map_images(self, fn: Callable[[Array], Array]) -> "Restoration":
        """The same with `fn` of each of its images, such as the part of it that was asked for."""
        return self._replace(**{name: fn(getattr(self, name)) for name in IMAGES})


class FitError(RuntimeError):
    """A fit that failed again and again; `.result` is the `Restoration` of its best image.

    Of a task it is what was fitted, without what the task would have made of it then.
    """

    def __init__(self, result: Restoration):
        super().__init__(
            f"the fit failed at step {int(result.stopped_at)}, after its guard had taken back "
            f"{int(result.setbacks)} bad steps: lower the learning rate, or look for NaN in the "
            "measurement and in the gradient of the objective"
        )
        self.result = result

    def __reduce__(self):
        return FitError, (self.result,)


class Progress(NamedTuple):
    """A running fit after `step` steps; `state` resumes it (see `iterate`)."""

    step: int
    loss: float
    image: Array
    average: Array
    state: "Run"


class Run(NamedTuple):
    """The carry of the loop: the fit and its trackers."""

    fit: FitState
    image: Array
    average: stopping.Average
    best: stopping.Best
    stop: Any
    loss: Array
    error: Array
    kept: guard.Kept
    reason: Array


class Settings(NamedTuple):
    """The static part of a fit: hashed by value, so that equal settings compile once."""

    generator: Any
    optimizer: optax.GradientTransformation
    jitter: Jitter
    average: Tracker
    stop: Tracker
    guard: Guard


def fitter(
    objective: Energy,
    generator: Any = Hourglass(),
    optimizer: optax.GradientTransformation = ADAM,
    *,
    jitter: Jitter = 1 / 30,
) -> Fitter:
    """One step of `theta <- theta - optimizer(grad_theta E(f_theta(z + sigma n)))`.

    Args:
        objective: `E`, any differentiable function from an image (H, W, C) to a scalar; its
            `probes` are added to it.
        generator: `f`, anything with `init(key, z) -> params` and `apply(params, z) -> image`.
        optimizer: any optax transformation; line searches such as `optax.lbfgs` get what
            they need.
        jitter: `sigma`, a number or a schedule of the step (see `codes.jitter`).

    Returns:
        The pair `init(key, z)`, `step(key, state)`; `key` is new for every step.

    Raises:
        ValueError: by `step`, when the objective gives no scalar.
    """
    optimizer = optax.with_extra_args_support(optimizer)
    objective = as_objective(objective)

    def init(key: Array, z: Array) -> FitState:
        params = generator.init(key, z)
        return FitState(jnp.zeros((), jnp.int32), params, optimizer.init(params), z)

    def step(key: Array, state: FitState, scale: Array | float = 1) -> tuple[FitState, FitInfo]:
        z = codes.jitter(key, state.z, jitter, state.step)
        looks = probes.looks(z, objective.probes(jax.random.fold_in(key, 1)))

        def energy(params, look: Look) -> tuple[Array, Array]:
            x = generator.apply(params, look.z)
            return look.energy(_scalar(objective(x)).astype(x.dtype), x), x

        def derivative(look: Look) -> tuple[tuple[Array, Any], Array]:
            (E, x), grad = jax.value_and_grad(energy, has_aux=True)(state.params, look)
            return (E, grad), x

        (loss, grad), x = probes.total(derivative, looks)
        updates, opt_state = optimizer.update(
            grad,
            state.opt_state,
            state.params,
            value=loss,
            grad=grad,
            value_fn=lambda params: probes.total(partial(energy, params), looks)[0],
        )
        updates = optax.tree.scale(scale, updates)
        params = optax.apply_updates(state.params, updates)
        return FitState(state.step + 1, params, opt_state, state.z), FitInfo(loss, x)

    return Fitter(init, step)


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
    steps: int = 2000,
    stop: Tracker = stopping.never(),
    guard: Guard = GUARD,
    start: FitState | None = None,
) -> Restoration:
    """Fit a generator to one measurement: `min_theta E(f_theta(z))`, stopped before the noise.

    Pure: `jax.vmap` fits several measurements or seeds at once, and ends when all have stopped.
    It is compiled once for each shape and each equal set of settings.

    Args:
        key: of all randomness: code, params and jitter. The same key gives the same bits.
        objective: `E`, any differentiable function from an image (H, W, C) to a scalar.
        shape: of the image, (H, W, C).
        generator: `f`, anything with `init(key, z) -> params` and `apply(params, z) -> image`;
            the paper's `Hourglass` by default.
        code: `z`, an array or a function `(key, shape) -> z` such as those in `codes`.
        optimizer: any optax transformation. Make it once: a new one compiles again.
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
        FitError: when the guard gives up; it has the result. Within `jit` and `vmap` nothing
            is raised: look at `.stop_reason`.
    """
    z, key = codes.drawn(key, code, shape)
    settings = _settings(generator, shape, optimizer, jitter, decay, stop, guard)
    return _checked(_fit(key, as_objective(objective), z, settings, tuple(shape), steps, start))


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
    steps: int = 2000,
    stop: Tracker = stopping.never(),
    guard: Guard = GUARD,
    start: FitState | None = None,
    every: int = CHUNK,
    state: Run | None = None,
) -> Iterator[Progress]:
    """The same fit driven from Python: yields its `Progress` every few steps.

    This is where progress bars, live pictures, checkpoints and Ctrl-C live. `finish` turns the
    last state into a `Restoration`. The arguments are those of `fit`, and:

    Args:
        every: steps between two yields.
        state: the `.state` of an earlier `Progress`, to go on from there: with the same key
            and settings the result is the same as without the interruption.

    Yields:
        `Progress`. Its `state` is valid until the next one is asked for (its memory is used
        again): copy it to keep it. The images stay. Nothing for a `state` that is at its end.

    Raises:
        FitError: after the last `Progress`, when the guard gives up; it has the result.
    """
    if every < 1:
        raise ValueError(f"every must be at least 1, not {every}")
    z, key = codes.drawn(key, code, shape)
    settings = _settings(generator, shape, optimizer, jitter, decay, stop, guard)
    objective, every = as_objective(objective), min(every, steps)
    if state is None:
        run = _started(key, objective, z, settings, tuple(shape), steps, start)
    else:
        run = _resumed(state, steps)
    parts, done = _parts(every, settings.guard), 0
    while not run.reason:
        run, image, average = _advance(key, run, objective, settings, every // parts)
        done += 1
        if run.reason or done % parts == 0:
            step = int(run.fit.step)
            yield Progress(step, float(run.loss[step - 1]), image, average, run)
    _checked(finish(run))


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
    return jax.tree.map(jnp.copy, result)  # `iterate` uses the memory of the state again


# --- one chunk function, two drivers -------------------------------------------------------


def _chunk(key: Array, run: Run, objective: Objective, settings: Settings, length: int) -> Run:
    """`length` steps, or fewer: a bad one, or the end of the fit, is the last."""
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

    run = repeated(body, run, _going, length)
    fit, kept = guard.restore(run.kept, run.fit)
    return run._replace(fit=fit, kept=kept)


def _going(run: Run) -> Array:
    return (run.reason == Reason.RUNNING) & ~run.kept.fallen


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
        (guard.failed(settings.guard, run.kept), Reason.FAILED),
        (run.stop.stop, stopping.reason(settings.stop, run.stop)),
        (run.fit.step >= run.loss.size, Reason.STEPS),
    ]
    conditions, reasons = zip(*ends, strict=True)
    return jnp.select(conditions, [jnp.int32(r) for r in reasons], jnp.int32(Reason.RUNNING))


def _error(objective: Objective, image: Array) -> Array | None:
    error = objective.error(image)
    return None if error is None else error.astype(image.dtype)


def _checked(result: Restoration) -> Restoration:
    """The result, or the error that has it; what is traced cannot be looked at."""
    if not isinstance(result.stop_reason, Tracer) and result.stop_reason == Reason.FAILED:
        raise FitError(result)
    return result


@partial(compiled, static_argnames=("settings", "shape", "steps"))
def _fit(key, objective, z, settings: Settings, shape, steps: int, start=None) -> Restoration:
    run = _start(key, objective, z, settings, shape, steps, start)
    length = min(CHUNK, settings.guard.every, steps)
    run = lax.while_loop(
        lambda run: run.reason == Reason.RUNNING,
        lambda run: _chunk(key, run, objective, settings, length),
        run,
    )
    return finish(run)


@partial(compiled, room=False, static_argnames=("settings", "length"), donate_argnames="run")
def _advance(key, run: Run, objective, settings: Settings, length: int):
    run = _chunk(key, run, objective, settings, length)
    return run, jnp.copy(run.image), jnp.copy(run.average.mean)


def _start(key, objective, z, settings: Settings, shape, steps: int, start=None) -> Run:
    """The state before the first step; a copy, because `iterate` uses its memory again."""
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
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
    jax.eval_shape(lambda x: _scalar(objective(x)), made)
    image = jnp.zeros(shape, made.dtype)
    return Run(
        fit=state,
        image=image,
        average=settings.average.init(image),
        best=stopping.best().init(image),
        stop=settings.stop.init(image),
        loss=jnp.full(steps, jnp.nan, made.dtype),
        error=jnp.full(steps, jnp.nan, made.dtype),
        kept=guard.init(state, made.dtype),
        reason=jnp.zeros((), jnp.int32),
    )


_started = compiled(_start, static_argnames=("settings", "shape", "steps"))


def _settings(
    generator, shape, optimizer, jitter: Jitter, decay, stop, guard: Guard = GUARD
) -> Settings:
    if guard.every < 1:
        raise ValueError(f"Guard(every={guard.every}): must be at least 1")
    generator = or_hourglass(generator, shape)
    jitter = jitter if callable(jitter) else float(jitter)  # a key of the compiled fit
    return Settings(generator, optimizer, jitter, stopping.average(decay), stop, guard)


def _parts(every: int, guard: Guard) -> int:
    """In how many equal parts to make so many steps, none longer than good points are apart."""
    parts = -(-every // guard.every)
    while every % parts:
        parts += 1
    return parts


def _resumed(state: Run, steps: int) -> Run:
    """A copy of the state with room for the losses of so many steps."""
    if int(state.fit.step) > steps:
        raise ValueError(f"the state has made {int(state.fit.step)} steps already, not {steps}")
    known = min(steps, state.loss.size)

    def room(curve: Array) -> Array:
        return jnp.full(steps, jnp.nan, curve.dtype).at[:known].set(curve[:known])

    going = (state.reason == Reason.RUNNING) | (state.reason == Reason.STEPS)
    now = Reason.STEPS if int(state.fit.step) == steps else Reason.RUNNING
    run = state._replace(
        loss=room(state.loss),
        error=room(state.error),
        reason=jnp.where(going, jnp.int32(now), state.reason),
    )
    return jax.tree.map(jnp.copy, run)


def _scalar(loss: Array) -> Array:
    try:
        loss = jnp.asarray(loss)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the objective must give a scalar, not {type(loss).__name__}") from error
    if loss.shape != ():
        raise ValueError(f"the objective must give a scalar, not an array of shape {loss.shape}")
    return loss
