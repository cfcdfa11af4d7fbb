"""Forward operators `A`: image -> measurement, composable, differentiable, with adjoints.

An operator is a frozen pytree: its arrays are leaves, so a new mask does not recompile and
`vmap` over masks works. `A(x)` applies it, `A @ B` composes, `A.T` is the adjoint, which JAX
derives from the forward code.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Literal, get_args

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.sparse.linalg import cg

Array = jax.Array
Shape = tuple[int, ...]
Kernel = Literal["lanczos2", "lanczos3", "cubic", "box"]
Border = Literal["valid", "edge", "reflect", "wrap"]


class Operator:
    """Base of the forward operators: a subclass writes `forward`, the rest follows.

    `A.shape` is the shape of the images that `A` takes, known once it was traced (called):
    the adjoint needs it. A subclass whose measurement tells the shape of the image says so in
    `domain`, and its adjoint needs no call before.
    """

    def forward(self, x: Array) -> Array:
        """The measurement of the image `x` (H, W, C)."""
        raise NotImplementedError

    def domain(self, shape: Shape) -> Shape | None:
        """The shape of the image behind a measurement of this shape, where that is known."""
        return None

    def __call__(self, x: Array) -> Array:
        object.__setattr__(self, "_shape", jnp.shape(x))
        return self.forward(x)

    @property
    def shape(self) -> Shape | None:
        """The shape (H, W, C) of the last image that this operator was applied to, or None."""
        return getattr(self, "_shape", None)

    @property
    def T(self) -> "Operator":
        """The adjoint: `<A x, u> = <x, A.T u>`."""
        return Adjoint(self)

    def __matmul__(self, other: "Operator") -> "Compose":
        """`(A @ B)(x) = A(B(x))`."""
        return Compose(self, other)


@flax.struct.dataclass
class Identity(Operator):
    """`A x = x`: the operator of denoising."""

    def forward(self, x: Array) -> Array:
        return x

    def domain(self, shape: Shape) -> Shape:
        return shape


@flax.struct.dataclass
class Mask(Operator):
    """`A x = m * x`: the operator of inpainting.

    Attributes:
        mask: `m` (H, W), (H, W, 1) or (H, W, C), 1 where the image is known and 0 where not.
    """

    mask: Array

    def forward(self, x: Array) -> Array:
        m = self.mask if jnp.ndim(self.mask) == x.ndim else self.mask[..., None]
        if m.shape[:2] != x.shape[:2] or m.shape[2] not in (1, x.shape[2]):
            raise ValueError(
                f"mask of shape {self.mask.shape} does not fit an image of shape {x.shape}"
            )
        return m.astype(x.dtype) * x

    def domain(self, shape: Shape) -> Shape:
        return shape


@flax.struct.dataclass
class Downsample(Operator):
    """`A x = R_H x R_W^T`, channel by channel: the operator of super-resolution.

    `R_n` (ceil(n / factor), n) holds one row of filter taps for each pixel that is left; the
    filter is separable, so one matrix an axis is all there is.

    `lanczos2` is the operator of the paper: `4 * factor` taps, half a pixel of phase, borders
    repeated (TARGETS Q17). `lanczos3`, `cubic` and `box` are Pillow's `LANCZOS`, `BICUBIC` and
    `BOX` without rounding: at the border the taps that are left are renormalised.

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
        rows, columns = (
            jnp.asarray(_taps(n, self.factor, self.kernel), x.dtype) for n in x.shape[:2]
        )
        return jnp.einsum("ih,hwc,jw->ijc", rows, x, columns, precision="highest")

    def domain(self, shape: Shape) -> Shape:
        return (shape[0] * self.factor, shape[1] * self.factor, *shape[2:])


@flax.struct.dataclass
class Blur(Operator):
    """`A x = k * x`, a convolution channel by channel: the operator of deblurring.

        (A x)_ij = sum_ab k_ab x_(i-a)(j-b)        `k` is the picture of a point of light

    Computed by FFT, in a time that does not depend on the kernel's size.

    Attributes:
        kernel: `k` (h, w), such as `kernels.gaussian(1.6)`; a point is seen at its entry
            (h // 2, w // 2).
        border: what is behind the edge of an image. "valid": nothing, so a measurement
            (H - h + 1, W - w + 1, C) has the pixels alone of which all light is known, as a part
            of a larger view has. Else the measurement is as large as the image, whose edge is
            repeated ("edge"), mirrored ("reflect"), or meets the one on the other side ("wrap").

    Raises:
        ValueError: for another border, and when applied with a kernel of another form or, where the
            border is "valid", one that is larger than the image.
    """

    kernel: Array
    border: Border = flax.struct.field(pytree_node=False, default="valid")

    def __post_init__(self):
        if self.border not in get_args(Border):
            raise ValueError(f"border must be one of {get_args(Border)}, not {self.border!r}")

    def forward(self, x: Array) -> Array:
        if jnp.ndim(self.kernel) != 2:
            raise ValueError(f"kernel must be (h, w), not of shape {jnp.shape(self.kernel)}")
        h, w = self.kernel.shape
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))  # an FFT knows no other
        if self.border != "valid":
            around = (((h - 1) // 2, h // 2), ((w - 1) // 2, w // 2), (0, 0))
            x = jnp.pad(x, around, mode=self.border)
        size = x.shape[:2]
        if h > size[0] or w > size[1]:
            raise ValueError(f"kernel of shape {(h, w)} is larger than an image of {x.shape}")
        k = jnp.fft.rfft2(self.kernel.astype(x.dtype), size)[..., None]
        y = jnp.fft.irfft2(k * jnp.fft.rfft2(x, axes=(0, 1)), size, axes=(0, 1))
        return y[h - 1 :, w - 1 :]  # all that did not come round

    def domain(self, shape: Shape) -> Shape:
        if self.border != "valid":
            return shape
        h, w = self.kernel.shape
        return (shape[0] + h - 1, shape[1] + w - 1, *shape[2:])


@flax.struct.dataclass
class Lambda(Operator):
    """`A x = fn(x)` for any function that JAX can trace.

    Attributes:
        fn: image (H, W, C) -> array of any shape. It is part of the compiled program: define
            it once, since another function object compiles again.
    """

    fn: Callable[[Array], Array] = flax.struct.field(pytree_node=False)

    def forward(self, x: Array) -> Array:
        return self.fn(x)


@flax.struct.dataclass
class Compose(Operator):
    """`(A @ B) x = A(B(x))`."""

    outer: Operator
    inner: Operator

    def forward(self, x: Array) -> Array:
        return self.outer.forward(self.inner.forward(x))

    def domain(self, shape: Shape) -> Shape | None:
        middle = self.outer.domain(shape)
        return middle and self.inner.domain(middle)


@flax.struct.dataclass
class Adjoint(Operator):
    """`A.T`, with `<A x, u> = <x, A.T u>`, derived by `jax.linear_transpose`.

    Raises:
        ValueError: when called before the shape of the image is known.
        TypeError: when `A` has a step that is not linear; a constant that it adds is ignored,
            which `check_adjoint` shows.
    """

    of: Operator

    def forward(self, x: Array) -> Array:
        u = jnp.asarray(x)
        image = jax.ShapeDtypeStruct(self.domain_of(u), u.dtype)
        try:
            (adjoint,) = jax.linear_transpose(self.of.forward, image)(u)
        except (NotImplementedError, AssertionError) as error:  # of rules that need linearity
            raise TypeError(f"{type(self.of).__name__} is not linear, it has no adjoint") from error
        return adjoint

    def domain_of(self, u: Array) -> Shape:
        """The shape of the image whose measurement `u` is: the one seen last, where that fits."""
        for shape in (self.of.shape, self.of.domain(u.shape)):
            if shape and _measured(self.of, shape, u.dtype) == u.shape:
                return shape
        raise ValueError(
            f"the adjoint cannot tell which images give measurements of shape {u.shape}: "
            "apply the operator to an image first"
        )

    def domain(self, shape: Shape) -> Shape | None:
        return _measured(self.of, shape, jnp.float32)

    @property
    def T(self) -> Operator:
        return self.of


def _measured(operator: Operator, shape: Shape, dtype) -> Shape | None:
    """The shape of the measurement of an image of this shape; None where it does not fit."""
    try:
        return jax.eval_shape(operator.forward, jax.ShapeDtypeStruct(shape, dtype)).shape
    except (TypeError, ValueError):
        return None


def check_adjoint(operator: Operator, shape: Shape, *, key: Array | None = None) -> float:
    """How far `<A x, u>` and `<x, A.T u>` are apart, relative, for random `x` and `u`.

    Args:
        operator: `A`.
        shape: of the images that it takes.
        key: of the random numbers.

    Returns:
        `|<A x, u> - <x, A.T u>| / (|A x| |u|)`, below 1e-6 for a linear operator in float32.
    """
    x_key, u_key = jax.random.split(jax.random.key(0) if key is None else key)
    x = jax.random.normal(x_key, shape)
    y = operator(x)
    u = jax.random.normal(u_key, y.shape)
    gap = jnp.vdot(y, u) - jnp.vdot(x, operator.T(u))
    return float(jnp.abs(gap) / (jnp.linalg.norm(y) * jnp.linalg.norm(u)))


# Of conjugate gradients, at most. Filters and masks need ten for a hundred-thousandth of the
# residual; of a blur a thousandth is left.
ITERATIONS = 30


def backproject(x: Array, A: Operator, y: Array, *, ridge: float | Array = 0.0) -> Array:
    """The image nearest to `x` whose measurement is `y`: `x + A^T (A A^T + r)^-1 (y - A x)`.

    With a ridge `r = s^2 / sigma^2` it minimises `|A u - y|^2 / s^2 + |u - x|^2 / sigma^2` over the
    images `u`: a measurement with noise `s`, an image known to `sigma`.

    Args:
        x: an image (H, W, C).
        A: a linear operator.
        y: the measurement, of the shape of `A(x)`; without a ridge one that some image has.
        ridge: `r`, not negative.

    Returns:
        The image (H, W, C), by at most 30 steps of conjugate gradients.

    Raises:
        TypeError: for an operator that is not linear.
    """
    residual = y - A(x)
    u, _ = cg(lambda u: A(A.T(u)) + ridge * u, residual, tol=1e-6, maxiter=ITERATIONS)
    return x + A.T(u)


# --- filters -------------------------------------------------------------------------------


def _lanczos(t: np.ndarray, lobes: int) -> np.ndarray:
    return np.where(np.abs(t) < lobes, np.sinc(t) * np.sinc(t / lobes), 0.0)


def _cubic(t: np.ndarray, a: float = -0.5) -> np.ndarray:
    t = np.abs(t)
    near = (a + 2) * t**3 - (a + 3) * t**2 + 1
    far = a * (t**3 - 5 * t**2 + 8 * t - 4)
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
