"""Deblurring, of which the paper says nothing: a soft lens, one out of focus, a moved camera.

Of the values that a file holds for light, as in most of the literature, and of light itself.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import dipjax
from dipjax import images, kernels
from dipjax.light import Light, operator

from . import rules, tables
from .denoising import noisy
from .lab import Found, Lab, crossed, middle, unfitted
from .rules import Array

# kernel, and noise of so many of 255 levels
BLURS = {
    "gaussian 1.6": (partial(kernels.gaussian, 1.6), 2**0.5),
    "disc 4": (partial(kernels.disc, 4.0), 2**0.5),
    "motion 20": (partial(kernels.motion, 20.0, 35.0), 2.55),
}
NAMES = ("F16", "kodim12", "house")  # none of which was tuned on


def items(lab: Lab, compute: Callable[..., Found]) -> dict[str, Callable[[], Found]]:
    return crossed(lab, NAMES, BLURS, compute)


def _stored(lab: Lab, name: str, instead: str, blur: tuple[Callable[[], Array], float]) -> Found:
    y, k, truth = _blurred(lab, name, instead, blur, "stored")
    result = dipjax.deblur(
        lab.key, y, k, preset=lab.scale.preset, driver=lab.driver(truth), **lab.fewer(300)
    )
    methods = {
        "blurred": y,
        "Richardson-Lucy": _richardson_lucy(y, k),
        "polish, no fit": _polish(y, k),
        "fit": jnp.clip(result.average, 0, 1),
        "ours": jnp.clip(result.image, 0, 1),
    }
    return _measured(methods, truth)


def _linear(lab: Lab, name: str, instead: str, blur: tuple[Callable[[], Array], float]) -> Found:
    """Which light was blurred is to be seen; what it comes to if it is taken for the other."""
    y, k, truth = _blurred(lab, name, instead, blur, "linear")
    task = partial(dipjax.deblur, lab.key, y, k, preset=lab.scale.preset, **lab.fewer(300))
    methods = {"blurred": y, "Richardson-Lucy": _richardson_lucy(y, k)} | {
        title: jnp.clip(task(light=light, driver=lab.driver(truth)).image, 0, 1)
        for title, light in {"taken for stored": "stored", "ours": "auto"}.items()
    }
    return _measured(methods, truth)


def _blurred(lab: Lab, name: str, instead: str, blur, light: Light) -> tuple[Array, Array, Array]:
    """The middle of a picture, whose light comes from all of it, the kernel, and the truth."""
    make, sigma = blur
    k = make()
    view = lab.pictures.colour(f"denoise/25/{name}_GT.png", instead)
    side = lab.scale.side or min(view.shape[:2])
    view = middle(view, side + max(k.shape) - 1)
    y = noisy(lab.key, operator(k, light)(view), sigma)
    return y, k, images.middle(view, y.shape)


def _measured(methods: dict[str, Array], truth: Array) -> Found:
    psnr = {method: rules.whole(x, truth) for method, x in methods.items()}
    return Found({"psnr": psnr}, {**methods, "true": truth})


def _polish(y: Array, k: Array) -> Array:
    """What comes behind the fit, from the blurred picture, whose edge is repeated."""
    h, w = k.shape
    wide = jnp.pad(y, (((h - 1) // 2, h // 2), ((w - 1) // 2, w // 2), (0, 0)), mode="edge")
    return dipjax.deblur(jax.random.key(0), y, k, light="stored", driver=unfitted(wide)).image


def _richardson_lucy(y: Array, k: Array) -> Array:
    """Thirty rounds of it, by scikit-image, on a picture whose edge is repeated."""
    from skimage.restoration import richardson_lucy

    h, w = k.shape
    wide = np.pad(np.asarray(y), ((h, h), (w, w), (0, 0)), mode="edge")
    kernel = np.asarray(k, np.float32)
    channels = [richardson_lucy(wide[..., c], kernel, num_iter=30) for c in range(y.shape[-1])]
    return jnp.clip(jnp.asarray(np.stack(channels, -1)[h:-h, w:-w], jnp.float32), 0, 1)


EXPERIMENTS = {
    "deblur": tables.experiment(
        "Deblurring with a known kernel: three blurs of three pictures (not in the paper)",
        partial(items, compute=_stored),
    ),
    "deblur_light": tables.experiment(
        "The same blurs of linear light, as by a lens or a camera (not in the paper)",
        partial(items, compute=_linear),
    ),
}
