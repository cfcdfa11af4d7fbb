"""From fit to fit: a driver that goes on from the last one's params, and a folder of results."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from dipjax import checkpoints, codes, identity, images
from dipjax.fitting import STEPS
from dipjax.step import FitState, fitter

Array = jax.Array


@dataclass
class Relay:
    """A driver whose fits start where the one before ended, and are shorter for it."""

    driver: Any
    warm: float
    end: FitState | None = None
    file: Path | None = None  # of an end that an earlier process has left

    @property
    def ended(self) -> bool:
        """Whether its driver says that something other than a rule ended a fit."""
        return getattr(self.driver, "ended", False)

    def __call__(self, key: Array, objective, shape, *, steps: int = STEPS, **settings):
        if self.file is not None and self.warm < 1:
            like = _shapes(key, objective, shape, **settings)
            self.end, self.file = checkpoints.load(self.file, like), None
        if self.end is not None and self.warm < 1:
            steps = max(1, round(self.warm * steps))
            settings |= {"start": self.end}
        result = self.driver(key, objective, shape, steps=steps, **settings)
        state = getattr(self.driver, "state", None)
        self.end = None if state is None else state.fit
        return result


def _shapes(key, objective, shape, *, code=codes.uniform, **settings) -> FitState:
    """Those of the end of such a fit, without its code."""
    given = {k: v for k, v in settings.items() if k in ("generator", "optimizer") and v is not None}
    z, *_ = jax.eval_shape(lambda key: codes.drawn(key, code, shape), key)
    return jax.eval_shape(fitter(objective, **given).init, key, z)._replace(z=None)


@dataclass
class Shelf:
    """A folder of finished tiles, `0.npy` and so on, and of the state that the last one left.

    The state is there before its tile: whatever is cut off, one of a tile that is there is kept.
    A text tells what they are tiles of. Every file is written in whole or not at all.
    """

    folder: Path
    mark: str
    relay: Relay

    def __post_init__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "run.txt"
        if file.exists() and file.read_text() == self.mark:
            return
        if any(self.folder.iterdir()):
            raise ValueError(f"{str(self.folder)!r}: holds something else than tiles of this run")
        images.write_bytes(file, self.mark.encode())

    def read(self, i: int) -> np.ndarray | None:
        """A tile that is here; the relay goes on from the last that was made."""
        if not (file := self.folder / f"{i}.npy").exists():
            return None
        if (state := self._state(i)).exists():  # of the last tile that was fitted
            self.relay.file = state
        try:
            return np.load(file)
        except (ValueError, EOFError) as error:
            raise ValueError(f"{str(file)!r}: is no tile, or not a whole one; delete it") from error

    def write(self, i: int, x: np.ndarray) -> None:
        """Keep a tile, and before it the state to go on from."""
        tile, older = io.BytesIO(), list(self.folder.glob("state-*"))
        if (end := self.relay.end) is not None:
            checkpoints.save(self._state(i), end._replace(z=None))
        np.save(tile, x)
        images.write_bytes(self.folder / f"{i}.npy", tile.getvalue())
        for file in older if end is not None else ():
            file.unlink()

    def _state(self, i: int) -> Path:
        return self.folder / f"state-{i}.msgpack"


def mark(task: Callable, key: Array, y: np.ndarray, data, *options: Any) -> str:
    """The same for the same run: what is restored, how, and with which randomness."""
    name = getattr(task, "__name__", "task")
    return f"{name} {y.shape} {identity.digest(task, key, y, data, options)}\n"
