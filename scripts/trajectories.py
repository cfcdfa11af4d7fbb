"""From trajectories to seconds: when each contestant is as good as the published fit."""

from statistics import fmean
from typing import Any

Trajectory = dict[str, Any]  # "steps", and dB at each of them: "average" and "iterate"


class Curve:
    """Steps and dB so far."""

    def __init__(self):
        self.steps, self.average, self.iterate = [], [], []

    def add(self, step: int, average: float, iterate: float) -> None:
        self.steps.append(step)
        self.average.append(round(average, 3))
        self.iterate.append(round(iterate, 3))

    def record(self) -> Trajectory:
        return vars(self)


def reached(steps: list[int], curve: list[float], target: float) -> int | None:
    """The first step at which the curve is at the target, or None."""
    return next((n for n, value in zip(steps, curve, strict=True) if value >= target), None)


def mean_curve(trajectories: list[Trajectory], estimate: str) -> tuple[list[int], list[float]]:
    """The mean over crops at the steps that all have made."""
    steps = min((t["steps"] for t in trajectories), key=len)
    curves = (t[estimate][: len(steps)] for t in trajectories)
    return steps, [fmean(values) for values in zip(*curves, strict=True)]


def comparison(
    peers: list[Trajectory], own: list[Trajectory], estimate: str, pace: dict[str, float]
) -> dict[str, Any]:
    """The mean crop: steps and seconds in which each is at a quality of the peer.

    Args:
        peers: trajectories of the peer to its published number of steps.
        own: those of dipjax for the same crops; its estimate is always the average.
        estimate: of the peer, at its end "average" or "iterate", or the "best average" of all,
            at which it would have had to stop.
        pace: seconds a step of "dipjax" and of the "peer", and once of "finish", behind a fit of
            dipjax.

    Returns:
        `target` in dB, `steps` and `seconds` until both have it (None where it is not
        reached), `published` seconds of the peer, `end` of dipjax in dB, `speedup`.
    """
    steps, curve = mean_curve(peers, estimate.removeprefix("best "))
    our_steps, ours = mean_curve(own, "average")
    target = max(curve) if estimate.startswith("best") else curve[-1]
    counts = {"peer": reached(steps, curve, target), "dipjax": reached(our_steps, ours, target)}
    behind = {"dipjax": pace.get("finish", 0), "peer": 0}
    seconds = {who: n and n * pace[who] + behind[who] for who, n in counts.items()}
    return {
        "target": target,
        "steps": counts,
        "seconds": seconds,
        "published": steps[-1] * pace["peer"],
        "end": ours[-1],
        "speedup": seconds["dipjax"] and seconds["peer"] / seconds["dipjax"],
    }
