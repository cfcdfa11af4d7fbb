"""Jobs: a task in a thread of its own, and its pictures as they come.

    for view in job(dipjax.denoise, key, y):
        ...  # view.image, view.text; the last is the result

This is what a page or a window needs, which must not wait.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.typing import ArrayLike

from dipjax import images, memory, tasks, tiles
from dipjax.drivers import Attended, Loop, often
from dipjax.fitting import STEPS, Progress
from dipjax.restoration import Restoration

Array = jax.Array


class View(NamedTuple):
    """What there is of a picture (H, W, C), in [0, 1], and how far it is, in words."""

    image: np.ndarray
    text: str


Say = Callable[[ArrayLike, str], None]


@dataclass
class Told(Attended):
    """A driver of fits that tells how far it is, and ends where something is in `caught`.

    Attributes, beside those of `drivers.Attended`:
        say: is given what there is of the picture and the words.
        view: what there is of the picture, by the average of the iterates.
        label: what is said first, such as "2 of 4 tiles", which are done.
        steps: how many were made, of all fits.
        seen: what was shown last.
    """

    say: Say
    view: Callable[[Array], ArrayLike]
    label: str = ""
    steps: int = 0
    seen: ArrayLike | None = None

    def __call__(
        self, key: Array, objective: Any, shape: Any, *, steps: int = STEPS, **settings: Any
    ) -> Restoration:
        """Fit, see `fitting.fit`."""
        clock, before = _Clock(steps), self.steps

        def look(progress: Progress) -> None:
            self.steps, self.seen = before + progress.step, self.view(progress.average)
            self._say(clock.text(progress.step))

        loop = Loop(None, often(steps), look, self.caught)
        return self.attend(loop, key, objective, shape, steps=steps, **settings)

    def polish(self, work: Callable[[], Array]) -> Array:
        """What a task does behind its fit; nothing stops it."""
        self._say(f"{self.steps} steps are made; polishing")
        return work()

    def _say(self, text: str) -> None:
        assert self.seen is not None  # there was a fit
        self.say(self.seen, f"{self.label}, {text}" if self.label else text)


@dataclass
class _Clock:
    """How long it may take yet, by the steps behind the first look, which compiles."""

    steps: int
    first: tuple[int, float] | None = None

    def text(self, step: int) -> str:
        now = time.perf_counter()
        done = f"step {step} of {self.steps} at most"
        if self.first is None:
            self.first = step, now
            return done
        left = (self.steps - step) * (now - self.first[1]) / (step - self.first[0])
        return f"{done}, {_duration(left)} left at most"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def job(
    task: Callable[..., Restoration],
    key: Array,
    y: ArrayLike,
    *data: ArrayLike,
    stops: list[Any] | None = None,
) -> Generator[View]:
    """A task on a picture, whole or in tiles as memory allows, in a thread of its own.

    Args:
        task: one of dipjax's, with its settings.
        key: of all randomness.
        y: the measurement (h, w, C).
        *data: what else the task takes for each pixel of it, such as a mask.
        stops: whatever is put in here ends the job behind a chunk of steps, with the result so far;
            a polish that has begun is finished. Leaving the loop does the same.

    Yields:
        A `View`: the measurement, then the newest whenever one is asked for, last the result.

    Raises:
        ValueError: before any compute, for data that the task refuses; in the loop for a tile of
            which nothing is known.
        MemoryError: where not even a tile fits.
    """
    y, factor = images.check(y), tiles.factor_of(task)
    shape = (y.shape[0] * factor, y.shape[1] * factor, y.shape[2])
    plan = tasks.planned(partial(task, key, y, *data), shape, factor=factor)
    task = partial(task, generator=plan.generator)
    work = partial(_done, task, key, y, *data, plan=plan, shape=shape)
    first = View(np.asarray(y), f"{plan.text}; compiling")
    return _in_background(first, work, [] if stops is None else stops)


def _done(task, key, y, *data, plan: memory.Plan, shape, say: Say, stops: list[Any]) -> View:
    """The work of the thread."""
    begin = time.perf_counter()
    told = Told(say, partial(images.middle, shape=shape), caught=stops)
    if plan.tile:
        image = _tiled(task, key, y, *data, tile=plan.tile, told=told)
    else:
        image = images.middle(task(key, y, *data, driver=told).image, shape)
    why = str(told.error or told.reason or "nothing was to be fitted")
    text = f"{told.label}: " if told.label else ""
    text += f"{told.steps} steps, {why}, after {_duration(time.perf_counter() - begin)}"
    return View(np.asarray(image), text)


def _tiled(task, key, y, *data, tile: tuple[int, int], told: Told) -> ArrayLike:
    """The picture from its tiles: it is shown as it is while one of them is fitted."""
    image = images.repeated(np.asarray(y), tiles.factor_of(task))
    told.view, told.label = lambda _: image, "first tile"
    for progress in tiles.iterate(task, key, y, *data, tile=tile, driver=told):
        image = progress.image.copy()
        told.label = f"{progress.done} of {progress.total} tiles"
        told.say(image, told.label)
    return image


def _in_background(first: View, work: Callable[..., View], stops: list[Any]) -> Generator[View]:
    """What `work(say=, stops=)` says, of what nobody has read the newest, and what it returns."""
    come: SimpleQueue[View | Exception | None] = SimpleQueue()

    def post(*newest: View | Exception | None) -> None:
        while not come.empty():  # there is no other who puts anything in
            with suppress(Empty):
                come.get_nowait()
        for item in newest:
            come.put(item)

    def run() -> None:
        try:
            post(work(say=lambda x, text: post(View(np.asarray(x), text)), stops=stops), None)
        except Exception as error:  # is raised where the views are read
            post(error)

    threading.Thread(target=run, name="dipjax job", daemon=True).start()
    try:
        yield first
        while (view := come.get()) is not None:
            if isinstance(view, Exception):
                raise view
            yield view
    finally:  # who leaves the loop wants no more of it
        stops.append("left")
