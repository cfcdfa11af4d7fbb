"""Jobs: a task in a thread of its own, and its pictures as they come, for a page or a window.

for view in job(dipjax.denoise, key, y):
    ...  # view.image, view.text; the last is the result
"""

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.typing import ArrayLike

from dipjax import images, memory, tasks, tiles
from dipjax.drivers import Loop, often
from dipjax.fitting import Progress
from dipjax.restoration import FitError, Restoration
from dipjax.stopping import Reason

Array = jax.Array


class View(NamedTuple):
    """What there is of a picture (H, W, C), in [0, 1], and how far it is, in words."""

    image: np.ndarray
    text: str


Say = Callable[[ArrayLike, str], None]


@dataclass
class Shown:
    """A driver of fits that says how far it is, and ends when something is in `ended`.

    Attributes:
        say: is given the average of the iterates and the words.
        shape: of the picture, of which a fit may reach beyond the border.
        ended: whatever is put in here ends the fit, with the result so far.
        steps: how many were made, of all fits.
        reason: why the last of them ended.
    """

    say: Say
    shape: tuple[int, int, int]
    ended: list[Any]
    steps: int = 0
    reason: str = ""
    image: Array | None = None

    def __call__(self, key: Array, objective: Any, shape: Any, **settings: Any) -> Restoration:
        """Fit, see `fitting.fit`."""
        clock, before = _Clock(settings["steps"]), self.steps

        def look(progress: Progress) -> None:
            self.steps = before + progress.step
            self.image = images.middle(progress.average, self.shape)
            self.say(self.image, clock.text(progress.step))

        loop = Loop(None, often(settings["steps"]), look, self.ended)
        result = loop(key, objective, shape, **settings)
        self.reason = str(Reason(int(result.stop_reason)))
        return result

    def polish(self, work: Callable[[], Array]) -> Array:
        """What a task does behind its fit."""
        assert self.image is not None  # there was a fit
        self.say(self.image, f"{self.steps} steps are made; polishing")
        return work()


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
    y: Array,
    *data: ArrayLike,
    factor: int = 1,
    ended: list[Any] | None = None,
) -> Generator[View]:
    """A task on a picture, whole or in tiles as memory allows, in a thread of its own.

    Args:
        task: one of dipjax's, with its settings.
        key: of all randomness.
        y: the measurement (h, w, C).
        *data: what else the task takes for each pixel of it, such as a mask.
        factor: pixels of the image for one of `y`, along each side.
        ended: whatever is put in here ends the job, with the result so far. Leaving the loop does.

    Yields:
        A `View` every few steps: the first is the measurement, the last is the result.

    Raises:
        ValueError: before any compute, for data that the task refuses.
        MemoryError: where not even a tile fits.
    """
    shape = (y.shape[0] * factor, y.shape[1] * factor, y.shape[2])
    plan = tasks.planned(partial(task, key, y, *data), shape, factor=factor)
    task = partial(task, generator=plan.generator)
    work = partial(_done, task, key, y, *data, plan=plan, shape=shape)
    first = View(np.asarray(y), f"{plan.text}; compiling")
    return _in_background(first, work, [] if ended is None else ended)


def _done(task, key, y, *data, plan: memory.Plan, shape, say: Say, ended: list[Any]) -> View:
    """The work of the thread."""
    begin = time.perf_counter()
    if plan.tile:
        image, text = _tiled(task, key, y, *data, plan=plan, shape=shape, say=say, ended=ended)
    else:
        shown = Shown(say, shape, ended)
        try:
            image = task(key, y, *data, driver=shown).image
            text = f"{shown.steps} steps: {shown.reason}"
        except FitError as error:
            image, text = images.middle(error.result.image, shape), str(error)
    return View(np.asarray(image), f"{text}, after {_duration(time.perf_counter() - begin)}")


def _tiled(task, key, y, *data, plan: memory.Plan, shape, say: Say, ended: list[Any]):
    image, text = None, plan.text
    settings = {"tile": plan.tile, "factor": shape[0] // y.shape[0], "driver": Loop(caught=ended)}
    for progress in tiles.iterate(task, key, y, *data, **settings):
        image, text = progress.image, f"{progress.done} of {progress.total} tiles"
        say(image.copy(), text)
        if ended:
            break
    return image, text


def _in_background(first: View, work: Callable[..., View], ended: list[Any]) -> Generator[View]:
    """What `work(say=, ended=)` says and then returns, or raises, in the order it comes."""
    come: SimpleQueue[View | Exception | None] = SimpleQueue()

    def run() -> None:
        try:
            come.put(work(say=lambda x, text: come.put(View(np.asarray(x), text)), ended=ended))
            come.put(None)
        except Exception as error:  # is raised where the views are read
            come.put(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        yield first
        while (view := come.get()) is not None:
            if isinstance(view, Exception):
                raise view
            yield view
    finally:  # who leaves the loop wants no more of it
        ended.append("left")
