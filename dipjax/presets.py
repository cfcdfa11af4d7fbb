"""Presets: the settings of the published experiments, and ours for a CPU, one table for all tasks.

A preset is a dictionary of arguments of `fit`. Each task has two: "paper", as published
(TARGETS.md, section 3; Ulyanov et al. 2018), and "fast", which two cores can afford.
"""

from functools import partial
from typing import Any

import jax
import optax

from dipjax import codes
from dipjax.fitting import ADAM
from dipjax.generators import Hourglass

Preset = dict[str, Any]

# optax compares by identity: these objects are what finds a compiled fit again.
OPTIMIZERS = {
    "adam(0.01)": ADAM,
    "adam(0.001)": optax.adam(0.001),
    "adam(0.1)": optax.adam(0.1),
}

PUBLISHED: Preset = {
    "generator": Hourglass(),
    "code": codes.uniform,
    "optimizer": ADAM,
    "decay": 0.99,
}

# Narrow where the image is large, and norm scales from U(0, 1), with which it fits in two thirds
# of the steps (kodim03, lena, peppers at sigma 25: 30.9 dB after 800 steps instead of 1200).
TAPERED: Preset = {
    **PUBLISHED,
    "generator": Hourglass(widths=(16, 32, 64, 64, 64), scale_init="uniform"),
}

# Down-sampling by averages and no skips but coarse ones: what is kept is coarse.
JPEG = Hourglass(widths=(8, 16, 32, 64, 128), skips=(0, 0, 0, 4, 4))
SPARSE = Hourglass(widths=(16, 32, 64, 128, 128), skips=0, downsample="average")
FLASH = ("nearest", "nearest", "bilinear", "bilinear", "bilinear")

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
    "inpaint_text": {
        "paper": {
            **PUBLISHED,
            "generator": Hourglass(skips=128, upsample="nearest"),
            "jitter": 0.03,
            "steps": 6001,
        },
        "fast": {**TAPERED, "jitter": 0.03, "steps": 2000},
    },
    "inpaint_sparse": {
        "paper": {**PUBLISHED, "generator": SPARSE, "jitter": 0.0, "steps": 1000},
        "fast": {**PUBLISHED, "generator": SPARSE, "jitter": 0.0, "steps": 1000},
    },
    "inpaint_hole": {
        "paper": {
            **PUBLISHED,
            "generator": Hourglass(skips=0, upsample="nearest"),
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
    "super_resolve": {
        "paper": {**PUBLISHED, "jitter": 0.03, "steps": 2000},
        "fast": {**TAPERED, "jitter": 0.03, "steps": 1500},
    },
    "super_resolve_x8": {
        "paper": {**PUBLISHED, "jitter": 0.05, "steps": 4000},
        "fast": {**TAPERED, "jitter": 0.05, "steps": 1500},
    },
    "remove_jpeg_artifacts": {
        "paper": {
            **PUBLISHED,
            "generator": JPEG,
            "code": partial(codes.uniform, channels=3),
            "jitter": 1 / 30,
            "steps": 2400,
        },
        # The published network is narrow; lena at quality 10 gains 0.04 dB after these steps.
        "fast": {
            **PUBLISHED,
            "generator": JPEG,
            "code": partial(codes.uniform, channels=3),
            "jitter": 1 / 30,
            "steps": 1600,
        },
    },
    "flash_no_flash": {
        "paper": {
            **PUBLISHED,
            "generator": Hourglass(upsample=FLASH),
            "optimizer": OPTIMIZERS["adam(0.1)"],
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


def default_preset() -> str:
    """ "fast" on a CPU, "paper" on an accelerator."""
    return "fast" if jax.default_backend() == "cpu" else "paper"


def choose(presets: dict[str, Preset], preset: str | None) -> Preset:
    """The preset of this name, by default the one of the backend."""
    preset = preset or default_preset()
    if preset not in presets:
        raise ValueError(f"preset must be one of {tuple(presets)}, not {preset!r}")
    return presets[preset]
