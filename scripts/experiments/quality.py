"""The quality of the presets side by side: each task, picture by picture."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

import dipjax
from dipjax import baselines

from . import rules, sets, tables
from .denoising import noisy
from .lab import Experiment, Found, Lab, Record
from .pictures import COLOUR, GREY, public
from .rules import Array
from .super_resolution import kernel, larger, problem, smaller

PRESETS = ("paper", "fast", "best")
SIGMAS = (25, 50, 10)
# No setting was chosen on these (chosen on: kodim03, lena, peppers, bird, woman, boat, peppers256).
DENOISED = ("F16", "kodim12", "kodim01", "kodim02", "house")
INPAINTED = ("house", "Cameraman256", "barbara", "hill", "man")
ENLARGED = {4: ("sr_set5_x4", ("butterfly", "baby")), 8: ("sr_set5_x8", ("butterfly", "baby"))}
Items = dict[str, Callable[[], Found]]


def items(lab: Lab) -> Items:
    """Problem, picture and preset -> what it makes of it."""
    data, one = lab.pictures.data, 1 if lab.tiny else None
    found: dict[str, Callable[[str], Found]] = {}
    for sigma in SIGMAS[:one]:
        for name in lab.few(DENOISED if data else COLOUR)[:one]:
            found[f"noise {sigma}, {name}"] = partial(_denoise, lab, name, sigma)
    for factor, (table, names) in list(ENLARGED.items())[:one]:
        for name in lab.few(names if data else COLOUR)[:one]:
            found[f"x{factor}, {name}"] = partial(_enlarge, lab, table, name)
    for name in lab.few(INPAINTED if data else GREY)[:one]:
        found[f"half missing, {name}"] = partial(_inpaint, lab, name)
    presets = PRESETS[lab.tiny :]  # the published network alone would take too long
    return {f"{name}, {p}": partial(compute, p) for name, compute in found.items() for p in presets}


def _denoise(lab: Lab, name: str, sigma: int, preset: str) -> Found:
    """The authors' noisy picture where they have one, beside CBM3D of the whole of it."""
    data = lab.pictures.data
    truth, methods = sets.denoised(data, name, sigma) if data else (public(name), {})
    truth, *others = (lab.crop(x) for x in (truth, *methods.values()))
    others = dict(zip(methods, others, strict=True))
    y = others.get("noisy", noisy(lab.key, truth, sigma))
    shown = {"noisy": y}
    if "CBM3D" in others:
        shown["CBM3D"] = others["CBM3D"]
    else:
        shown["non-local Bayes"] = baselines.nonlocal_bayes(y, sigma=sigma / 255)
    task = partial(dipjax.denoise, lab.key, y, preset=preset)
    return _found(lab, truth, task, shown, rules.whole)


def _enlarge(lab: Lab, table: str, name: str, preset: str) -> Found:
    truth, _, where = problem(lab, table, name)
    factor = sets.which(table)[1]
    y = smaller(truth, factor)
    settings = {"factor": factor, "kernel": kernel(preset), "preset": preset}
    task = partial(dipjax.super_resolve, lab.key, y, **settings)
    shown = {"bicubic": larger(y, factor)}
    return _found(lab, truth, task, shown, partial(rules.luma, where=where))


def _inpaint(lab: Lab, name: str, preset: str) -> Found:
    if lab.pictures.data:
        truth, y, _ = sets.inpainted(lab.pictures.data, name)
        truth, y = lab.crop(truth), lab.crop(y)
        mask = sets.known(truth, y)
    else:
        truth = lab.crop(public(name)[..., :1])
        mask = jax.random.bernoulli(lab.key, 0.5, truth.shape).astype(truth.dtype)
        y = mask * truth
    task = partial(dipjax.inpaint, lab.key, y, mask, preset=preset)
    return _found(lab, truth, task, {"half": y}, rules.whole)


def _found(
    lab: Lab, truth: Array, task: partial, shown: dict[str, Array], score: Callable
) -> Found:
    result = task(driver=lab.driver(truth), **lab.fewer(60))
    shown[task.keywords["preset"]] = jnp.clip(result.image, 0, 1)
    scores = {name: score(x, truth) for name, x in shown.items()}
    return Found({"psnr": scores}, {**shown, "true": truth})


def _pictures(records: list[Record]) -> list[Record]:
    """One record for each picture, of all presets."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.name.rsplit(", ", 1)[0], []).append(record)
    return [_merged(name, several) for name, several in found.items()]


def _merged(name: str, records: list[Record]) -> Record:
    scores, views = {}, {}
    for record in records:
        scores |= record.numbers["psnr"]
        true = record.views.get("true")
        views |= {title: x for title, x in record.views.items() if title != "true"}
    return Record(name, {"psnr": scores}, views if true is None else {**views, "true": true}, {})


def summary(records: list[Record]) -> dict[str, Any]:
    """A table for each problem, with the average."""
    pictures = _pictures(records)
    problems = dict.fromkeys(record.name.split(", ")[0] for record in pictures)
    return {
        f"table {problem}": tables.measured(
            [record for record in pictures if record.name.startswith(f"{problem}, ")]
        )
        for problem in problems
    }


def draw(records: list[Record], summary: dict[str, Any]) -> Any:
    pictures = _pictures(records)
    return tables.drawn({r.name: r.numbers["psnr"] for r in pictures}, pictures)


EXPERIMENT = Experiment(
    f"Quality of the presets {', '.join(PRESETS)}: denoising, super-resolution, inpainting",
    items,
    summary,
    draw,
)
