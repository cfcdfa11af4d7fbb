"""Which of the authors' restored pictures were made from the noisy pictures beside them.

    python scripts/draws.py                 noise of 25; --sigma 50 for the other

Printed is the correlation of the error `f(y) - x` with the noise `n = y - x`. Of whatever was made
from `y` it is above 0, since by Stein's lemma `E <f(y) - x, n> = sigma^2 E div f(y)`, and an
estimate that follows no part of what it sees has no detail. Of a picture that was made from another
draw of the noise it is 0. "NLM of y" is what scikit-image makes of `y`.
"""

import sys
from pathlib import Path

import jax
import numpy as np
import tyro
from experiments import sets, tables
from experiments.pictures import DATA

from dipjax import baselines

Array = jax.Array


def main(sigma: int = 25) -> None:
    """Print the correlations.

    Args:
        sigma: of the noise, 25 or 50.
    """
    if DATA is None:
        print("the authors' pictures are not there: ../shared/data", file=sys.stderr)
        raise SystemExit(2)
    rows = {name: correlations(DATA, name, sigma) for name in sets.names("denoise")}
    print(tables.markdown(tables.averaged(rows)))


def correlations(data: Path, name: str, sigma: int) -> dict[str, float]:
    """Of each method's error with the noise."""
    x, methods = sets.denoised(data, name, sigma)
    y = methods.pop("noisy")
    methods["NLM of y"] = baselines.non_local_means(y, sigma=sigma / 255)
    return {method: correlation(image - x, y - x) for method, image in methods.items()}


def correlation(error: Array, noise: Array) -> float:
    """`<e, n> / |e| |n|`, of all entries."""
    return float(np.corrcoef(error.ravel(), noise.ravel())[0, 1])


if __name__ == "__main__":
    tyro.cli(main)
