"""The published network and its fit in PyTorch: what dipjax is measured against.

Written for this purpose after the paper (Ulyanov et al. 2018, Fig. 21 of the supplement), with
the module names of the authors' network. Needs the extra `torch`.
"""

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor, nn


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
    p = (k - 1) // 2
    if padding == "zero":
        return nn.Sequential(nn.Conv2d(c, d, k, stride, p))
    return nn.Sequential(nn.ReflectionPad2d(p), nn.Conv2d(c, d, k, stride))


def block(*args, **kwargs) -> list[nn.Module]:
    return [conv(*args, **kwargs), nn.BatchNorm2d(args[1]), nn.LeakyReLU(0.2)]


def scale(c, widths, skips, up, mix, padding) -> list[nn.Module]:
    """One scale of the hourglass and, inside it, all coarser ones."""
    (n, *widths), (s, *skips) = widths, skips
    deeper = [*block(c, n, 3, 2, padding=padding), *block(n, n, 3, padding=padding)]
    if widths:
        deeper.append(sequence(*scale(n, widths, skips, up, mix, padding)))
    deeper = sequence(*deeper, nn.Upsample(scale_factor=2, mode=up))
    joined = s + (widths[0] if widths else n)
    skip = sequence(*block(c, s, 1, padding=padding)) if s else None
    layers = [Concat(skip, deeper) if skip else deeper, nn.BatchNorm2d(joined)]
    layers += block(joined, n, 3, padding=padding)
    return layers + (block(n, n, 1, padding=padding) if mix else [])


def hourglass(
    c: int, widths, skips, up: str = "bilinear", mix: bool = True, padding: str = "reflect"
) -> nn.Sequential:
    """The published network, (1, c, H, W) -> (1, 3, H, W) in [0, 1]; H, W divisible by 2^depth."""
    head = conv(widths[0], 3, 1, padding=padding)
    return sequence(*scale(c, widths, skips, up, mix, padding), head, nn.Sigmoid())


def fit(
    y: np.ndarray,
    widths: tuple[int, ...],
    energy: Callable[[Tensor, Tensor], Tensor] = nn.functional.mse_loss,
    *,
    shape: tuple[int, int] | None = None,
    channels: int = 32,
    jitter: float = 1 / 30,
    rate: float = 0.01,
    channels_last: bool = False,
    bf16: bool = False,
    compiled: bool = False,
    seed: int = 0,
    device: str = "cpu",
) -> Callable[[], Tensor]:
    """The published fit as a function that makes one step and gives its image (1, 3, H, W).

    Args:
        y: the measurement (h, w, 3).
        widths: channels of each scale.
        energy: of the image and the measurement, both (1, 3, ., .).
        shape: (H, W) of the image, where it is not that of `y`.
        channels: of the code.
        jitter: noise on the code.
        rate: of Adam.
        channels_last: memory layout NHWC.
        bf16: convolutions under autocast.
        compiled: network by `torch.compile`.
        seed: of all randomness.
        device: "cpu" or "cuda".
    """
    torch.manual_seed(seed)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = hourglass(channels, widths, (4,) * len(widths))
    network = network.to(device=device, memory_format=layout)
    target = torch.from_numpy(y.transpose(2, 0, 1)[None].copy()).to(device)
    z = torch.rand(1, channels, *(shape or y.shape[:2]), device=device) / 10
    z = z.to(memory_format=layout)
    noise = torch.empty_like(z)
    apply = torch.compile(network) if compiled else network
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)

    def step() -> Tensor:
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16) if bf16 else nullcontext():
            x = apply(z + jitter * noise.normal_())
        energy(x.float(), target).backward()
        optimizer.step()
        return x.detach()

    return step
