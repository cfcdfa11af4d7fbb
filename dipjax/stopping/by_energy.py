"""Stop by the energy: down to that of the noise, no fit can be trusted further."""

from functools import cache
from typing import NamedTuple

import jax.numpy as jnp

from dipjax.stopping.tracker import Array, Reason, Tracker, checked_decay


class Discrepancy(NamedTuple):
    """The moving mean of the energy, its weight, and whether it is low enough."""

    loss: Array
    weight: Array
    stop: Array


def discrepancy(limit: float = 1.0, decay: float = 0.9) -> Tracker:
    """Stop when the energy is down to that of the noise (Morozov's discrepancy principle).

        mean_t E(x_t) <= limit,    E(x) = |A x - y|^2 / (n sigma^2)

    The mean is exponential over the last steps. Put the noise level (`noise.level`
    estimates it) into the weight of the data term, where another one compiles nothing:
    `data_term(A, y) * (1 / (y.size * sigma**2))`, and leave the limit at 1.

    Args:
        limit: of the energy.
        decay: of the moving mean, in [0, 1).

    Raises:
        ValueError: for another decay, or a limit that is not positive.
    """
    if not limit > 0:
        raise ValueError(f"limit must be positive, not {limit}")
    return _discrepancy(float(limit), checked_decay(decay))


@cache
def _discrepancy(limit: float, decay: float) -> Tracker:
    def init(image: Array) -> Discrepancy:
        zero = jnp.zeros((), image.dtype)
        return Discrepancy(zero, zero, jnp.zeros((), bool))

    def update(state: Discrepancy, info) -> Discrepancy:
        weight = decay * state.weight + 1
        loss = state.loss + (info.loss - state.loss) / weight
        return Discrepancy(loss, weight, loss <= limit)

    return Tracker(init, update, Reason.DISCREPANCY)
