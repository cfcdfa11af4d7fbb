"""Pictures that are small and have noise, or come from a JPEG file (not in the paper)."""

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp

import dipjax
from dipjax.baselines import bicubic

from . import rules, tables
from .compressing import compressed
from .denoising import noisy
from .lab import Found, Lab, crossed, unfitted
from .rules import Array
from .super_resolution import smaller

NAMES = ("F16", "kodim12", "house")  # none of which was tuned on
FACTOR = 2

# What is done to the small picture (key, y), and the level that the task is told, of 255.
KINDS: dict[str, tuple[Callable[[Array, Array], Array], float]] = {
    "noise 5": (lambda key, y: noisy(key, y, 5), 5),
    "noise 10": (lambda key, y: noisy(key, y, 10), 10),
    "JPEG 85": (lambda key, y: compressed(y, 85)[0], 5),
}


def items(lab: Lab) -> dict[str, Callable[[], Found]]:
    return crossed(lab, NAMES, KINDS, _enlarge)


def _enlarge(lab: Lab, name: str, instead: str, kind) -> Found:
    """One fit, and the polish for no noise, for the level that is told, and for what is seen."""
    degrade, level = kind
    truth = lab.crop(lab.pictures.colour(f"denoise/25/{name}_GT.png", instead))
    y = degrade(lab.key, smaller(truth, FACTOR))
    task = partial(dipjax.super_resolve, lab.key, y, factor=FACTOR, kernel="lanczos3")
    settings = {"preset": lab.scale.preset, "driver": lab.driver(truth), **lab.fewer(300)}
    fit = jnp.clip(task(polish=False, **settings).image, 0, 1)
    methods = {
        "bicubic": jnp.clip(bicubic(y, FACTOR), 0, 1),
        "fit": fit,
        "taken for clean": task(driver=unfitted(fit), sigma=0).image,
        "told": task(driver=unfitted(fit), sigma=level / 255).image,
        "ours": task(driver=unfitted(fit)).image,
    }
    psnr = {method: rules.whole(x, truth) for method, x in methods.items()}
    return Found({"psnr": psnr}, {**methods, "true": truth})


EXPERIMENT = tables.experiment(
    "Small pictures with noise, or of a JPEG file, enlarged (not in the paper)",
    items,
)
