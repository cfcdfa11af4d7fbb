"""Measurements that are held out of a data term, to see how well a fit predicts them."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from dipjax.objectives.base import Objective, Scaled, Sum
from dipjax.objectives.data import DataTerm

Array = jax.Array
Fraction = float | Callable[[int], float]


def hold_out(key: Array, objective: Objective, fraction: Fraction = 0.05) -> Objective:
    """Exclude random pixels of the measurements from the data terms, to stop by the error there.

        E(x) = fidelity((1 - h) A x, (1 - h) y),    error(x) = fidelity(h A x, h y) / |h|

    A pixel is held out with all its channels, since their noise may not be independent.

    Args:
        key: of the choice.
        objective: a `DataTerm`, or a sum with some; their `y` are (h, w, channels) or anything
            else, of which single entries are held out.
        fraction: of the pixels, in (0, 1), or a function that takes the number of entries of a
            measurement to it; at least one pixel is held out, and one fitted.

    Returns:
        The objective with `error(x)`; regularisers stay as they are, and so do data terms of a
        single pixel.

    Raises:
        ValueError: for another fraction, or an objective without a data term of several pixels.
    """
    held, found = _hold_out(key, objective, fraction)
    if not found:
        raise ValueError("there is no data term of several pixels to hold some out of")
    return held


def _hold_out(key: Array, objective: Objective, fraction: Fraction) -> tuple[Objective, bool]:
    """The objective, and whether anything of it is held out."""
    match objective:
        case DataTerm() if math.prod(_pixels(objective.y)) > 1:
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


def _pixels(y: Array) -> tuple[int, ...]:
    """The shape of what is held out or fitted as one."""
    return (*y.shape[:2], 1) if y.ndim == 3 else y.shape


def _held(key: Array, y: Array, chosen: Fraction) -> Array:
    """1 at so many of the pixels and 0 at the rest: the first ones of a random order."""
    fraction = chosen(y.size) if callable(chosen) else chosen
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must be between 0 and 1, not {fraction}")
    order = jax.random.uniform(key, _pixels(y))
    count = min(max(1, round(fraction * order.size)), order.size - 1)
    real = jnp.finfo(y.dtype).dtype  # of complex measurements too
    return (order <= jnp.sort(order.ravel())[count - 1]).astype(real)
