"""Noise impedance: how soon the generator learns what is natural, and how late what is noise."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import dipjax
from dipjax import generators

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
    noisy = jnp.clip(x + 25 / 255 * jax.random.normal(keys[0], x.shape), 0, 1)
    shuffled = x.reshape(-1, x.shape[-1])[order].reshape(x.shape)
    return dict(zip(KINDS, (x, noisy, shuffled, jax.random.uniform(keys[2], x.shape)), strict=True))


def items(lab: Lab) -> dict[str, Callable[[], Found]]:
    return {f"seed {seed}": partial(_fit, lab, seed) for seed in range(SEEDS)}


def _fit(lab: Lab, seed: int) -> Found:
    x = lab.shrink(lab.pictures.colour("denoise/25/peppers_GT.png", "coffee"), 128)
    data_key, key = jax.random.split(jax.random.fold_in(lab.key, seed))
    steps = {"tiny": 200, "cpu": 1000}.get(lab.scale.name, 10000)
    own = {} if lab.scale.side is None else {"generator": NARROW}
    at = np.unique([*range(min(FIRST, steps)), *range(FIRST, steps, EVERY), steps - 1])
    curves, views = {}, {}
    for kind, target in targets(data_key, x).items():
        result = dipjax.denoise(
            key,
            target,
            preset=lab.scale.preset,
            jitter=0,
            steps=steps,
            **own,
            driver=lab.driver(),
        )
        curves[kind] = [float(f"{v:.4g}") for v in np.asarray(result.loss)[at] / x.size]
        views[kind], views[f"{kind}, fitted"] = target, result.last
    last = {kind: curve[-1] for kind, curve in curves.items()}
    return Found({**last, "step": [int(i) for i in at], "mean squared error": curves}, views)


def mean_curves(records: list[Record]) -> dict[str, np.ndarray]:
    """The curves, averaged over the seeds."""
    return {
        kind: np.mean([r.numbers["mean squared error"][kind] for r in records], 0) for kind in KINDS
    }


def in_order(step: np.ndarray, curves: dict[str, np.ndarray]) -> np.ndarray:
    """Whether natural < natural + noise < shuffled <= noise, at the steps looked at."""
    at = (step >= FIRST) & (step % EVERY == 0)
    a, b, c, d = (curves[kind][at] for kind in KINDS)
    return (a < b) & (b < c) & (c <= d)


def summary(records: list[Record]) -> dict[str, Any]:
    curves, step = mean_curves(records), np.asarray(records[0].numbers["step"])
    held = in_order(step, curves)
    return {
        "seeds": len(records),
        "published": "natural < natural + noise < shuffled <= noise (Fig. 2, as a plot)",
        "steps looked at": len(held),
        "steps in that order": int(held.sum()),
        "last mean squared error": {kind: float(curve[-1]) for kind, curve in curves.items()},
    }


def draw(records: list[Record], summary: dict[str, Any]) -> Any:
    figure = figures.new(9, 6.6)
    top, bottom = figure.subfigures(2, 1, height_ratios=[3.4, 3.2])
    axis, step = top.subplots(), np.asarray(records[0].numbers["step"]) + 1
    for i, (kind, curve) in enumerate(mean_curves(records).items()):
        for record in records:
            thin = record.numbers["mean squared error"][kind]
            axis.plot(step, thin, color=f"C{i}", alpha=0.3, linewidth=0.8)
        axis.plot(step, curve, color=f"C{i}", label=kind)
    axis.set(xscale="log", xlabel="step", ylabel="mean squared error", ylim=(0, None))
    axis.axvline(FIRST, color="0.8", linestyle=":")
    axis.legend()
    axes = bottom.subplots(2, len(KINDS))
    for column, kind in zip(axes.T, KINDS, strict=True):
        for place, title in zip(column, (kind, f"{kind}, fitted"), strict=True):
            place.set_axis_off()
            figures.show(place, records[0].views[title], title)
    return figure


EXPERIMENT = Experiment(
    "Noise impedance: the loss on a picture, with noise, shuffled, noise alone (Fig. 2)",
    items,
    summary,
    draw,
)
