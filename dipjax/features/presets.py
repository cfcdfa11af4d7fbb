"""The settings of the published experiments with networks (the notebooks of its authors), and ours.

Beside the arguments of `fit` a preset has `multiple`, to which height and width of the generated
image are rounded up before the image is cut out of it, `regularizer`, which is added to the energy,
`local`, other settings for a layer whose entries see less than half of the picture, and `views`,
the parts of it of which each is to show the class.
"""

from functools import partial

import jax
import optax

from dipjax import codes
from dipjax.generators import Pixels
from dipjax.guard import Guard
from dipjax.objectives import TotalVariation
from dipjax.optimizers import adam, named, parameter_noise
from dipjax.presets import TAPERED, Preset, paper_hourglass

Array = jax.Array

# Made once: optax compares by identity, and so a compiled fit is found again.
SHAKEN = named(
    "adam(0.01) + parameter noise(1/50)", optax.chain(adam(0.01), parameter_noise(1 / 50))
)
FADING_ADAM = named(
    "adam(0.01 -> 0.0005)", adam(optax.cosine_decay_schedule(0.01, 2000, alpha=0.05))
)
LONG_ADAM = named("adam(0.01 -> 0.0002)", adam(optax.cosine_decay_schedule(0.01, 4000, alpha=0.02)))

# Jitter of 10, 2 and 0.5 against a code of at most 0.1 (appendix of the inversion notebook).
HEAVY = optax.piecewise_constant_schedule(10.0, {10_000: 0.2, 15_000: 0.25})

SIX_SCALES = paper_hourglass(widths=(16, 32, 64, 128, 128, 128), downsample="average")
INVERSION = SIX_SCALES.clone(
    kernels_down=(7, 7, 5, 5, 3, 3),
    kernels_up=(7, 7, 5, 5, 3, 3),
    padding="zero",
    upsample="nearest",
)
MAXIMISATION = SIX_SCALES.clone(
    skips=(0, 4, 4, 4, 4, 4), kernels_down=(5, 3, 5, 5, 3, 5), kernels_up=(5, 3, 5, 3, 5, 3)
)
# Of `fast`: the same idea in one go. The jitter of the start is stronger than the code, which
# settles the coarse shape; its end leaves nothing between the network and the activations.
# Chosen on chelsea and coffee of scikit-image, at 128 x 128.
FADING = optax.linear_schedule(0.1, 0.0, 1000)
# Entries that see less than half of the picture settle its shape soon and hold its details: the
# jitter fades sooner. On chelsea at conv1, 2000 steps, 0.1 exp(-t / 150) left 5.2 % instead of
# 7.9 %; halving every 100 steps is nearly that. Entries of conv3 see three quarters: with these
# settings the building was 0.8 dB worse.
HALVING = optax.exponential_decay(0.1, 100, 0.5)
LOCAL = {"optimizer": LONG_ADAM, "jitter": HALVING, "steps": 4000}


def grey(key: Array, shape: tuple[int, ...], *, scale: float = 0.01) -> Array:
    """`z = 1/2 + scale n`, `n ~ N(0, 1)`: where pixels start from when nothing is known."""
    return 0.5 + scale * jax.random.normal(key, shape)


PIXELS: Preset = {**TAPERED, "generator": Pixels(), "code": grey, "jitter": 0.0}
PUBLISHED: Preset = {"code": codes.uniform, "decay": 0.99, "multiple": 64, "steps": 3100}
NO_FALL = Guard(fall=float("inf"))  # an activation has no decibels
# Begin, end, size (see `MinusClass`). Without the small one a stripe with swans' beaks was enough.
VIEWS = ((0.0, 1.0, 1.0), (0.1, 0.85, 1.0), (0.05, 0.95, 0.56))

PRESETS: dict[str, dict[str, Preset]] = {
    "invert_features": {
        "paper": {
            **PUBLISHED,
            "generator": INVERSION,
            "optimizer": adam(0.001),
            "jitter": 0.0,
        },
        "appendix": {
            **PUBLISHED,
            "generator": INVERSION,
            "code": partial(codes.uniform, channels=2),
            "optimizer": SHAKEN,
            "jitter": HEAVY,
            "steps": 20_000,
        },
        "fast": {
            **TAPERED,
            "optimizer": FADING_ADAM,
            "jitter": FADING,
            "steps": 2000,
            "local": LOCAL,
        },
        "tv": {**PIXELS, "steps": 2000, "regularizer": 1e-4 * TotalVariation(beta=2.0)},
    },
    "maximize_activation": {
        "paper": {
            **PUBLISHED,
            "generator": MAXIMISATION,
            "optimizer": adam(0.001),
            "jitter": 0.03,
            "guard": NO_FALL,
        },
        "fast": {**TAPERED, "jitter": 0.03, "steps": 500, "guard": NO_FALL, "views": VIEWS},
        "tv": {
            **PIXELS,
            "steps": 500,
            "guard": NO_FALL,
            "views": VIEWS,
            "regularizer": 1e-6 * TotalVariation(beta=2.0),
        },
    },
}
