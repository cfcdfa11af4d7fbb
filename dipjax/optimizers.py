"""Optimisers that the published experiments use, as optax does not have them."""

from functools import cache
from numbers import Real
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.flatten_util import ravel_pytree

from dipjax.compiler import traced

Array = jax.Array


class Named(optax.GradientTransformationExtraArgs):
    """An optimiser of optax, and what a record of a fit calls it."""

    name: str = "an optimiser"

    def __repr__(self) -> str:
        return self.name


def named(name: str, optimizer: optax.GradientTransformation) -> Named:
    """The same optimiser under a name. optax knows none, and prints two functions."""
    result = Named(*optax.with_extra_args_support(optimizer))
    result.name = name
    return result


def adam(rate: float | optax.Schedule) -> Named:
    """`optax.adam` on all params as one vector: the same steps, a quarter less to compile.

    A generator has a hundred small params: leaf by leaf, the moments and the copies that the
    guard keeps of them are a third of the program of a fit. Equal numbers give one object, by
    which a compiled fit is found again.

    Args:
        rate: the learning rate, a number or a schedule of the step.
    """
    known = isinstance(rate, jax.Array) and rate.ndim == 0 and not traced(rate)
    number = isinstance(rate, Real) or known
    return _adam(float(cast(float, rate))) if number else _adam.__wrapped__(rate)


@cache
def _adam(rate: float | optax.Schedule) -> Named:
    words = getattr(rate, "__name__", "schedule") if callable(rate) else rate
    return named(f"adam({words})", optax.flatten(optax.adam(rate)))


class ParameterNoiseState(NamedTuple):
    """Number of the step, and the data of a key."""

    step: Array
    key: Array


def parameter_noise(
    scale: float | optax.Schedule = 1 / 50, *, seed: int = 0
) -> optax.GradientTransformation:
    """Adds `scale * std(w) * n`, `n ~ N(0, 1)`, to each kernel `w` at every step.

        optax.chain(adam(0.01), parameter_noise(1 / 50))

    The first release of Ulyanov et al. shakes all params with four axes so; its port to PyTorch
    0.4 has the line, but it only rebinds a local name there, and does nothing.
    Members of an ensemble start from different params, and draw different noise by it.

    Args:
        scale: in standard deviations of the kernel, a number or a schedule of the step.
        seed: of the noise, with what the params start from.
    """

    def init(params: Any) -> ParameterNoiseState:
        sums = [jnp.sum(leaf, dtype=jnp.float32) for leaf in jax.tree.leaves(params)]
        bits = lax.bitcast_convert_type(sum(sums, jnp.zeros((), jnp.float32)), jnp.uint32)
        key = jax.random.fold_in(jax.random.key(seed), bits)
        return ParameterNoiseState(jnp.zeros((), jnp.int32), jax.random.key_data(key))

    def update(updates: Any, state: Any, params: Any = None):
        if params is None:
            raise ValueError("parameter_noise needs the params: update(updates, state, params)")
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        sigma = scale(state.step) if callable(scale) else scale
        # One draw for all kernels: a quarter of the program, where each leaf has a draw of its own.
        kernels = [w for w in jax.tree.leaves(params) if w.ndim == 4]
        flat, unflat = ravel_pytree(kernels)
        noises = iter(unflat(jax.random.normal(key, flat.shape, flat.dtype)))

        def shaken(u: Array, w: Array) -> Array:
            return u if w.ndim != 4 else u + (sigma * jnp.std(w) * next(noises)).astype(u.dtype)

        return jax.tree.map(shaken, updates, params), state._replace(step=state.step + 1)

    return optax.GradientTransformation(init, update)
