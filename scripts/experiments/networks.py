"""The networks whose priors the paper compares: those of its library picture (Fig. 8)."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import optax

from dipjax import codes, generators, optimizers
from dipjax.features.presets import SHAKEN  # the published port to PyTorch 0.4 lost its noise

LIBRARY = generators.Hourglass(
    widths=(16, 32, 64, 128, 128, 128),
    skips=0,
    kernels_down=5,
    mix=False,
    upsample="nearest",
    scale_init="uniform",
)
CODE = partial(codes.uniform, channels=1)

SLOW = optimizers.adam(0.001)


class Network(NamedTuple):
    """A generator, made when it is needed, and what it is fitted with."""

    generator: Callable[[], Any]
    optimizer: optax.GradientTransformation


def hourglass(depth: int) -> generators.Hourglass:
    return LIBRARY.clone(widths=LIBRARY.widths[:depth])


NETWORKS = {
    "depth 2": Network(partial(hourglass, 2), SHAKEN),
    "depth 4": Network(partial(hourglass, 4), SHAKEN),
    "depth 6": Network(partial(hourglass, 6), SHAKEN),
    "U-Net": Network(lambda: generators.UNet(), SLOW),
    "ResNet": Network(lambda: generators.ResNet(), SLOW),
}
