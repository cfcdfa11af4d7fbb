"""How near the level of the noise that is seen in a picture comes to what it is (`dipjax.noise`).

    python scripts/levels.py                   on the pictures that lie in ../shared/data
    python scripts/levels.py --folder photos   on others

Three crops of each picture, in its colours, get noise of a kind, are clipped and rounded to 8 bits.
Printed is by how much the root of the mean square of `level_by_brightness` differs from that of the
noise itself: on average, in absolute value, and at most either way. `first` is what a single look
would tell, which takes texture for noise.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import fmean

import jax
import jax.numpy as jnp
import tyro
from coloured import all_crops
from experiments import tables
from experiments.pictures import DATA

from dipjax import noise
from dipjax.noise import levels

Array = jax.Array

SIDE = 128
KINDS: dict[str, Callable[[Array, Array], Array]] = {
    **{f"white, {s}": partial(noise.gaussian, sigma=s / 255) for s in (3, 5, 10, 25, 50)},
    **{f"Poisson, {peak}": partial(noise.poisson, peak=float(peak)) for peak in (1000, 300, 30)},
    **{f"speckle, {s}": partial(noise.speckle, sigma=s) for s in (0.05, 0.2)},
}


def main(folder: Path | None = DATA) -> None:
    """Print the table.

    Args:
        folder: of the pictures, with all folders in it.
    """
    pictures = [x for x in all_crops(folder) if len(x) == SIDE]
    rows: dict[str, dict[str, str]] = {kind: {"crops": f"{len(pictures)}"} for kind in KINDS}
    for look, fall in {"": levels.FALL, "first ": 1.0}.items():  # 1: a level may not fall
        for kind, degrade in KINDS.items():
            errors = [_error(jax.random.key(i), x, degrade, fall) for i, x in enumerate(pictures)]
            rows[kind] |= {
                f"{look}mean": f"{100 * fmean(errors):+.0f} %",
                f"{look}absolute": f"{100 * fmean(map(abs, errors)):.0f} %",
                f"{look}from": f"{100 * min(errors):+.0f} %",
                f"{look}to": f"{100 * max(errors):+.0f} %",
            }
    print(tables.markdown(rows))


def _error(key: Array, x: Array, degrade: Callable[[Array, Array], Array], fall: float) -> float:
    """By what part of it the level is thought too strong."""
    y = jnp.round(255 * degrade(key, x)) / 255
    return float(_root(noise.level_by_brightness(y, fall=fall)) / _root(y - x) - 1)


def _root(x: Array) -> Array:
    return jnp.sqrt(jnp.mean(x**2))


if __name__ == "__main__":
    tyro.cli(main)
