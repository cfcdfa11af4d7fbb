"""From tile to tile: a driver that goes on from the last one's params, and a folder of results."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

from dipjax import checkpoints, codes, identity, images
from dipjax.fitting import STEPS
from dipjax.generators.hourglass import or_hourglass
from dipjax.risk import Risk
from dipjax.step import ADAM, FitState, fitter
from dipjax.tiles.coarse import corrected

Array = jax.Array

WARM = 0.04  # of its steps are enough for a fit by risk that starts from another's params


@dataclass
class Relay:
    """A driver whose fits start where those of the tile before ended, and are shorter for it.

    What the params have learnt of one picture holds for the next where the picture is its own code,
    as in a fit by risk; with a code of noise, measured, it does not. What so few steps leave of the
    neighbour's colours is corrected (see `coarse.corrected`). The members of a tile, which are to
    differ, each go on from one of the last tile's.

    Attributes:
        driver: what runs a fit.
        warm: the part of its steps that a fit makes which starts from another's params; None is
            `WARM` for a fit by risk, and 1, all of them and from random params, for any other.
        members: fits of a tile.
        ends: the last of each member, none before the first fit.
        file: of ends that an earlier process has left.
    """

    driver: Any
    warm: float | None
    members: int = 1
    ends: list[FitState] = field(default_factory=list)
    file: Path | None = None
    calls: int = 0

    @property
    def ended(self) -> bool:
        """Whether its driver says that something other than a rule ended a fit."""
        return getattr(self.driver, "ended", False)

    def polish(self, work: Callable[[], Array]) -> Array:
        """What a task does behind a fit, as its driver does it."""
        return getattr(self.driver, "polish", lambda work: work())(work)

    def __call__(self, key: Array, objective, shape, *, steps: int = STEPS, **settings):
        warm = (WARM if isinstance(objective, Risk) else 1.0) if self.warm is None else self.warm
        if self.file is not None and warm < 1:
            like = [_shapes(key, objective, shape, **settings)] * self.members
            self.ends, self.file = checkpoints.load(self.file, like), None
            self.calls = self.members
        member = self.calls % self.members
        if self.ends and self.calls >= self.members and warm < 1:
            steps = max(1, round(warm * steps))
            settings |= {"start": self.ends[member]}
        result = self.driver(key, objective, shape, steps=steps, **settings)
        if isinstance(objective, Risk):
            y, s, power = objective.y, objective.s, objective.power
            result = result._replace(image=corrected(result.image, y, s, power))
        state = getattr(self.driver, "state", None)
        if state is None:
            self.ends = []
        else:
            self.ends = self.ends or [state.fit] * self.members
            self.ends[member] = state.fit
        self.calls += 1
        return result


def _shapes(
    key, objective, shape, *, code=codes.uniform, generator=None, optimizer=ADAM, **_
) -> FitState:
    """Those of the end of such a fit, without its code."""
    f = or_hourglass(generator, shape)
    z, *_ = jax.eval_shape(lambda key: codes.drawn(key, code, shape), key)
    return jax.eval_shape(fitter(objective, f, optimizer).init, key, z)._replace(z=None)


@dataclass
class Shelf:
    """A folder of finished tiles, `0.npy` and so on, and of the states that the last one left.

    The states are there before their tile: whatever is cut off, those of a tile that is there are
    kept. A text tells what they are tiles of. Every file is written in whole or not at all.
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
        tile, state = io.BytesIO(), self._state(i)
        if ends := self.relay.ends:
            checkpoints.save(state, [end._replace(z=None) for end in ends])
        np.save(tile, x)
        images.write_bytes(self.folder / f"{i}.npy", tile.getvalue())
        for older in self.folder.glob("state-*") if ends else ():
            if older != state:
                older.unlink()

    def _state(self, i: int) -> Path:
        return self.folder / f"state-{i}.msgpack"


def mark(task: Callable, key: Array, y: np.ndarray, data, *options: Any) -> str:
    """The same for the same run: what is restored, how, and with which randomness."""
    name = getattr(task, "__name__", "task")
    return f"{name} {y.shape} {identity.digest(task, key, y, data, options)}\n"
