"""What a tracker is, what it sees, why a fit ended, and the rules made of other rules or none."""

from collections.abc import Callable
from enum import IntEnum
from functools import cache, wraps
from inspect import signature
from typing import Any, NamedTuple, ParamSpec

import jax
import jax.numpy as jnp

Array = jax.Array
P = ParamSpec("P")


class Reason(IntEnum):
    """Why a fit ended."""

    RUNNING = 0
    STEPS = 1
    RULE = 2
    HELD_OUT = 3
    VARIANCE = 4
    DISCREPANCY = 5
    FAILED = 6
    RISK = 7

    def __str__(self) -> str:
        return _REASONS[self]


_REASONS = {
    Reason.RUNNING: "it was interrupted",
    Reason.STEPS: "all steps were made",
    Reason.RULE: "the stop rule said so",
    Reason.HELD_OUT: "the error of the held-out measurements has passed its minimum",
    Reason.VARIANCE: "the variance of the iterates has passed its minimum",
    Reason.DISCREPANCY: "the energy is down to that of the noise",
    Reason.RISK: "what the estimated risk still falls by is noise",
    Reason.FAILED: "it failed again and again",
}


class Seen(NamedTuple):
    """What a tracker sees of a step.

    Attributes:
        loss: the energy, with its probes (see `FitInfo`).
        image: the iterate `x` (H, W, C), before the update of the step.
        average: the average of the iterates so far (H, W, C), this one included.
        error: image -> its error in the held-out measurements (see `objectives.hold_out`), or to
            None where the objective holds nothing out.
        setbacks: how often the guard of the fit has gone back to an earlier point.
    """

    loss: Array
    image: Array
    average: Array
    error: Callable[[Array], Array | None]
    setbacks: int | Array = 0


class Tracker(NamedTuple):
    """`init(image) -> state`, `update(state, info) -> state`, where `info` is a `Seen`; a
    `FitInfo` will do where neither average nor error are needed, and nothing is taken back.

    Attributes:
        init: gets an image of the fit's shape and dtype.
        update: is called after every step.
        reason: of a stop rule, a `Reason` or a function that takes the state to one.
        call: what made it, such as "held_out(patience=100)"; its `repr`.
    """

    init: Callable[[Array], Any]
    update: Callable[[Any, Any], Any]
    reason: Reason | Callable[[Any], Array] = Reason.RULE
    call: str = "Tracker"

    def __repr__(self) -> str:
        return self.call


def tracker(make: Callable[P, Tracker]) -> Callable[P, Tracker]:
    """Decorates what makes a `Tracker`: equal settings give one object, and one program.

    Their numbers may be those of numpy or JAX, and their sequences lists.
    """
    names = signature(make)

    @cache
    def made(*settings: P.args, **named: P.kwargs) -> Tracker:
        bound = names.bind(*settings).arguments.items()
        call = ", ".join(f"{name}={getattr(v, '__name__', repr(v))}" for name, v in bound)
        return make(*settings, **named)._replace(call=f"{make.__name__}({call})")

    @wraps(make)
    def one(*args: P.args, **settings: P.kwargs) -> Tracker:
        bound = names.bind(*args, **settings)
        bound.apply_defaults()
        return made(*map(_plain, bound.args))

    return one


def _plain(value: Any) -> Any:
    if isinstance(value, Tracker):
        return value
    if isinstance(value, list | tuple):
        return tuple(map(_plain, value))
    return value.item() if hasattr(value, "item") else value


class Never(NamedTuple):
    """Always False: nothing to keep."""

    stop: Array


@tracker
def never() -> Tracker:
    """The stop rule that never stops: all steps are made."""
    return Tracker(lambda image: Never(jnp.zeros((), bool)), lambda state, info: state)


class AnyOf(NamedTuple):
    """The states of several rules."""

    states: tuple

    @property
    def stop(self) -> Array:
        return jnp.any(jnp.stack([state.stop for state in self.states]), 0)

    @property
    def image(self) -> Array:
        for state in self.states:
            if hasattr(state, "image"):
                return state.image
        raise AttributeError("none of the rules keeps an image")


@tracker
def any_of(*rules: Tracker) -> Tracker:
    """Stop when one of the rules does; the estimate is that of the first which keeps one.

    Raises:
        ValueError: for no rule.
    """
    if not rules:
        raise ValueError("any_of needs a rule at least")

    def init(image: Array) -> AnyOf:
        return AnyOf(tuple(rule.init(image) for rule in rules))

    def update(state: AnyOf, info) -> AnyOf:
        pairs = zip(rules, state.states, strict=True)
        return AnyOf(tuple(rule.update(old, info) for rule, old in pairs))

    def why(state: AnyOf) -> Array:
        pairs = zip(rules, state.states, strict=True)
        return jnp.max(jnp.stack([jnp.where(s.stop, reason(r, s), 0) for r, s in pairs]))

    return Tracker(init, update, why)


def reason(rule: Tracker, state: Any) -> Array:
    """The `Reason` of a rule that has stopped, as an integer."""
    why = rule.reason(state) if callable(rule.reason) else rule.reason
    return jnp.asarray(why, jnp.int32)


def estimate(state: Any, average: Array) -> Array:
    """The image that a rule has kept, or the average where it keeps none."""
    return getattr(state, "image", average)


def checked_decay(decay: float) -> float:
    """A decay in [0, 1) as a float."""
    if not 0 <= decay < 1:
        raise ValueError(f"decay must be in [0, 1), not {decay}")
    return float(decay)
