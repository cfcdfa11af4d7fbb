"""Watching a fit in a terminal: a progress bar, its times, and a good end on Ctrl-C."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from dipjax.drivers import interruption
from dipjax.drivers.loop import Attended, Loop, often, psnr
from dipjax.fitting import STEPS, Progress
from dipjax.restoration import Restoration

Array = jax.Array


@dataclass
class Watch(Attended):
    """A driver of fits for people: shows its progress, times it, and ends well on Ctrl-C.

    It is called like `fitting.fit`. After the call it knows what it was asked to do and how it
    went; after Ctrl-C the result is the one so far, and `interrupted` is set.

    Attributes, beside those of `drivers.Attended`:
        reference: the true image (H, W, C), to show the PSNR by.
        quiet: show nothing.
        settings: the arguments of the fit, of several those of the first.
        steps: how many were made.
        seconds: of compilation and of running.
        label: what the progress bar says first, such as "member 2/8".
        folder: of checkpoints that fits go on from (see `checkpoints.iterate`), or None.
        resumed: whether one of them went on, or tiles of an earlier run were kept; what those took
            is not among the seconds.
        fits: steps and seconds of every fit that this drove, such as members or tiles.
    """

    reference: Array | None = None
    quiet: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    steps: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    label: str = ""
    folder: Path | None = None
    resumed: bool = False
    fits: list[dict[str, Any]] = field(default_factory=list)

    @property
    def interrupted(self) -> bool:
        """Whether it was Ctrl-C that ended the fit."""
        return bool(self.caught)

    def conclude(self) -> None:
        """Raise what ended the fits, once their result is saved: FitError, KeyboardInterrupt."""
        if self.error:
            raise self.error
        if self.interrupted:
            raise KeyboardInterrupt

    def __call__(self, key: Array, objective, shape, *, steps=STEPS, **settings) -> Restoration:
        """Fit, see `fitting.fit`; raises KeyboardInterrupt at the second Ctrl-C."""
        settings["steps"] = steps
        self.settings = self.settings or settings
        every = often(steps)
        label = self.label or (f"fit {len(self.fits) + 1}" if self.fits else "")
        times = [time.perf_counter()]
        bar = tqdm(total=steps, unit="step", disable=self.quiet, dynamic_ncols=True)
        bar.set_description(f"{label} compiling".strip())

        def look(progress: Progress) -> None:
            if progress.step > every and len(times) == 1:  # what an earlier run has made
                bar.initial, self.resumed = progress.step, True
            times.append(time.perf_counter())
            bar.set_description(f"{label} fitting".strip(), refresh=False)
            if not self.quiet:
                bar.set_postfix_str(self._postfix(progress), refresh=False)
            bar.update(progress.step - bar.n)
            self.steps = progress.step

        loop = Loop(self.folder, every, look, self.caught)
        with bar, self.catches_ctrl_c():
            result = self.attend(loop, key, objective, shape, **settings)
        self.seconds = _seconds(np.diff(times))
        self.fits.append({"steps": self.steps, "seconds": self.seconds})
        return result

    def polish(self, work: Callable[[], Array]) -> Array:
        """What a task does behind its fit, for some seconds in which no bar moves."""
        if not self.quiet:
            tqdm.write(f"{self.label} polishing".strip(), file=sys.stderr)
        begin = time.perf_counter()
        with self.catches_ctrl_c():
            image = jax.block_until_ready(work())
        self.fits[-1]["seconds"]["polish"] = round(time.perf_counter() - begin, 2)
        return image

    def _postfix(self, progress: Progress) -> str:
        loss = f"loss {progress.loss:.4g}"
        if self.reference is None:
            return loss
        return f"{loss}, PSNR {psnr(progress, self.reference):.2f} dB"

    def catches_ctrl_c(self) -> AbstractContextManager[None]:
        """Collects Ctrl-C, so that no result is lost to it; a second one raises."""
        return interruption.collected(self.caught, partial(tqdm.write, file=sys.stderr))


def _seconds(chunks: np.ndarray) -> dict[str, float]:
    """The first chunk compiles: what it took beyond the usual is compilation."""
    usual = float(np.median(chunks[1:])) if len(chunks) > 1 else 0.0
    compiling = max(float(chunks[0]) - usual, 0.0)
    return {"compile": round(compiling, 2), "run": round(float(chunks.sum()) - compiling, 2)}


def total(fits: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Steps and seconds of several fits together."""
    names = dict.fromkeys(("compile", "run", *(name for fit in fits for name in fit["seconds"])))
    seconds = {n: round(sum(fit["seconds"].get(n, 0) for fit in fits), 2) for n in names}
    return {"steps": sum(fit["steps"] for fit in fits), "seconds": seconds}
