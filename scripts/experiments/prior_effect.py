"""The effect of the prior: one enlargement by no prior, total variation, and the network."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp

import dipjax
from dipjax import codes, figures, generators
from dipjax.objectives import TotalVariation, data_term
from dipjax.operators import Downsample

from . import rules
from .lab import Experiment, Found, Lab, Record, middle
from .super_resolution import smaller

FACTOR = 4
NAMES = ("no prior", "total variation", "deep image prior")
TV_WEIGHT = 1e-7  # of a mean over the small picture, as published
PIXELS = {
    "generator": generators.Pixels(),
    "code": partial(codes.uniform, channels=3),
    "optimizer": dipjax.fitting.ADAM,
    "jitter": 0,
    "decay": 0,
}


def items(lab: Lab) -> dict[str, Callable[[], Found]]:
    return {name: partial(_enlarge, lab, name) for name in NAMES}


def _enlarge(lab: Lab, name: str) -> Found:
    side = {"tiny": 96, "cpu": 160}.get(lab.scale.name)
    x = middle(lab.pictures.colour("demo/sr/zebra_crop.png", "chelsea"), side or 256)
    x = x[: x.shape[0] // 32 * 32, : x.shape[1] // 32 * 32]
    y = smaller(x, FACTOR)
    if name == "deep image prior":
        settings = {"preset": lab.scale.preset, "jitter": 1 / 30, **lab.fewer(400)}
        result = dipjax.super_resolve(lab.key, y, factor=FACTOR, driver=lab.driver(x), **settings)
    else:
        weight = TV_WEIGHT * y.size if name == "total variation" else 0.0
        energy = data_term(Downsample(FACTOR), y) + weight * TotalVariation()
        result = lab.driver(x)(lab.key, energy, x.shape, **PIXELS, steps=2000)
    restored = jnp.clip(result.image, 0, 1)
    everywhere = slice(None), slice(None)
    numbers = {
        "PSNR": rules.rgb(restored, x, everywhere),
        "PSNR of luma": rules.luma(restored, x, everywhere),
    }
    return Found(numbers, {"true": x, name: restored})


def summary(records: list[Record]) -> dict[str, Any]:
    return {
        "published": "no prior: noise and aliasing; total variation: flat, staircases; deep image "
        "prior: clean stripes (supplement, as pictures). zebra of Set14, whole, luma: no prior "
        "21.69, TV 24.52, DIP 25.71",
        "table": {record.name: record.numbers for record in records},
    }


def draw(records: list[Record], summary: dict[str, Any]) -> Any:
    cells = [("true", records[0].views["true"])]
    for record in records:
        title = f"{record.name}, {record.numbers['PSNR']:.1f} dB"
        cells.append((title, record.views[record.name]))
    return figures.grid([cells])


EXPERIMENT = Experiment(
    "The effect of the prior: a zebra enlarged by none, total variation, the network (supplement)",
    items,
    summary,
    draw,
)
