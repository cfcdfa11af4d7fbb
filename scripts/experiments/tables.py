"""Tables: measured beside published, as numbers, as Markdown, as a figure."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dipjax import figures

from .lab import Experiment, Found, Lab, Record

Table = dict[str, dict[str, Any]]
OURS = ("ours", "restored")  # in bold
CROWDED = 90  # letters below the bars lie over each other


def measured(records: Sequence[Record], name: str = "psnr") -> Table:
    """row -> column -> number, with the averages of what every row has in the last row."""
    table: Table = {record.name: record.numbers[name] for record in records}
    return averaged(table)


def averaged(table: Table) -> Table:
    columns = [k for k in next(iter(table.values())) if all(k in row for row in table.values())]
    mean = {k: float(np.mean([row[k] for row in table.values()])) for k in columns}
    return table if len(table) < 2 else {**table, "average": mean}


def markdown(table: Table) -> str:
    columns = list(dict.fromkeys(column for row in table.values() for column in row))
    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    for name, row in table.items():
        lines.append([name, *(_cell(column, row.get(column)) for column in columns)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(column: str, value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:.2f}" if isinstance(value, float) else str(value)
    return f"**{text}**" if column in OURS else text


def drawn(
    table: Table, records: Sequence[Record], unit: str = "PSNR, dB", pictures: int = 3
) -> Any:
    """The table as bars over the pictures of its first rows."""
    rows = [record for record in records if record.views][:pictures]
    columns = max([len(record.views) for record in rows], default=1)
    heights = [_shape(record) for record in rows]
    figure = figures.new(max(7, 2.4 * columns), 3.2 + sum(2.4 * h + 0.4 for h in heights))
    parts = figure.subfigures(
        1 + len(rows), 1, height_ratios=[3.2, *(2.4 * h + 0.4 for h in heights)]
    )
    parts = np.atleast_1d(parts)
    bars(parts[0].subplots(), table, unit)
    for part, record in zip(parts[1:], rows, strict=True):
        axes = np.atleast_1d(part.subplots(1, columns))
        for axis in axes:
            axis.set_axis_off()
        for axis, (title, x) in zip(axes, record.views.items(), strict=False):
            figures.show(axis, _title(record, title, table), x)
    return figure


def experiment(
    about: str,
    items: Callable[[Lab], dict[str, Callable[[], Found]]],
    published: Any = None,
    pictures: int = 3,
) -> Experiment:
    """One whose numbers are a table of PSNR, a row a record, beside what is published."""
    beside = {} if published is None else {"published, whole pictures": published}
    return Experiment(
        about,
        items,
        lambda records: {"table": measured(records), **beside},
        lambda records, summary: drawn(summary["table"], records, pictures=pictures),
    )


def _shape(record: Record) -> float:
    return max(x.shape[0] / x.shape[1] for x in record.views.values())


def _title(record: Record, title: str, table: Table) -> str:
    value = table.get(record.name, {}).get(title)
    return f"{title} {value:.2f}" if isinstance(value, float) else title


def bars(axis: Any, table: dict[str, dict[str, float | None]], unit: str) -> None:
    """A table as groups of bars: row -> column -> number; what is not there is left out."""
    names = list(dict.fromkeys(name for row in table.values() for name in row))
    width = 0.8 / len(names)
    for k, name in enumerate(names):
        values = [row.get(name) for row in table.values()]
        place = [i + (k - (len(names) - 1) / 2) * width for i in range(len(values))]
        heights = [np.nan if v is None else v for v in values]
        shapes = axis.bar(place, heights, width, label=name)
        axis.bar_label(shapes, [_label(v) for v in values], fontsize=6, rotation=90, padding=2)
    known = [v for row in table.values() for v in row.values() if v is not None]
    axis.set_ylim(min(known) - 2, max(known) + 3)
    crowded = {"rotation": 25, "ha": "right"} if sum(map(len, table)) > CROWDED else {}
    axis.set_xticks(range(len(table)), list(table), fontsize=8, **crowded)
    axis.set_ylabel(unit)
    axis.legend(fontsize=7, ncols=len(names), loc="upper left")


def _label(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
