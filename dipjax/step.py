"""One step of the fit: `theta <- theta - optimizer(grad_theta E(f_theta(z + sigma n)))`.

The one place where the four values of the method meet: generator `f`, code `z`, energy `E` and an
optimiser. `fitter` is the pure pair `(init, step)` for people who own the loop.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from dipjax import codes, probes
from dipjax.codes import Jitter
from dipjax.generators import Hourglass
from dipjax.objectives import as_objective
from dipjax.optimizers import adam
from dipjax.probes import Look

Array = jax.Array
Energy = Callable[[Array], Array]

ADAM = adam(0.01)  # optax compares by identity: one object, one compilation


class FitState(NamedTuple):
    """What the next step needs."""

    step: Array
    params: Any
    opt_state: Any
    z: Array


class FitInfo(NamedTuple):
    """What a person may want to see of a step: `x = f_theta(z)` before its update, and its energy.

    The `loss` is what the step makes smaller: `E(x)`, with the probes of the energy, if it has any.
    """

    loss: Array
    image: Array


class Fitter(NamedTuple):
    """`init(key, z) -> state` and `step(key, state) -> (state, info)`: pure, jit and vmap them.

    `step(key, state, scale)` makes `scale` times the update.
    """

    init: Callable[[Array, Array], FitState]
    step: Callable[..., tuple[FitState, FitInfo]]


def fitter(
    objective: Energy,
    generator: Any = Hourglass(),
    optimizer: optax.GradientTransformation = ADAM,
    *,
    jitter: Jitter = 1 / 30,
) -> Fitter:
    """One step of `theta <- theta - optimizer(grad_theta E(f_theta(z + sigma n)))`.

    Args:
        objective: `E`, any differentiable function from an image (H, W, C) to a scalar; its
            `probes` are added to it.
        generator: `f`, anything with `init(key, z) -> params` and `apply(params, z) -> image`.
        optimizer: any optax transformation; line searches such as `optax.lbfgs` get what
            they need.
        jitter: `sigma`, a number or a schedule of the step (see `codes.jitter`).

    Returns:
        The pair `init(key, z)`, `step(key, state)`; `key` is new for every step.

    Raises:
        ValueError: by `step`, when the objective gives no scalar.
    """
    optimizer = optax.with_extra_args_support(optimizer)
    objective = as_objective(objective)

    def init(key: Array, z: Array) -> FitState:
        params = generator.init(key, z)
        return FitState(jnp.zeros((), jnp.int32), params, optimizer.init(params), z)

    def step(key: Array, state: FitState, scale: Array | float = 1) -> tuple[FitState, FitInfo]:
        jitter_key, probes_key = jax.random.split(key)
        z = codes.jitter(jitter_key, state.z, jitter, state.step)
        looks = probes.looks(z, objective.probes(probes_key))

        def energy(params, look: Look) -> tuple[Array, Array]:
            x = generator.apply(params, look.z)
            return look.energy(scalar(objective(x)).astype(x.dtype), x), x

        def derivative(look: Look) -> tuple[tuple[Array, Any], Array]:
            (E, x), grad = jax.value_and_grad(energy, has_aux=True)(state.params, look)
            return (E, grad), x

        (loss, grad), x = probes.total(derivative, looks)
        updates, opt_state = optimizer.update(
            grad,
            state.opt_state,
            state.params,
            value=loss,
            grad=grad,
            value_fn=lambda params: probes.total(partial(energy, params), looks)[0],
        )
        updates = optax.tree.scale(scale, updates)
        params = optax.apply_updates(state.params, updates)
        return FitState(state.step + 1, params, opt_state, state.z), FitInfo(loss, x)

    return Fitter(init, step)


def scalar(loss: Array) -> Array:
    """An energy as an array of no dimensions, or an error that says what it is."""
    try:
        loss = jnp.asarray(loss)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the objective must give a scalar, not {type(loss).__name__}") from error
    if loss.shape != ():
        raise ValueError(f"the objective must give a scalar, not an array of shape {loss.shape}")
    if jnp.iscomplexobj(loss):
        raise ValueError(
            "the objective must give a real number, not a complex one: |r|^2 of a complex r is "
            "(r * r.conj()).real"
        )
    return loss
