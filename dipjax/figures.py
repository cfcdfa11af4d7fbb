"""Figures: pictures side by side under their titles, and curves. They need matplotlib."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dipjax import images

Array = jax.Array

FORMATS = (".png", ".pdf", ".svg", ".jpg")
SIDE = 3.2  # inches of a picture
HIGHEST = 2.0  # of it by its width; a narrower one is drawn smaller


def new(width: float, height: float) -> Any:
    """An empty figure of matplotlib, in inches.

    Raises:
        ValueError: where matplotlib, which is an extra, is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ValueError('a figure needs matplotlib: pip install "dipjax[plot]"') from error
    return Figure(figsize=(width, height), layout="constrained")


def grid(rows: Sequence[Sequence[tuple[str, Array]]]) -> Any:
    """Pictures side by side, every pixel as it is, under their titles.

    Args:
        rows: of (title, image (H, W, C)); the sizes of pictures may differ by row.

    Returns:
        A figure of matplotlib.
    """
    columns = max(map(len, rows))
    shapes = ([x.shape[0] / x.shape[1] for _, x in row] for row in rows)
    heights = [min(HIGHEST, max(shape, default=1.0)) for shape in shapes]
    figure = new(SIDE * columns, sum(SIDE * h + 0.45 for h in heights))
    axes = figure.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
    for axis in axes.flat:
        axis.set_axis_off()
    for line, row in zip(axes, rows, strict=True):
        for axis, (title, x) in zip(line, row, strict=False):
            show(axis, title, x)
    return figure


def curves(
    step: np.ndarray, found: dict[str, np.ndarray], pictures: dict[str, dict[str, Array]]
) -> Any:
    """Mean squared errors by step as a figure of matplotlib, and pictures of each below.

    Args:
        step: where the curves are known, from 1.
        found: name -> (runs, steps); of several runs each thin, and their mean. One that is
            shorter than `step` ended there.
        pictures: name -> title -> image (H, W, C), two for each.
    """
    figure = new(9, 6.6)
    halves = figure.subfigures(2, 1, height_ratios=[3.4, 3.2], squeeze=False)
    axis = halves[0, 0].subplots()
    below = halves[1, 0].subplots(2, len(pictures), squeeze=False)
    for i, (name, runs) in enumerate(found.items()):
        at = step[: runs.shape[1]]
        if len(runs) > 1:
            axis.plot(at, runs.T, color=f"C{i}", alpha=0.3, linewidth=0.8)
        axis.plot(at, runs.mean(0), color=f"C{i}", label=name)
        for place, (title, image) in zip(below[:, i], pictures[name].items(), strict=True):
            place.set_axis_off()
            show(place, title, image)
    axis.set(xscale="log", xlabel="step", ylabel="mean squared error", ylim=(0, None))
    axis.legend()
    return figure


def show(axis: Any, title: str, image: Array) -> None:
    """A picture (H, W, C) in its place of a figure, every pixel as it is."""
    x = np.asarray(jnp.clip(image, 0, 1))
    x = x[..., 0] if x.shape[-1] == 1 else x
    axis.imshow(x, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axis.set_title(title, fontsize=10)


def save(path: Path, figure: Any, *, dpi: int = 160) -> None:
    """A figure as a file, in the format of its suffix, whole or not at all."""
    images.write_bytes(path, render(figure, path.suffix.lower().removeprefix("."), dpi=dpi))


def render(figure: Any, format: str, *, dpi: int) -> bytes:
    """What a file of a figure holds."""
    data = io.BytesIO()
    figure.savefig(data, dpi=dpi, format=format)
    return data.getvalue()


def check(path: Path) -> None:
    """Raise ValueError where `save` could not write a file of this name."""
    new(1, 1)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"{str(path)!r}: unknown suffix; use one of {', '.join(FORMATS)}")
