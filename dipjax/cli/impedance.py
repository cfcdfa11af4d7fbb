"""The command line of the impedance to noise: `dipjax impedance photo.png -o curves.png`."""

from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from tyro.conf import Positional

from dipjax import features, figures, images, report, tasks
from dipjax.cli import checks
from dipjax.cli.options import Flag, OptionalInt, OptionalPath, Output
from dipjax.cli.restoring import whole
from dipjax.drivers.watch import Watch, total
from dipjax.restoration import Restoration
from dipjax.tasks.impedance import KINDS, targets

Array = jax.Array
LOOKS = (10, 30, 100, 300, 1000, 3000, 10000)  # the steps that the table tells of


def impedance(
    input: Positional[Path],
    output: Output,
    size: int = 128,
    preset: Literal["fast", "paper"] = "fast",
    steps: OptionalInt = None,
    seed: int = 0,
    json: OptionalPath = None,
    force: Flag = False,
    quiet: Flag = False,
):
    """Draw how soon the network learns a picture, and how late what is noise.

    It is fitted to the picture, the picture with noise, its pixels shuffled, and noise alone. It
    could learn each of them, and learns what is natural first: this is the whole prior.

    Args:
        input: the picture; its centre is taken, resized to --size. A smaller one is enlarged, and
            what is smooth is learnt sooner. Transparency is left out.
        output: the figure, .png, .pdf, .svg or .jpg.
        size: height and width of what is fitted.
        preset: fast is a narrow network and 500 steps, paper the published one and 10000.
        steps: of each fit, in place of the preset's.
        seed: of all randomness; the same seed gives the same curves.
        json: write settings, times and all curves into this file.
        force: replace files that exist already; the input is never replaced.
        quiet: print nothing but errors.
    """
    picture = images.load_picture(input)
    checks.files([input], [(path, None) for path in (output, json) if path], overwrite=force)
    figures.check(output)
    checks.settings(steps=steps, seed=seed)
    if not 8 <= size <= 4096:
        raise ValueError(f"--size {size}: must be from 8 to 4096")
    x = features.centred(jnp.asarray(picture.colour), size)
    key, watch = jax.random.key(seed), Watch(quiet=quiet)
    settings = {"preset": preset} | ({} if steps is None else {"steps": steps})
    task = partial(tasks.noise_impedance, key, x, **settings)
    settings["generator"] = whole(task, (size, size, x.shape[2]), advice="give a smaller --size")
    fits = _fits(key, x, watch, settings)

    curves = {kind: np.asarray(f.loss)[: int(f.stopped_at)] / x.size for kind, f in fits.items()}
    step = 1 + np.arange(max(map(len, curves.values())))
    made = targets(key, x)
    fitted = {k: {k: made[k], f"after {len(curves[k])} steps": fits[k].last} for k in fits}
    figure = figures.curves(step, {k: c[None] for k, c in curves.items()}, fitted)
    figures.save(output, figure)
    if json:
        report.write_json(json, _record(input, output, preset, size, seed, watch, curves))
    if not quiet:
        print(table(curves))
        print(f"the curves: {output}")
    watch.conclude()


def _fits(key: Array, x: Array, watch: Watch, settings: dict) -> dict[str, Restoration]:
    """One after another until Ctrl-C."""
    fits = {}
    with watch.catches_ctrl_c():
        for kind in KINDS:
            watch.label = kind
            fits |= tasks.noise_impedance(key, x, kinds=(kind,), driver=watch, **settings)
            if watch.ended:
                break
    return fits


def table(curves: dict[str, np.ndarray]) -> str:
    """The mean squared errors after some steps, in columns."""
    last = max(map(len, curves.values()))
    looks = [*(n for n in LOOKS if n < last), last]
    lines = ["mean squared error after so many steps", " " * 16 + "".join(f"{n:>9}" for n in looks)]
    for kind, curve in curves.items():
        cells = (f"{curve[n - 1]:9.5f}" if n <= len(curve) else f"{'-':>9}" for n in looks)
        lines.append(f"{kind:16}" + "".join(cells))
    return "\n".join(lines)


def _record(input: Path, output: Path, preset, size, seed, watch: Watch, curves) -> dict:
    rounded: dict[str, Any] = {k: [float(f"{v:.4g}") for v in c] for k, c in curves.items()}
    return {
        "task": "impedance",
        "input": str(input),
        "output": str(output),
        "preset": preset,
        "size": size,
        "seed": seed,
        "settings": report.describe(watch.settings),
        "interrupted": watch.interrupted,
        "mean squared error": rounded,
        **total(watch.fits),
        **report.environment(),
    }
