"""The super-resolution tables: Set5 and Set14, four and eight times larger, luma and RGB."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
from PIL import Image

import dipjax
from dipjax.operators import Kernel

from . import rules, sets, tables
from .lab import Experiment, Found, Lab, Record, middle, resized
from .pictures import COLOUR, public
from .published import RGB_AVERAGES, TABLES
from .rules import Array


def items(lab: Lab, table: str) -> dict[str, Callable[[], Found]]:
    names = sets.names(table) if lab.pictures.data else COLOUR
    return {name: partial(_enlarge, lab, table, name) for name in lab.few(names)}


def _enlarge(lab: Lab, table: str, name: str) -> Found:
    truth, methods, where = problem(lab, table, name)
    factor = sets.which(table)[1]
    y = smaller(truth, factor)
    result = dipjax.super_resolve(
        lab.key,
        y,
        factor=factor,
        kernel=kernel(lab.scale.preset),
        preset=lab.scale.preset,
        driver=lab.driver(truth),
        **lab.fewer(250),
    )
    methods.setdefault("bicubic", larger(y, factor))
    methods["ours"] = jnp.clip(result.image, 0, 1)
    scores = {
        rule.__name__: {method: rule(x, truth, where) for method, x in methods.items()}
        for rule in (rules.luma, rules.rgb)
    }
    return Found(scores, {**methods, "true": truth})


def problem(lab: Lab, table: str, name: str):
    """The crop that the authors restored (a part of it where the scale is small), and the rest.

    Returns:
        The true picture, method -> picture, and where to measure.
    """
    folder, factor = sets.which(table)
    side = lab.scale.side and lab.scale.side + 32
    if not lab.pictures.data:
        truth = middle(public(name), side or 512)
        h, w = (n - n % 32 for n in truth.shape[:2])
        return truth[:h, :w], {}, (slice(0, h - 1), slice(0, w - 1))
    truth, methods = sets.enlarged(lab.pictures.data, name, folder, factor)
    rows, columns = rules.box(methods["DIP"])
    crop = slice(rows.start, rows.stop + 1), slice(columns.start, columns.stop + 1)
    truth, *others = (middle(rules.three(x)[crop], side) for x in (truth, *methods.values()))
    h, w = truth.shape[:2]
    return truth, dict(zip(methods, others, strict=True)), (slice(0, h - 1), slice(0, w - 1))


def smaller(x: Array, factor: int) -> Array:
    """As the authors made their small pictures: Pillow's LANCZOS, in 8 bits."""
    h, w = x.shape[:2]
    return resized(x, h // factor, w // factor)


def kernel(preset: str) -> Kernel:
    """Of the published energy, or the one by which the small pictures were made."""
    return "lanczos2" if preset == "paper" else "lanczos3"


def larger(y: Array, factor: int) -> Array:
    h, w = y.shape[:2]
    return resized(y, h * factor, w * factor, Image.Resampling.BICUBIC)


def summary(records: list[Record], table: str) -> dict[str, Any]:
    return {
        "table": tables.measured(records, "luma"),
        "table in RGB": tables.measured(records, "rgb"),
        "published, whole pictures, luma": TABLES[table],
        "published, whole pictures, averages in RGB": RGB_AVERAGES[table],
    }


def draw(records: list[Record], summary: dict[str, Any]) -> Any:
    return tables.drawn(summary["table"], records, "PSNR of luma, dB", pictures=2)


EXPERIMENTS = {
    f"sr_{folder}_x{factor}": Experiment(
        f"Super-resolution, {factor} times larger: {folder.capitalize()}, in luma and in RGB",
        partial(items, table=f"sr_{folder}_x{factor}"),
        partial(summary, table=f"sr_{folder}_x{factor}"),
        draw,
    )
    for folder in ("set5", "set14")
    for factor in (4, 8)
}
