"""Six pictures as the README shows them: what the default preset reaches, and how soon."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from PIL import Image

import dipjax
from dipjax import baselines, images, metrics

from . import tables
from .lab import Experiment, Found, Lab, Record
from .rules import Array


class Problem(NamedTuple):
    """A measurement, the truth, the task, how to score, and what is there before and published."""

    y: Array
    truth: Array
    task: Callable[..., dipjax.Restoration]
    score: Callable[[Array, Array], Array]
    before: Array
    published: float | None = None


def noise_25(lab: Lab, name: str, top: int, left: int) -> Problem:
    """128 x 128 pixels of the authors' own noisy input, sigma 25."""
    cut = slice(top, top + 128), slice(left, left + 128)
    y, truth = (
        _crop(lab, lab.pictures.colour(f"denoise/25/{name}_{kind}.png", "")[cut])
        for kind in ("noisy", "GT")
    )
    return Problem(y, truth, dipjax.denoise, metrics.psnr, y)


def four_times_smaller(lab: Lab, name: str, published: float) -> Problem:
    """Set5, made small by Pillow's BICUBIC."""
    truth = _crop(lab, lab.pictures.colour(f"sr/Set5/x4/{name}_GT.png", ""))
    picture = Image.fromarray(np.round(255 * np.asarray(truth)).astype(np.uint8))
    size = picture.width // 4, picture.height // 4
    y = images.check(np.asarray(picture.resize(size, Image.Resampling.BICUBIC)))
    before = baselines.bicubic(y, 4)
    task = partial(dipjax.super_resolve, factor=4)
    return Problem(y, truth, task, metrics.psnr_y, before, published)


def half_missing(lab: Lab, name: str, published: float) -> Problem:
    """The authors' masked picture, where missing is 0; the score is over all pixels."""
    y, truth = (
        _crop(lab, lab.pictures.grey(f"inpaint50/{name}_{kind}.png", ""))
        for kind in ("masked", "GT")
    )
    task = partial(dipjax.inpaint, mask=(y > 0).astype(y.dtype))
    return Problem(y, truth, task, metrics.psnr, y, published)


def _crop(lab: Lab, x: Array) -> Array:
    return lab.crop(x) if lab.tiny else x


PROBLEMS: dict[str, tuple[Callable[..., Problem], tuple[Any, ...]]] = {
    "F16": (noise_25, (150, 230)),
    "kodim12": (noise_25, (300, 100)),
    "butterfly": (four_times_smaller, (26.23,)),
    "head": (four_times_smaller, (31.04,)),
    "house": (half_missing, (39.16,)),
    "Cameraman256": (half_missing, (29.80,)),
}


def items(lab: Lab) -> dict[str, Callable[[], Found]]:
    return {name: partial(_restore, lab, name) for name in PROBLEMS}


def _restore(lab: Lab, name: str) -> Found:
    make, options = PROBLEMS[name]
    problem = make(lab, name, *options)
    result = problem.task(
        lab.key,
        problem.y,
        preset=lab.scale.preset,
        driver=lab.driver(problem.truth),
        **lab.fewer(200),
    )
    restored = jnp.clip(result.image, 0, 1)
    before, after = (float(problem.score(x, problem.truth)) for x in (problem.before, restored))
    numbers = {
        "score": getattr(problem.score, "__name__", "psnr"),
        "before": round(before, 2),
        "after": round(after, 2),
        "published": problem.published,
    }
    return Found(numbers, {"input": problem.before, "restored": restored, "true": problem.truth})


def summary(records: list[Record]) -> dict[str, Any]:
    return {"table": {title(record): row(record) for record in records}}


def title(record: Record) -> str:
    kind = PROBLEMS[record.name][0].__name__.replace("_", " ")
    return f"{record.name}, {kind} ({record.numbers['score']})"


def row(record: Record) -> dict[str, Any]:
    return {
        "input": record.numbers["before"],
        "restored": record.numbers["after"],
        "published": record.numbers["published"],
        "steps": record.meta["steps"],
        "seconds": round(record.meta["total seconds"] - record.meta["seconds"]["compile"]),
    }


def draw(records: list[Record], summary: dict[str, Any]) -> Any:
    names = ("input", "restored", "published")
    rows = {record.name: {name: row(record)[name] for name in names} for record in records}
    return tables.drawn(rows, records)


EXPERIMENT = Experiment(
    "Six pictures as the README shows them: the default preset",
    items,
    summary,
    draw,
    needs_data=True,
)
