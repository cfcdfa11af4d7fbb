"""Deblurring where nobody knows the kernel: a camera that was shaken (not in the paper)."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.image import scale_and_translate
from PIL import Image

import dipjax
from dipjax import blind, images, metrics
from dipjax.operators import Blur

from . import tables
from .denoising import noisy
from .lab import Found, Lab, crossed, middle, resized
from .rules import Array

NAMES = ("F16", "house", "kodim01")  # none of which was tuned on
# The side of the kernel in pixels, and noise of so many of 255 levels.
SHAKES = {"11 pixels": (11, 2.55), "19 pixels": (19, 5.1)}
MORE = 6  # pixels that the kernel is thought to be larger
VIEW = 512
MARGIN, AWAY, STEP = 6, 4.0, 0.25


def items(lab: Lab) -> dict[str, Callable[[], Found]]:
    return crossed(lab, NAMES, SHAKES, _deblur)


def _deblur(lab: Lab, name: str, instead: str, shake: tuple[int, float]) -> Found:
    """The kernel is seen in all of a picture, of which a part is fitted."""
    side, sigma = shake
    k = shaken(sum(map(ord, name)) + side, side)
    view = lab.pictures.colour(f"denoise/25/{name}_GT.png", instead)
    view = middle(view, 128 if lab.tiny else VIEW)
    whole = noisy(lab.key, Blur(k)(view), sigma)
    y = middle(whole, lab.scale.side)
    truth = images.middle(view, y.shape)
    seen, light = blind.seen(whole, side + MORE)
    task = partial(dipjax.deblur, lab.key, y, preset=lab.scale.preset, driver=lab.driver(truth))
    methods = {
        "blurred": y,
        "kernel known": task(kernel=k, light="stored", **lab.fewer(300)).image,
        "ours": task(kernel=seen, light=light, **lab.fewer(300)).image,
    }
    psnr = {method: placed(jnp.clip(x, 0, 1), truth) for method, x in methods.items()}
    drawn = {
        title: resized(v[..., None] / v.max(), *y.shape[:2], Image.Resampling.NEAREST)
        for title, v in {"kernel": k, "kernel seen": seen}.items()
    }
    return Found({"psnr": psnr}, {**methods, "true": truth, **drawn})


def shaken(seed: int, side: int, points: int = 4000) -> Array:
    """A kernel (side, side) of a hand that trembles: slow waves along both axes, a pixel inside."""
    rng = np.random.default_rng(seed)
    t, waves = np.linspace(0, 1, points), np.arange(1, 5)
    phases, sizes = rng.uniform(0, 2 * np.pi, (2, 4)), rng.normal(size=(2, 4)) / waves
    path = (sizes[..., None] * np.cos(np.pi * waves[:, None] * t + phases[..., None])).sum(1)
    path *= (side - 3) / np.ptp(path, 1).max()
    path += (side - 1 - path.min(1, keepdims=True) - path.max(1, keepdims=True)) / 2
    i = np.arange(side)[:, None, None]
    rows, columns = np.maximum(1 - np.abs(i - path), 0).transpose(1, 0, 2)
    k = rows @ columns.T
    return jnp.asarray(k / k.sum(), jnp.float32)


def placed(x: Array, truth: Array) -> float:
    """PSNR at the best of the places up to four pixels away, a quarter apart, without the margin.

    Where a picture lies that was blurred by an unknown kernel cannot be seen.
    """

    def psnr(shift: Array) -> Array:
        moved = scale_and_translate(x, x.shape, (0, 1), jnp.ones(2), shift, "cubic")
        inside = (slice(MARGIN, -MARGIN),) * 2
        return metrics.psnr(moved[inside], truth[inside])

    away = jnp.arange(-AWAY, AWAY + STEP, STEP)
    shifts = jnp.stack(jnp.meshgrid(away, away), -1).reshape(-1, 2)
    return float(jax.lax.map(psnr, shifts).max())


EXPERIMENT = tables.experiment(
    "Deblurring where the kernel is not known: shakes of three pictures (not in the paper)",
    items,
)
