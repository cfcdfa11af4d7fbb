"""What each piece of the benchmark measures, in a process of its own.

    python scripts/measure.py step paper 256

prints the result as JSON on the last line. `benchmark.py` calls it so and keeps the records.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import quality
import roofline
from contestants import (
    CORES,
    GPU,
    PEERS,
    base,
    contestants,
    convolutions,
    forms,
    ours,
    theirs,
    turn_steps,
)
from machine import machine, peak, versions
from race import Contestant, Turn, race, reason
from starts import compile, memory, occupy, start

import dipjax
from dipjax import stopping, tasks


def step(preset: str, size: int) -> dict[str, Any]:
    """Seconds a step of all forms."""
    n, works = turn_steps(preset, size), convolutions(preset, size)
    times = race(contestants(preset, size, n))
    return {"steps": n, "flops": roofline.flops(works), "convolutions": works, "forms": times}


def dispatch(preset: str, size: int) -> dict[str, Any]:
    """Seconds a step in chunks of one dispatch and driven one by one from Python."""
    settings = tasks.PRESETS["denoise"][preset]
    key = jax.random.key(0)
    y = jax.random.uniform(key, (size, size, 3))
    objective = dipjax.data_term(dipjax.operators.Identity(), y)
    n = turn_steps(preset, size)

    def driven() -> Turn:
        names = ("generator", "optimizer", "jitter")
        init, step = dipjax.fitter(objective, **{name: settings[name] for name in names})
        step = jax.jit(step, donate_argnums=1)
        state = jax.jit(init)(key, settings["code"](key, y.shape))

        def turn(steps: int = n) -> float:
            nonlocal state
            start = time.perf_counter()
            for i in range(steps):
                state, info = step(jax.random.fold_in(key, i), state)
            jax.block_until_ready(info.loss)
            return (time.perf_counter() - start) / steps

        return turn

    scanned = partial(ours, objective, y.shape, settings, n)
    times = race([Contestant("scanned", scanned), Contestant("driven", driven)])
    return {"steps": n, "forms": times}


def second(preset: str, size: int) -> dict[str, Any]:
    """Seconds from the call to the end of one step, for a first and a second picture."""
    result = {}
    for i, name in enumerate(("first", "second")):
        y = jax.random.uniform(jax.random.key(i), (size, size, 3))
        start = time.perf_counter()
        jax.block_until_ready(dipjax.denoise(jax.random.key(i), y, preset=preset, steps=1))
        result[name] = time.perf_counter() - start
    return result


def ensemble(members: int, preset: str, size: int) -> dict[str, Any]:
    """Seconds a step and member of an ensemble, and a step of a single fit."""
    n = max(turn_steps(preset, size) * (4 if GPU else 2) // members, 5)
    key, y = jax.random.key(0), jax.random.uniform(jax.random.key(1), (size, size, 3))
    settings = {"preset": preset, "steps": n}

    def contestant(name: str, work: Callable[[], Any], count: int) -> Contestant:
        def turn(steps: int = n) -> float:
            start = time.perf_counter()
            jax.block_until_ready(work())
            return (time.perf_counter() - start) / count

        return Contestant(name, lambda: turn)

    # Arrays only: whatever else an ensemble tells is no leaf to wait for.
    many = partial(dipjax.ensemble, dipjax.denoise, key, y, members=members, **settings)
    times = race(
        [
            contestant("single", lambda: dipjax.denoise(key, y, **settings).image, n),
            contestant("ensemble", lambda: many().mean, n * members),
        ]
    )
    return {"steps": n, "forms": times}


# --- time to quality -----------------------------------------------------------------------


def trajectory(who: str, task: str, name: str, size: int, *rest) -> dict[str, Any]:
    """PSNR of every 25th step; `rest` is the number of steps, in place of the preset's.

    `who` is "torch", the published fit; "dipjax", the preset `fast`; or "paper", that preset.
    """
    steps = {"steps": int(rest[0])} if rest else {}
    begin = time.perf_counter()
    if who == "torch":
        import torch

        torch.set_num_threads(CORES)
    presets = {"dipjax": "fast", "paper": "paper"}
    follow = quality.theirs if who == "torch" else partial(quality.ours, preset=presets[who])
    result = follow(task, name, size, **steps)
    return {"took": time.perf_counter() - begin, **result}


def pace(task: str, size: int) -> dict[str, Any]:
    """Seconds a step of dipjax's fast preset and of the peer's forms, on the same problem.

    With `finish`, the seconds of what comes behind the fit, as a contestant of one step.
    """
    p = quality.problem(task, next(iter(quality.CROPS[task])), size)
    asked: list[Any] = []

    def driver(key, objective, shape, **settings):
        asked.extend((objective, shape, settings))
        return dipjax.Restoration(*[jnp.zeros(shape)] * 5, jnp.zeros(1), jnp.zeros((), int))

    settings = {"preset": "fast", "stop": stopping.never()}  # as in a trajectory
    p.task(jax.random.key(0), jnp.asarray(p.y), driver=driver, **settings)
    n = turn_steps("fast", size)
    image = jnp.asarray(p.truth)

    def finish(steps: int = 1) -> float:
        start = time.perf_counter()
        jax.block_until_ready(quality.finished(p, image))
        return time.perf_counter() - start

    racers = [
        Contestant("dipjax", partial(ours, *asked, n)),
        Contestant("finish", lambda: finish),
    ]
    for form, options in forms().items():
        make = partial(quality.peer_fit, task, p, options)
        racers.append(Contestant(form, partial(theirs, make, max(n // 8, 2)), base(form, PEERS)))
    return {"forms": race(racers)}


# --- this file as a program ----------------------------------------------------------------

PIECES = {f.__name__: f for f in (machine, peak, step, dispatch, second, ensemble, memory)}
PIECES |= {f.__name__: f for f in (occupy, compile, start, trajectory, pace)}


def main(name: str, *arguments: str) -> None:
    try:
        values = [int(a) if a.isdecimal() else a for a in arguments]
        result = PIECES[name](*values)
    except Exception as error:
        result = {"failed": reason(error)}
    print("\n" + json.dumps({"result": result, "versions": versions()}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
