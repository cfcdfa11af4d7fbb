"""From fit to fit: a driver that goes on from the last one's params, and a folder of results."""

import dataclasses
import hashlib
import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from dipjax import codes, fitting, images
from dipjax.objectives import Objective
from dipjax.operators import Operator
from dipjax.restoration import Restoration
from dipjax.run import Run, finish
from dipjax.step import FitState, fitter

Array = jax.Array

# Of a module: its place in another, and whether it recomputes instead of storing.
LEFT_OUT = ("parent", "name", "remat")


@dataclass
class Loop:
    """The plainest driver: `fit`, that keeps the `Run` it ended with."""

    state: Run | None = None

    def __call__(self, key: Array, objective, shape, **settings) -> Restoration:
        for progress in fitting.iterate(key, objective, shape, **settings):
            self.state = progress.state
        assert self.state is not None  # a fit makes at least one step
        return finish(self.state)


@dataclass
class Relay:
    """A driver whose fits start where the one before ended, and are shorter for it."""

    driver: Any
    warm: float
    end: FitState | None = None
    leaves: list[np.ndarray] | None = None  # of an end that comes from a file

    @property
    def ended(self) -> bool:
        """Whether its driver says that something other than a rule ended a fit."""
        return getattr(self.driver, "ended", False)

    def __call__(self, key: Array, objective, shape, *, steps: int = 2000, **settings):
        if self.leaves is not None and self.warm < 1:
            self.end, self.leaves = _unflatten(self.leaves, key, objective, shape, **settings), None
        if self.end is not None and self.warm < 1:
            steps = max(1, round(self.warm * steps))
            settings |= {"start": self.end}
        result = self.driver(key, objective, shape, steps=steps, **settings)
        state = getattr(self.driver, "state", None)
        self.end = None if state is None else state.fit
        return result


def _unflatten(leaves, key, objective, shape, *, code=codes.uniform, **settings) -> FitState:
    """The state of such a fit, without its code, from its arrays."""
    given = {k: v for k, v in settings.items() if k in ("generator", "optimizer") and v is not None}
    z, _ = jax.eval_shape(lambda key: codes.drawn(key, code, shape), key)
    state = jax.eval_shape(fitter(objective, **given).init, key, z)
    structure = jax.tree.structure(state._replace(z=None))
    return jax.tree.unflatten(structure, map(jnp.asarray, leaves))


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
        self.folder.mkdir(exist_ok=True)
        file = self.folder / "run.txt"
        if file.exists() and file.read_text() == self.mark:
            return
        if any(self.folder.iterdir()):
            raise ValueError(f"{str(self.folder)!r}: holds something else than tiles of this run")
        images.write_bytes(file, self.mark.encode())

    def read(self, i: int) -> np.ndarray | None:
        """A tile that is here; the relay goes on from the last that was made."""
        if not (self.folder / f"{i}.npy").exists():
            return None
        if (state := self._state(i)).exists():  # of the last tile that was fitted
            with np.load(state) as file:
                self.relay.leaves = list(file.values())
        return np.load(self.folder / f"{i}.npy")

    def write(self, i: int, x: np.ndarray) -> None:
        """Keep a tile, and before it the state to go on from."""
        tile, state, older = io.BytesIO(), io.BytesIO(), list(self.folder.glob("state-*.npz"))
        if (end := self.relay.end) is not None:
            np.savez(state, *map(np.asarray, jax.tree.leaves(end._replace(z=None))))
            images.write_bytes(self._state(i), state.getvalue())
        np.save(tile, x)
        images.write_bytes(self.folder / f"{i}.npy", tile.getvalue())
        for file in older if end is not None else ():
            file.unlink()

    def _state(self, i: int) -> Path:
        return self.folder / f"state-{i}.npz"


def mark(task: Callable, key: Array, y: np.ndarray, data, *options: Any) -> str:
    """The same for the same run: what is restored, how, and with which randomness."""
    parts = jax.random.key_data(key), y, data, options
    content = hashlib.sha256(_named((task, *parts)).encode()).hexdigest()
    name = getattr(task, "__name__", "task")
    return f"{name} {y.shape} {content}\n"


def _named(value: Any, within: tuple[int, ...] = ()) -> str:
    """A value in words that are the same in every process, as its address is not.

    Of a function they are its name, its code, and what it holds, such as the patience of a stop
    rule; of a generator not whether it recomputes instead of storing, which follows the memory.
    """
    if id(value) in within:  # a function that holds itself
        return "..."
    within = (*within, id(value))

    def all_of(values: Iterable[Any]) -> str:
        return ", ".join(_named(v, within) for v in values)

    match value:
        case jax.Array() | np.ndarray() | np.generic():
            array = np.ascontiguousarray(value)
            digest = hashlib.sha256(array.tobytes()).hexdigest()
            return f"{array.shape} {array.dtype} {digest}"
        case dict():
            return f"{{{all_of(part for item in value.items() for part in item)}}}"
        case set() | frozenset():
            return f"{{{', '.join(sorted(_named(v, within) for v in value))}}}"
        case tuple() | list():
            return f"({all_of(value)})"
        case partial():
            return f"partial({all_of((value.func, value.args, value.keywords))})"
        case FunctionType():
            held = [cell.cell_contents for cell in value.__closure__ or ()]
            defaults = value.__defaults__, value.__kwdefaults__
            parts = held, defaults, value.__code__
            return f"{value.__module__}.{value.__qualname__}({all_of(parts)})"
        case CodeType():
            return f"{value.co_code.hex()} {all_of((value.co_consts, value.co_names))}"
        case Operator() | Objective() | nn.Module() if dataclasses.is_dataclass(value):
            names = (f.name for f in dataclasses.fields(value) if f.name not in LEFT_OUT)
            fields = {name: getattr(value, name) for name in names}
            return f"{type(value).__qualname__}({_named(fields, within)})"
        case type():
            return f"{value.__module__}.{value.__qualname__}"
        case _:
            text, addresses = re.subn(r" at 0x[0-9a-f]+", "", repr(value))
            held = _named(vars(value), within) if addresses and hasattr(value, "__dict__") else ""
            return f"{type(value).__qualname__} {text}{held}"
