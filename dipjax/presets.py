"""Presets: the settings of the published experiments, and ours, one table for all tasks.

A preset is a dictionary of arguments of `fit`. Each task has "paper", as published (Ulyanov et al.
2018, and the notebooks of its authors), "fast", the default, which two cores can afford, and, where
something is restored, "best", which spends time for quality: `members` fits from different seeds,
whose mean is returned, or a fit of a wider network.

What ends a fit by itself is in `by_risk` for noise that adds, and else in `automatic`.
"""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from dipjax import codes, stopping
from dipjax.generators import Hourglass
from dipjax.guard import Guard
from dipjax.objectives import Objective, hold_out
from dipjax.optimizers import adam
from dipjax.stopping import Tracker

Array = jax.Array
Preset = dict[str, Any]

# The norms' scales start from U(0, 1), as in the PyTorch of the paper's day. Where they start at 1,
# as today, it takes 1.4 times as many steps to be as good (kodim01, noise of 25).
paper_hourglass = partial(Hourglass, scale_init="uniform")

PUBLISHED: Preset = {
    "generator": paper_hourglass(),
    "code": codes.uniform,
    "optimizer": adam(0.01),
    "decay": 0.99,
}

# Narrow where the image is large.
TAPERED: Preset = {**PUBLISHED, "generator": paper_hourglass(widths=(16, 32, 64, 64, 64))}

# Down-sampling by averages and no skips but coarse ones: what is kept is coarse. In the presets
# `fast` they, and the one for holes, have scales that start at 1, with which they were chosen.
JPEG: dict[str, Any] = {"widths": (8, 16, 32, 64, 128), "skips": (0, 0, 0, 4, 4)}
SPARSE: dict[str, Any] = {"widths": (16, 32, 64, 128, 128), "skips": 0, "downsample": "average"}
FLASH = ("nearest", "nearest", "bilinear", "bilinear", "bilinear")

# Of what is measured by an operator. What is polished hardly gains by more steps: 0.05 dB in half
# as many again.
MEASURED: dict[str, Preset] = {
    "paper": {**PUBLISHED, "jitter": 0.03, "steps": 2000},
    "fast": {**TAPERED, "jitter": 0.03, "steps": 1000},
}

PRESETS: dict[str, dict[str, Preset]] = {
    "denoise": {
        "paper": {**PUBLISHED, "jitter": 1 / 30, "steps": 1800},
        # The network needs half of these for most pictures, and stops by itself.
        "fast": {**TAPERED, "jitter": 1 / 30, "steps": 1800},
    },
    "inpaint": {
        "paper": {
            **PUBLISHED,
            "optimizer": adam(0.001),
            "jitter": 0.03,
            "steps": 11000,
        },
        "fast": {**TAPERED, "jitter": 0.03, "steps": 1000},
    },
    "inpaint_text": {
        "paper": {
            **PUBLISHED,
            "generator": paper_hourglass(skips=128, upsample="nearest"),
            "jitter": 0.03,
            "steps": 6001,
        },
        "fast": {**TAPERED, "jitter": 0.03, "steps": 1000},
    },
    "inpaint_sparse": {
        "paper": {
            **PUBLISHED,
            "generator": paper_hourglass(**SPARSE),
            "jitter": 0.0,
            "steps": 1000,
        },
        "fast": {**PUBLISHED, "generator": Hourglass(**SPARSE), "jitter": 0.0, "steps": 1000},
    },
    "inpaint_hole": {
        "paper": {
            **PUBLISHED,
            "generator": paper_hourglass(skips=0, upsample="nearest"),
            "code": codes.meshgrid,
            "jitter": 0.03,
            "steps": 5001,
        },
        "fast": {
            **TAPERED,
            "generator": Hourglass(widths=(16, 32, 64, 128, 128), skips=0, upsample="nearest"),
            "code": codes.meshgrid,
            "jitter": 0.03,
            "steps": 2000,
        },
    },
    "super_resolve": {**MEASURED},
    "super_resolve_x8": {
        "paper": {**PUBLISHED, "jitter": 0.05, "steps": 4000},
        "fast": {**TAPERED, "jitter": 0.05, "steps": 1000},
    },
    "deblur": {**MEASURED},
    "reconstruct": {**MEASURED},
    "remove_jpeg_artifacts": {
        "paper": {
            **PUBLISHED,
            "generator": paper_hourglass(**JPEG),
            "code": partial(codes.uniform, channels=3),
            "jitter": 1 / 30,
            "steps": 2400,
        },
        # The published network is narrow; lena at quality 10 gains 0.04 dB after these steps.
        "fast": {
            **PUBLISHED,
            "generator": Hourglass(**JPEG),
            "code": partial(codes.uniform, channels=3),
            "jitter": 1 / 30,
            "steps": 1600,
        },
    },
    "flash_no_flash": {
        "paper": {
            **PUBLISHED,
            "generator": paper_hourglass(upsample=FLASH),
            "optimizer": adam(0.1),
            "jitter": 0.0,
            "steps": 601,
        },
        "fast": {**TAPERED, "jitter": 0.0, "steps": 600},
    },
    "enhance": {
        "paper": {**PUBLISHED, "jitter": 1 / 30, "steps": 500},
        "fast": {**TAPERED, "jitter": 1 / 30, "steps": 300},
    },
}

# Errors of fits are nearly independent from seed to seed: the second to fourth gain most. Behind a
# fit of a measurement that leaves something out the polish brings all to nearly the same picture:
# there 0.1 dB is left for four fits of twice the steps.
for _task, _preset in PRESETS.items():
    _preset["best"] = {**_preset["fast"], "members": 4}
    if _task in ("inpaint", "deblur", "reconstruct"):
        _preset["best"]["steps"] = 2000

# To enlarge, a fit of the published network is worth more, where edges are drawn and not found
# elsewhere in the picture. Woman, four times larger and polished: 30.17 dB after 1000 steps and the
# authors' own fit of 2000 30.36, `fast` 29.89 and no more than 30.01 after 3000.
for _task in ("super_resolve", "super_resolve_x8"):
    PRESETS[_task]["best"] = {**PRESETS[_task]["fast"], **PUBLISHED, "steps": 2000}

# To look at the prior, not to restore: by one fit, as it is.
PRESETS["noise_impedance"] = {
    "paper": {**PUBLISHED, "jitter": 0.0, "steps": 10000},
    "fast": {
        **PUBLISHED,
        "generator": paper_hourglass(widths=(8, 16, 32, 64, 64)),
        "jitter": 0.0,
        "steps": 500,
    },
}

NOISY = frozenset({"denoise", "flash_no_flash"})

SMALL = 64 * 64  # pixels of a picture whose noise is soon known by heart

# So many entries tell averages apart that differ by 0.1 dB; more would be missed by the fit.
HELD_ENTRIES, HELD_FRACTION = 2500, (0.02, 0.2)


def automatic(
    key: Array, objective: Objective, stop: str, task: str
) -> tuple[Array, Objective, Tracker]:
    """The key, objective and rule of `stop="auto"` and `stop="held_out"`.

    "held_out" excludes some pixels of the measurement from the fit, and ends it when it has
    passed the lowest error there. "auto" does so for the tasks whose measurement is noise, pixel
    by pixel (`denoise` comes here only where it cannot fit by risk), and else makes all steps:
    blocks of JPEG are not independent, a hole is unlike what surrounds it, and where there is no
    noise a fit of the preset's steps does not turn bad.

    Args:
        key: of the fit.
        objective: of the fit, with a data term. Of its measurement 2500 entries are held out, but
            at least 2 % and at most 20 %, which costs 0.5 dB on 64 x 64 pixels in colour.
        stop: "auto" or "held_out".
        task: a name of `PRESETS`.

    Raises:
        ValueError: for another `stop`.
    """
    if stop not in ("auto", "held_out"):
        rules = '"auto", "held_out", a rule of stopping or, to denoise, "risk"'
        raise ValueError(f"stop must be {rules}, not {stop!r}")
    if stop == "auto" and task not in NOISY:
        return key, objective, stopping.never()
    key, held = jax.random.split(key)
    return key, hold_out(held, objective, held_fraction), stopping.held_out()


def by_risk(shape: tuple[int, ...]) -> Preset:
    """What a fit by the estimate of its risk changes in a preset, for images (H, W, C).

    Jitter as strong as the noise, and an average and a rule that know how long the fit is: 64 x 64
    pixels with strong noise are at their best after 60 steps, with little after 1400. Chosen on
    kodim03, lena, peppers, bird, woman, flowers, three kinds of noise at three levels: where the
    noise is thought too weak by a percent the estimate never gets to 0.

    Larger pictures are at their best later (of 256 x 256 pixels with noise of 50 after 570 steps or
    more), and are coarse for longer, when the fall of the risk may falter and a noise that is
    thought too strong hide it: 2.6 dB were lost so. The warm-ups grow with the picture, to 600. Nor
    does their average look back as far: lena, 512 x 512, polished, has 32.34 dB by a power of 1 and
    32.41 by 5, kodim03, 256 x 256, 33.59 and 33.54.
    """
    side = max(1.0, math.sqrt(shape[0] * shape[1] / SMALL))  # in units of 64 pixels
    slowest, nothing = (round(min(early, 600)) for early in (60 * side**1.5, 150 * side))
    stops = stopping.inflection(warmup=slowest), stopping.zero_crossing(warmup=nothing)
    return {
        "jitter": 1.0,
        "decay": stopping.growing(min(max(1, round(side / 2)), 5)),
        "stop": stopping.any_of(*stops),
        "guard": Guard(every=25),  # a setback may cost no more steps than a short fit has left
    }


def enough(shape: tuple[int, ...]) -> int:
    """Steps at most for `fast` of a fit by risk that is polished: 1800 up to 192 x 192 pixels.

    A step costs as many times more as the picture has pixels, and the PSNR grows with the logarithm
    of the steps, a polish leaving a half of it: lena, 512 x 512 with noise of 25, is at 32.13 dB
    after 300, 32.37 after 600, 32.45 after 900 and 32.47 after 1000. So `5400 / side` steps, in
    units of 64 pixels, and 600 at least; small pictures stop by themselves before.
    """
    side = math.sqrt(shape[0] * shape[1] / SMALL)
    return round(min(max(5400 / side, 600), 1800))


def held_fraction(size: int) -> float:
    """Of so many entries, how much to hold out."""
    low, high = HELD_FRACTION
    return min(max(HELD_ENTRIES / size, low), high)


def precision() -> Any:
    """Of the convolutions: bfloat16 on an accelerator, whose matrix units are made for it."""
    return jnp.float32 if jax.default_backend() == "cpu" else jnp.bfloat16


def choose(presets: dict[str, Preset], preset: str) -> Preset:
    """The preset of this name."""
    if preset not in presets:
        raise ValueError(f"preset must be one of {tuple(presets)}, not {preset!r}")
    return presets[preset]
