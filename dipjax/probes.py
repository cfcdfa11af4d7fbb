"""Probes: how the image answers to a change of its code, as part of an energy.

    E(x) + sum_k <w_k, f(z + d_k) - x>,    x = f(z)

is a sum over looks at the generator, of which the first is at the iterate:

    sum_k E(x_k) [k = 0] + <v_k, x_k>,    x_k = f(z_k),    z_0 = z,    v_0 = -sum_k w_k

so that its gradient is a sum, too: one look after another, of which one is compiled, and what one
keeps for its gradient is in memory at a time.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

Array = jax.Array


class Probe(NamedTuple):
    """`<w, f(z + d) - f(z)>`.

    Attributes:
        d: the change of the code, of its shape.
        w: the weight of each entry of the image (H, W, C).
    """

    d: Array
    w: Array


class Look(NamedTuple):
    """A look at the generator, or all looks of a step, stacked.

    Attributes:
        z: the code.
        first: 1 for the iterate, 0 for a probe.
        v: the weights, None where there is nothing but the iterate.
    """

    z: Array
    first: Array | float = 1.0
    v: Array | None = None

    def energy(self, E: Array, x: Array) -> Array:
        """What this look adds to the energy, for its image `x` with `E(x)`."""
        return E if self.v is None else self.first * E + jnp.sum(self.v * x)


def looks(z: Array, probes: tuple[Probe, ...]) -> Look:
    """All looks of a step.

    Raises:
        ValueError: for a probe that is not of the shape of the code.
    """
    if not probes:
        return Look(z)
    for d, _ in probes:
        if d.shape != z.shape:
            raise ValueError(
                f"the objective asks for the image of a code of shape {d.shape}, but the code has "
                f"shape {z.shape}: let the measurement be the code, as in "
                "fit(..., code=risk.code)"
            )
    codes, weights = [z + d for d, _ in probes], [w for _, w in probes]
    first = (jnp.arange(1 + len(probes)) == 0).astype(z.dtype)
    return Look(jnp.stack([z, *codes]), first, jnp.stack([-sum(weights), *weights]))


def total(fn: Callable[[Look], tuple[Any, Array]], stacked: Look) -> tuple[Any, Array]:
    """The sum of what `fn` makes of each look, and the image of the first."""
    if stacked.v is None:
        return fn(stacked)
    parts, images = lax.map(fn, stacked)
    return jax.tree.map(lambda part: part.sum(0), parts), images[0]
