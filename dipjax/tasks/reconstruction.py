"""Any measurement: `E(x) = |A x - y|^2`, `A` says how it was made, as a scanner's does."""

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from dipjax.compiler import traced
from dipjax.fitting import fit
from dipjax.objectives import data_term
from dipjax.operators import Adjoint, Operator, has_derivative, linearized
from dipjax.polish import BLURRED, EXACT, narrowest, refined, smoothed
from dipjax.restoration import Driver, Restoration
from dipjax.tasks.recipe import measured

Array = jax.Array


def reconstruct(
    key: Array,
    y: Array,
    A: Operator | Callable[[Array], Array],
    *,
    shape: tuple[int, int, int] | None = None,
    sigma: float | None = None,
    polish: bool = True,
    preset: str = "fast",
    driver: Driver = fit,
    **settings,
) -> Restoration:
    """The image behind a measurement of any kind: `E(x) = |A x - y|^2`.

    Such as the samples of a scanner (`operators.Fourier`, `operators.Radon`), or what is left of
    a picture by an operator of yours.

    Args:
        key: of all randomness; the same key gives the same bits.
        y: the measurement, floats or complex, of an image in [0, 1]: scale it so.
        A: the operator, or any function image (H, W, C) -> measurement that JAX can trace.
        shape: of the image; may be left out where `A` tells it from that of `y` (`A.domain`) or
            was applied to one of it before (`A.shape`). Of views alone it is a square, as wide as
            there are detectors.
        sigma: standard deviation of the noise in `y`, of complex ones in each of both parts; for
            the polish. If not given it is estimated, too high where there is none: give 0 then.
        polish: go on behind the fit by non-local Bayes and back-projection in turn (see
            `polish.refined`), but where `preset="paper"` is asked for or JAX finds no derivative
            of `A`.
        preset: "paper" (its network and settings of super-resolution; other measurements are
            ours), "fast", or "best", the mean of four fits.
        driver: what runs the fit; any function with the arguments of `fit`.
        **settings: arguments of `fit` in place of the preset's; `stop` is a rule, "auto" or
            "held_out".

    Returns:
        A `Restoration`; `.image` (H, W, C) is the average of the iterates, polished.

    Raises:
        ValueError: for a measurement that does not fit the operator or is not finite, an image
            whose shape is not known, a sigma that is no level of noise, or an unknown preset.
    """
    energy = data_term(A, y)
    image = _image(energy.operator, energy.y, shape)
    if not (sigma is None or traced(sigma)) and not 0 <= sigma < math.inf:
        raise ValueError(f"sigma {sigma}: must be a level of noise, 0 or more")
    like = jax.ShapeDtypeStruct(image, energy.y.real.dtype)
    polish = polish and has_derivative(energy.operator, like)
    refine = partial(_refined, sigma=sigma)
    return measured("reconstruct", key, energy, image, preset, driver, settings, polish, refine)


def _image(A: Operator, y: Array, shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """The shape of the image, for which `A` gives what `y` is."""
    if shape is None:
        try:
            shape = Adjoint(A).domain_of(y)
        except ValueError:
            raise ValueError(
                f"which images give measurements of shape {y.shape} is not known, or none do: "
                "give shape=(H, W, C) of the image"
            ) from None
    made = jax.eval_shape(A, jax.ShapeDtypeStruct(shape, y.real.dtype))
    if made.shape != y.shape or jnp.iscomplexobj(made) != jnp.iscomplexobj(y):
        raise ValueError(
            f"the operator gives {made.dtype} of shape {made.shape} for images of shape {shape}, "
            f"but y is {y.dtype} of shape {y.shape}"
        )
    return shape


def _refined(x: Array, A: Operator, y: Array, sigma: float | None) -> Array:
    """`refined`, to where noise of this level, seen through `A`, would leave an image.

    Of white noise `n` as an image, `J n`, with the derivative of `A` at the fit, tells which
    entries are measured at all, and how much a pixel weighs in all of them together:
    `g = |J n| / |n|`.

    If the level is not known it is what the fit leaves of the measurement, and then what the
    smoothed result leaves: the first is too much where the fit is coarse, and the result itself
    has learnt some of the noise.
    """
    n = jax.random.normal(jax.random.key(0), x.shape, x.dtype)
    near = linearized(A, x)
    seen = near(n) - near(jnp.zeros_like(n))
    g = jnp.maximum(jnp.linalg.norm(seen) / jnp.linalg.norm(n), jnp.finfo(x.dtype).eps)
    entries = jnp.maximum(jnp.count_nonzero(seen), 1) * (2 if jnp.iscomplexobj(y) else 1)
    size = jnp.sqrt(entries.astype(x.dtype))  # of integers a root may be a double

    def left(x: Array) -> Array:
        return jnp.linalg.norm(y - A(x)) / size

    def finer(s: Array | float) -> tuple[Array, Array]:
        s = jnp.maximum(s, EXACT * g)
        narrow = narrowest(s / g)
        return refined(x, A, y, s, BLURRED, narrow), narrow

    s = left(smoothed(*finer(left(x)))) if sigma is None else sigma
    result = finer(s)[0]
    if near is A:
        return result
    # A derivative that vanishes, or is endless, may have led away from what was measured.
    return jnp.where(left(result) <= jnp.maximum(left(x), 2 * s), result, x)
