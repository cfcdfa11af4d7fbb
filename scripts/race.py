"""Contestants timed turn by turn in one run, so that what the machine does hits all alike."""

import json
import time
from collections.abc import Callable, Iterable
from functools import partial
from statistics import median
from typing import Any, NamedTuple

REPEATS = 7
PAUSE = 0.3  # seconds: threads of PyTorch and of XLA spin for a while after their work
SLOW = 5.0

Turn = Callable[..., float]  # seconds a step; with `steps`, of so many where that is possible


class Contestant(NamedTuple):
    """One way of doing the work.

    Attributes:
        name: of the result.
        make: prepares and gives the turn, a function that works and returns seconds a step;
            `turn(steps=1)` may do less, to see how slow it is.
        base: the contestant that it must not be `SLOW` times slower than, to be timed at all.
    """

    name: str
    make: Callable[[], Turn]
    base: str | None = None


def race(
    contestants: Iterable[Contestant], repeats: int = REPEATS, pause: float = PAUSE
) -> dict[str, dict[str, Any]]:
    """The median seconds a step of each contestant over interleaved turns.

    Each first takes two turns that do not count: `warm` are their seconds a step, `first` is
    what making it and the first of them took, compilation included. One that is out of memory,
    not installed or broken has `failed` in its result, one that is far slower than its base
    `skipped`; the others go on.
    """
    results: dict[str, dict[str, Any]] = {}
    turns: dict[str, Turn] = {}
    for contestant in contestants:
        result = results[contestant.name] = {}
        turn = _attempt(result, partial(_warm, contestant, results))
        if turn is not None:
            turns[contestant.name] = turn
    times: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(repeats):
        for name in list(turns):
            time.sleep(pause)
            seconds = _attempt(results[name], turns[name])
            if seconds is None:
                del turns[name]
            else:
                times[name].append(seconds)
    for name in turns:
        results[name] |= {"seconds": median(times[name]), "all": times[name]}
    return results


def _warm(contestant: Contestant, results: dict[str, dict]) -> Turn | None:
    """The turn of a contestant after two turns, or None where it is too slow to go on."""
    result, start = results[contestant.name], time.perf_counter()
    turn = contestant.make()
    result["warm"] = []
    for i in range(2):
        result["warm"].append(turn(steps=1))
        result.setdefault("first", time.perf_counter() - start)
        base = results.get(contestant.base or "", {}).get("warm")
        if base and (times := result["warm"][i] / base[i]) > SLOW:
            result["skipped"] = f"{times:.0f} x slower than {contestant.base}"
            return None
    return turn


def _attempt(result: dict, work: Callable[[], Any]) -> Any:
    """What the work gives, or None with the reason in the result."""
    try:
        return work()
    except Exception as error:
        result["failed"] = reason(error)
        return None


def reason(error: Exception) -> str:
    """Why it failed, in one line."""
    text = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    if isinstance(error, ModuleNotFoundError) and error.name == "torch":
        return "PyTorch is not installed"
    memory = ("RESOURCE_EXHAUSTED", "out of memory", "not enough memory", "MemoryError")
    return "out of memory" if any(word in text for word in memory) else text[:200]


def answer(stdout: str, status: int) -> dict[str, Any]:
    """What a process printed last; why there is nothing, where it died."""
    try:
        return json.loads(stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        why = "killed, probably out of memory" if status in (-9, 137) else f"ended with {status}"
        return {"result": {"failed": why}}
