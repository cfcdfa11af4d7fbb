"""What is fixed in a fit: generator, optimiser and rules, looked at before any step."""

import math
import operator
from typing import Any, NamedTuple

import optax

from dipjax import stopping
from dipjax.codes import Jitter
from dipjax.generators.hourglass import or_hourglass
from dipjax.guard import GUARD, Guard
from dipjax.stopping import Decay, Tracker


class Settings(NamedTuple):
    """The static part of a fit: hashed by value, so that equal settings compile once."""

    generator: Any
    optimizer: optax.GradientTransformation
    jitter: Jitter
    average: Tracker
    stop: Tracker
    guard: Guard

    @staticmethod
    def of(
        shape: tuple[int, int, int],
        generator: Any,
        optimizer: optax.GradientTransformation,
        jitter: Jitter,
        decay: Decay,
        stop: Tracker,
        guard: Guard = GUARD,
    ) -> "Settings":
        """Those of a fit to an image of this shape, from the arguments of `fit`.

        Raises:
            TypeError: for a generator, an optimiser or a rule that lacks what a fit calls, and for
                a guard that is none.
            ValueError: for a guard that never looks, and for jitter that is no level of noise.
        """
        generator = or_hourglass(generator, shape)
        _look_at(generator, optimizer, stop)
        if not isinstance(guard, Guard):
            raise TypeError(f"guard {guard!r}: must be a dipjax.guard.Guard")
        if guard.every < 1:
            raise ValueError(f"Guard(every={guard.every}): must be at least 1")
        jitter = jitter if callable(jitter) else float(jitter)  # a key of the compiled fit
        if not callable(jitter) and not 0 <= jitter < math.inf:
            raise ValueError(f"jitter {jitter}: must be 0 or more, on the scale of the code")
        return Settings(generator, optimizer, jitter, stopping.average(decay), stop, guard)


def whole(number: Any, name: str = "steps") -> int:
    """A number of steps, or of what has this name, as an integer of Python.

    Raises:
        TypeError: for another number.
        ValueError: for less than one.
    """
    try:
        number = operator.index(number)
    except TypeError as error:
        raise TypeError(f"{name} {number!r}: must be a whole number") from error
    if number < 1:
        raise ValueError(f"{name} must be at least 1, not {number}")
    return number


def _look_at(generator: Any, optimizer: Any, stop: Any) -> None:
    """Raise TypeError for what has not the functions that a fit calls.

    A class for one of its values (`Hourglass` for `Hourglass()`) is the commonest slip, and a word
    that only the tasks know.
    """
    for name, value, second, example in (
        ("generator", generator, "apply", "dipjax.Hourglass()"),
        ("optimizer", optimizer, "update", "optax.adam(0.01)"),
        ("stop", stop, "update", "dipjax.stopping.windowed_variance()"),
    ):
        if isinstance(value, type) or not (hasattr(value, "init") and hasattr(value, second)):
            words = ' ("held_out" and other words are for the tasks)' if name == "stop" else ""
            raise TypeError(f"{name} {value!r}: has no init and {second}, give {example}{words}")
    check_hash(generator)


def check_hash(generator: Any) -> None:
    """By which equal generators share a program; raises TypeError where there is none."""
    try:
        hash(generator)
    except TypeError as error:
        kind = type(generator).__name__
        raise TypeError(
            f"generator {kind}: has no hash, as one with lists or arrays; tuples have one"
        ) from error
