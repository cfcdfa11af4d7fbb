"""The wait of a rule: it keeps what is lowest, and stops when nothing lower comes for long."""

from collections.abc import Callable
from typing import NamedTuple

import flax.struct
import jax.numpy as jnp

from dipjax.stopping.tracker import Array


class Waiting(NamedTuple):
    """The estimate (H, W, C) at the lowest score so far, and the wait for a lower one."""

    score: Array
    image: Array
    at: Array
    step: Array
    stop: Array


def waiting(image: Array) -> Waiting:
    """Before the first step."""
    count = jnp.zeros((), jnp.int32)
    infinite = jnp.full((), jnp.inf, image.dtype)
    return Waiting(infinite, jnp.zeros_like(image), count, count, jnp.zeros((), bool))


def waited(state: Waiting, score: Array, image: Array, patience: Callable) -> Waiting:
    """The state after one more step: keep what is lower, and stop after so long without."""
    step = state.step + 1
    lower = score < state.score
    at = jnp.where(lower, step, state.at)
    return Waiting(
        jnp.where(lower, score, state.score),
        jnp.where(lower | (state.at == 0), image, state.image),
        at,
        step,
        (at > 0) & (step - at >= patience(at)),
    )


@flax.struct.dataclass
class Patient:
    """Base of the states of rules that wait."""

    wait: Waiting

    @property
    def stop(self) -> Array:
        return self.wait.stop

    @property
    def image(self) -> Array:
        return self.wait.image
