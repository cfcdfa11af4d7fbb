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
from .super_resolution import larger, problem, smaller

PRESETS = ("paper", "fast", "best")
SIGMAS = (25, 50, 10)
# No setting was chosen on these (chosen on: kodim03, lena, peppers, bird, woman, boat, peppers256).
DENOISED = ("F16", "kodim12", "kodim01", "kodim02", "house")
INPAINTED = ("house", "Cameraman256", "barbara", "hill", "man")
ENLARGED = {4: ("sr_set5_x4", ("butterfly", "baby")), 8: ("sr_set5_x8", ("butterfly", "baby"))}
Items = dict[str, Callable[[], Found]]


def items(lab: Lab) -> Items:
    """Problem and picture -> what all presets make of it."""
    data, one = lab.pictures.data, 1 if lab.tiny else None
    found: Items = {}
    for sigma in SIGMAS[:one]:
        for name in lab.few(DENOISED if data else COLOUR)[:one]:
            found[f"noise {sigma}, {name}"] = partial(_denoise, lab, name, sigma)
    for factor, (table, names) in list(ENLARGED.items())[:one]:
        for name in lab.few(names if data else COLOUR)[:one]:
            found[f"x{factor}, {name}"] = partial(_enlarge, lab, table, name)
    for name in lab.few(INPAINTED if data else GREY)[:one]:
        found[f"half missing, {name}"] = partial(_inpaint, lab, name)
    return found


def _denoise(lab: Lab, name: str, sigma: int) -> Found:
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
    return _all(lab, truth, partial(dipjax.denoise, lab.key, y), shown, rules.whole)


def _enlarge(lab: Lab, table: str, name: str) -> Found:
    truth, _, where = problem(lab, table, name)
    factor = sets.which(table)[1]
    y = smaller(truth, factor)
    task = partial(dipjax.super_resolve, lab.key, y, factor=factor)
    return _all(lab, truth, task, {"bicubic": larger(y, factor)}, partial(rules.luma, where=where))


def _inpaint(lab: Lab, name: str) -> Found:
    if lab.pictures.data:
        truth, y, _ = sets.inpainted(lab.pictures.data, name)
        truth, y = lab.crop(truth), lab.crop(y)
        mask = (y > 0).astype(y.dtype)
    else:
        truth = lab.crop(public(name)[..., :1])
        mask = jax.random.bernoulli(lab.key, 0.5, truth.shape).astype(truth.dtype)
        y = mask * truth
    return _all(lab, truth, partial(dipjax.inpaint, lab.key, y, mask), {"half": y}, rules.whole)


def _all(lab: Lab, truth: Array, task: Callable, shown: dict[str, Array], score: Callable) -> Found:
    for preset in PRESETS[lab.tiny :]:  # the published network alone would take too long
        result = task(preset=preset, driver=lab.driver(truth), **lab.fewer(60))
        shown[preset] = jnp.clip(result.image, 0, 1)
    scores = {name: score(x, truth) for name, x in shown.items()}
    return Found({"psnr": scores}, {**shown, "true": truth})


def summary(records: list[Record]) -> dict[str, Any]:
    """A table for each problem, with the average."""
    problems = dict.fromkeys(record.name.split(", ")[0] for record in records)
    return {
        f"table {problem}": tables.measured(
            [record for record in records if record.name.startswith(f"{problem}, ")]
        )
        for problem in problems
    }


def draw(records: list[Record], summary: dict[str, Any]) -> Any:
    rows = {record.name: record.numbers["psnr"] for record in records}
    return tables.drawn(rows, records)


EXPERIMENT = Experiment(
    f"Quality of the presets {', '.join(PRESETS)}: denoising, super-resolution, inpainting",
    items,
    summary,
    draw,
)
