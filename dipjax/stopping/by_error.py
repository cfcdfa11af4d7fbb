"""Stop by the error of the measurements that are held out."""

import flax.struct
import jax.numpy as jnp
from jax import lax

from dipjax.stopping.averages import Average, average
from dipjax.stopping.tracker import Array, Reason, Seen, Tracker, checked_decay, tracker
from dipjax.stopping.waiting import Patient, waited, waiting


@flax.struct.dataclass
class HeldOut(Patient):
    """Short averages of the iterates, and the wait for a lower error."""

    short: tuple[Average, ...]


@tracker
def held_out(
    patience: int = 100, fraction: float = 0.25, decays: tuple[float, ...] = (0.95, 0.98)
) -> Tracker:
    """Stop when the error of what was not fitted has reached no new minimum for long.

    Noise of one pixel says nothing about that of another: what predicts held-out measurements
    `y` best is nearest to the truth,

        E |A x - y|^2 = |A x - A x_true|^2 + |noise|^2

    without a noise level, for any noise that is independent from pixel to pixel. The estimate
    is the best of all averages, and of averages over shorter times, which are better where a fit
    learns the noise early. Single iterates are no candidates: they differ so much that on few
    held-out pixels one has the lowest error by chance (32 x 32, noise 25: on average 0.2 dB lost).

    Args:
        patience: the fit stops when there was no new minimum for `patience + fraction * t` steps,
            `t` being the step of the last one.
        fraction: of the steps until the last minimum.
        decays: of the shorter averages, in [0, 1); 0 for the iterates themselves.

    Raises:
        ValueError: for other decays, or a patience that is negative; by the fit, for an objective
            that holds nothing out.
    """
    if not patience >= 0:
        raise ValueError(f"patience must not be negative, not {patience}")
    averages = [average(checked_decay(decay)) for decay in decays]

    def init(image: Array) -> HeldOut:
        return HeldOut(wait=waiting(image), short=tuple(a.init(image) for a in averages))

    def update(state: HeldOut, info: Seen) -> HeldOut:
        short = tuple(a.update(s, info) for a, s in zip(averages, state.short, strict=True))
        candidates = *(s.mean for s in short), info.average
        errors = jnp.stack([_held_error(info, x) for x in candidates])
        best = lax.select_n(jnp.argmin(errors).astype(jnp.int32), *candidates)
        wait = waited(state.wait, errors.min(), best, lambda at: patience + fraction * at)
        return HeldOut(wait=wait, short=short)

    return Tracker(init, update, Reason.HELD_OUT)


def _held_error(info: Seen, x: Array) -> Array:
    """In the precision of the image, as all that the rule keeps; the measurement may have more."""
    error = info.error(x)
    if error is None:
        raise ValueError(
            "nothing is held out to stop by: make the objective with objectives.hold_out"
        )
    return error.astype(x.dtype)
