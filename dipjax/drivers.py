"""Drivers: what runs the fit of a task. A driver is called like `fit`, and a task takes any."""

import os
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import jax

from dipjax import checkpoints, interruption
from dipjax.restoration import Restoration
from dipjax.run import Run, finish

Array = jax.Array


@dataclass
class Loop:
    """The plainest driver: `fit`, in chunks, that keeps the `Run` it ended with.

    Attributes:
        folder: of checkpoints that it goes on from (see `checkpoints.iterate`), or None.
        state: the last of the fit.
    """

    folder: str | os.PathLike[str] | None = None
    state: Run | None = None

    def __call__(self, key: Array, objective: Any, shape: Any, **settings: Any) -> Restoration:
        """Fit, see `fitting.fit`; of a folder Ctrl-C waits for the chunk, and keeps where it is."""
        fits = checkpoints.iterate(key, objective, shape, folder=self.folder, **settings)
        caught: list[int] = []
        waits = interruption.collected(caught, print) if self.folder else nullcontext()
        with waits:
            for progress in fits:
                self.state = progress.state
                if caught:
                    break
        fits.close()  # what was left writes its checkpoint
        if caught:
            raise KeyboardInterrupt
        assert self.state is not None  # there is one `Progress` at least
        return finish(self.state)


def resumable(folder: str | os.PathLike[str]) -> Loop:
    """A driver whose fits go on where they were when the process ended.

        dipjax.denoise(key, y, preset="best", driver=dipjax.resumable("fits"))

    Called again with the same key, data and settings, a task makes what is missing: fits that were
    done are read, one that was cut off goes on. What it makes of them is the same, bit for bit, as
    without the interruption.

    Args:
        folder: of the checkpoints (see `checkpoints.iterate`); delete it when you are done.
    """
    return Loop(folder)
