"""The nearest image that was measured so."""

from jax.scipy.sparse.linalg import cg

from dipjax.operators.base import Array, Operator

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
