"""The slide about the paper: its six numbers by its own arithmetic, and the right ones beside.

It gives RGB for luma, and its row for Set14 is the sum over Set5 and Set14, divided by 14.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from dipjax import figures

from . import sets
from .lab import Experiment, Found, Lab, Record
from .published import SLIDE
from .tables import bars

TABLES = {"Set5": "sr_set5_x4", "Set14": "sr_set14_x4"}


def items(lab: Lab) -> dict[str, Callable[[], Found]]:
    return {name: partial(_measure, lab, table) for name, table in TABLES.items()}


def _measure(lab: Lab, table: str) -> Found:
    data = lab.pictures.data
    assert data is not None
    found = {name: sets.super_resolution(data, table, name) for name in sets.names(table)}
    return Found({rule: {n: f[rule] for n, f in found.items()} for rule in ("rgb", "luma")}, {})


def sums(record: Record, rule: str) -> dict[str, float]:
    """method -> the sum over the pictures of a set."""
    rows = list(record.numbers[rule].values())
    return {method: sum(row[method] for row in rows) for method in rows[0]}


def arithmetic(records: list[Record]) -> dict[str, dict[str, dict[str, float]]]:
    """What the slide says, what its arithmetic gives, and what the averages are."""
    rgb = {record.name: sums(record, "rgb") for record in records}
    count = {record.name: len(record.numbers["rgb"]) for record in records}
    carried = {k: rgb["Set14"][k] + rgb["Set5"][k] for k in SLIDE["Set14"]}
    mean = {name: _over(rgb[name], count[name]) for name in rgb}
    return {
        "the slide": SLIDE,
        "by its arithmetic": {"Set5": mean["Set5"], "Set14": _over(carried, count["Set14"])},
        "averages in RGB": mean,
        "averages in luma": {r.name: _over(sums(r, "luma"), count[r.name]) for r in records},
    }


def _over(row: dict[str, float], n: int) -> dict[str, float]:
    return {method: value / n for method, value in row.items()}


def summary(records: list[Record]) -> dict[str, Any]:
    found = arithmetic(records)
    table = {f"{name}, {rule}": row for rule, sets_ in found.items() for name, row in sets_.items()}
    return {"table": table, **found}


def draw(records: list[Record], summary: dict[str, Any]) -> Any:
    figure = figures.new(10, 4)
    bars(figure.subplots(), summary["table"], "PSNR, dB")
    figure.axes[0].tick_params(axis="x", labelrotation=20)
    return figure


EXPERIMENT = Experiment(
    "The slide about the paper: its six numbers, and the right ones beside",
    items,
    summary,
    draw,
    needs_data=True,
)
