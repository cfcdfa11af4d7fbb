"""Noise impedance: how soon the generator learns what is natural, and how late what is noise."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

import dipjax
from dipjax import figures
from dipjax.tasks.impedance import KINDS, targets

from .lab import Experiment, Found, Lab, Record

SEEDS = 3
FIRST, EVERY = 100, 10  # the order is looked at every tenth step after the first hundred


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
    key = jax.random.fold_in(lab.key, seed)
    target = targets(key, x)[kind]
    steps = {"tiny": 200, "cpu": 500}.get(lab.scale.name, 10000)
    at = np.unique([*range(min(FIRST, steps)), *range(FIRST, steps, EVERY), steps - 1])
    preset = "paper" if lab.scale.name == "paper" else "fast"
    settings = {"preset": preset, "steps": steps, "driver": lab.driver()}
    result = dipjax.noise_impedance(key, x, kinds=(kind,), **settings)[kind]
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
    step = np.asarray(records[0].numbers["step"]) + 1
    first = {r.numbers["kind"]: r.views for r in reversed(records)}
    found = {kind: curves(records, kind) for kind in KINDS if kind in first}
    return figures.curves(step, found, first)


EXPERIMENT = Experiment(
    "Noise impedance: the loss on a picture, with noise, shuffled, noise alone (Fig. 2)",
    items,
    summary,
    draw,
)
