"""The forms that figures come in: a grid of pictures, curves, a table."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dipjax import images, report


def save(path: Path, figure: Any) -> None:
    """Written in whole or not at all."""
    data = io.BytesIO()
    figure.savefig(data, dpi=110, format="png")
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write_bytes(path, data.getvalue())


def new(width: float, height: float) -> Any:
    report.check_figure(Path("figure.png"))  # says what to install where matplotlib is not
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def grid(rows: Sequence[Sequence[tuple[str, Any]]]) -> Any:
    """Pictures side by side, every pixel as it is, under their titles; sizes may differ by row."""
    columns = max(map(len, rows))
    heights = [max(x.shape[0] / x.shape[1] for _, x in row) for row in rows]
    figure = new(2.6 * columns, sum(2.6 * h + 0.45 for h in heights))
    axes = figure.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
    for axis in axes.flat:
        axis.set_axis_off()
    for line, row in zip(axes, rows, strict=True):
        for axis, (title, x) in zip(line, row, strict=False):
            report.show(axis, title, x)
    return figure


def bars(axis: Any, table: dict[str, dict[str, float | None]], unit: str) -> None:
    """A table as groups of bars: row -> column -> number; what is not there is left out."""
    names = list(dict.fromkeys(name for row in table.values() for name in row))
    width = 0.8 / len(names)
    for k, name in enumerate(names):
        values = [row.get(name) for row in table.values()]
        place = [i + (k - (len(names) - 1) / 2) * width for i in range(len(values))]
        heights = [np.nan if v is None else v for v in values]
        shapes = axis.bar(place, heights, width, label=name)
        axis.bar_label(shapes, [_number(v) for v in values], fontsize=6, rotation=90, padding=2)
    known = [v for row in table.values() for v in row.values() if v is not None]
    axis.set_ylim(min(known) - 2, max(known) + 3)
    axis.set_xticks(range(len(table)), list(table), fontsize=8)
    axis.set_ylabel(unit)
    axis.legend(fontsize=7, ncols=len(names), loc="upper left")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
