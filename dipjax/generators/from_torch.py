"""Params of the published PyTorch network, carried over to `Hourglass`."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

Params = dict[str, Any]
StateDict = Mapping[str, np.ndarray]


def params_from_torch(state_dict: StateDict) -> Params:
    """Params for `Hourglass.apply` from a checkpoint of the published PyTorch network.

    The network of Ulyanov et al. is nested `nn.Sequential`s, whose names tell its structure:

        1.0 skip, 1.1 deeper (or 1, where there is no skip)    2 norm after the concatenation
        3 4 convolution and norm up    6 7 the 1x1 convolution and its norm    9 (or 6) the head

    and inside `deeper`: 1 2 strided convolution and norm, 4 5 convolution and norm, 7 the next
    scale. A convolution is itself a sequence, of padding, `Conv2d` and down-sampling.

    Args:
        state_dict: `{name: array}` as numpy arrays, kernels in PyTorch's (out, in, k, k).

    Returns:
        Params for the `Hourglass` of the same structure; kernels (k, k, in, out).

    Raises:
        ValueError: when a name that the structure needs is missing, or names are left over.
    """
    names = _Names(state_dict)
    params: Params = {}
    _scale(names, "", 0, params)
    head = "9" if names.has("7.") else "6"
    params["head"] = names.conv(head)
    names.finish()
    return {"params": params}


def _scale(names: "_Names", at: str, i: int, params: Params) -> None:
    """Scale `i`, whose container has the prefix `at`, and all coarser ones."""
    deeper = f"{at}1."
    if names.has(f"{at}1.0."):
        params[f"skip_{i}"] = names.block(f"{at}1.0.1", f"{at}1.0.2")
        deeper = f"{at}1.1."
    params[f"down_{i}"] = names.block(f"{deeper}1", f"{deeper}2")
    params[f"deep_{i}"] = names.block(f"{deeper}4", f"{deeper}5")
    if names.has(f"{deeper}7."):
        _scale(names, f"{deeper}7.", i + 1, params)
    params[f"join_{i}"] = names.norm(f"{at}2")
    params[f"up_{i}"] = names.block(f"{at}3", f"{at}4")
    if names.has(f"{at}7."):
        params[f"mix_{i}"] = names.block(f"{at}6", f"{at}7")


class _Names:
    """A state dict, and which of its names were used."""

    def __init__(self, state_dict: StateDict):
        # Counters and running statistics belong to PyTorch's BatchNorm; no output needs them.
        unused = ("num_batches_tracked", "running_mean", "running_var")
        self.arrays = {k: np.asarray(v) for k, v in state_dict.items() if not k.endswith(unused)}
        self.used: set[str] = set()

    def has(self, prefix: str) -> bool:
        return any(name.startswith(prefix) for name in self.arrays)

    def take(self, name: str) -> np.ndarray:
        if name not in self.arrays:
            raise ValueError(f"no {name!r} in the state dict: not the published hourglass network")
        self.used.add(name)
        return self.arrays[name]

    def conv(self, at: str) -> Params:
        # Padding, where there is some, is number 0 of the sequence, and the convolution 1.
        at = f"{at}.1" if f"{at}.1.weight" in self.arrays else f"{at}.0"
        kernel = self.take(f"{at}.weight").transpose(2, 3, 1, 0)
        return {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(self.take(f"{at}.bias"))}

    def norm(self, at: str) -> Params:
        pair = (("scale", "weight"), ("bias", "bias"))
        return {ours: jnp.asarray(self.take(f"{at}.{theirs}")) for ours, theirs in pair}

    def block(self, conv: str, norm: str) -> Params:
        return {"conv": self.conv(conv), "norm": self.norm(norm)}

    def finish(self) -> None:
        if left := sorted(set(self.arrays) - self.used):
            raise ValueError(f"names that the hourglass has no place for: {', '.join(left[:5])}")
