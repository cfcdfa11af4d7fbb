"""The nearest image that was measured so."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.sparse.linalg import cg

from dipjax.operators.base import NOT_LINEAR, Adjoint, Array, Lambda, Operator

# Of conjugate gradients, at most. Filters and masks need ten for a hundred-thousandth of the
# residual; of a blur a thousandth is left.
ITERATIONS = 30


def backproject(x: Array, A: Operator, y: Array, *, ridge: float | Array = 0.0) -> Array:
    """The image nearest to `x` whose measurement is `y`: `x + A^T (A A^T + r)^-1 (y - A x)`.

    With a ridge `r = s^2 / sigma^2` it minimises `|A u - y|^2 / s^2 + |u - x|^2 / sigma^2` over the
    images `u`: a measurement with noise `s`, an image known to `sigma`.

    Args:
        x: an image (H, W, C).
        A: a linear operator, which may also add a constant, that `A^T` and `A A^T` leave out.
        y: the measurement, of the shape of `A(x)`; without a ridge one that some image has.
        ridge: `r`, not negative.

    Returns:
        The image (H, W, C), by at most 30 steps of conjugate gradients.

    Raises:
        TypeError: for an operator that is not linear.
    """
    added, adjoint = A(jnp.zeros_like(x)), Adjoint(A, x.shape)
    left = _parts(y - A(x))
    r = jnp.asarray(ridge, left[0].dtype)  # one of more digits would change what `cg` carries

    def gram(parts: tuple[Array, ...]) -> tuple[Array, ...]:
        u = _joined(parts)
        return _parts(A(adjoint(u)) - added + r * u)

    parts, _ = cg(gram, left, tol=1e-6, maxiter=ITERATIONS)
    return x + adjoint(_joined(parts))


def linearized(A: Operator, x: Array) -> Operator:
    """`u -> A x + J (u - x)`, with `J` the derivative at an image `x`; a linear `A` as it is.

    Raises:
        TypeError, ValueError, NotImplementedError: those of JAX, where there is neither an adjoint
            nor a derivative.
    """
    if _is_linear(A, x):
        return A
    y, pull = jax.vjp(A, x)
    J = jax.linear_transpose(pull, y)  # more has a gradient than what can be pushed forward
    return Lambda(lambda u: y + J((u - x,))[0])


def has_derivative(A: Operator, x: Array | jax.ShapeDtypeStruct) -> bool:
    """Whether `linearized` finds an operator, with an adjoint, on images like `x`.

    There is none of a `while_loop` or of a callback, of which there is no gradient either, and of a
    gradient of one's own that is not linear, as one that is clipped.
    """
    try:
        jax.eval_shape(lambda x: Adjoint(linearized(A, x), x.shape)(A(x)), x)
    except (TypeError, ValueError, *NOT_LINEAR):
        return False
    return True


def _is_linear(A: Operator, x: Array) -> bool:
    """Whatever constant is added."""
    y = jax.eval_shape(A, x)
    try:
        jax.eval_shape(Adjoint(A, x.shape), y)
    except (TypeError, ValueError):
        return False
    return True


def _parts(u: Array) -> tuple[Array, ...]:
    """As real numbers, for which `A A^T` is linear: it is not for complex ones."""
    return (u.real, u.imag) if jnp.iscomplexobj(u) else (u,)


def _joined(parts: tuple[Array, ...]) -> Array:
    return lax.complex(*parts) if len(parts) == 2 else parts[0]
