"""Measures how fast a fit is: one dispatch against one for each step, and a second picture.

    python scripts/benchmark.py

Interleaved in one run, medians of seven, on an otherwise idle machine; the result is written to
scripts/results/benchmark.json with versions and hardware.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import jax
import tyro

import dipjax
from dipjax import report, tasks

RESULTS = Path(__file__).resolve().parent / "results"
STEPS = 20
REPEATS = 7


def seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - start


def scanned_and_driven(preset: str, size: int) -> dict[str, Any]:
    """Seconds a step, in chunks of one dispatch and driven one by one from Python."""
    settings = tasks.PRESETS["denoise"][preset]
    key = jax.random.key(0)
    y = jax.random.uniform(key, (size, size, 3))
    objective = dipjax.data_term(dipjax.operators.Identity(), y)

    chunks = dipjax.iterate(key, objective, y.shape, every=STEPS, **settings | {"steps": 10**6})
    init, step = dipjax.fitter(
        objective, settings["generator"], settings["optimizer"], jitter=settings["jitter"]
    )
    step = jax.jit(step, donate_argnums=1)
    state = jax.jit(init)(key, settings["code"](key, y.shape))

    def driven():
        nonlocal state
        for i in range(STEPS):
            state, info = step(jax.random.fold_in(key, i), state)
        return info.loss

    times: dict[str, list[float]] = {"scanned": [], "driven": []}
    for _ in range(REPEATS + 1):
        times["scanned"].append(seconds(lambda: next(chunks).loss) / STEPS)
        times["driven"].append(seconds(driven) / STEPS)
    result = {name: median(values[1:]) for name, values in times.items()}  # the first compiles
    return {"preset": preset, "size": size, **result, "ratio": result["scanned"] / result["driven"]}


def second_picture(size: int) -> dict[str, Any]:
    """Seconds from the call to the first step done, for a first and for a second picture."""
    keys = jax.random.split(jax.random.key(0))
    pictures = [jax.random.uniform(key, (size, size, 3)) for key in keys]
    first, second = (
        seconds(partial(dipjax.denoise, key, picture, steps=1))
        for key, picture in zip(keys, pictures, strict=True)
    )
    return {"size": size, "first": first, "second": second}


def main() -> None:
    """Measure how fast a fit is."""
    record = {
        "steps": [scanned_and_driven("fast", size) for size in (128, 256)],
        "pictures": second_picture(128),
        **report.environment(),
    }
    report.write_json(RESULTS / "benchmark.json", record)
    for row in record["steps"]:
        print({name: round(v, 4) if isinstance(v, float) else v for name, v in row.items()})
    print({name: round(value, 3) for name, value in record["pictures"].items()})


if __name__ == "__main__":
    tyro.cli(main)
