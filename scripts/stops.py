"""How near the automatic stop comes to the best image of the whole run.

    python scripts/stops.py                  all 144 cases, about 25 s each on a core; resumes
    python scripts/stops.py --kind impulse   those of one kind of noise
    python scripts/stops.py --size 128       on larger crops
    python scripts/stops.py --table-only     the table of the records so far

Twelve crops of 64 x 64 pixels x four kinds of noise x three levels, denoised with the `fast`
network and a fifth of the pixels held out, as `stop="held_out"` does on so small pictures (a
twentieth where they are larger). Every
ten steps the true PSNR and the held-out error of the iterate and of the averages are noted; the
rule of `stopping.held_out` is then applied to these notes, as if it looked every ten steps. The gap
is the PSNR of what it returns minus the best PSNR of anything in the whole run. Settings of the
rule were chosen on the pictures of `CHOSEN_ON`; the table shows both halves. The records were made
on one core (`taskset -c 0`); more of them round otherwise, which moves a case by some hundredths.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from crops import DATA, crop
from jax import lax

import dipjax
from dipjax import noise, objectives, presets, report, stopping
from dipjax.operators import Identity

Array = jax.Array
RECORD = Path(__file__).resolve().parent / "results" / "stops.json"
SIZE, EVERY = 64, 10
DECAYS = (0.95, 0.98, 0.99)

CHOSEN_ON = {
    "kodim03": "denoise/25/kodim03_GT.png",
    "lena": "denoise/25/lena_GT.png",
    "peppers": "denoise/25/peppers_GT.png",
    "bird": "sr/Set5/x4/bird_GT.png",
    "woman": "sr/Set5/x4/woman_GT.png",
    "flowers": "sr/Set14/x4/flowers_GT.png",
}
OTHERS = {
    name: f"denoise/25/{name}_GT.png"
    for name in ("F16", "baboon", "house", "kodim01", "kodim02", "kodim12")
}
CROPS = {**CHOSEN_ON, **OTHERS}

NOISES = {
    "gaussian": (noise.gaussian, (10 / 255, 25 / 255, 50 / 255)),
    "poisson": (noise.poisson, (100.0, 30.0, 10.0)),
    "speckle": (noise.speckle, (0.1, 0.2, 0.4)),
    "impulse": (noise.impulse, (0.05, 0.1, 0.2)),
}


@partial(jax.jit, static_argnames=("generator", "jitter", "steps"))
def curves(key, objective, truth: Array, z: Array, generator, jitter: float, steps: int):
    """Squared and held-out error of iterate and averages (steps / 10, 1 + len(DECAYS))."""
    fitter = dipjax.fitter(objective, generator, jitter=jitter)
    averages = [stopping.average(decay) for decay in DECAYS]

    def step(carry, _):
        state, tracked = carry
        state, info = fitter.step(jax.random.fold_in(key, state.step), state)
        tracked = [a.update(old, info) for a, old in zip(averages, tracked, strict=True)]
        return (state, tracked), info.image

    def several(carry, _):
        carry, iterates = lax.scan(step, carry, length=EVERY)
        candidates = jnp.stack([iterates[-1], *(state.mean for state in carry[1])])
        true = jnp.mean((jnp.clip(candidates, 0, 1) - truth[None]) ** 2, (1, 2, 3))
        return carry, (true, jax.vmap(objective.error)(candidates))

    start = fitter.init(key, z), [a.init(jnp.zeros(truth.shape)) for a in averages]
    return lax.scan(several, start, length=steps // EVERY)[1]


def measured(name: str, kind: str, level: int, seed: int, size: int = SIZE) -> tuple[Array, Array]:
    """The crop of a picture, and the same with noise."""
    corrupt, levels = NOISES[kind]
    truth = jnp.asarray(crop(CROPS[name], None, size))
    return truth, corrupt(jax.random.key(100 * level + seed), truth, levels[level])


def case(name: str, kind: str, level: int, size: int = SIZE) -> dict[str, Any]:
    """One fit and what the rule makes of it."""
    i = list(CROPS).index(name)
    truth, y = measured(name, kind, level, i, size)
    preset = presets.PRESETS["denoise"]["fast"]
    code, fit, held = jax.random.split(jax.random.key(i), 3)
    h = (jax.random.uniform(held, (size, size, 1)) < presets.held_fraction(y.size)).astype(y.dtype)
    energy = dipjax.DataTerm(Identity(), y, objectives.FIDELITIES[noise.fidelity(y)], h)
    z = preset["code"](code, truth.shape)
    steps = 1600 if level == 0 else 1000
    generator = preset["generator"].clone(channels=3)
    true, error = curves(fit, energy, truth, z, generator, preset["jitter"], steps)
    return verdict(-10 * np.log10(np.asarray(true)), np.asarray(error))


def verdict(psnr: np.ndarray, error: np.ndarray, patience=100, fraction=0.25) -> dict[str, Any]:
    """What `stopping.held_out` returns, against the best of all; both (times, candidates)."""
    lowest, at, returned, t = np.inf, 0, 0.0, 0
    for t in range(1, len(error) + 1):
        k = 1 + error[t - 1, 1:].argmin()  # of the averages
        if error[t - 1, k] < lowest:
            lowest, at, returned = error[t - 1, k], t, psnr[t - 1, k]
        if EVERY * (t - at) >= patience + fraction * EVERY * at:
            break
    best = psnr.max()
    return {
        "best": round(float(best), 3),
        "returned": round(float(returned), 3),
        "gap": round(float(returned - best), 3),
        "steps": EVERY * t,
        "last_average": round(float(psnr[-1, -1]), 3),
    }


def table(cases: dict[str, dict[str, Any]]) -> str:
    """Gaps by half and kind of noise."""
    rows = [
        "| pictures | noise | cases | mean gap | worst gap | steps | without a stop |",
        "|---|---|---|---|---|---|---|",
    ]
    for title, names in (("chosen on", CHOSEN_ON), ("others", OTHERS)):
        for kind in (*NOISES, "all"):
            some = [
                r
                for name, r in cases.items()
                if name.split()[0] in names and kind in (name.split()[1], "all")
            ]
            if some:
                gaps, lost = [r["gap"] for r in some], [r["last_average"] - r["best"] for r in some]
                rows.append(
                    f"| {title} | {kind} | {len(some)} | {fmean(gaps):.2f} | {min(gaps):.2f} "
                    f"| {fmean(r['steps'] for r in some):.0f} | {fmean(lost):.2f} |"
                )
    return "\n".join(rows)


def completed(path: Path, names: list[str], case: Callable) -> dict[str, dict[str, Any]]:
    """The cases of a record, with those of these names that it has not had."""
    record = json.loads(path.read_text()) if path.exists() else {"cases": {}}
    if names and DATA is None:
        raise SystemExit("no pictures: shared/data is not there")
    for name in names:
        if name not in record["cases"]:
            picture, kind, level = name.split()
            record["cases"][name] = case(picture, kind, int(level))
            print(name, record["cases"][name], flush=True)
            report.write_json(path, {**report.environment(), **record})
    return record["cases"]


def main(
    kind: Literal["gaussian", "poisson", "speckle", "impulse"] | None = None,
    size: int = SIZE,
    table_only: bool = False,
) -> None:
    """Measure the automatic stop.

    Args:
        kind: of the noise; without it all.
        size: of the crops.
        table_only: compute nothing, print the table of the records so far.
    """
    kinds = [kind] if kind else NOISES
    names = [f"{n} {k} {level}" for level in range(3) for k in kinds for n in CROPS]
    path = RECORD if size == SIZE else RECORD.with_name(f"stops-{size}.json")
    print(table(completed(path, [] if table_only else names, partial(case, size=size))))


if __name__ == "__main__":
    tyro.cli(main)
