"""The published network and its fit in PyTorch: what dipjax is measured against.

Written for this purpose after the paper (Ulyanov et al. 2018, Fig. 21 of the supplement) and the
settings and quirks of the authors' code, with the module names of their network.
Needs the extra `bench`.

It is a fair opponent. Three things are quicker than in the authors' code and change no result:
no copy where a reflection pads by nothing, Adam as one fused kernel, no image sent to the host
in every step. The rest is as published: batch normalisation in train mode with running
statistics, activations in place, cuDNN's own search for the quickest algorithm.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Energy = Callable[[Tensor, Tensor], Tensor]

torch.backends.cudnn.benchmark = True

# What of dipjax's `Hourglass` changes nothing about the network that has to be built here.
IGNORED = {"dtype", "parent", "name"}


# --- the network ---------------------------------------------------------------------------


def sequence(*modules: nn.Module) -> nn.Sequential:
    """Named from 1, as the published network names them."""
    result = nn.Sequential()
    for module in modules:
        result.add_module(str(len(result) + 1), module)
    return result


class Concat(nn.Module):
    """The channels of all branches, one after another."""

    def __init__(self, *branches: nn.Module):
        super().__init__()
        for i, branch in enumerate(branches):
            self.add_module(str(i), branch)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.children()], 1)


def conv(c: int, d: int, k: int, stride: int = 1, padding: str = "reflect") -> nn.Sequential:
    """Padding and convolution, of two names also where nothing is padded."""
    p = (k - 1) // 2
    if padding == "zero":
        return nn.Sequential(nn.Conv2d(c, d, k, stride, p))
    return nn.Sequential(nn.ReflectionPad2d(p) if p else nn.Identity(), nn.Conv2d(c, d, k, stride))


def block(c: int, d: int, k: int, stride: int = 1, padding: str = "reflect") -> list[nn.Module]:
    """Convolution, norm, activation of slope 0.2."""
    return [
        conv(c, d, k, stride, padding),
        nn.BatchNorm2d(d),
        nn.LeakyReLU(0.2, inplace=True),
    ]


def hourglass(
    c: int,
    widths: tuple[int, ...] = (128,) * 5,
    skips: int | tuple[int, ...] = 4,
    *,
    channels: int = 3,
    up_widths: tuple[int, ...] | None = None,
    kernels_down: int | tuple[int, ...] = 3,
    kernels_up: int | tuple[int, ...] = 3,
    kernel_skip: int = 1,
    upsample: str | tuple[str, ...] = "bilinear",
    mix: bool = True,
    padding: str = "reflect",
    sigmoid: bool = True,
    scale_init: str = "ones",
) -> nn.Sequential:
    """The published network, (1, c, H, W) -> (1, channels, H, W); H, W divisible by 2^depth.

    The options are those of dipjax's `Hourglass`; convolutions start as PyTorch has them,
    the norms' scales at 1 or, as in the PyTorch of the paper's day, from U(0, 1).
    """
    ups = up_widths or widths

    def at(option, i: int):
        return option[i] if isinstance(option, tuple) else option

    def scale(c: int, i: int) -> list[nn.Module]:
        """Scale `i` and, inside it, all coarser ones."""
        n, k, s, last = widths[i], at(kernels_down, i), at(skips, i), i == len(widths) - 1
        deeper = [*block(c, n, k, 2, padding), *block(n, n, k, 1, padding)]
        if not last:
            deeper.append(sequence(*scale(n, i + 1)))
        deeper = sequence(*deeper, nn.Upsample(scale_factor=2, mode=at(upsample, i)))
        joined = s + (n if last else ups[i + 1])
        skip = sequence(*block(c, s, kernel_skip, 1, padding)) if s else None
        layers = [Concat(skip, deeper) if skip else deeper, nn.BatchNorm2d(joined)]
        layers += block(joined, ups[i], at(kernels_up, i), 1, padding)
        return layers + (block(ups[i], ups[i], 1, 1, padding) if mix else [])

    head = [conv(ups[0], channels, 1, 1, padding), *([nn.Sigmoid()] if sigmoid else [])]
    network = sequence(*scale(c, 0), *head)
    if scale_init == "uniform":
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight)
    return network


def like(generator: Any, c: int) -> nn.Sequential:
    """The network of an `Hourglass` of dipjax, for codes of `c` channels.

    Raises:
        NotImplementedError: for an option that the published network does not have.
    """
    known = set(hourglass.__kwdefaults__) | {"widths", "skips"}
    options = {}
    for field in fields(generator):
        value = getattr(generator, field.name)
        if field.name in known:
            options[field.name] = value
        elif field.name not in IGNORED and value != field.default:
            raise NotImplementedError(f"no peer for a network with {field.name}={value!r}")
    return hourglass(c, **options)


# --- the fit -------------------------------------------------------------------------------


class Fit:
    """The published fit: `step()` makes one and leaves its `image` and `average`.

    Attributes:
        image: the last iterate (1, C, H, W), before its update.
        average: the exponential average of all iterates, which the first one starts.
    """

    def __init__(
        self,
        build: Callable[[], nn.Module],
        y: np.ndarray,
        energy: Energy = nn.functional.mse_loss,
        *,
        shape: tuple[int, int] | None = None,
        channels: int = 32,
        jitter: float = 1 / 30,
        rate: float = 0.01,
        channels_last: bool = False,
        bf16: bool = False,
        compiled: str | None = None,
        seed: int = 0,
    ):
        """
        Args:
            build: the network, of `channels` input channels.
            y: the measurement (h, w, C).
            energy: of the image and the measurement, both (1, C, ., .).
            shape: (H, W) of the image, where it is not that of `y`.
            channels: of the code.
            jitter: standard deviation of the noise on the code, new in every step.
            rate: of Adam.
            channels_last: memory layout NHWC.
            bf16: convolutions under autocast.
            compiled: the mode of `torch.compile`, such as "default".
            seed: of all randomness.
        """
        torch.manual_seed(seed)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        layout = torch.channels_last if channels_last else torch.contiguous_format
        network = build().to(device=self.device, memory_format=layout)
        self.target = torch.from_numpy(y.transpose(2, 0, 1)[None].copy()).to(self.device)
        z = torch.rand(1, channels, *(shape or y.shape[:2]), device=self.device) / 10
        self.z = z.to(memory_format=layout)
        self.noise = torch.empty_like(self.z)
        self.apply = torch.compile(network, mode=compiled) if compiled else network
        self.optimizer = torch.optim.Adam(network.parameters(), lr=rate, fused=True)
        self.energy, self.jitter, self.bf16 = energy, jitter, bf16
        self.image = self.average = None

    def step(self) -> None:
        self.optimizer.zero_grad()
        with torch.autocast(self.device, torch.bfloat16) if self.bf16 else nullcontext():
            x = self.apply(self.z + self.jitter * self.noise.normal_())
        self.energy(x.float(), self.target).backward()
        self.optimizer.step()
        self.image = x.detach().float()
        if self.average is None:
            self.average = self.image.clone()
        self.average.lerp_(self.image, 0.01)

    def wait(self) -> None:
        """Until all work is done."""
        if self.device == "cuda":
            torch.cuda.synchronize()


def picture(x: Tensor) -> np.ndarray:
    """(1, C, H, W) as an image (H, W, C)."""
    return x[0].permute(1, 2, 0).contiguous().cpu().numpy()


def matrix(a: np.ndarray) -> Tensor:
    """An array where the fit computes."""
    return torch.from_numpy(np.array(a)).to("cuda" if torch.cuda.is_available() else "cpu")


def tensor(image: np.ndarray) -> Tensor:
    """An image (H, W, C) as (1, C, H, W)."""
    return matrix(image.transpose(2, 0, 1)[None])
