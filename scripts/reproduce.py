"""Restores pictures of the published experiments and measures how well.

    python scripts/reproduce.py                    all of them, with the default preset
    python scripts/reproduce.py house --preset paper

The pictures lie in ../shared/data (see its README) and are no part of the project. Each result is
written at once to scripts/results/, as a picture beside its input and as JSON with settings,
seconds, versions and hardware; the numbers in the README are these.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from PIL import Image

import dipjax
from dipjax import images, metrics, report

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "shared" / "data"
RESULTS = HERE / "results"

Array = jax.Array


class Experiment(NamedTuple):
    """A measurement, the truth, the task, how to score, and what the others reach (TARGETS.md)."""

    y: Array
    truth: Array
    task: Callable[..., dipjax.Restoration]
    score: Callable[[Array, Array], Array]
    before: Array
    published: float | None = None


def picture(path: str) -> Array:
    return jnp.asarray(images.load(DATA / path))


def noise_25(name: str, top: int, left: int) -> Experiment:
    """128 x 128 pixels of the authors' own noisy input, sigma 25."""
    y, truth = (
        picture(f"denoise/25/{name}_{kind}.png")[top : top + 128, left : left + 128, :3]
        for kind in ("noisy", "GT")
    )
    return Experiment(y, truth, dipjax.denoise, metrics.psnr, y)


def four_times_smaller(name: str, published: float) -> Experiment:
    """Set5, made small by Pillow's BICUBIC."""
    with Image.open(DATA / f"sr/Set5/x4/{name}_GT.png") as image:
        image = image.convert("RGB")
        size = image.width // 4, image.height // 4
        truth = jnp.asarray(images.check(np.asarray(image)))
        y = images.check(np.asarray(image.resize(size, Image.Resampling.BICUBIC)))
    before = jnp.clip(jax.image.resize(y, truth.shape, "cubic"), 0, 1)
    task = partial(dipjax.super_resolve, factor=4)
    return Experiment(y, truth, task, metrics.psnr_y, before, published)


def half_missing(name: str, published: float) -> Experiment:
    """The authors' masked picture, where missing is 0; the score is over all pixels."""
    y, truth = (picture(f"inpaint50/{name}_{kind}.png")[..., :1] for kind in ("masked", "GT"))
    task = partial(dipjax.inpaint, mask=(y > 0).astype(y.dtype))
    return Experiment(y, truth, task, metrics.psnr, y, published)


EXPERIMENTS: dict[str, partial[Experiment]] = {
    "F16": partial(noise_25, "F16", 150, 230),
    "kodim12": partial(noise_25, "kodim12", 300, 100),
    "butterfly": partial(four_times_smaller, "butterfly", 26.23),
    "head": partial(four_times_smaller, "head", 31.04),
    "house": partial(half_missing, "house", 39.16),
    "Cameraman256": partial(half_missing, "Cameraman256", 29.80),
}


def run(name: str, preset: str | None, seed: int) -> dict[str, Any]:
    """One experiment: its record, with the picture beside it."""
    experiment = EXPERIMENTS[name]()
    watch = report.Watch(experiment.truth)
    key = jax.random.key(seed)
    result = experiment.task(key, experiment.y, preset=preset, driver=watch)
    restored = jnp.clip(result.image, 0, 1)
    before, after = (
        round(float(experiment.score(x, experiment.truth)), 2)
        for x in (experiment.before, restored)
    )
    views = {f"{before:.2f} dB": experiment.before, f"{after:.2f} dB": restored}
    file = RESULTS / f"{name}-{preset or 'default'}"
    report.figure(file.with_suffix(".png"), [[*views.items(), ("true", experiment.truth)]])
    record = {
        "experiment": name,
        "preset": preset,
        "seed": seed,
        "score": getattr(experiment.score, "__name__", "psnr"),
        "before": before,
        "after": after,
        "published": experiment.published,
        "steps": watch.steps,
        "seconds": watch.seconds,
        "settings": report.describe(watch.settings),
        **report.environment(),
    }
    report.write_json(file.with_suffix(".json"), record)
    return record


def table() -> str:
    """The records as the README shows them."""
    rows = [
        "| picture | input | restored | published | steps | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for name, experiment in EXPERIMENTS.items():
        file = RESULTS / f"{name}-default.json"
        if file.exists():
            r = json.loads(file.read_text())
            published = "" if r["published"] is None else f"{r['published']:.2f}"
            rows.append(
                f"| {name}, {experiment.func.__name__.replace('_', ' ')} ({r['score']}) "
                f"| {r['before']:.2f} | **{r['after']:.2f}** | {published} "
                f"| {r['steps']} | {r['seconds']['run']:.0f} |"
            )
    return "\n".join(rows)


def main(
    names: Annotated[tuple[str, ...], tyro.conf.Positional] = tuple(EXPERIMENTS),
    preset: str | None = None,
    seed: int = 0,
) -> None:
    """Restore pictures of the published experiments and measure how well.

    Args:
        names: of the experiments; all by default.
        preset: "fast" or "paper"; by default fast on a CPU and paper elsewhere.
        seed: of all randomness.
    """
    if not DATA.is_dir():
        raise SystemExit(f"{DATA} is not there: nothing to restore")
    if unknown := set(names) - set(EXPERIMENTS):
        raise SystemExit(f"unknown: {', '.join(unknown)}; choose from {', '.join(EXPERIMENTS)}")
    for name in names:
        record = run(name, preset, seed)
        seconds = record["seconds"]
        print(
            f"{name}: {record['before']} -> {record['after']} dB ({record['score']}), "
            f"{record['steps']} steps in {seconds['run']} s + {seconds['compile']} s compilation"
        )
    print(table())


if __name__ == "__main__":
    tyro.cli(main)
