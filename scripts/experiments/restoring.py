"""JPEG artifacts, flash and no flash, detail enhancement: one picture each."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp

import dipjax
from dipjax import figures, noise

from . import rules
from .compressing import compressed
from .lab import Experiment, Found, Lab, Record
from .pictures import public
from .rules import Array
from .samples import roughness


def blockiness(x: Array) -> float:
    """Mean step over the edges of JPEG's 8 x 8 blocks, over that elsewhere: 1 for no blocks."""
    edges, rest = [], []
    for axis in (0, 1):
        steps = jnp.abs(jnp.diff(x, axis=axis)).mean((1 - axis, 2))
        edge = jnp.arange(steps.size) % 8 == 7
        edges.append(steps[edge].mean())
        rest.append(steps[~edge].mean())
    return float(sum(edges) / sum(rest))


def _jpeg(lab: Lab) -> Found:
    side = lab.scale.side and lab.scale.side + 32
    if lab.pictures.data:
        x, truth = lab.pictures.colour("demo/denoising/snail.jpg", ""), None
    else:
        truth = public("coffee")
        x, _ = compressed(truth, 10)
    cut = _blocks(x, side)
    y, truth = x[cut], None if truth is None else truth[cut]
    restored = dipjax.remove_jpeg_artifacts(
        lab.key, y, preset=lab.scale.preset, driver=lab.driver(truth), **lab.fewer(400)
    ).image
    numbers = {"blocks before": blockiness(y), "blocks after": blockiness(restored)}
    return _found(numbers, {"compressed": y, "restored": restored}, y, restored, truth)


def _blocks(x: Array, side: int | None) -> tuple[slice, slice]:
    """The middle of a picture, in whole blocks of 8."""
    spans = []
    for n in x.shape[:2]:
        size = min(n, side or n) // 32 * 32
        start = (n - size) // 2 // 8 * 8
        spans.append(slice(start, start + size))
    return spans[0], spans[1]


def _flash(lab: Lab) -> Found:
    side, truth = 128, None
    if lab.pictures.data:
        flash = lab.pictures.colour("demo/flash_no_flash/cave01_00_flash.jpg", "")
        y = lab.pictures.colour("demo/flash_no_flash/cave01_01_noflash.jpg", "")
        flash, y = lab.shrink(flash, side), lab.shrink(y, side)
    else:
        flash = lab.shrink(public("coffee"), side)
        truth = 0.6 * flash**1.5 * jnp.asarray([1.0, 0.75, 0.45])  # dim and warm
        y = noise.gaussian(lab.key, truth, 0.06)
    restored = dipjax.flash_no_flash(
        lab.key, y, flash, preset=lab.scale.preset, driver=lab.driver(truth), **lab.fewer(300)
    ).image
    numbers = {"roughness before": roughness(y), "roughness after": roughness(restored)}
    views = {"flash": flash, "no flash": y, "restored": restored}
    return _found(numbers, views, y, restored, truth)


def _found(numbers: dict[str, Any], views: dict[str, Array], y, restored, truth) -> Found:
    """With the PSNR before and after, where the truth is known."""
    if truth is None:
        return Found(numbers, views)
    psnr = {"PSNR before": rules.whole(y, truth), "PSNR after": rules.whole(restored, truth)}
    return Found({**numbers, **psnr}, {**views, "true": truth})


def _enhance(lab: Lab) -> Found:
    x = lab.shrink(lab.pictures.colour("demo/sr/zebra_GT.png", "chelsea"), 128)
    result = dipjax.enhance(lab.key, x, preset=lab.scale.preset, driver=lab.driver(x))
    coarse = jnp.clip(result.average, 0, 1)
    numbers = {f"roughness {k}": roughness(v) for k, v in (("before", x), ("after", result.image))}
    numbers["PSNR of the coarse fit"] = rules.whole(coarse, x)
    return Found(numbers, {"picture": x, "coarse fit": coarse, "enhanced": result.image})


def single(about: str, restore: Callable[[Lab], Found], published: str) -> Experiment:
    def summary(records: list[Record]) -> dict[str, Any]:
        table = {record.name: record.numbers for record in records}
        return {"published": published, "table": table}

    def draw(records: list[Record], summary: dict[str, Any]) -> Any:
        return figures.grid([list(record.views.items()) for record in records])

    return Experiment(about, lambda lab: {"picture": partial(restore, lab)}, summary, draw)


EXPERIMENTS = {
    "jpeg": single(
        "JPEG artifacts removed, blind (Fig. 3)",
        _jpeg,
        "blocks are gone after 2400 steps, and back after 50 000 (Fig. 3, as pictures)",
    ),
    "flash": single(
        "Flash and no flash: the flash picture is the code (Fig. 10)",
        _flash,
        "noise is gone, light and colours stay (Fig. 10, as pictures)",
    ),
    "enhance": single(
        "Detail enhancement: what a coarse fit leaves is added again (IJCV)",
        _enhance,
        "details are boosted, without halos (IJCV, as pictures)",
    ),
}
