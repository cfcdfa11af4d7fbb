"""Forward operators `A`: image -> measurement, composable, differentiable, with adjoints.

An operator is a frozen pytree: its arrays are leaves, so a new mask does not recompile and
`vmap` over masks works. `A(x)` applies it, `A @ B` composes, `A.T` is the adjoint, which JAX
derives from the forward code.
"""

from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp

Array = jax.Array
Shape = tuple[int, ...]
NOT_LINEAR = (NotImplementedError, AssertionError, RuntimeError)  # of rules that need linearity


class Operator:
    """Base of the forward operators: a subclass writes `forward`, the rest follows.

    `A.shape` is the shape of the images that `A` takes, known once it was traced (called):
    the adjoint needs it. A subclass whose measurement tells the shape of the image says so in
    `domain`, and its adjoint needs no call before.
    """

    __array_ufunc__ = None  # NumPy leaves `array @ A` to us, and we say what is wrong with it

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
        """The adjoint: `<A x, u> = <x, A.T u>`, for images of `shape` where that is known."""
        return Adjoint(self, self.shape)

    def __matmul__(self, other: "Operator | Callable[[Array], Array]") -> "Compose":
        """`(A @ B)(x) = A(B(x))`; `B` may be a function."""
        return Compose(self, as_operator(other))

    def __rmatmul__(self, other: Callable[[Array], Array]) -> "Compose":
        """The same, where `A` is a function."""
        return Compose(as_operator(other), self)


def list_as_array(operator: Operator, name: str) -> None:
    """What was given as a list is an array from the start: else each number of it were a leaf."""
    if isinstance(value := getattr(operator, name), list):
        object.__setattr__(operator, name, jnp.asarray(value))


def check_image(x: Array) -> Array:
    """An image as it is; raises ValueError for what is not (H, W, C)."""
    if jnp.ndim(x) != 3:
        raise ValueError(f"an image is (H, W, C), channels last, not of shape {jnp.shape(x)}")
    return x


@flax.struct.dataclass
class Identity(Operator):
    """`A x = x`: the operator of denoising."""

    def forward(self, x: Array) -> Array:
        return x

    def domain(self, shape: Shape) -> Shape:
        return shape


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


def as_operator(fn: "Operator | Callable[[Array], Array]") -> Operator:
    """An operator as it is, and any function of an image as one.

    Raises:
        TypeError: for what cannot be called.
    """
    if not callable(fn):
        what = f"of shape {fn.shape}" if hasattr(fn, "shape") else f"{fn!r:.40}"
        words = "must be one of dipjax.operators, or a function; A(x) applies one to an image"
        raise TypeError(f"operator {what}: {words}")
    return fn if isinstance(fn, Operator) else Lambda(fn)


@flax.struct.dataclass
class Compose(Operator):
    """`(A @ B) x = A(B(x))`."""

    outer: Operator
    inner: Operator

    def forward(self, x: Array) -> Array:
        return self.outer.forward(self.inner.forward(x))

    def __call__(self, x: Array) -> Array:
        """Each part learns the shape of its images, too, which an adjoint among them needs."""
        object.__setattr__(self, "_shape", jnp.shape(x))
        u = self.inner(x)
        # Of `A.T @ A` both are one object until `jit` takes it apart: then the adjoint has another
        # `A`, which has seen no image. One that looks the same has, most likely the same.
        for adjoint in _parts(self.outer):
            for part in _parts(self.inner):
                if isinstance(adjoint, Adjoint) and _same(adjoint.of, part):
                    known = adjoint.of.shape or part.shape
                    object.__setattr__(adjoint.of, "_shape", known)
        return self.outer(u)

    def domain(self, shape: Shape) -> Shape | None:
        middle = self.outer.domain(shape)
        return middle and self.inner.domain(middle)


@flax.struct.dataclass
class Adjoint(Operator):
    """`A.T`, with `<A x, u> = <x, A.T u>`, derived by `jax.linear_transpose`.

    Images are real, and of complex measurements `<y, u>` is the real part of `sum conj(y) u`.

    Raises:
        ValueError: when called before the shape of the image is known.
        TypeError: when `A` has a step that is not linear; a constant that it adds is ignored,
            which `check_adjoint` shows.
    """

    of: Operator
    image_shape: Shape | None = flax.struct.field(pytree_node=False, default=None)

    def forward(self, x: Array) -> Array:
        u = jnp.asarray(x)
        u = u if jnp.issubdtype(u.dtype, jnp.inexact) else u.astype(jnp.float32)
        image, y = self._spaces(u)
        u = (u.conj() if jnp.iscomplexobj(y) else u.real).astype(y.dtype)
        try:
            (adjoint,) = jax.linear_transpose(self.of.forward, image)(u)
        except NOT_LINEAR as error:
            raise TypeError(f"{type(self.of).__name__} is not linear, it has no adjoint") from error
        return adjoint

    def domain_of(self, u: Array) -> Shape:
        """The shape of the image whose measurement `u` is: the one seen last, where that fits."""
        return self._spaces(u)[0].shape

    def _spaces(self, u: Array) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
        """Of the image and of its measurement, which is like `u`."""
        for shape in (self.image_shape, self.of.shape, self.of.domain(u.shape)):
            if shape:
                image = jax.ShapeDtypeStruct(shape, u.real.dtype)
                y = _measured(self.of, image)
                if y is not None and y.shape == u.shape:
                    return image, y
        raise ValueError(
            f"the adjoint cannot tell which images give measurements of shape {u.shape}: "
            "apply the operator to an image first"
        )

    def domain(self, shape: Shape) -> Shape | None:
        y = _measured(self.of, jax.ShapeDtypeStruct(shape, jnp.float32))
        return None if y is None else y.shape

    @property
    def T(self) -> Operator:
        return self.of


def _parts(operator: Operator) -> list[Operator]:
    """The operator itself, and of a composition all that it is made of."""
    if isinstance(operator, Compose):
        return [operator, *_parts(operator.outer), *_parts(operator.inner)]
    return [operator]


def _same(A: Operator, B: Operator) -> bool:
    """Whether both are the same but for the values of their arrays, unknown in `jit`."""
    return type(A) is type(B) and jax.tree.structure(A) == jax.tree.structure(B)


def _measured(operator: Operator, image: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct | None:
    """What the measurement of such an image is like; None where it does not fit."""
    try:
        return jax.eval_shape(operator.forward, image)
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
    u = jax.random.normal(u_key, y.shape, y.dtype)
    gap = jnp.vdot(y, u).real - jnp.vdot(x, operator.T(u)).real
    return float(jnp.abs(gap) / (jnp.linalg.norm(y) * jnp.linalg.norm(u)))
