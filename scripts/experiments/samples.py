"""Samples from the prior: what networks show before they have seen anything."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

import dipjax
from dipjax import codes, figures, generators

from .lab import Experiment, Found, Lab, Record
from .networks import hourglass
from .rules import Array

DRAWS = 3

# The paper's hourglasses without and with skips, U-Net and ResNet; the others for comparison.
PRIORS: dict[str, Callable[[], Any]] = {
    "hourglass, depth 2": lambda: hourglass(2),
    "hourglass, depth 4": lambda: hourglass(4),
    "hourglass, depth 6": lambda: hourglass(6),
    "depth 6, skips": lambda: hourglass(6).clone(skips=4),
    "U-Net": lambda: generators.UNet(affine=True),
    "ResNet": lambda: generators.ResNet(),
    "texture net": lambda: generators.TextureNet(),
    "Deep Decoder": lambda: generators.DeepDecoder(),
    "positional": lambda: generators.Positional(),
}


def items(lab: Lab) -> dict[str, Callable[[], Found]]:
    return {name: partial(_sample, lab, name) for name in PRIORS}


def _sample(lab: Lab, name: str) -> Found:
    side = {"tiny": 96, "cpu": 128}.get(lab.scale.name, 256)
    code = codes.fourier if name == "positional" else codes.uniform
    draw = jax.jit(
        lambda key: dipjax.sample(key, (side, side, 3), generator=PRIORS[name](), code=code)
    )
    draws = [draw(key) for key in jax.random.split(lab.key, DRAWS)]
    rough = float(jnp.mean(jnp.asarray([roughness(x) for x in draws])))
    return Found({"roughness": rough}, {f"{i}": stretched(x) for i, x in enumerate(draws)})


def roughness(x: Array) -> float:
    """Mean difference of neighbours over the standard deviation: 1.1 for noise, 0 for flat."""
    steps = jnp.abs(jnp.diff(x, axis=0)).mean() + jnp.abs(jnp.diff(x, axis=1)).mean()
    return float(steps / 2 / x.std((0, 1)).mean())


def stretched(x: Array) -> Array:
    """At full contrast, for the eye: each channel from its 1 % to its 99 % quantile."""
    low, high = jnp.quantile(x, jnp.asarray([0.01, 0.99]), axis=(0, 1), keepdims=True)
    return jnp.clip((x - low) / (high - low), 0, 1)


def summary(records: list[Record]) -> dict[str, Any]:
    return {
        "published": "smoother with depth, finer grain with skips (IJCV, as pictures)",
        "table": {record.name: record.numbers for record in records},
    }


def draw(records: list[Record], summary: dict[str, Any]) -> Any:
    rows = [
        [
            (f"{r.name}: roughness {r.numbers['roughness']:.2f}" if i == 0 else "", x)
            for i, x in enumerate(r.views.values())
        ]
        for r in records
    ]
    half = -(-len(rows) // 2)
    blank = [("", jnp.ones_like(rows[0][0][1]))] * DRAWS
    right = [*rows[half:], *[blank] * (2 * half - len(rows))]
    return figures.grid([[*a, *b] for a, b in zip(rows[:half], right, strict=True)])


EXPERIMENT = Experiment(
    "Samples from the prior: networks with random params, nothing fitted (IJCV)",
    items,
    summary,
    draw,
)
