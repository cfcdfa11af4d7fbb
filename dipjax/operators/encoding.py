"""What a picture file does to light: the operators around one that adds light, as a blur does."""

import flax.struct
import jax.numpy as jnp

from dipjax.operators.base import Array, Operator, Shape

# IEC 61966-2-1 (1999): a power, and near black, where its slope would be endless, a line.
DARK, SLOPE, OFFSET, POWER = 0.0031308, 12.92, 0.055, 2.4


@flax.struct.dataclass
class Encode(Operator):
    """`A v = 1.055 v^(1/2.4) - .055`, `12.92 v` near black: from light to what a file holds.

    The curve of sRGB, from which those of cameras differ little, and not linear: black is 0, white
    is 1 on both sides.
    """

    def forward(self, x: Array) -> Array:
        power = (1 + OFFSET) * jnp.maximum(x, DARK) ** (1 / POWER) - OFFSET
        return jnp.where(x <= DARK, SLOPE * x, power)

    def domain(self, shape: Shape) -> Shape:
        return shape


@flax.struct.dataclass
class Decode(Operator):
    """The inverse of `Encode`: from what a file holds to light."""

    def forward(self, x: Array) -> Array:
        power = ((jnp.maximum(x, SLOPE * DARK) + OFFSET) / (1 + OFFSET)) ** POWER
        return jnp.where(x <= SLOPE * DARK, x / SLOPE, power)

    def domain(self, shape: Shape) -> Shape:
        return shape


def in_light(A: Operator) -> Operator:
    """`Encode @ A @ Decode`: of a picture file, what has happened to its light."""
    return Encode() @ A @ Decode()
