"""Blur: `E(x) = |k * x - y|^2`, `k` is the picture of a point of light."""

from typing import Any

import jax
import jax.numpy as jnp

from dipjax import images, kernels, noise
from dipjax import light as lights
from dipjax.fitting import fit
from dipjax.objectives import data_term
from dipjax.operators import Operator
from dipjax.polish import BLURRED, EXACT, refined
from dipjax.restoration import Driver, Restoration
from dipjax.tasks.recipe import measured

Array = jax.Array


def deblur(
    key: Array,
    y: Array,
    kernel: Array,
    *,
    light: lights.Asked = "auto",
    sigma: float | None = None,
    polish: bool = True,
    preset: str = "fast",
    driver: Driver = fit,
    **settings,
) -> Restoration:
    """Sharpen a picture whose blur is known: `E(x) = |k * x - y|^2`.

    What is fitted reaches beyond the picture by half of the kernel on each side, from where light
    has come into it, and is cut to the picture in the end: nothing is assumed of its border.

    A lens or a camera blurs light, of which a picture file holds a power: then it is
    `E(x) = |g(k * g^-1(x)) - y|^2`, with `g` the curve of sRGB (see `light`).

    Args:
        key: of all randomness; the same key gives the same bits.
        y: the blurred picture (H, W, C), floats in [0, 1] or 8- and 16-bit integers.
        kernel: `k` (h, w), the picture of a point of light, seen at its entry (h // 2, w // 2),
            such as `kernels.disc(3)`; it is scaled to the sum 1.
        light: what was blurred, "linear" light, or the values of the picture as they are "stored",
            as by an image editor. "auto" looks which it is (see `light.seen`); of what is traced,
            as by `vmap`, it takes "stored".
        sigma: standard deviation of the noise, before clipping, on the scale where white is 1, and
            0 for none; for the polish. If not given it is estimated, where the picture is neither
            black nor white.
        polish: go on behind the fit by non-local Bayes and back-projection in turn (see
            `polish.refined`), but where `preset="paper"` is asked for.
        preset: "paper" (its network and settings of super-resolution; deblurring is ours), "fast",
            or "best", the mean of four fits.
        driver: what runs the fit; any function with the arguments of `fit`.
        **settings: arguments of `fit` in place of the preset's; `stop` is a rule, "auto" or
            "held_out".

    Returns:
        A `Restoration`; `.image` (H, W, C) is the average of the iterates, polished.

    Raises:
        ValueError: for a picture of another shape or range, an unusable kernel or one larger than
            the picture, a sigma that is no level of noise, or an unknown light or preset.
    """
    y = images.check(y)
    k = kernels.checked(kernel, y.shape).astype(y.dtype)
    A = lights.operator(k, lights.asked(light, y, k))
    white = None if sigma is None else noise.told(sigma, none=True)

    def refine(x: Array, A: Operator, y: Array) -> Array:
        s = noise.unclipped_level(y) if white is None else white
        return refined(x, A, y, s=jnp.maximum(s, EXACT), wide=BLURRED)

    energy, shape = data_term(A, y), A.domain(y.shape)
    result = measured("deblur", key, energy, shape, preset, driver, settings, polish, refine)
    return result.map_images(lambda x: images.middle(x, y.shape))


def sees(y: Array, kernel: Any = None, *, light: lights.Asked = "auto", **_: Any) -> dict[str, Any]:
    """What `deblur` takes for a light that is "auto"; nothing without a kernel, which it misses."""
    if kernel is None:
        return {}
    return {"light": lights.asked(light, y, kernels.checked(kernel, y.shape).astype(y.dtype))}
