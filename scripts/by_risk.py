"""What `denoise(stop="risk")` gains over the pixels that `stop="auto"` holds out, and its own stop.

    python scripts/by_risk.py                  all cases, about 40 s each on two cores; resumes
    python scripts/by_risk.py --table-only     the table of the records so far

Crops of 64 x 64 pixels of the pictures on which nothing was chosen (`OTHERS` of stops.py), with
noise that is added, the network `fast`, the level of the noise estimated. Both are fitted with the
same key. The gap is the PSNR of what the zero crossing returns minus the best that the average had
in the whole run of 1200 steps.
"""

import math
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import jax
import jax.numpy as jnp
import tyro
from stops import OTHERS, completed, measured

import dipjax
from dipjax import cache, metrics, stopping
from dipjax.guard import Guard

RECORD = Path(__file__).resolve().parent / "results" / "by_risk.json"
STEPS, EVERY = 1200, 10
KINDS = ("gaussian", "poisson", "speckle")


def case(name: str, kind: str, level: int) -> dict[str, Any]:
    """Both fits of one noisy crop."""
    i = list(OTHERS).index(name)
    truth, y = measured(name, kind, level, i)
    task = partial(dipjax.denoise, jax.random.key(i), y, preset="fast")
    auto = task()
    return {
        "noisy": psnr(y, truth),
        "auto": psnr(auto.image, truth),
        "auto steps": int(auto.stopped_at),
        **by_risk(task, truth),
    }


def by_risk(task, truth) -> dict[str, Any]:
    """The whole run, and where the rule would have ended it."""
    found: dict[str, Any] = {}

    def driver(key, objective, shape, **settings):
        rule, curve, progress = settings["stop"], [], None
        # Long after the stop the energy comes near nothing, where a fall has no decibels.
        settings |= {"stop": stopping.never(), "guard": Guard(fall=math.inf)}
        settings |= {"steps": STEPS, "every": EVERY}
        for progress in dipjax.iterate(key, objective, shape, **settings):
            curve.append(psnr(progress.average, truth))
        result = dipjax.finish(progress.state)
        steps = stopped(rule, result.loss)
        at = curve[min(-(-steps // EVERY), len(curve)) - 1]
        found.update({"risk": at, "best": max(curve), "risk steps": steps, "last": curve[-1]})
        return result

    task(stop="risk", driver=driver)
    return {**found, "gap": round(found["risk"] - found["best"], 3)}


def stopped(rule: stopping.Tracker, loss: jax.Array) -> int:
    """The step after which a rule of the energy alone ends a fit."""
    image = jnp.zeros((1, 1, 1))

    def step(state, E):
        state = rule.update(state, stopping.Seen(E, image, image, lambda x: None))
        return state, state.stop

    stops = jax.lax.scan(step, rule.init(image), loss)[1]
    return int(jnp.argmax(stops)) + 1 if stops.any() else len(loss)


def psnr(image, truth) -> float:
    return round(float(metrics.psnr(jnp.clip(image, 0, 1), truth)), 3)


def table(cases: dict[str, dict[str, Any]]) -> str:
    """Means by kind of noise."""
    columns = ("noisy", "auto", "risk", "gap", "auto steps", "risk steps", "last")
    rows = [f"| noise | cases | {' | '.join(columns)} | worst gap | worst gain |"]
    rows += ["|" + "---|" * (len(columns) + 4)]
    for kind in (*KINDS, "all"):
        some = [r for name, r in cases.items() if kind in (name.split()[1], "all")]
        if some:
            means = [f"{fmean(r[column] for r in some):.2f}" for column in columns]
            gains = [r["risk"] - r["auto"] for r in some]
            worst = f"{min(r['gap'] for r in some):.2f} | {min(gains):.2f}"
            rows.append(f"| {kind} | {len(some)} | {' | '.join(means)} | {worst} |")
    return "\n".join(rows)


def main(table_only: bool = False) -> None:
    """Measure the estimate of the risk.

    Args:
        table_only: compute nothing, print the table of the records so far.
    """
    cache.enable()
    names = [f"{n} {k} {level}" for level in (1, 2, 0) for n in OTHERS for k in KINDS]
    print(table(completed(RECORD, [] if table_only else names, case)))


if __name__ == "__main__":
    tyro.cli(main)
