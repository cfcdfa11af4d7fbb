"""The denoising tables: nine colour pictures with noise of 25 and of 50."""

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp

import dipjax
from dipjax import baselines, noise

from . import rules, sets, tables
from .lab import Experiment, Found, Lab
from .pictures import COLOUR, public
from .published import TABLES
from .rules import Array


def noisy(key: Array, x: Array, sigma: float) -> Array:
    """Noise as the paper has it: Gaussian, clipped, in 8 bits."""
    return rules.eight_bits(noise.gaussian(key, x, sigma / 255))


def items(lab: Lab, table: str, sigma: int) -> dict[str, Callable[[], Found]]:
    names = sets.names(table) if lab.pictures.data else COLOUR
    return {name: partial(_denoise, lab, name, sigma) for name in lab.few(names)}


def _denoise(lab: Lab, name: str, sigma: int) -> Found:
    if lab.pictures.data:
        truth, methods = sets.denoised(lab.pictures.data, name, sigma)
    else:
        truth = public(name)
        y = noisy(lab.key, truth, sigma)
        methods = {"noisy": y, "NLM": baselines.non_local_means(y, sigma=sigma / 255)}
    truth, *images = (lab.crop(x) for x in (truth, *methods.values()))
    methods = dict(zip(methods, images, strict=True))
    settings = {"jitter": 1 / 20} if sigma == 50 and lab.scale.preset == "paper" else {}
    y = methods["noisy"]
    result = dipjax.denoise(
        lab.key,
        y,
        preset=lab.scale.preset,
        driver=lab.driver(truth),
        **settings,
        **lab.fewer(300),
    )
    methods["ours"] = jnp.clip(result.image, 0, 1)
    psnr = {method: rules.whole(x, truth) for method, x in methods.items()}
    return Found({"psnr": psnr}, {**methods, "true": truth})


def experiment(table: str, sigma: int, about: str) -> Experiment:
    return tables.experiment(about, partial(items, table=table, sigma=sigma), TABLES[table])


EXPERIMENTS = {
    "denoise": experiment("denoise", 25, "Denoising, noise of 25: the nine pictures of the table"),
    "denoise_50": experiment("denoise_50", 50, "The same with noise of 50 (the project's page)"),
}
