"""How often the light that was blurred is seen (`dipjax.light.seen`), by the blur and its noise.

    python scripts/lights.py

Printed is the number of the authors' pictures, whose middle 256 x 256 pixels are blurred. The way
to look was chosen on kodim03, lena and peppers, which are left out. Ten minutes on a core.
"""

from collections import Counter
from functools import partial
from itertools import product

import jax
import tyro
from experiments import rules, tables
from experiments.lab import middles
from experiments.shaken import shaken

from dipjax import cache, kernels, light, noise

OTHERS = (
    *(f"denoise/25/{name}_GT.png" for name in ("F16", "baboon", "house")),
    *(f"denoise/25/kodim{n}_GT.png" for n in ("01", "02", "12")),
    "sr/Set5/x4/*_GT.png",
)
SIDE = 256
BLURS = {
    "gaussian 1.6": partial(kernels.gaussian, 1.6),
    "disc 2": partial(kernels.disc, 2.0),
    "disc 4": partial(kernels.disc, 4.0),
    "motion 9": partial(kernels.motion, 9.0, 70.0),
    "motion 20": partial(kernels.motion, 20.0, 35.0),
    "shaken, 11": partial(shaken, 7, 11),
}
LEVELS = (1.4, 4.0)  # of the noise, of 255


def main() -> None:
    """Count."""
    cache.enable()
    views = middles(OTHERS, SIDE)
    kinds = product(BLURS, ("stored", "linear"), LEVELS)
    right: dict[str, Counter[str]] = {blur: Counter() for blur in BLURS}
    for (blur, kind, sigma), (i, view) in product(kinds, enumerate(views)):
        k = BLURS[blur]()
        noisy = noise.gaussian(jax.random.key(i), light.operator(k, kind)(view), sigma / 255)
        found = light.seen(rules.eight_bits(noisy), k)
        right[blur][f"{kind}, noise {sigma:g}, of {len(views)}"] += found == kind
    print(tables.markdown({blur: dict(row) for blur, row in right.items()}))


if __name__ == "__main__":
    tyro.cli(main)
