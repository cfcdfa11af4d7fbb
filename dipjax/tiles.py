"""Tiles: any task on a picture that is too large to fit at once.

    x = sum_t w_t x_t,    w_t >= 0,    sum_t w_t = 1

The picture is cut into overlapping tiles of one size, so that one program is compiled. Each is
restored by itself and blended with its neighbours by a partition of unity: memory is that of
one tile, and of the picture.

To denoise, the code of a tile is the tile: `min_theta |f_theta(y + n) - y|^2`, with jitter `n` of
twice the noise. What the params have learnt of one tile then holds for the next, which starts
from them and needs a fraction of the steps; with a code of noise, measured, it does not.
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from dipjax import fitting, images, tasks
from dipjax.fitting import FitState, Restoration, Run

Array = jax.Array
Task = Callable[..., Restoration]

# The picture as its own code, after Jo et al., "Rethinking DIP for denoising", ICCV 2021.
OWN_CODE = {"steps": 300, "decay": 0.98}
JITTER = 2.0  # in units of the noise
WARM = 0.2  # of the steps are enough for a tile that starts from another's params


class Progress(NamedTuple):
    """A picture after `done` of `total` tiles; where there is none yet it is the measurement.

    The next tile changes `image`: copy it to keep it.
    """

    done: int
    total: int
    image: np.ndarray


def tiled(task: Task, key: Array, y: ArrayLike, *data: ArrayLike, **options: Any) -> np.ndarray:
    """A task on a picture of any size, in the memory of a tile: the last image of `iterate`.

    `tiled(dipjax.denoise, key, y)`, `tiled(dipjax.inpaint, key, y, mask, tile=(256, 256))`.

    Args:
        task: one of dipjax's, or any other that calls its option `driver` like `fit`.
        key: of all randomness.
        y: the measurement (h, w, C).
        *data: what else the task takes for each pixel of it, such as a mask (h, w, ...).
        **options: see `iterate`.

    Returns:
        The restored image (h * factor, w * factor, C), float32.

    Raises:
        ValueError: before any compute, see `iterate`.
    """
    *_, last = iterate(task, key, y, *data, **options)
    return last.image


def iterate(
    task: Task,
    key: Array,
    y: ArrayLike,
    *data: ArrayLike,
    tile: tuple[int, int] = (512, 512),
    overlap: int | None = None,
    factor: int = 1,
    warm: float | None = None,
    folder: Path | None = None,
    driver: Any = None,
    **settings: Any,
) -> Iterator[Progress]:
    """`tiled`, driven from Python: yields the image after every tile.

    A tile that is wholly known to `inpaint` is copied. `denoise` has settings of its own here,
    unless it is given a `code`: see above.

    Args:
        task, key, y, data: see `tiled`.
        tile: (h, w) of a tile in pixels of `y`.
        overlap: pixels of `y` that neighbouring tiles share at least; by default an eighth of
            the smaller side of a tile.
        factor: pixels of the image for one of `y` along each side, for `super_resolve`.
        warm: the part of its steps that a tile makes which starts from another's params, in
            (0, 1]; at 1 every tile starts from random params. By default a fifth where the
            picture is its own code, and else 1.
        folder: finished tiles are kept here, and a run that was stopped goes on from them.
        driver: what runs a fit, called like `fit`; afterwards its `.state` is the last `Run`.
        **settings: of the task.

    Raises:
        ValueError: before any compute, when sizes do not agree, a tile to inpaint has no known
            pixel, or the folder holds something else.
    """
    y, data = _checked(task, y, data)
    own = task is tasks.denoise and "code" not in settings
    if own:
        settings = {**OWN_CODE, "jitter": JITTER * noise_level(y), **settings}
    warm = (WARM if own else 1.0) if warm is None else warm
    if not 0 < warm <= 1:
        raise ValueError(f"warm {warm}: must be a part of the steps, in (0, 1]")
    if factor < 1:
        raise ValueError(f"factor {factor}: must be at least 1")
    settings |= {"factor": factor} if factor > 1 else {}
    parts = cut(y.shape, tile, overlap, factor)
    known = data[0] if task is tasks.inpaint else None
    if known is not None:
        _check_holes(known, parts)
    relay = Relay(driver or Loop(), warm)
    mark = _mark(task, key, y, data, tile, overlap, warm, settings)
    shelf = Shelf(folder, mark, relay) if folder else None

    def restored(i: int, part: Tile) -> np.ndarray:
        if known is not None and part.of(known).all():
            return part.of(y)
        pieces = [part.of(array) for array in (y, *data)]
        code = {"code": jnp.asarray(pieces[0])} if own else {}
        key_i = jax.random.fold_in(key, i)
        return np.asarray(task(key_i, *pieces, driver=relay, **settings, **code).image)

    return _blended(restored, parts, y, factor, shelf)


def _blended(
    restored: Callable[[int, "Tile"], np.ndarray],
    parts: "list[Tile]",
    y: np.ndarray,
    factor: int,
    shelf: "Shelf | None",
) -> Iterator[Progress]:
    """`y + sum_t w_t (x_t - y)`, tile by tile, `y` enlarged."""
    image = _enlarge(y, factor).copy()
    for i, part in enumerate(parts):
        kept = shelf.read(i) if shelf else None
        x = restored(i, part) if kept is None else kept
        part.of(image, factor)[:] += part.weight * (x - _enlarge(part.of(y), factor))
        yield Progress(i + 1, len(parts), image)
        # Not before: who was interrupted leaves the loop here, and a half tile is not kept.
        if shelf and kept is None:
            shelf.write(i, x)


def _checked(task: Task, y: ArrayLike, data: tuple[ArrayLike, ...]):
    """The measurement and its data as NumPy arrays (h, w, ...)."""
    if task is tasks.inpaint:
        first, *rest = tasks._masked(jnp.asarray(y), *map(jnp.asarray, data))
    else:
        first, *rest = images.check(y), *data
    for array in rest:
        if np.shape(array)[:2] != first.shape[:2]:
            raise ValueError(
                f"data of shape {np.shape(array)} for a picture of shape {first.shape}"
            )
    return np.asarray(first), tuple(map(np.asarray, rest))


def _check_holes(known: np.ndarray, parts: "list[Tile]") -> None:
    for part in parts:
        if not part.of(known).any():
            rows, columns = (f"{s.start} to {s.stop - 1}" for s in part[:2])
            raise ValueError(
                f"no pixel is known in rows {rows} and columns {columns}: "
                "the tiles must be larger than the largest hole"
            )


def noise_level(y: np.ndarray) -> float:
    """The standard deviation of the white noise of a picture (h, w, C), to two digits.

    `median |L * y| / (6 * 0.6745)` with `L = (1, -2, 1)^T (1, -2, 1)`, which sees little of the
    picture (Immerkaer 1996, with the median for its mean); never less than a hundredth.
    """
    if min(y.shape[:2]) < 3:
        return 0.01
    size = np.abs(np.diff(np.diff(y[..., 0], 2, 0), 2, 1))
    return float(f"{max(np.median(size) / (6 * 0.6745), 0.01):.1e}")


def _enlarge(y: np.ndarray, factor: int) -> np.ndarray:
    return y.repeat(factor, 0).repeat(factor, 1) if factor > 1 else y


# --- where the tiles lie -------------------------------------------------------------------


class Tile(NamedTuple):
    """One tile: its rows and columns of the measurement, its weights (h, w, 1) in the image."""

    rows: slice
    columns: slice
    weight: np.ndarray

    def of(self, x: np.ndarray, factor: int = 1) -> np.ndarray:
        """The view (h, w, ...) of a picture that is `factor` times as large."""
        rows, columns = (slice(s.start * factor, s.stop * factor) for s in self[:2])
        return x[rows, columns]


def cut(
    shape: tuple[int, ...], tile: tuple[int, int], overlap: int | None = None, factor: int = 1
) -> list[Tile]:
    """The tiles of a measurement (h, w, ...), row by row, to and fro: each beside the one before.

    The arguments are those of `iterate`.
    """
    overlap = min(tile) // 8 if overlap is None else overlap
    if not 0 <= overlap < min(tile):
        raise ValueError(
            f"overlap {overlap}: must be from 0 to less than a side of the tile {tile}"
        )
    axes = []
    for n, size in zip(shape[:2], tile, strict=True):
        size = min(n, size)
        first = starts(n, size, overlap)
        w = weights([factor * start for start in first], factor * size)
        parts = [slice(start, start + size) for start in first]
        axes.append(list(zip(parts, w, strict=True)))
    rows, columns = axes
    return [
        Tile(row, column, np.outer(v, u)[..., None])
        for i, (row, v) in enumerate(rows)
        for column, u in columns[:: 1 if i % 2 == 0 else -1]
    ]


def starts(n: int, tile: int, overlap: int) -> list[int]:
    """Where tiles of one size start, evenly spread over `n` pixels, `overlap` shared at least."""
    gaps = -(-(n - tile) // (tile - overlap))
    return [i * (n - tile) // gaps for i in range(gaps + 1)] if gaps else [0]


def weights(first: list[int], tile: int) -> np.ndarray:
    """`w` (tiles, tile), which add up to 1 at every pixel, of tiles that start at `first`.

    Each rises by `s(u) = 3 u^2 - 2 u^3` over what it shares with the tile before, and falls over
    what it shares with the next.
    """
    w, total = np.ones((len(first), tile)), np.zeros(first[-1] + tile)
    for i in range(1, len(first)):
        shared = max(first[i - 1] + tile - first[i], 0.5)
        u = np.minimum((np.arange(tile) + 0.5) / shared, 1)
        s = 3 * u**2 - 2 * u**3
        w[i] *= s
        w[i - 1] *= s[::-1]
    windows = [slice(start, start + tile) for start in first]
    for window, row in zip(windows, w, strict=True):
        total[window] += row
    rows = [row / total[window] for window, row in zip(windows, w, strict=True)]
    return np.array(rows, np.float32)


def seam(image: np.ndarray, truth: np.ndarray, parts: list[Tile], factor: int = 1) -> float:
    """The mean size of the error's gradient across the borders of tiles over that elsewhere.

    1 where tiles leave no seam.

    Args:
        image: the restored image (H, W, C).
        truth: what it should be.
        parts: the tiles of the measurement, from `cut`.
        factor: pixels of the image for one of the measurement, along each side.
    """
    across, elsewhere = [], []
    for axis, sides in enumerate(zip(*(part[:2] for part in parts), strict=True)):
        steps = np.abs(np.diff(image - truth, axis=axis)).mean((1 - axis, 2))
        borders = {factor * edge - 1 for side in sides for edge in (side.start, side.stop)}
        inner = np.isin(np.arange(steps.size), list(borders))
        across.append(steps[inner])
        elsewhere.append(steps[~inner])
    return float(np.concatenate(across).mean() / np.concatenate(elsewhere).mean())


# --- from tile to tile ---------------------------------------------------------------------


@dataclass
class Loop:
    """The plainest driver: `fit`, that keeps the `Run` it ended with."""

    state: Run | None = None

    def __call__(self, key: Array, objective, shape, **settings) -> Restoration:
        for progress in fitting.iterate(key, objective, shape, **settings):
            self.state = progress.state
        assert self.state is not None  # a fit makes at least one step
        return fitting.finish(self.state)


@dataclass
class Relay:
    """A driver whose fits start where the one before ended, and are shorter for it."""

    driver: Any
    warm: float
    end: FitState | None = None
    leaves: list[np.ndarray] | None = None  # of an end that comes from a file

    def __call__(self, key: Array, objective, shape, *, steps: int, **settings) -> Restoration:
        if self.leaves is not None:
            self.end, self.leaves = _unflatten(self.leaves, key, objective, shape, **settings), None
        if self.end is not None and self.warm < 1:
            steps = max(1, round(self.warm * steps))
            settings |= {"start": self.end}
        result = self.driver(key, objective, shape, steps=steps, **settings)
        self.end = self.driver.state.fit
        return result


def _unflatten(leaves, key, objective, shape, *, generator, optimizer, code, **_) -> FitState:
    """The state of such a fit, without its code, from its arrays."""
    z = jax.eval_shape(code, key, shape) if callable(code) else code
    state = jax.eval_shape(fitting.fitter(objective, generator, optimizer).init, key, z)
    structure = jax.tree.structure(state._replace(z=None))
    return jax.tree.unflatten(structure, map(jnp.asarray, leaves))


@dataclass
class Shelf:
    """A folder of finished tiles, `0.npy` and so on, and of the state that the last one left.

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
        if (state := self.folder / "state.npz").exists():  # not where all before was known
            with np.load(state) as file:
                self.relay.leaves = list(file.values())
        return np.load(self.folder / f"{i}.npy")

    def write(self, i: int, x: np.ndarray) -> None:
        """Keep a tile, and before it the state to go on from."""
        tile, state = io.BytesIO(), io.BytesIO()
        if (end := self.relay.end) is not None:
            np.savez(state, *map(np.asarray, jax.tree.leaves(end._replace(z=None))))
            images.write_bytes(self.folder / "state.npz", state.getvalue())
        np.save(tile, x)
        images.write_bytes(self.folder / f"{i}.npy", tile.getvalue())


def _mark(task: Task, key: Array, y: np.ndarray, data, *options: Any) -> str:
    """The same for the same run: what is restored, how, and with which randomness."""
    content = hashlib.sha256()
    for array in (jax.random.key_data(key), y, *data):
        content.update(np.ascontiguousarray(array).tobytes())
    plain = [
        option if not isinstance(option, dict) else {k: v for k, v in option.items() if _plain(v)}
        for option in options
    ]
    return f"{getattr(task, '__name__', task)} {y.shape} {plain} {content.hexdigest()}\n"


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, int | float | str | tuple)
