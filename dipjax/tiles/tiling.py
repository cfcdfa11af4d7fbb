"""Tiling: a picture is cut into tiles, each is restored by itself, and they are blended.

    x = sum_t w_t x_t,    w_t >= 0,    sum_t w_t = 1

They overlap, are of one size, so that one program is compiled, and are blended by a partition of
unity: memory is that of one tile, and of the picture.

Tiles that are fitted by their risk, to denoise, are their own codes and start from each other's
params (see `relay`), all others from random ones.
"""

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from dipjax import images, tasks
from dipjax.drivers import Loop
from dipjax.grids import Tile, cut
from dipjax.masks import masked
from dipjax.restoration import Restoration
from dipjax.settings import whole
from dipjax.tiles.relay import Relay, Shelf, mark

Array = jax.Array
Task = Callable[..., Restoration]


class Progress(NamedTuple):
    """A picture after `done` of `total` tiles; where there is none yet it is the measurement.

    An earlier run has left `kept` of them. The next tile changes `image`: copy it to keep it.
    """

    done: int
    total: int
    image: np.ndarray
    kept: int = 0


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
        The restored image (h * factor, w * factor, C), floats; where the driver was stopped the
        measurement is in place of what was not fitted.

    Raises:
        TypeError, ValueError: before any compute, see `iterate`.
    """
    *_, last = iterate(task, key, y, *data, **options)
    return last.image


def iterate(
    task: Task,
    key: Array,
    y: ArrayLike,
    *data: ArrayLike,
    tile: int | tuple[int, int] = 512,
    overlap: int | None = None,
    factor: int | None = None,
    warm: float | None = None,
    folder: str | Path | None = None,
    driver: Any = None,
    **settings: Any,
) -> Iterator[Progress]:
    """`tiled`, driven from Python: yields the image after every tile.

    A tile that is wholly known to `inpaint` is copied. A tile whose fit something else than its
    rule has ended, as a Ctrl-C that its driver catches, is the last (see `drivers`).

    Args:
        task, key, y, data: see `tiled`.
        tile: the side of a tile in pixels of `y`, or its (h, w); with `jpeg=` up to a block larger.
        overlap: pixels of `y` that neighbouring tiles share at least; by default an eighth of
            the smaller side of a tile.
        factor: pixels of the image for one of `y` along each side; by default the task's, 1 where
            it has none.
        warm: the part of its steps that a tile makes which starts from another's params, in
            (0, 1]; at 1 every tile starts from random params. By default a twenty-fifth for fits by
            risk, and else 1.
        folder: finished tiles are kept here, and a run that was stopped goes on from them.
        driver: what runs a fit, called like `fit`. Tiles start from the params of the last `Run`,
            where it has one as `.state` afterwards, as `drivers.watch.Watch` does.
        **settings: of the task.

    Raises:
        ValueError: before any compute, when sizes do not agree, a tile to inpaint has no known
            pixel, or the folder holds something else.
        TypeError: for a side of a tile that is no whole number.
    """
    h, w = tile if isinstance(tile, tuple | list) else (tile, tile)
    tile = whole(h, "tile"), whole(w, "tile")
    if isinstance(task, partial):  # what it has been given are settings; those of the call win
        given, settings = task.args, task.keywords | settings
        task = partial(task.func, *given) if given else task.func
        its_driver, its_factor = settings.pop("driver", None), settings.pop("factor", None)
        driver, factor = driver or its_driver, its_factor if factor is None else factor
    y, data = _checked(task, y, data)
    settings |= tasks.seen(task, jnp.asarray(y), **settings)  # to be the same in all tiles
    if warm is not None and not 0 < warm <= 1:
        raise ValueError(f"warm {warm}: must be a part of the steps, in (0, 1]")
    factor = factor_of(task) if factor is None else factor
    if factor < 1:
        raise ValueError(f"factor {factor}: must be at least 1")
    settings |= {"factor": factor} if factor > 1 else {}
    jpeg = settings.get("jpeg")
    parts = cut(y.shape, tile, overlap, factor, getattr(jpeg, "block", 1))
    known = data[0] if task is tasks.inpaint else None
    if known is not None:
        _check_holes(known, parts)
    relay = Relay(driver or Loop(), warm, _members(task, settings))
    shelf = None
    if folder:
        run = mark(task, key, y, data, tile, overlap, warm, settings)
        shelf = Shelf(Path(folder), run, relay)

    def restored(i: int, part: Tile) -> np.ndarray:
        if known is not None and part.of(known).all():
            return part.of(y)
        pieces = [part.of(array) for array in (y, *data)]
        key_i = jax.random.fold_in(key, i)
        return np.asarray(task(key_i, *pieces, driver=relay, **settings).image)

    return _blended(restored, parts, y, factor, shelf, relay)


def _members(task: Task, settings: dict[str, Any]) -> int:
    """Fits of a tile, by what the task has been given or by its preset."""
    presets = tasks.PRESETS.get(getattr(task, "__name__", ""), {})
    preset = presets.get(settings.get("preset", "fast"), {})
    return {**preset, **settings}.get("members", 1)


def factor_of(task: Task) -> int:
    """How much larger a task makes a picture, by what it has been given or by default."""
    parameter = inspect.signature(task).parameters.get("factor")
    return 1 if parameter is None else parameter.default


def _blended(
    restored: Callable[[int, Tile], np.ndarray],
    parts: list[Tile],
    y: np.ndarray,
    factor: int,
    shelf: Shelf | None,
    relay: Relay,
) -> Iterator[Progress]:
    """`y + sum_t w_t (x_t - y)`, tile by tile, `y` enlarged, until something ends a fit."""
    image = _enlarge(y, factor).copy()
    found = 0
    for i, part in enumerate(parts):
        kept = shelf.read(i) if shelf else None
        found += kept is not None
        fits = relay.calls
        x = restored(i, part) if kept is None else kept
        part.of(image, factor)[:] += part.weight * (x - _enlarge(part.of(y), factor))
        yield Progress(i + 1, len(parts), image, found)
        # What was cut short is not kept, and what failed would spoil the tiles that start from it.
        if relay.calls > fits and relay.ended:  # not of what its driver did before
            return
        if shelf and kept is None:
            shelf.write(i, x)


def _checked(task: Task, y: ArrayLike, data: tuple[ArrayLike, ...]):
    """The measurement and its data as NumPy arrays (h, w, ...)."""
    if task is tasks.inpaint:
        first, *rest = masked(jnp.asarray(y), *map(jnp.asarray, data))
    else:
        first, *rest = images.check(y), *data
    for array in rest:
        if np.shape(array)[:2] != first.shape[:2]:
            raise ValueError(
                f"data of shape {np.shape(array)} for a picture of shape {first.shape}"
            )
    return np.asarray(first), tuple(map(np.asarray, rest))


def _check_holes(known: np.ndarray, parts: list[Tile]) -> None:
    for part in parts:
        if not part.of(known).any():
            rows, columns = (f"{s.start} to {s.stop - 1}" for s in part[:2])
            raise ValueError(
                f"no pixel is known in rows {rows} and columns {columns}: "
                "the tiles must be larger than the largest hole"
            )


def _enlarge(y: np.ndarray, factor: int) -> np.ndarray:
    return images.repeated(y, factor) if factor > 1 else y
