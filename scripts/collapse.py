"""Whether a fit collapses: 200 from random seeds on small crops, 20 of them with a fault injected.

    python scripts/collapse.py               about ten minutes on a core; resumes
    python scripts/collapse.py --table-only  what the records so far say

Four crops of 32 x 32 pixels with noise of 25, 50 seeds each, denoised by the preset `fast`, which
stops by itself. In every tenth fit, at a random step, the params are spoilt (-30 times what they
were), or are NaN, or the optimiser's moments are a thousand times too large. No fit should end more
than 1 dB below the median of its crop.
"""

import json
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from crops import DATA, crop

import dipjax
from dipjax import metrics, noise, report

Array = jax.Array
RECORD = Path(__file__).resolve().parent / "results" / "collapse.json"
PICTURES = ("F16", "house", "kodim01", "kodim12")
SIZE, SEEDS, EVERY, SIGMA = 32, 50, 25, 25 / 255
KINDS = ("spoilt", "NaN", "moments")


def spoil(state: Any, kind: str) -> Any:
    """The state of a fit with this fault."""
    part, factor = {
        "spoilt": ("params", -30.0),
        "NaN": ("params", jnp.nan),
        "moments": ("opt_state", 1000.0),
    }[kind]
    bad = jax.tree.map(
        lambda leaf: leaf * factor if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf,
        getattr(state.fit, part),
    )
    return state._replace(fit=state.fit._replace(**{part: bad}))


def faulty(kind: str, at: int):
    """A driver of the task that injects this fault after so many steps."""

    def driver(key: Array, objective, shape, **settings) -> dipjax.Restoration:
        fit = {"every": EVERY, **settings}
        progress = None
        for progress in dipjax.iterate(key, objective, shape, **fit):
            if progress.step == at:
                assert not progress.state.reason, "the fit ended before its fault"
                state = spoil(progress.state, kind)
                *_, progress = dipjax.iterate(key, objective, shape, state=state, **fit)
                break
        assert progress is not None  # a fit has a first step
        return dipjax.finish(progress.state)

    return driver


def case(picture: str, seed: int) -> dict[str, Any]:
    """One fit: its fault, and how it ended."""
    x = jnp.asarray(crop(f"denoise/25/{picture}_GT.png", None, SIZE))
    y = noise.gaussian(jax.random.key(1000), x, SIGMA)
    fit = partial(dipjax.denoise, jax.random.key(seed), y, preset="fast")
    result, kind, at = fit(), None, 0
    if seed % 10 == 0:  # the same again, with a fault before its end
        kind = KINDS[seed // 10 % len(KINDS)]
        last = (int(result.stopped_at) - 1) // EVERY
        at = EVERY * int(np.random.default_rng(seed).integers(1, last + 1))
        result = fit(driver=faulty(kind, at))
    return {
        "picture": picture,
        "seed": seed,
        "fault": f"{kind} at {at}" if kind else None,
        "psnr": round(float(metrics.psnr(jnp.clip(result.image, 0, 1), x)), 2),
        "steps": int(result.stopped_at),
        "setbacks": int(result.setbacks),
    }


def table(records: list[dict[str, Any]]) -> str:
    lines = [
        "| picture | fits | with a fault | other setbacks | median | worst | worst with a fault |",
        "|---|---|---|---|---|---|---|",
    ]
    for picture in PICTURES:
        rows = [r for r in records if r["picture"] == picture]
        if rows:
            middle = median(r["psnr"] for r in rows)
            lines.append(_line(picture, rows, middle))
    return "\n".join(lines)


def _line(picture: str, rows: list[dict[str, Any]], middle: float) -> str:
    bad = [r for r in rows if r["fault"]]
    alone = sum(r["setbacks"] for r in rows if not r["fault"])
    worst, worst_bad = (min((r["psnr"] for r in of), default=middle) - middle for of in (rows, bad))
    return (
        f"| {picture} | {len(rows)} | {len(bad)} | {alone} | {middle:.2f} | {worst:+.2f} "
        f"| {worst_bad:+.2f} |"
    )


def main(table_only: bool = False) -> None:
    """Run what is missing, and print the table.

    Args:
        table_only: compute nothing.
    """
    if DATA is None:
        raise SystemExit("no pictures: ../shared/data is not there")
    records = json.loads(RECORD.read_text())["cases"] if RECORD.exists() else []
    done = {(r["picture"], r["seed"]) for r in records}
    cases = [(picture, seed) for seed in range(SEEDS) for picture in PICTURES]
    for i, (picture, seed) in enumerate(cases if not table_only else ()):
        if (picture, seed) in done:
            continue
        records.append(case(picture, seed))
        if i % 10 == 9 or i + 1 == len(cases):
            report.write_json(RECORD, {**report.environment(), "cases": records})
            print(f"{i + 1}/{len(cases)}", records[-1], flush=True)
    print(table(records))


if __name__ == "__main__":
    tyro.cli(main)
