"""How near `denoise` comes, by the risk that it estimates, to the best image of the whole run.

    python scripts/by_risk.py                  all 108 cases, about 40 s each on a core; resumes
    python scripts/by_risk.py --half others    those of one half of the pictures
    python scripts/by_risk.py --size 128       on larger crops
    python scripts/by_risk.py --kind gaussian  those of one kind of noise
    python scripts/by_risk.py --table-only     the table of the records so far

The crops, kinds of noise and levels of stops.py but for salt and pepper, of which no risk is known;
with the network `fast`, the level of the noise estimated, and what clipping did to it undone in
every candidate. Every ten steps the true PSNR of the iterate and of the averages is noted; the gap
is the PSNR of what `stop="auto"` returns, at the next of these, minus the best of anything in the
whole run, of 1600 steps for weak noise and 800 for other, or on larger crops of 1800 and 1200.
`polished` is the PSNR of what `denoise` makes of that, and its gap is to the same best. The gain is
over what held-out pixels return for the same noise on crops of 64 x 64, as
scripts/results/stops.json has it, where clipping was not undone.
"""

import json
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jax import lax
from stops import CHOSEN_ON, CROPS, DECAYS, EVERY, OTHERS, RECORD, SIZE, Array, completed, measured

import dipjax
from dipjax import cache, metrics, noise, polish, presets, risk, stopping
from dipjax.noise import clipping

PART = 100
KINDS = ("gaussian", "poisson", "speckle")
AVERAGES = (*DECAYS, stopping.growing())
TRACKERS = [stopping.average(decay) for decay in AVERAGES]
HALVES = {"chosen": CHOSEN_ON, "others": OTHERS}


class Part(NamedTuple):
    """A hundred steps: squared errors (10, 1 + AVERAGES), averages (10, H, W, C), and the stop."""

    errors: Array
    average: Array
    stops: Array


@partial(jax.jit, static_argnames=("generator", "rule"))
def begin(key, energy: risk.Risk, generator, rule) -> tuple[Any, ...]:
    """A fit and its trackers before the first step."""
    zero = jnp.zeros(energy.y.shape)
    tracked = [tracker.init(zero) for tracker in TRACKERS]
    return dipjax.fitter(energy, generator).init(key, energy.code), tracked, rule.init(zero)


@partial(jax.jit, static_argnames=("generator", "jitter", "rule"))
def part(key, carry, energy: risk.Risk, truth: Array, generator, jitter, rule) -> tuple[Any, Part]:
    """The next steps of a fit."""
    fitter = dipjax.fitter(energy, generator, jitter=jitter)

    def step(carry, _):
        state, tracked, stop = carry
        state, info = fitter.step(jax.random.fold_in(key, state.step), state)
        tracked = [a.update(old, info) for a, old in zip(TRACKERS, tracked, strict=True)]
        stop = rule.update(stop, info)
        return (state, tracked, stop), (info.image, stop.stop)

    def several(carry, _):
        carry, (iterates, stops) = lax.scan(step, carry, length=EVERY)
        candidates = jnp.stack([iterates[-1], *(state.mean for state in carry[1])])
        candidates = jax.vmap(lambda x: clipping.undo(x, energy.y))(candidates)
        errors = jnp.mean((candidates - truth[None]) ** 2, (1, 2, 3))
        return carry, Part(errors, carry[1][-1].mean, stops)

    return lax.scan(several, carry, length=PART // EVERY)


def run(energy: risk.Risk, truth: Array, seed: int, steps: int) -> tuple[Part, int]:
    """The parts of a whole fit, and where the rule ends it."""
    changes = presets.by_risk(truth.shape)
    assert changes["decay"] is AVERAGES[-1]  # what is returned is the last of the averages
    generator = presets.PRESETS["denoise"]["fast"]["generator"].clone(channels=3)
    key, jitter, rule = jax.random.key(seed), changes["jitter"], changes["stop"]
    carry, parts = begin(key, energy, generator, rule), []
    for _ in range(0, steps, PART):
        carry, new = part(key, carry, energy, truth, generator, jitter, rule)
        parts.append(jax.tree.map(np.asarray, new))
    fit = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
    return fit, int(fit.stops.argmax()) + 1 if fit.stops.any() else steps


def case(name: str, kind: str, level: int, size: int = SIZE) -> dict[str, Any]:
    """One fit and what the rule makes of it."""
    i = list(CROPS).index(name)
    truth, y = measured(name, kind, level, i, size)
    energy = risk.sure(y, noise.level_by_brightness(y))
    weak, other = (1600, 800) if size == SIZE else (1800, 1200)
    fit, stopped = run(energy, truth, i, weak if level == 0 else other)
    psnr, end = -10 * np.log10(fit.errors), (stopped - 1) // EVERY
    last = jnp.clip(fit.average[end], 0, 1)
    polished = clipping.undo(polish.polished(last, y, energy.s), y)
    best, returned = psnr.max(), psnr[end, -1]
    return {
        "best": round(float(best), 3),
        "returned": round(float(returned), 3),
        "gap": round(float(returned - best), 3),
        "steps": stopped,
        "last_average": round(float(psnr[-1, -1]), 3),
        "polished": round(float(metrics.psnr(polished, truth)), 3),
    }


def table(cases: dict[str, dict[str, Any]], held_out: dict[str, dict[str, Any]]) -> str:
    """Means by half, kind of noise and level; without what was held out where that is not known."""
    gain = "held out | least gain | " if held_out else ""
    columns = f"pictures | noise | cases | {gain}by risk | mean gap | worst gap | steps"
    columns += " | polished | mean gap | worst gap"
    rows = [f"| {columns} |", "|" + "---|" * (columns.count("|") + 1)]
    for title, names in HALVES.items():
        for kind in (*KINDS, "0", "1", "2", "all"):
            some = {
                name: r
                for name, r in cases.items()
                if name.split()[0] in names and kind in (*name.split()[1:], "all")
            }
            if some:
                after, gaps = ([r[column] for r in some.values()] for column in ("returned", "gap"))
                gain = ""
                if held_out:
                    before = [held_out[name]["returned"] for name in some]
                    least = min(a - b for a, b in zip(after, before, strict=True))
                    gain = f"| {fmean(before):.2f} | {least:.2f} "
                rows.append(
                    f"| {title} | {f'level {kind}' if kind.isdigit() else kind} | {len(some)} "
                    f"{gain}| {fmean(after):.2f} | {fmean(gaps):.2f} "
                    f"| {min(gaps):.2f} | {fmean(r['steps'] for r in some.values()):.0f} "
                    f"{_behind(list(some.values()))}|"
                )
    return "\n".join(rows)


def _behind(cases: list[dict[str, Any]]) -> str:
    """The same of what is polished."""
    gaps = [r["polished"] - r["best"] for r in cases]
    mean = fmean(r["polished"] for r in cases)
    return f"| {mean:.2f} | {fmean(gaps):+.2f} | {min(gaps):+.2f} "


def main(
    table_only: bool = False,
    half: Literal["both", "chosen", "others"] = "both",
    kind: Literal["all", "gaussian", "poisson", "speckle"] = "all",
    size: int = SIZE,
    level: int | None = None,
    record: Path | None = None,
) -> None:
    """Measure the estimate of the risk.

    Args:
        table_only: compute nothing, print the table of the records so far.
        half: of the pictures.
        kind: of the noise.
        size: of the crops.
        level: of the noise, 0 is weak.
        record: where the results are kept; by default a file of that size's in the results.
    """
    cache.enable()
    chosen = CROPS if half == "both" else HALVES[half]
    kinds = KINDS if kind == "all" else (kind,)
    levels = (1, 0, 2) if level is None else (level,)
    names = [f"{n} {k} {level}" for level in levels for k in kinds for n in chosen]
    path = record or RECORD.with_name("by_risk.json" if size == SIZE else f"by_risk-{size}.json")
    cases = completed(path, [] if table_only else names, partial(case, size=size))
    held_out = json.loads(RECORD.read_text())["cases"] if size == SIZE else {}
    print(table(cases, held_out))


if __name__ == "__main__":
    tyro.cli(main)
