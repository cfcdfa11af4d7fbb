"""Measures the peak memory of fits against its forecast.

    python scripts/memory.py

Each shape is fitted for a few steps in a process of its own, which notes how far its resident
memory rose above that before the fit. The result is written to scripts/results/memory.json, with
the constants of dipjax/memory.py that would suit it best.
"""

import json
import resource
import subprocess
import sys
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

import dipjax
from dipjax import fitting, memory, report, tasks
from dipjax.settings import Settings

RESULTS = Path(__file__).resolve().parent / "results"
FITS = [("paper", n, n, False) for n in (96, 192, 256)]
FITS += [("fast", 128, 128, False), ("fast", 256, 384, False), ("fast", 512, 512, False)]
FITS += [("paper", 256, 256, True), ("fast", 512, 512, True)]
# No constant was chosen on these.
OTHERS = [("paper", 128, 320, False), ("paper", 320, 320, False), ("paper", 200, 150, False)]
OTHERS += [("fast", 320, 448, False), ("fast", 768, 512, False), ("fast", 100, 130, False)]
CHUNK = 2


def peak() -> int:
    """The most bytes that were ever resident."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(preset: str, h: int, w: int, remat: bool) -> dict[str, Any]:
    """A fit of a few steps: its forecast, its peak, and what XLA says that it allocates."""
    chosen = tasks.PRESETS["denoise"][preset]
    generator = chosen["generator"].clone(remat=remat)
    shape, key = (h, w, 3), jax.random.key(0)
    jax.block_until_ready(jax.jit(jnp.dot)(jnp.ones((64, 64)), jnp.ones((64, 64))))
    objective = dipjax.data_term(dipjax.operators.Identity(), jax.random.uniform(key, shape))
    forecast = memory.estimate_memory(shape, generator, code=chosen["code"])

    before = peak()
    settings = partial(Settings.of, shape, generator, chosen["optimizer"], chosen["jitter"])
    settings = settings(chosen["decay"], dipjax.stopping.never())
    z, _, key = dipjax.codes.drawn(key, chosen["code"], shape)
    parts = memory.account(shape, generator, jax.typeof(z), chosen["optimizer"])
    run = fitting._begun(key, objective, z, settings, shape, 2 * CHUNK, room=2 * CHUNK)
    advance = fitting._advance.program().lower(key, run, objective, settings, CHUNK).compile()
    for _ in range(2):
        run, *images = advance(key, run, objective)
    jax.block_until_ready((run, images))
    measured = peak() - before
    planned = advance.memory_analysis()
    return {
        "preset": preset,
        "shape": shape,
        "remat": remat,
        "forecast": forecast,
        "measured": measured,
        "ratio": round(forecast / measured, 3),
        "arguments": planned.argument_size_in_bytes,
        "temporary": planned.temp_size_in_bytes,
        **parts._asdict(),
    }


def constants(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The constants of the forecast with which the worst of these rows is met best."""
    known, largest, measured = (
        np.array([sum(row[name] for name in names) for row in rows], float)
        for names in (("state", "gradient", "residuals"), ("largest",), ("measured",))
    )

    def worst(choice: tuple[float, int]) -> float:
        workspace, compiler = choice
        return np.abs(np.log((known + workspace * largest + compiler * 2**20) / measured)).max()

    workspace, compiler = min(product(np.arange(2, 20, 0.2), range(100, 800, 10)), key=worst)
    return {"WORKSPACE": round(float(workspace), 1), "COMPILER": compiler * 2**20}


def main(
    one: Annotated[
        tuple[str, int, int, bool] | None, tyro.conf.arg(metavar="PRESET H W REMAT")
    ] = None,
) -> None:
    """Measure the peak memory of fits against its forecast.

    Args:
        one: measure this fit in this process, and print it.
    """
    if one:
        print(json.dumps(measure(*one)))
        return
    rows = []
    for preset, h, w, remat in FITS + OTHERS:
        line = [sys.executable, __file__, "--one", preset, str(h), str(w), str(remat)]
        out = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True).stdout
        rows.append(row := json.loads(out.splitlines()[-1]))
        forecast, measured = (f"{row[name] / 2**20:.0f} MiB" for name in ("forecast", "measured"))
        print(
            f"{preset} {h} x {w}{' with remat' if remat else ''}: "
            f"{forecast} forecast, {measured} measured, ratio {row['ratio']}",
            flush=True,
        )
    chosen, others = rows[: len(FITS)], rows[len(FITS) :]
    record = {"fits": chosen, "others": others, "best": constants(chosen), **report.environment()}
    report.write_json(RESULTS / "memory.json", record)
    print(f"dipjax/memory.py would be best with {record['best']}")


if __name__ == "__main__":
    tyro.cli(main)
