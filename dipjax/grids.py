"""Grids of overlapping tiles: where they lie, what they weigh, and whether a seam shows.

    x = sum_t w_t x_t,    w_t >= 0,    sum_t w_t = 1

`n` is a number of pixels along one axis, `first` are the pixels at which tiles start.
"""

from typing import NamedTuple

import numpy as np


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
    shape: tuple[int, ...],
    tile: tuple[int, int],
    overlap: int | None = None,
    factor: int = 1,
    block: int = 1,
) -> list[Tile]:
    """The tiles of a measurement (h, w, ...), row by row, to and fro: each beside the one before.

    The arguments are those of `iterate`, and the side of blocks of which all tiles hold the same
    part: they start a multiple of it apart, and grow until they do.
    """
    overlap = min(tile) // 8 if overlap is None else overlap
    if not 0 <= overlap < min(tile):
        raise ValueError(
            f"overlap {overlap}: must be from 0 to less than a side of the tile {tile}"
        )
    axes = []
    for n, size in zip(shape[:2], tile, strict=True):
        size = min(n, max(size, overlap + block))
        size += (n - size) % block
        first = starts(n, size, overlap, block)
        w = weights([factor * start for start in first], factor * size)
        parts = [slice(start, start + size) for start in first]
        axes.append(list(zip(parts, w, strict=True)))
    rows, columns = axes
    return [
        Tile(row, column, np.outer(v, u)[..., None])
        for i, (row, v) in enumerate(rows)
        for column, u in columns[:: 1 if i % 2 == 0 else -1]
    ]


def starts(n: int, tile: int, overlap: int, block: int = 1) -> list[int]:
    """Where tiles of one size start, evenly spread over `n` pixels, `overlap` shared at least.

    `n - tile` and all of them are multiples of `block`.
    """
    blocks, most = (n - tile) // block, (tile - overlap) // block
    gaps = -(-blocks // max(most, 1))
    return [i * blocks // gaps * block for i in range(gaps + 1)] if gaps else [0]


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


def seam(image: np.ndarray, truth: np.ndarray, parts: list[Tile]) -> float:
    """The mean size of the error's gradient across the borders of tiles over that elsewhere.

    1 where tiles leave no seam.

    Args:
        image: the restored image (H, W, C).
        truth: what it should be.
        parts: its tiles, from `cut`.
    """
    across, elsewhere = [], []
    for axis, sides in enumerate(zip(*(part[:2] for part in parts), strict=True)):
        steps = np.abs(np.diff(image - truth, axis=axis)).mean((1 - axis, 2))
        borders = {edge - 1 for side in sides for edge in (side.start, side.stop)}
        inner = np.isin(np.arange(steps.size), list(borders))
        across.append(steps[inner])
        elsewhere.append(steps[~inner])
    return float(np.concatenate(across).mean() / np.concatenate(elsewhere).mean())
