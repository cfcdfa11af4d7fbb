"""The hourglass: the generator of the paper, an encoder-decoder with skip connections."""

from functools import partial
from typing import Any, get_args

import flax.linen as nn
import jax.numpy as jnp

from dipjax.generators.functions import (
    Activation,
    Array,
    Downsampling,
    Padding,
    Upsampling,
    leaky_relu,
)
from dipjax.generators.joined import Joined, folds, join
from dipjax.generators.layers import Block, Conv, Generator, Norm, ScaleInit, to_image
from dipjax.generators.remat import rematerialised

CHOICES = {
    "downsample": get_args(Downsampling),
    "upsample": get_args(Upsampling),
    "padding": get_args(Padding),
    "scale_init": get_args(ScaleInit),
}


def _each(option) -> tuple:
    return option if isinstance(option, tuple) else (option,)


class Hourglass(Generator):
    """`f_theta(z)`: an hourglass network of any depth, for any image size from 1 x 1 up.

    Scale `i` halves the image, hands it to scale `i + 1`, doubles the answer and joins it with
    a narrow skip connection:

        z --+-- skip (1x1) -----------------------+
            +-- down (/2) -- deep -- scale i+1 -- x2 -- join -- up -- mix (1x1) --> image

    The default is the network of the paper for denoising and super-resolution: 2 217 831
    params for a code of 32 channels (Ulyanov et al. 2018, Fig. 21 of the supplement); the presets
    of its experiments have another `scale_init`, too. An option with one value per scale takes a
    tuple, from the finest scale to the coarsest; a single value holds for every scale.

    Attributes:
        channels: of the image that is generated.
        widths: channels of each encoder scale; its length is the depth.
        up_widths: channels of each decoder scale; `None` for the same as `widths`.
        skips: channels of the skip connections, 0 for none.
        kernels_down, kernels_up, kernel_skip: sizes of the convolutions, odd.
        downsample: by a strided convolution, or after it by averages, maxima or a filter.
        upsample: "bilinear" or "nearest".
        mix: a 1x1 convolution at the end of every scale.
        padding: "reflect" (mirrored without the edge) or "zero".
        activation: any function of an array, applied to each entry.
        sigmoid: the image passes through a sigmoid, which holds it in [0, 1].
        scale_init: the norms' scales start at "ones", or "uniform" in [0, 1] as in the
            PyTorch of the paper's day, which is a different prior.
        dtype: of the convolutions; params, statistics and the image are float32 at least.
        remat: keep the inputs of the blocks only, and compute what is inside them again in the
            backward pass: less memory, more time, the same result.

    Raises:
        ValueError: for an option that is unknown, or does not have one value for each scale.
    """

    channels: int = 3
    widths: tuple[int, ...] = (128, 128, 128, 128, 128)
    up_widths: tuple[int, ...] | None = None
    skips: int | tuple[int, ...] = 4
    kernels_down: int | tuple[int, ...] = 3
    kernels_up: int | tuple[int, ...] = 3
    kernel_skip: int = 1
    downsample: Downsampling | tuple[Downsampling, ...] = "stride"
    upsample: Upsampling | tuple[Upsampling, ...] = "bilinear"
    mix: bool = True
    padding: Padding = "reflect"
    activation: Activation = leaky_relu
    sigmoid: bool = True
    scale_init: ScaleInit = "ones"
    dtype: jnp.dtype = jnp.float32
    remat: bool = False

    def __post_init__(self):
        super().__post_init__()
        depth = len(self.widths)
        for name in ("up_widths", "skips", "kernels_down", "kernels_up", "downsample", "upsample"):
            option = getattr(self, name)
            if isinstance(option, tuple) and len(option) != depth:
                raise ValueError(f"{name} {option}: needs a value for each of the {depth} scales")
        for name, known in CHOICES.items():
            for value in _each(getattr(self, name)):
                if value not in known:
                    raise ValueError(f"{name} {value!r}: must be one of {known}")
        for name in ("kernels_down", "kernels_up", "kernel_skip"):
            if not all(value % 2 for value in _each(getattr(self, name))):
                raise ValueError(f"{name} {getattr(self, name)}: must be odd")

    @nn.compact
    def __call__(self, z: Array) -> Array:
        """The image (H, W, channels) of the code `z` (H, W, any number of channels)."""
        x = self._scale(z, 0)
        x = Conv(self.channels, 1, padding=self.padding, dtype=self.dtype, name="head")(x)
        return to_image(x, self.sigmoid, z.dtype)

    def _scale(self, x: Array, i: int) -> Array:
        """Scale `i` and, inside it, all coarser ones."""
        if i == len(self.widths):
            return x
        down, up = self._at(self.widths, i), self._at(self.up_widths or self.widths, i)
        k_down, k_up = self._at(self.kernels_down, i), self._at(self.kernels_up, i)

        y = self._block(f"down_{i}", down, k_down, self._at(self.downsample, i))(x)
        y = self._block(f"deep_{i}", down, k_down)(y)
        y = self._scale(y, i + 1)
        skip = self._at(self.skips, i)
        fine = self._block(f"skip_{i}", skip, self.kernel_skip)(x) if skip else None
        kernel = (k_up, k_up, skip + y.shape[-1], up)
        folded = self.padding == "reflect" and folds(x.shape, kernel, self.dtype)
        joined = Joined if folded else partial(join, shape=x.shape)
        y = Norm(name=f"join_{i}")(joined(fine, y, self._at(self.upsample, i)))
        y = self._block(f"up_{i}", up, k_up)(y)
        return self._block(f"mix_{i}", up, 1)(y) if self.mix else y

    def _block(self, name: str, features: int, kernel: int, downsample=None):
        block = Block(
            features,
            kernel,
            downsample,
            self.padding,
            self.activation,
            self.dtype,
            name=name,
        )
        return partial(rematerialised, block) if self.remat else block

    def _at(self, option, i: int):
        """The value of an option at scale `i`."""
        return option[i] if isinstance(option, tuple) else option


def or_hourglass(generator: Any, shape: tuple[int, ...]) -> Any:
    """The generator that is given, or where that is None the paper's, for images (H, W, C)."""
    return Hourglass(channels=shape[-1]) if generator is None else generator
