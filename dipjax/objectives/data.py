"""Data terms: `E(x; y) = fidelity(A(x), y)`."""

from collections.abc import Callable
from typing import Literal

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from dipjax import images
from dipjax.compiler import traced
from dipjax.objectives.base import Objective
from dipjax.objectives.fidelities import FIDELITIES, Fidelity, l2, robust
from dipjax.operators import Operator, as_operator

Array = jax.Array


@flax.struct.dataclass
class DataTerm(Objective):
    """`E(x; y) = fidelity(A(x), y)`: how far the measurement of `x` is from `y`.

    Attributes:
        operator: `A`.
        y: the measurement.
        fidelity: (prediction, y) -> scalar, summed over the entries of `y`.
        held: 1 where an entry of `y` is held out and 0 where it is fitted (see `hold_out`), of a
            shape that broadcasts to that of `y`; None where all are fitted.
    """

    operator: Operator
    y: Array
    fidelity: Fidelity = flax.struct.field(pytree_node=False, default=l2)
    held: Array | None = None

    def __call__(self, x: Array) -> Array:
        prediction = self._predict(x)
        if self.held is None:
            return self.fidelity(prediction, self.y)
        fitted = 1 - self.held
        return self.fidelity(fitted * prediction, fitted * self.y)

    def error(self, x: Array) -> Array | None:
        """`fidelity(h A x, h y) / |h|`, for l2 `robust`: the mean over the entries held out."""
        if self.held is None:
            return None
        # Sums of many short floats overflow.
        h = self.held.astype(jnp.promote_types(self.held.dtype, jnp.float32))
        count = jnp.sum(jnp.broadcast_to(h, self.y.shape))
        judge = robust if self.fidelity is l2 else self.fidelity
        return judge(h * self._predict(x), h * self.y) / count

    def _predict(self, x: Array) -> Array:
        prediction = self.operator(x)
        if prediction.shape != self.y.shape:
            raise ValueError(
                f"the operator gives measurements of shape {prediction.shape} for images of shape "
                f"{x.shape}, but y has shape {self.y.shape}"
            )
        return prediction


def data_term(
    operator: Operator | Callable[[Array], Array],
    y: Array,
    fidelity: Literal["l2", "l1", "huber", "poisson"] | Fidelity = "l2",
) -> DataTerm:
    """`E(x; y) = fidelity(A(x), y)` for an operator or any traceable function `A`.

    Args:
        operator: `A`, image (H, W, C) -> measurement.
        y: the measurement, of the shape that `A` gives.
        fidelity: "l2" (`sum |A x - y|^2`), "l1", "huber", "poisson", or a function of
            (prediction, y).

    Raises:
        ValueError: for an unknown fidelity, or a measurement of integers or with NaN.
        TypeError: for an operator that cannot be called.
    """
    if not callable(fidelity):
        if not isinstance(fidelity, str) or fidelity not in FIDELITIES:
            raise ValueError(
                f"fidelity must be one of {tuple(FIDELITIES)} or a function, not {fidelity!r}"
            )
        fidelity = FIDELITIES[fidelity]
    return DataTerm(as_operator(operator), _measurement(y), fidelity)


def _measurement(y: Array) -> Array:
    """`y` as an array of floats; its values are looked at only where there are some."""
    given = images.array(y, "the measurement")
    # NumPy, because inside a jit even a constant handed to jax.numpy becomes a tracer.
    if not traced(given) and not np.isfinite(np.asarray(given)).all():
        raise ValueError("the measurement has NaN or infinite values: mask them out")
    y = jnp.asarray(given)
    if not jnp.issubdtype(y.dtype, jnp.inexact):
        raise ValueError(f"the measurement is {y.dtype}: convert it to floats on the image's scale")
    return y
