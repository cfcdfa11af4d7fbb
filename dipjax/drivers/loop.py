"""The loop that drives a fit in chunks, and those that people attend."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax

from dipjax import checkpoints, images, metrics
from dipjax.drivers import interruption
from dipjax.fitting import CHUNK, Progress
from dipjax.restoration import FitError, Restoration
from dipjax.run import Run, finish
from dipjax.stopping import Reason

Array = jax.Array

# Steps between two looks, which a Ctrl-C waits for; on accelerators they take no longer.
EVERY, EVERY_ON_ACCELERATOR = 10, 100


def psnr(progress: Progress, reference: Array) -> Array:
    """Of the average so far, in dB; of its middle, where the fit reaches beyond the picture."""
    return metrics.psnr(images.middle(progress.average, reference.shape), reference)


def often(steps: int) -> int:
    """Steps between two looks of a person at a fit of so many: one to compile, one to time."""
    every = EVERY if jax.default_backend() == "cpu" else EVERY_ON_ACCELERATOR
    return min(every, max(1, steps // 2))


@dataclass
class Loop:
    """`fit` in chunks, between which somebody looks at it and may end it: what drivers are made of.

    Attributes:
        folder: of checkpoints that it goes on from (see `checkpoints.iterate`), or None.
        every: steps between two looks.
        look: is given each `Progress`.
        caught: whatever is put in here ends the fit behind its chunk, with the result so far.
        state: the last of the fit, after a `FitError`, too.
    """

    folder: str | os.PathLike[str] | None = None
    every: int = CHUNK
    look: Callable[[Progress], object] | None = None
    caught: list[Any] = field(default_factory=list)
    state: Run | None = None

    @property
    def ended(self) -> bool:
        """Whether something other than its rule ended the fit."""
        return bool(self.caught)

    def __call__(self, key: Array, objective: Any, shape: Any, **settings: Any) -> Restoration:
        """Fit, see `fitting.fit`."""
        settings = {"every": self.every, **settings}
        fits = checkpoints.iterate(key, objective, shape, folder=self.folder, **settings)
        for progress in fits:
            self.state = progress.state
            if self.look:
                self.look(progress)
            if self.caught:
                break
        fits.close()  # what was left writes its checkpoint
        assert self.state is not None  # there is one `Progress` at least
        return finish(self.state)


@dataclass(kw_only=True)
class Attended:
    """What drivers for people know of their fits: why the last ended, and one that failed.

    Attributes:
        caught: whatever is in here has ended a fit, such as a Ctrl-C (see `Loop`).
        reason: why the last fit ended, in words.
        error: of a fit that failed; its best image is the result.
        state: the last of the fit.
    """

    caught: list[Any] = field(default_factory=list)
    reason: str = ""
    error: FitError | None = None
    state: Run | None = None

    @property
    def ended(self) -> bool:
        """Whether something other than its rule ended a fit."""
        return bool(self.caught) or self.error is not None

    def attend(
        self, loop: Loop, key: Array, objective: Any, shape: Any, **settings: Any
    ) -> Restoration:
        """What `loop` makes; of a fit that fails the best, for the others to go on."""
        try:
            result = loop(key, objective, shape, **settings)
        except FitError as error:
            self.error, result = error, error.result
        self.state, self.reason = loop.state, str(Reason(int(result.stop_reason)))
        return result


class Resumable(Loop):
    """A `Loop` whose Ctrl-C waits for the end of the chunk, so that its folder has a checkpoint."""

    def __call__(self, key: Array, objective: Any, shape: Any, **settings: Any) -> Restoration:
        """Fit, see `fitting.fit`; raises KeyboardInterrupt."""
        self.caught.clear()  # of a call before this one
        with interruption.collected(self.caught, print):
            result = super().__call__(key, objective, shape, **settings)
        if self.caught:
            raise KeyboardInterrupt
        return result


def resumable(folder: str | os.PathLike[str]) -> Resumable:
    """A driver whose fits go on where they were when the process ended.

        dipjax.denoise(key, y, preset="best", driver=dipjax.resumable("fits"))

    Called again with the same key, data and settings, a task makes what is missing: fits that were
    done are read, one that was cut off goes on. What it makes of them is the same, bit for bit, as
    without the interruption.

    Args:
        folder: of the checkpoints (see `checkpoints.iterate`); delete it when you are done.
    """
    return Resumable(folder)
