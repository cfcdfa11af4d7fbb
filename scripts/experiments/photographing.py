"""Noise as a camera makes it: neighbours err alike, of which the paper says nothing."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from scipy.ndimage import convolve

import dipjax
from dipjax import baselines, images

from . import rules, tables
from .compressing import compressed
from .lab import Found, Lab, crossed
from .rules import Array

# None of these was tuned on; on kodim03, lena and peppers it was.
NAMES = ("F16", "kodim12", "house", "kodim01", "kodim02", "baboon")
PEAK, READ = 80, 0.02  # photons of white, and the noise of the electronics
GAMMA = 2.2
KINDS = ("camera", "camera, JPEG 90", "white")
SIDES = (
    np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
)  # of the green, which every second pixel has
CORNERS = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4  # of red and blue, in a quarter


def photograph(rng: np.random.Generator, x: Array) -> tuple[Array, Array]:
    """A picture (H, W, 3) as a camera sees it, with noise and without.

    Photons and read noise behind a Bayer filter, in linear light; each pixel's other colours are
    the means of its neighbours', then comes the gamma and 8 bits.
    """
    light = np.asarray(x, np.float64) ** GAMMA
    raw = rng.poisson(PEAK * light) / PEAK + READ * rng.standard_normal(light.shape)
    noisy, truth = (np.clip(_demosaiced(v), 0, 1) ** (1 / GAMMA) for v in (raw, light))
    return images.check(np.round(255 * noisy) / 255), images.check(truth)


def _demosaiced(light: np.ndarray) -> np.ndarray:
    """Bilinear, from one colour of each pixel: red and green above green and blue."""
    mosaic = np.zeros_like(light)
    for i, j, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        mosaic[i::2, j::2, channel] = light[i::2, j::2, channel]
    weights = (CORNERS, SIDES, CORNERS)
    channels = [convolve(mosaic[..., c], k, mode="mirror") for c, k in enumerate(weights)]
    return np.stack(channels, -1)


def items(lab: Lab) -> dict[str, Callable[[], Found]]:
    return crossed(lab, NAMES, {kind: kind for kind in KINDS}, _denoise)


def _denoise(lab: Lab, name: str, instead: str, kind: str) -> Found:
    truth = lab.crop(lab.pictures.colour(f"denoise/25/{name}_GT.png", instead))
    rng = np.random.default_rng(lab.seed)
    if kind == "white":  # which is to be seen as what it is
        y = images.check(np.clip(truth + 20 / 255 * rng.standard_normal(truth.shape), 0, 1))
    else:
        y, truth = photograph(rng, truth)
        y = compressed(y, 90)[0] if "JPEG" in kind else y
    settings = {"preset": lab.scale.preset, "driver": lab.driver(truth), **lab.fewer(300)}
    taken_for_white, ours = (
        jnp.clip(dipjax.denoise(lab.key, y, spectrum=spectrum, **settings).image, 0, 1)
        for spectrum in ("white", "auto")
    )
    methods = {
        "noisy": y,
        "non-local Bayes": baselines.nonlocal_bayes(y),
        "taken for white": taken_for_white,
        "ours": ours,
    }
    psnr = {method: rules.whole(x, truth) for method, x in methods.items()}
    return Found({"psnr": psnr}, {**methods, "true": truth})


EXPERIMENT = tables.experiment(
    "Noise of a camera, which is alike in neighbouring pixels (not in the paper)",
    items,
)
