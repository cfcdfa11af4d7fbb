"""What all objectives are: functions of an image that can be added and scaled like numbers."""

from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import numpy as np

from dipjax.probes import Probe

Array = jax.Array


class Objective:
    """Base of the objectives: image (H, W, C) -> energy, a scalar; the lower, the better.

    Attributes:
        floor: an energy that is as good as none: to the guard of a fit, what is below it is no
            better. 0 for those that are at least 0 and free of noise.
    """

    floor = 0.0

    def __call__(self, x: Array) -> Array:
        raise NotImplementedError

    def probes(self, key: Array) -> tuple[Probe, ...]:
        """What a fit adds to `E(x)`, drawn anew at every step.

        Most energies look at the image alone; a `risk.Risk` asks also how it answers to a change
        of the measurement, which is its code.
        """
        del key
        return ()

    def error(self, x: Array) -> Array | None:
        """How badly `x` predicts what `hold_out` has held out, or None where that is nothing."""
        return None

    def __add__(self, other: "Objective | Callable[[Array], Array]") -> "Sum":
        return Sum(self, as_objective(other))

    def __radd__(self, other: Any) -> "Objective":
        """`sum` begins with 0."""
        return self if type(other) in (int, float) and other == 0 else self + other

    def __mul__(self, weight: float | Array) -> "Scaled":
        return Scaled(_number(weight), self)

    __rmul__ = __mul__

    def __truediv__(self, divisor: float | Array) -> "Scaled":
        return Scaled(1 / _number(divisor), self)


@flax.struct.dataclass
class Function(Objective):
    """`E(x) = fn(x)` for any function that JAX can trace; a new function compiles again."""

    fn: Callable[[Array], Array] = flax.struct.field(pytree_node=False)

    def __call__(self, x: Array) -> Array:
        return self.fn(x)


def as_objective(energy: Objective | Callable[[Array], Array]) -> Objective:
    """The objective itself, or any function image -> scalar as an objective."""
    if not callable(energy):
        raise TypeError(f"an objective is a function of an image, not {energy!r}")
    return energy if isinstance(energy, Objective) else Function(energy)


def _number(weight: Any) -> Any:
    """The weight itself, where it is one; what is traced is an array."""
    if not isinstance(weight, int | float | np.number | np.ndarray | jax.Array):
        raise TypeError(f"an objective is scaled by a number, not by {weight!r}")
    return weight


@flax.struct.dataclass
class Sum(Objective):
    """`(E + F)(x) = E(x) + F(x)`."""

    left: Objective
    right: Objective

    def __call__(self, x: Array) -> Array:
        return self.left(x) + self.right(x)

    @property
    def floor(self) -> float | Array:
        return self.left.floor + self.right.floor

    def probes(self, key: Array) -> tuple[Probe, ...]:
        return self.left.probes(key) + self.right.probes(key)

    def error(self, x: Array) -> Array | None:
        errors = [e for e in (self.left.error(x), self.right.error(x)) if e is not None]
        return sum(errors[1:], errors[0]) if errors else None


@flax.struct.dataclass
class Scaled(Objective):
    """`(w E)(x) = w E(x)`; the weight is a leaf, another one compiles nothing."""

    weight: float | Array
    objective: Objective

    def __call__(self, x: Array) -> Array:
        return self.weight * self.objective(x)

    @property
    def floor(self) -> float | Array:
        return self.weight * self.objective.floor

    def probes(self, key: Array) -> tuple[Probe, ...]:
        return tuple(Probe(p.d, self.weight * p.w) for p in self.objective.probes(key))

    def error(self, x: Array) -> Array | None:
        error = self.objective.error(x)
        return None if error is None else self.weight * error
