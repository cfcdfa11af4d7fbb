"""EXIF orientation, 1 to 8: how a picture is kept, and how it is upright.

    upright = flip(swap(stored)),    stored = swap(flip(upright))

5 and above swap the axes, then most flip some of them.
"""

from typing import Any

UPRIGHT = 1
_FLIPS = {2: (1,), 3: (0, 1), 4: (0,), 6: (1,), 7: (0, 1), 8: (0,)}


def upright(x: Any, orientation: int) -> Any:
    """A stored picture, an array (h, w, ...) of NumPy or JAX, as it is looked at."""
    return _flip(_swap(x, orientation), orientation)


def stored(x: Any, orientation: int) -> Any:
    """The inverse of `upright`."""
    return _swap(_flip(x, orientation), orientation)


def _swap(x: Any, orientation: int) -> Any:
    return x.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else x


def _flip(x: Any, orientation: int) -> Any:
    flips = _FLIPS.get(orientation, ())
    return x[tuple(slice(None, None, -1 if axis in flips else 1) for axis in (0, 1))]
