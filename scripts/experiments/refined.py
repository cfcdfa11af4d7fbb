"""What the polish adds to a fit: the paper's own results, refined, and what it makes without one.

`polish.refined` takes any first image. From the authors' result images it shows what `fast` and
`best` do behind a fit of the published network; from bicubic interpolation, or from the nearest
known pixel, what non-local Bayes and back-projection do alone.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp

from dipjax.operators import Downsample, Mask
from dipjax.polish import refined

from . import rules, sets, super_resolution, tables
from .lab import Experiment, Found, Lab, Record

TABLES = ("sr_set5_x4", "sr_set14_x4", "sr_set5_x8", "sr_set14_x8", "inpaint")


def items(lab: Lab) -> dict[str, Callable[[], Found]]:
    return {
        f"{table}, {name}": partial(_fill if table == "inpaint" else _enlarge, lab, table, name)
        for table in TABLES
        for name in lab.few(sets.names(table))
    }


def _enlarge(lab: Lab, table: str, name: str) -> Found:
    truth, methods, where = super_resolution.problem(lab, table, name)
    factor = sets.which(table)[1]
    y = super_resolution.smaller(truth, factor)
    A = Downsample(factor, "lanczos3")  # what made the small picture
    methods.setdefault("bicubic", super_resolution.larger(y, factor))
    for first in ("bicubic", "DIP"):
        methods[f"{first}, refined"] = refined(jnp.asarray(methods[first]), A, y)
    scores = {method: rules.luma(x, truth, where) for method, x in methods.items()}
    return Found({"psnr": scores}, {**methods, "true": truth})


def _fill(lab: Lab, table: str, name: str) -> Found:
    assert lab.pictures.data is not None
    truth, y, methods = sets.inpainted(lab.pictures.data, name)
    truth, y, *others = (lab.crop(x) for x in (truth, y, *methods.values()))
    methods = dict(zip(methods, others, strict=True))
    mask = sets.known(truth, y)
    methods["DIP, pasted"] = jnp.where(mask > 0, y, methods["DIP"])
    for first in ("nearest", "DIP"):
        image = refined(jnp.asarray(methods[first]), Mask(mask), y)
        methods[f"{first}, refined"] = jnp.where(mask > 0, y, image)
    scores = {method: rules.whole(x, truth) for method, x in methods.items()}
    return Found({"psnr": scores}, {**methods, "true": truth})


def summary(records: list[Record]) -> dict[str, Any]:
    found = {t: [r for r in records if r.name.startswith(f"{t}, ")] for t in TABLES}
    return {f"table {t}": tables.measured(some) for t, some in found.items() if some}


def draw(records: list[Record], summary: dict[str, Any]) -> Any:
    return tables.drawn({r.name: r.numbers["psnr"] for r in records}, records, pictures=2)


EXPERIMENT = Experiment(
    "What the polish adds to the paper's own results, and makes without any fit",
    items,
    summary,
    draw,
    needs_data=True,
)
