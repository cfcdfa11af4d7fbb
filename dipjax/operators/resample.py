"""Down-sampling: the operator of super-resolution, and its filters."""

from functools import lru_cache
from typing import Literal, get_args

import flax.struct
import jax.numpy as jnp
import numpy as np

from dipjax.operators.base import Array, Operator, Shape, check_image

Kernel = Literal["lanczos2", "lanczos3", "cubic", "box"]


@flax.struct.dataclass
class Downsample(Operator):
    """`A x = R_H x R_W^T`, channel by channel: the operator of super-resolution.

    `R_n` (ceil(n / factor), n) holds one row of filter taps for each pixel that is left; the
    filter is separable, so one matrix an axis is all there is.

    `lanczos2` is the operator of the paper: `4 * factor` taps, half a pixel of phase, borders
    repeated. `lanczos3`, `cubic` and `box` are Pillow's `LANCZOS`, `BICUBIC` and `BOX` without
    rounding: at the border the taps that are left are renormalised.

    Attributes:
        factor: at least 1, integer.
        kernel: "lanczos2", "lanczos3", "cubic" or "box".

    Raises:
        ValueError: for another factor or kernel.
    """

    factor: int = flax.struct.field(pytree_node=False)
    kernel: Kernel = flax.struct.field(pytree_node=False, default="lanczos2")

    def __post_init__(self):
        if not isinstance(self.factor, int | np.integer) or self.factor < 1:
            raise ValueError(f"factor must be an integer of at least 1, not {self.factor!r}")
        if self.kernel not in get_args(Kernel):
            raise ValueError(f"kernel must be one of {get_args(Kernel)}, not {self.kernel!r}")

    def forward(self, x: Array) -> Array:
        x = check_image(x)
        x = x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(jnp.float32)
        rows, columns = (
            jnp.asarray(_taps(n, self.factor, self.kernel), x.dtype) for n in x.shape[:2]
        )
        return jnp.einsum("ih,hwc,jw->ijc", rows, x, columns, precision="highest")

    def domain(self, shape: Shape) -> Shape:
        return (shape[0] * self.factor, shape[1] * self.factor, *shape[2:])


# --- filters -------------------------------------------------------------------------------


def _lanczos(t: np.ndarray, lobes: int) -> np.ndarray:
    return np.where(np.abs(t) < lobes, np.sinc(t) * np.sinc(t / lobes), 0.0)


def _cubic(t: np.ndarray) -> np.ndarray:
    t = np.abs(t)
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * (t**3 - 5 * t**2 + 8 * t - 4)
    return np.where(t < 1, near, np.where(t < 2, far, 0.0))


def _box(t: np.ndarray) -> np.ndarray:
    return np.where((t > -0.5) & (t <= 0.5), 1.0, 0.0)


# kernel -> (function of the distance in output pixels, where it ends)
_FILTERS = {
    "lanczos2": (lambda t: _lanczos(t, 2), 2.0),
    "lanczos3": (lambda t: _lanczos(t, 3), 3.0),
    "cubic": (_cubic, 2.0),
    "box": (_box, 0.5),
}


@lru_cache(maxsize=32)
def _taps(n: int, factor: int, kernel: Kernel) -> np.ndarray:
    """`R_n` (ceil(n / factor), n): row `i` is the filter around the centre of output pixel `i`."""
    function, support = _FILTERS[kernel]
    m = -(-n // factor)
    # The paper keeps its grid and repeats the border; Pillow stretches its grid to fit.
    scale = factor if kernel == "lanczos2" else n / m
    reach = int(np.ceil(support * scale)) + 1
    positions = np.arange(-reach, max(n, m * factor) + reach)
    centres = (np.arange(m) + 0.5) * scale
    taps = function((positions + 0.5 - centres[:, None]) / scale)
    if kernel == "lanczos2":
        columns = np.clip(positions, 0, n - 1)
    else:
        taps, columns = taps[:, (inside := (positions >= 0) & (positions < n))], positions[inside]
    matrix = np.zeros((m, n))
    np.add.at(matrix, (slice(None), columns), taps)  # pyright: ignore[reportArgumentType]
    return matrix / matrix.sum(1, keepdims=True)
