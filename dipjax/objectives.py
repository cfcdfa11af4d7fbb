"""Objectives `E(x)`: data terms and explicit regularisers, added and scaled like numbers.

    E(x) = fidelity(A(x), y) + weight * R(x)

An objective is a frozen pytree: measurements are leaves, so that another one of the same shape
compiles nothing and `vmap` over measurements works.
"""

from collections.abc import Callable
from typing import Literal

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer

from dipjax import images
from dipjax.operators import Lambda, Operator
from dipjax.probes import Probe

Array = jax.Array
Fidelity = Callable[[Array, Array], Array]
Fraction = float | Callable[[int], float]


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

    __radd__ = __add__

    def __mul__(self, weight: float) -> "Scaled":
        return Scaled(weight, self)

    __rmul__ = __mul__


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


def l2(prediction: Array, y: Array) -> Array:
    """`sum |A x - y|^2`: Gaussian noise."""
    r = prediction - y
    return jnp.sum((r * jnp.conj(r)).real)


def l1(prediction: Array, y: Array) -> Array:
    """`sum |A x - y|`: impulse noise, outliers."""
    return jnp.sum(jnp.abs(prediction - y))


def huber(prediction: Array, y: Array, delta: float = 0.1) -> Array:
    """`sum h(|A x - y|)`, `h(r) = r^2 / 2` up to `delta`, `delta (|r| - delta / 2)` beyond."""
    return jnp.sum(optax.losses.huber_loss(jnp.abs(prediction - y), delta=delta))


def poisson(prediction: Array, y: Array) -> Array:
    """`sum A x - y + y log(y / A x)`: the noise of counted photons, however many they are.

    By what counts are less likely under `A x` than under `y`, over the number of photons of the
    value 1. Both are raised by a thousandth, which keeps the logarithm and its gradient finite
    where it is dark.
    """
    p, q = (jnp.maximum(v, 0) + 0.001 for v in (prediction, y))
    return jnp.sum(p - q + q * jnp.log(q / p))


def robust(prediction: Array, y: Array) -> Array:
    """`sum h(|A x - y|)`, `h(r) = r^2` up to 0.2 and `0.4 r - 0.04` beyond (Huber).

    The square for noise as of pictures in [0, 1], and no more than the distance for outliers, of
    which a few would decide which of two images predicts the rest better.
    """
    r = jnp.abs(prediction - y)
    return 2 * huber(r, jnp.zeros_like(r), delta=0.2)


FIDELITIES: dict[str, Fidelity] = {"l2": l2, "l1": l1, "huber": huber, "poisson": poisson}


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
        count = jnp.sum(jnp.broadcast_to(self.held, self.y.shape))
        judge = robust if self.fidelity is l2 else self.fidelity
        return judge(self.held * self._predict(x), self.held * self.y) / count

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
    """
    if isinstance(fidelity, str):
        if fidelity not in FIDELITIES:
            raise ValueError(
                f"fidelity must be one of {tuple(FIDELITIES)} or a function, not {fidelity!r}"
            )
        fidelity = FIDELITIES[fidelity]
    operator = operator if isinstance(operator, Operator) else Lambda(operator)
    return DataTerm(operator, _measurement(y), fidelity)


def hold_out(key: Array, objective: Objective, fraction: Fraction = 0.05) -> Objective:
    """Exclude random pixels of the measurements from the data terms, to stop by the error there.

        E(x) = fidelity((1 - h) A x, (1 - h) y),    error(x) = fidelity(h A x, h y) / |h|

    A pixel is held out with all its channels, since their noise may not be independent.

    Args:
        key: of the choice.
        objective: a `DataTerm`, or a sum with some; their `y` are (h, w, channels) or anything
            else, of which single entries are held out.
        fraction: of the pixels, in (0, 1), or a function that takes the number of entries of a
            measurement to it; at least one pixel is held out.

    Returns:
        The objective with `error(x)`; regularisers stay as they are.

    Raises:
        ValueError: for another fraction, or an objective without a data term.
    """
    held, found = _hold_out(key, objective, fraction)
    if not found:
        raise ValueError("there is no data term to hold measurements out of")
    return held


def _hold_out(key: Array, objective: Objective, fraction: Fraction) -> tuple[Objective, bool]:
    """The objective, and whether anything of it is held out."""
    match objective:
        case DataTerm():
            held = _held(key, objective.y, fraction)
            return DataTerm(objective.operator, objective.y, objective.fidelity, held), True
        case Sum(left=left, right=right):
            keys = jax.random.split(key)
            (left, one), (right, other) = (
                _hold_out(k, term, fraction) for k, term in zip(keys, (left, right), strict=True)
            )
            return Sum(left, right), one or other
        case Scaled(weight=weight, objective=term):
            term, found = _hold_out(key, term, fraction)
            return Scaled(weight, term), found
        case _:
            return objective, False


def _held(key: Array, y: Array, chosen: Fraction) -> Array:
    """1 at so many of the pixels and 0 at the rest: the first ones of a random order."""
    fraction = chosen(y.size) if callable(chosen) else chosen
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must be between 0 and 1, not {fraction}")
    shape = (*y.shape[:2], 1) if y.ndim == 3 else y.shape
    order = jax.random.uniform(key, shape)
    count = max(1, round(fraction * order.size))
    real = jnp.finfo(y.dtype).dtype  # of complex measurements too
    return (order <= jnp.sort(order.ravel())[count - 1]).astype(real)


def _measurement(y: Array) -> Array:
    """`y` as an array of floats; its values are looked at only where there are some."""
    if not isinstance(y, Tracer) and not np.isfinite(np.asarray(y)).all():
        raise ValueError("the measurement has NaN or infinite values: mask them out")
    y = jnp.asarray(images.native(y))
    if not jnp.issubdtype(y.dtype, jnp.inexact):
        raise ValueError(f"the measurement is {y.dtype}: convert it to floats on the image's scale")
    return y


@flax.struct.dataclass
class TotalVariation(Objective):
    """`sum_ij ((x_(i,j+1) - x_ij)^2 + (x_(i+1,j) - x_ij)^2)^(beta / 2)`, summed over channels.

    The isotropic total variation of Mahendran and Vedaldi (2015, eq. 3); its gradient where an
    image is flat is taken to be 0. Where one of the neighbours is missing, in the last row and
    column, there is no term.

    Attributes:
        beta: 1 for the usual one, 2 for the squared gradient.
    """

    beta: float = flax.struct.field(pytree_node=False, default=1.0)

    def __call__(self, x: Array) -> Array:
        corner = x[:-1, :-1]
        squares = (x[:-1, 1:] - corner) ** 2 + (x[1:, :-1] - corner) ** 2
        flat = squares == 0
        return jnp.sum(jnp.where(flat, 0.0, jnp.where(flat, 1.0, squares) ** (self.beta / 2)))
