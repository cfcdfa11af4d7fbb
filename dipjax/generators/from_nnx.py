"""Flax NNX modules as generators."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
from flax import nnx

Array = jax.Array


@dataclass(frozen=True)
class from_nnx:
    """The generator `init(key, z)`, `apply(params, z)` of an NNX module.

        generator = from_nnx(lambda rngs: MyNetwork(channels=32, rngs=rngs))

    Attributes:
        build: rngs -> module, which maps a code (H, W, channels) to an image. It is part of the
            compiled program: define it once. All state of the module has to be `nnx.Param`.
    """

    build: Callable[[nnx.Rngs], Any]

    def init(self, key: Array, z: Array) -> nnx.State:
        """Random params; `z` is not looked at."""
        del z
        return nnx.split(self.build(nnx.Rngs(key)), nnx.Param)[1]

    def apply(self, params: nnx.State, z: Array) -> Array:
        """The image of the code `z`."""
        structure, _ = nnx.split(nnx.eval_shape(lambda: self.build(nnx.Rngs(0))), nnx.Param)
        return nnx.merge(structure, params)(z)
