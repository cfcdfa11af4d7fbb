"""What a JPEG file keeps: the operator of removing its artifacts."""

import math

import flax.struct
import jax.numpy as jnp
import numpy as np
from jax.scipy import fft

from dipjax.operators.base import Array, Operator, list_as_array
from dipjax.operators.orientation import UPRIGHT, stored

SIDE = 8  # of a block
ROUNDING = 12**-0.5  # standard deviation of what rounding leaves, evenly, between two integers

INTERPOLATED = (1, 2), (2, 2)  # the samplings between whose means decoders draw lines

# Light and two differences of colour of (red, green, blue): ITU-R BT.601, as JFIF has it.
_COLOURS = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)


@flax.struct.dataclass
class Jpeg(Operator):
    """`A x = D P x / q`: the coefficients of JPEG, in the steps to whose multiples a file rounds.

    `P` takes light and colour apart, and of colour the means of a few pixels; `D` is the cosine
    transform of blocks of 8 x 8. A file has `round(A x)`, but for a constant: of its picture that
    was measured, with an error of `ROUNDING` (more where decoding has clipped it), and `measured`
    finds it again. `images.load_picture` reads the operator of a file.

    ITU-T T.81 (1992), annex A; JFIF 1.02.

    Attributes:
        steps: `q` (C, 8, 8), one table for each channel, light first, on the scale where white is
            1; rows are the frequencies down.
        sampling: rows and columns of pixels for one of colour, such as (2, 2).
        orientation: of the picture in the file, as EXIF counts; 1 is upright.

    Raises:
        ValueError: when applied to an image that has not as many channels as there are tables.
    """

    steps: Array
    sampling: tuple[int, int] = flax.struct.field(pytree_node=False, default=(1, 1))
    orientation: int = flax.struct.field(pytree_node=False, default=UPRIGHT)

    def __post_init__(self):
        list_as_array(self, "steps")

    @property
    def level(self) -> Array:
        """Of the error in a pixel's light, were its coefficients larger than the steps."""
        return jnp.sqrt(jnp.mean(jnp.square(self.steps[0]))) * ROUNDING

    @property
    def block(self) -> int:
        """Pixels by which an image may be cut, along both axes, from either end."""
        return SIDE * math.lcm(*self.sampling)

    def forward(self, x: Array) -> Array:
        """(n,) coefficients: those of light, then those of colour, block by block."""
        if x.shape[-1] != self.steps.shape[0]:
            raise ValueError(
                f"a JPEG of {self.steps.shape[0]} channels does not fit an image of {x.shape}"
            )
        return self._coefficients(x, decoded=False)

    def measured(self, y: Array) -> Array:
        """What the file holds, of its picture `y` (H, W, C) as decoded.

        It is `A y`, but that decoders draw straight lines between two means of colour, which blurs
        their means: `m_i / 8 + 3 m_(i+1) / 4 + m_(i+2) / 8`. That is undone.
        """
        return self._coefficients(y, decoded=True)

    def _coefficients(self, x: Array, decoded: bool) -> Array:
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        x = stored(x, self.orientation)
        if x.shape[-1] == 3:
            x = jnp.einsum("hwc,kc->hwk", x, jnp.asarray(_COLOURS, x.dtype), precision="highest")
        light, *colours = jnp.moveaxis(x, -1, 0)
        colours = [_means(colour, self.sampling) for colour in colours]
        if decoded and self.sampling in INTERPOLATED:
            colours = [_unblurred(colour, self.sampling) for colour in colours]
        steps = jnp.asarray(self.steps, x.dtype)[:, None, None]
        coefficients = [_cosines(p) / q for p, q in zip((light, *colours), steps, strict=True)]
        return jnp.concatenate([c.ravel() for c in coefficients])


def light(x: Array) -> Array:
    """Of an image (H, W, C), as JPEG tells it from colour: (H, W, 1)."""
    weights = jnp.asarray(_COLOURS[:1] if x.shape[-1] == 3 else [[1.0]], x.dtype)
    return jnp.einsum("hwc,kc->hwk", x, weights, precision="highest")


def _means(x: Array, sides: tuple[int, int]) -> Array:
    """Of rectangles (a, b) of a plane, whose edge is repeated to fill the last."""
    return _blocks(x, sides).mean((1, 3))


def _unblurred(x: Array, sampling: tuple[int, int]) -> Array:
    """The inverse of the filter (1, 6, 1) / 8, mirrored, along axes where there is one for two."""
    for axis, share in enumerate(sampling):
        if share == 2:
            n = x.shape[axis]
            response = 0.75 + 0.25 * np.cos(np.pi * np.arange(n) / n)
            response = jnp.asarray(response, x.dtype).reshape([n, 1] if axis == 0 else [1, n])
            x = fft.idct(fft.dct(x, axis=axis, norm="ortho") / response, axis=axis, norm="ortho")
    return x


def _cosines(x: Array) -> Array:
    """The orthonormal cosine transform of the blocks of a plane: (rows, columns, 8, 8)."""
    n = np.arange(SIDE)
    D = np.cos(np.pi * n[:, None] * (2 * n + 1) / (2 * SIDE)) * np.sqrt(2 / SIDE)
    D[0] /= np.sqrt(2)
    D = jnp.asarray(D, x.dtype)
    return jnp.einsum("ui,aibj,vj->abuv", D, _blocks(x, (SIDE, SIDE)), D, precision="highest")


def _blocks(x: Array, sides: tuple[int, int]) -> Array:
    """A plane as (rows, a, columns, b), its edge repeated to fill the last block."""
    a, b = sides
    x = jnp.pad(x, ((0, -x.shape[0] % a), (0, -x.shape[1] % b)), mode="edge")
    return x.reshape(x.shape[0] // a, a, x.shape[1] // b, b)
