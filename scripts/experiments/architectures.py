"""The power of the prior: large holes of one picture, filled in by five networks."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp

import dipjax
from dipjax import figures

from . import rules
from .lab import Experiment, Found, Lab, Record
from .networks import CODE, NETWORKS, SLOW
from .rules import Array

TINY = {False: 150, True: 100}  # steps: the networks without scales are slow
SIDE = 96  # of a tiny run: of 64 pixels the sixth scale would leave one, and no hint of a place


def problem(lab: Lab) -> tuple[Array, Array]:
    """The library and its mask, both at the size of the scale."""
    x = lab.pictures.colour("demo/inpainting/library.png", "coffee")
    mask = lab.pictures.mask("demo/inpainting/library_mask.png", "strips", x.shape[:2])
    side = SIDE if lab.tiny else None
    return lab.shrink(x, side), (lab.shrink(mask, side) > 0.9).astype(jnp.float32)


def items(lab: Lab) -> dict[str, Callable[[], Found]]:
    return {name: partial(_fill, lab, name) for name in NETWORKS}


def _fill(lab: Lab, name: str) -> Found:
    x, mask = problem(lab)
    network = NETWORKS[name]
    result = dipjax.inpaint(
        lab.key,
        x,
        mask,
        generator=network.generator(),
        optimizer=network.optimizer,
        code=CODE,
        jitter=0,
        polish=False,
        steps=TINY[network.optimizer is SLOW] if lab.tiny else 3000,
        driver=lab.driver(x),
    )
    psnr = rules.missing(result.image, x, mask)
    views = {"picture": x, "masked": x * mask, name: result.image}
    return Found({"PSNR of what was missing": psnr}, views)


def summary(records: list[Record]) -> dict[str, Any]:
    return {
        "published": "deeper is better, for large holes (Fig. 8, as pictures)",
        "table": {record.name: record.numbers for record in records},
    }


def draw(records: list[Record], summary: dict[str, Any]) -> Any:
    first = list(records[0].views.items())
    cells = [*first[:2], *((r.name, r.views[r.name]) for r in records)]
    titles = {r.name: f"{r.name}, {r.numbers['PSNR of what was missing']:.1f} dB" for r in records}
    cells = [(titles.get(title, title), x) for title, x in cells]
    return figures.grid([cells[:4], cells[4:]])


EXPERIMENT = Experiment(
    "Power of the prior: large holes by hourglasses of depth 2, 4, 6, U-Net, ResNet (Fig. 8)",
    items,
    summary,
    draw,
)
