"""Noise impedance: how soon the generator learns what is natural, and how late what is noise."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

import dipjax
from dipjax import generators, noise, stopping

from . import figures
from .lab import Experiment, Found, Lab, Record
from .rules import Array

KINDS = ("natural", "natural + noise", "shuffled", "noise")
SEEDS = 3
NARROW = generators.Hourglass(widths=(8, 16, 32, 64, 64), scale_init="uniform")  # for 128 x 128
FIRST, EVERY = 100, 10  # the order is looked at every tenth step after the first hundred


def targets(key: Array, x: Array) -> dict[str, Array]:
    """The picture, the picture and noise, its pixels in random order, and U(0, 1)."""
    keys = jax.random.split(key, 3)
    order = jax.random.permutation(keys[1], x.shape[0] * x.shape[1])
    noisy = noise.gaussian(keys[0], x, 25 / 255)
    shuffled = x.reshape(-1, x.shape[-1])[order].reshape(x.shape)
    return dict(zip(KINDS, (x, noisy, shuffled, jax.random.uniform(keys[2], x.shape)), strict=True))


def items(lab: Lab) -> dict[str, Callable[[], Found]]:
    return {
        f"{kind}, seed {seed}": partial(_fit, lab, kind, seed)
        for seed in range(SEEDS)
        for kind in KINDS
    }


def _fit(lab: Lab, kind: str, seed: int) -> Found:
    x = lab.shrink(
        lab.pictures.colour("denoise/25/peppers_GT.png", "coffee"), 96 if lab.tiny else 128
    )
    data_key, key = jax.random.split(jax.random.fold_in(lab.key, seed))
    target = targets(data_key, x)[kind]
    steps = {"tiny": 200, "cpu": 500}.get(lab.scale.name, 10000)
    at = np.unique([*range(min(FIRST, steps)), *range(FIRST, steps, EVERY), steps - 1])
    own = {} if lab.scale.side is None else {"generator": NARROW}
    result = dipjax.denoise(
        key,
        target,
        preset=lab.scale.preset,
        jitter=0,
        steps=steps,
        stop=stopping.never(),  # the whole curve, on all of the data
        driver=lab.driver(),
        **own,
    )
    curve = [float(f"{v:.4g}") for v in np.asarray(result.loss)[at] / x.size]
    numbers = {"kind": kind, "last": curve[-1], "step": [int(i) for i in at], "curve": curve}
    return Found(numbers, {kind: target, "fitted": result.last})


def curves(records: list[Record], kind: str) -> np.ndarray:
    """The mean squared errors of a kind, (seeds, steps)."""
    return np.asarray([r.numbers["curve"] for r in records if r.numbers["kind"] == kind])


def mean_curves(records: list[Record]) -> dict[str, np.ndarray]:
    """The curves of all kinds that are there, averaged over the seeds."""
    found = {record.numbers["kind"] for record in records}
    return {kind: curves(records, kind).mean(0) for kind in KINDS if kind in found}


def in_order(step: np.ndarray, curves: dict[str, np.ndarray]) -> np.ndarray:
    """Whether natural < natural + noise < shuffled <= noise, at the steps looked at."""
    at = (step >= FIRST) & (step % EVERY == 0)
    a, b, c, d = (curves[kind][at] for kind in KINDS)
    return (a < b) & (b < c) & (c <= d)


def summary(records: list[Record]) -> dict[str, Any]:
    means, step = mean_curves(records), np.asarray(records[0].numbers["step"])
    held = in_order(step, means) if len(means) == len(KINDS) else np.zeros(0, bool)
    return {
        "seeds": {kind: len(curves(records, kind)) for kind in means},
        "published": "natural < natural + noise < shuffled <= noise (Fig. 2, as a plot)",
        "steps looked at": len(held),
        "steps in that order": int(held.sum()),
        "table": {kind: {"last mean squared error": f"{m[-1]:.5f}"} for kind, m in means.items()},
    }


def draw(records: list[Record], summary: dict[str, Any]) -> Any:
    figure = figures.new(9, 6.6)
    top, bottom = figure.subfigures(2, 1, height_ratios=[3.4, 3.2])
    axis, step = top.subplots(), np.asarray(records[0].numbers["step"]) + 1
    axes = bottom.subplots(2, len(KINDS), squeeze=False)
    for i, (kind, mean) in enumerate(mean_curves(records).items()):
        axis.plot(step, curves(records, kind).T, color=f"C{i}", alpha=0.3, linewidth=0.8)
        axis.plot(step, mean, color=f"C{i}", label=kind)
        views = next(r.views for r in records if r.numbers["kind"] == kind)
        for place, (title, x) in zip(axes[:, i], views.items(), strict=True):
            figures.show(place, x, title)
    axis.set(xscale="log", xlabel="step", ylabel="mean squared error", ylim=(0, None))
    axis.axvline(FIRST, color="0.8", linestyle=":")
    axis.legend()
    for place in axes.flat:
        place.set_axis_off()
    return figure


EXPERIMENT = Experiment(
    "Noise impedance: the loss on a picture, with noise, shuffled, noise alone (Fig. 2)",
    items,
    summary,
    draw,
)
