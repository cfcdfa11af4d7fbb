"""Tasks: recipes that put an operator, a code and published settings into the one fit.

    denoise         E(x) = |x - y|^2
    inpaint         E(x) = |m * x - m * y|^2         m = 1 where the picture is known
    super_resolve   E(x) = |A x - y|^2               A low-passes and keeps every n-th pixel

A recipe holds no loop. Its settings are the keyword arguments of `fit`, taken from a preset and
changed one by one: `denoise(key, y, steps=500, jitter=0.05)`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer

from dipjax import codes, images
from dipjax.fitting import ADAM, Restoration, fit
from dipjax.generators import Hourglass
from dipjax.objectives import data_term
from dipjax.operators import Downsample, Identity, Kernel, Mask

Array = jax.Array
Driver = Callable[..., Restoration]  # called like `fit`
Preset = dict[str, Any]

# optax compares by identity: these objects are what finds a compiled fit again.
OPTIMIZERS = {"adam(0.01)": ADAM, "adam(0.001)": optax.adam(0.001)}

PUBLISHED = {"generator": Hourglass(), "code": codes.uniform, "optimizer": ADAM, "decay": 0.99}

# Narrow where the image is large, and norm scales from U(0, 1), with which it fits in two thirds
# of the steps (kodim03, lena, peppers at sigma 25: 30.9 dB after 800 steps instead of 1200).
TAPERED = {
    **PUBLISHED,
    "generator": Hourglass(widths=(16, 32, 64, 64, 64), scale_init="uniform"),
}

# TARGETS.md, section 3: the settings of the published experiments, and ours for a CPU.
PRESETS: dict[str, dict[str, Preset]] = {
    "denoise": {
        "paper": {**PUBLISHED, "jitter": 1 / 30, "steps": 1800},
        "fast": {**TAPERED, "jitter": 1 / 30, "steps": 900},
    },
    "inpaint": {
        "paper": {
            **PUBLISHED,
            "optimizer": OPTIMIZERS["adam(0.001)"],
            "jitter": 0.03,
            "steps": 11000,
        },
        "fast": {**TAPERED, "jitter": 0.03, "steps": 2000},
    },
    "super_resolve": {
        "paper": {**PUBLISHED, "jitter": 0.03, "steps": 2000},
        "fast": {**TAPERED, "jitter": 0.03, "steps": 1500},
    },
    "super_resolve_x8": {
        "paper": {**PUBLISHED, "jitter": 0.05, "steps": 4000},
        "fast": {**TAPERED, "jitter": 0.05, "steps": 1500},
    },
}


def denoise(
    key: Array, y: Array, *, preset: str | None = None, driver: Driver = fit, **settings
) -> Restoration:
    """Remove noise from a picture: `E(x) = |x - y|^2`, stopped before the noise is learnt.

    Args:
        key: of all randomness; the same key gives the same bits.
        y: the noisy picture (H, W, C), floats in [0, 1] or 8- and 16-bit integers.
        preset: "paper" (Ulyanov et al. 2018, sec. 4) or "fast", the default on a CPU.
        driver: what runs the fit; any function with the arguments of `fit`.
        **settings: arguments of `fit` in place of the preset's.

    Returns:
        A `Restoration`; `.image` (H, W, C) is the average of the iterates.

    Raises:
        ValueError: for a picture of another shape or range, or an unknown preset.
    """
    y = images.check(y)
    settings = _settings("denoise", preset, settings, y.shape)
    return driver(key, data_term(Identity(), y), y.shape, **settings)


def inpaint(
    key: Array,
    y: Array,
    mask: Array,
    *,
    preset: str | None = None,
    driver: Driver = fit,
    **settings,
) -> Restoration:
    """Fill in what is missing of a picture: `E(x) = |m * x - m * y|^2`.

    Args:
        key: of all randomness; the same key gives the same bits.
        y: the picture (H, W, C); what it holds at missing pixels does not matter, NaN is fine.
        mask: `m` (H, W), (H, W, 1) or (H, W, C): 1 or True where `y` is known, 0 where missing.
        preset: "paper" (Ulyanov et al. 2018, sec. 4) or "fast", the default on a CPU.
        driver: what runs the fit; any function with the arguments of `fit`.
        **settings: arguments of `fit` in place of the preset's.

    Returns:
        A `Restoration`; `.image` (H, W, C) is `y` where it is known and the average elsewhere.

    Raises:
        ValueError: for a picture of another shape or range, a mask that does not fit it, has
            other values than 0 and 1, knows all or nothing, or seems to be inverted.
    """
    y, m = _masked(y, mask)
    settings = _settings("inpaint", preset, settings, y.shape)
    result = driver(key, data_term(Mask(m), y), y.shape, **settings)
    return result._replace(image=jnp.where(m > 0, y, result.image))


def super_resolve(
    key: Array,
    y: Array,
    *,
    factor: int = 4,
    kernel: Kernel = "lanczos2",
    preset: str | None = None,
    driver: Driver = fit,
    **settings,
) -> Restoration:
    """Enlarge a picture: `E(x) = |A x - y|^2`, with `A` the down-sampling that made it small.

    Args:
        key: of all randomness; the same key gives the same bits.
        y: the small picture (h, w, C), floats in [0, 1] or 8- and 16-bit integers.
        factor: by how much to enlarge, an integer of at least 2.
        kernel: of the down-sampling; "lanczos2" is the paper's and close to bicubic.
        preset: "paper" (Ulyanov et al. 2018, sec. 4) or "fast", the default on a CPU.
        driver: what runs the fit; any function with the arguments of `fit`.
        **settings: arguments of `fit` in place of the preset's.

    Returns:
        A `Restoration`; `.image` (h * factor, w * factor, C) is the average of the iterates.

    Raises:
        ValueError: for a picture of another shape or range, another factor, or an unknown preset.
    """
    y = images.check(y)
    if not 2 <= factor <= min(y.shape[:2]):
        raise ValueError(
            f"factor {factor}: must be an integer from 2 to the smaller side of the picture, "
            f"which is {min(y.shape[:2])}"
        )
    A = Downsample(factor, kernel)
    shape = A.domain(y.shape)
    task = "super_resolve" if factor < 8 else "super_resolve_x8"
    return driver(key, data_term(A, y), shape, **_settings(task, preset, settings, shape))


def default_preset() -> str:
    """ "fast" on a CPU, "paper" on an accelerator."""
    return "fast" if jax.default_backend() == "cpu" else "paper"


def _settings(task: str, preset: str | None, changes: Preset, shape) -> Preset:
    """The arguments of `fit`: the preset's, made for images of this shape, and the changes."""
    chosen = choose(PRESETS[task], preset)
    return {**chosen, "generator": chosen["generator"].clone(channels=shape[-1]), **changes}


def choose(presets: dict[str, Preset], preset: str | None) -> Preset:
    """The preset of this name, by default the one of the backend."""
    preset = preset or default_preset()
    if preset not in presets:
        raise ValueError(f"preset must be one of {tuple(presets)}, not {preset!r}")
    return presets[preset]


class _Asked(Exception):
    """What a task would fit, thrown out of it before it is fitted."""


def asked(task: Callable[..., Any]) -> Preset | None:
    """The settings and the `shape` that `task(driver=...)` asks its driver for; fits nothing.

    Returns:
        They by name, or None for a task that asks no driver.

    Raises:
        ValueError: for data that the task refuses.
    """

    def driver(key: Array, objective: Any, shape: tuple[int, ...], **settings) -> Restoration:
        raise _Asked({"shape": shape, **settings})

    try:
        task(driver=driver)
    except _Asked as request:
        return request.args[0]
    return None


def _masked(y: Array, mask: Array) -> tuple[Array, Array]:
    """The picture with zeros where it is missing, and its mask (H, W, 1 or C), both checked."""
    m = jnp.asarray(mask)
    m = m[..., None] if m.ndim == 2 else m
    y = jnp.asarray(y)
    y = y[..., None] if y.ndim == 2 else y
    if m.ndim != 3 or m.shape[:2] != y.shape[:2] or m.shape[2] not in (1, *y.shape[2:]):
        raise ValueError(
            f"mask of shape {jnp.shape(mask)} does not fit a picture of shape {y.shape}"
        )
    if not isinstance(m, Tracer) and not isinstance(y, Tracer):
        # NumPy, because inside a jit even a constant handed to jax.numpy becomes a tracer.
        _check_mask(np.asarray(m), np.asarray(y))
    y = images.check(jnp.where(m > 0, y, jnp.zeros((), y.dtype)))
    return y, m.astype(y.dtype)


def _check_mask(m: np.ndarray, y: np.ndarray) -> None:
    if not np.all((m == 0) | (m == 1)):
        raise ValueError("a mask holds 1 where the picture is known and 0 where not, nothing else")
    if np.all(m == 1):
        raise ValueError("the mask says that every pixel is known: there is nothing to inpaint")
    if np.all(m == 0):
        raise ValueError("the mask says that no pixel is known: there is nothing to start from")
    known = np.broadcast_to(m == 1, y.shape)
    if np.all(y[known] == 0) and np.any(y[~known] != 0):
        raise ValueError(
            "all known pixels are black and the missing ones are not: the mask seems to be "
            "inverted, it must be 1 where the picture is known"
        )
