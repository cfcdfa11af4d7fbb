"""The result of a fit, the error that has one, and what drives a fit to it."""

from collections.abc import Callable
from typing import NamedTuple

import jax

Array = jax.Array

IMAGES = ("image", "last", "average", "best", "std")  # of a `Restoration`


class Restoration(NamedTuple):
    """The result of a fit. Images are (H, W, C) in the generator's range, [0, 1] by default.

    Where a task returns the mean of several fits, as by its preset "best", `image` and `average`
    are means, `std` is between the fits, `stopped_at` and `setbacks` count all, and the rest is of
    the first.

    Attributes:
        image: the best estimate of the restored image: that of the stop rule where it keeps
            one, else the average.
        last: the last iterate.
        average: the exponential average of the iterates, see `stopping.average`.
        best: the iterate of the lowest loss.
        std: standard deviation of the iterates around their average, per entry.
        loss: the energy at every step (steps,), with its probes, if any; NaN after the stop.
        stopped_at: the number of steps that were made.
        error: of the average in the held-out measurements at every step (steps,), NaN after the
            stop and where nothing is held out.
        stop_reason: why the fit ended, a `stopping.Reason` as an integer.
        setbacks: how often the guard took back a bad step.
    """

    image: Array
    last: Array
    average: Array
    best: Array
    std: Array
    loss: Array
    stopped_at: Array
    error: Array = None  # pyright: ignore[reportAssignmentType]
    stop_reason: Array = None  # pyright: ignore[reportAssignmentType]
    setbacks: Array = None  # pyright: ignore[reportAssignmentType]

    def map_images(self, fn: Callable[[Array], Array]) -> "Restoration":
        """The same with `fn` of each of its images, such as the part of it that was asked for."""
        return self._replace(**{name: fn(getattr(self, name)) for name in IMAGES})


Driver = Callable[..., Restoration]  # what runs a fit, called like `fit`


class FitError(RuntimeError):
    """A fit that failed again and again; `.result` is the `Restoration` of its best image.

    Of a task it is what was fitted, without what the task would have made of it then.
    """

    def __init__(self, result: Restoration):
        super().__init__(
            f"the fit failed at step {int(result.stopped_at)}, after its guard had taken back "
            f"{int(result.setbacks)} bad steps: lower the learning rate, or look for NaN in the "
            "measurement and in the gradient of the objective"
        )
        self.result = result

    def __reduce__(self):
        return FitError, (self.result,)
