"""Pictures that are denoised in tiles, as those larger than memory are (not in the paper)."""

from collections.abc import Callable

import numpy as np

import dipjax
from dipjax import baselines, images, tiles

from . import rules, tables
from .denoising import noisy
from .lab import Found, Lab, crossed, middle
from .photographing import photograph
from .rules import Array

NAMES = ("F16", "kodim12", "house", "kodim01", "kodim02", "baboon")  # none of which was tuned on
TILES = 2  # tiles across, without what they share

# What is done to the picture (lab, x): it with noise, and without.
KINDS: dict[str, Callable[[Lab, Array], tuple[Array, Array]]] = {
    "noise 25": lambda lab, x: (noisy(lab.key, x, 25), x),
    "camera": lambda lab, x: photograph(np.random.default_rng(lab.seed), x),
}


def items(lab: Lab) -> dict[str, Callable[[], Found]]:
    return crossed(lab, NAMES, KINDS, _denoise)


def _denoise(lab: Lab, name: str, instead: str, kind) -> Found:
    """Four times the usual crop, 512 x 512 at the scale "cpu", in tiles of half its side."""
    x = lab.pictures.colour(f"denoise/25/{name}_GT.png", instead)
    y, truth = kind(lab, middle(x, lab.scale.side and 4 * lab.scale.side))
    options = {"preset": lab.scale.preset, "driver": lab.driver(), **lab.fewer(20)}
    tile = min(y.shape[:2]) // TILES
    image = tiles.tiled(dipjax.denoise, lab.key, y, tile=tile, **options)
    methods = {
        "noisy": y,
        "non-local Bayes": baselines.nonlocal_bayes(y),
        "ours": images.check(image),
    }
    psnr = {method: rules.whole(x, truth) for method, x in methods.items()}
    return Found({"psnr": psnr}, {**methods, "true": truth})


EXPERIMENT = tables.experiment("Denoising in tiles (not in the paper)", items)
