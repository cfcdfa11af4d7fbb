"""Denoisers and enlargement without a network, `(y) -> image`, to see what the generator buys.

    total_variation      argmin_x |x - y|^2 + w TV(x)       w from the noise level
    chambolle            the same energy, scikit-image's solver
    non_local_means      x_i = sum_j w_ij y_j               patches that look alike
    nonlocal_bayes       groups of alike patches as draws from a Gaussian
    bm3d                 groups of alike patches, thinned out in a transform
    bicubic              enlargement by a cubic kernel
    filtered_back_projection   tomography without a model of images

A denoiser takes a picture (H, W, C) of floats with white at 1 and `sigma`, the standard
deviation of its noise, estimated where it is None. All give float32 (H, W, C) held in [0, 1].
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from dipjax import images, noise
from dipjax.fitting import fit
from dipjax.generators import Pixels
from dipjax.objectives import TotalVariation, data_term
from dipjax.operators import Identity, Radon
from dipjax.polish.nonlocal_bayes import nonlocal_bayes
from dipjax.step import ADAM

Array = jax.Array
Denoiser = Callable[..., Array]

# Weight of total variation in units of the noise; chosen by hand, no grid was searched.
WEIGHT = 1.6
STEPS = 200


class Missing(ValueError):
    """A baseline whose package is not installed: which one, and how to get it."""


def filtered_back_projection(y: Array, A: Radon) -> Array:
    """Tomography in one pass: `x = pi / views A^T (r * y)`, with the ramp `r` along every view.

        r_0 = 1 / 4,    r_s = 0 for even s,    r_s = -1 / (pi s)^2 for odd s

    G. Ramachandran, A. Lakshminarayanan, PNAS 68(9), 1971.

    Args:
        y: the views (views, detectors, C), evenly over half a turn.
        A: the operator that made them, applied to an image before if that was no square as wide
            as the detectors.

    Returns:
        The image (H, W, C), held in [0, 1].
    """
    s = jnp.arange(y.shape[1])
    s = jnp.abs(s[:, None] - s[None])
    odd = jnp.where(s % 2 == 1, -1 / (jnp.pi * jnp.maximum(s, 1)) ** 2, 0)
    r = jnp.where(s == 0, 0.25, odd)
    filtered = jnp.einsum("st,vtc->vsc", r, y, precision="highest")
    return jnp.clip(jnp.pi / y.shape[0] * A.T(filtered), 0, 1)


def bicubic(y: ArrayLike, factor: int) -> Array:
    """Enlargement by cubic interpolation: what one would have without a model of images.

    Args:
        y: the small picture (h, w, C).
        factor: by how much, at least 1.

    Returns:
        (h * factor, w * factor, C), held in [0, 1]; `y` itself where the factor is 1.

    Raises:
        ValueError: for a picture of another shape or range, or another factor.
    """
    y = images.check(y)
    if factor < 1:
        raise ValueError(f"factor {factor}: must be an integer of at least 1")
    if factor == 1:
        return y
    shape = (y.shape[0] * factor, y.shape[1] * factor, y.shape[2])
    return jnp.clip(jax.image.resize(y, shape, "cubic"), 0, 1)


def total_variation(y: ArrayLike, *, sigma: float | None = None, steps: int = STEPS) -> Array:
    """`argmin_x |x - y|^2 + w TV(x)` by the fit of dipjax, with pixels in place of a generator.

    The energy is that of Rudin, Osher and Fatemi (1992), channel by channel.

    Args:
        y: the noisy picture (H, W, C).
        sigma: standard deviation of its noise, which sets `w`.
        steps: of Adam, starting from `y`.

    Raises:
        ValueError: for a picture of another shape or range, or a noise level that is no level.
    """
    y, sigma = noise.checked(y, sigma)
    energy = data_term(Identity(), y) + WEIGHT * sigma * TotalVariation()
    settings = {"generator": Pixels(), "code": y, "optimizer": ADAM, "jitter": 0.0}
    h, w, c = y.shape
    return jnp.clip(fit(jax.random.key(0), energy, (h, w, c), steps=steps, **settings).last, 0, 1)


def chambolle(y: ArrayLike, *, sigma: float | None = None) -> Array:
    """Total variation by Chambolle's projections (2004), of scikit-image.

    Args:
        y: the noisy picture (H, W, C).
        sigma: standard deviation of its noise, which sets the weight.

    Raises:
        ValueError: as `total_variation`, and where scikit-image is not installed.
    """
    y, sigma = noise.checked(y, sigma)
    weight = WEIGHT / 2 * sigma  # its data term is |x - y|^2 / 2
    x = _skimage().denoise_tv_chambolle(np.asarray(y), weight=weight, channel_axis=-1)
    return _image(x)


def non_local_means(y: ArrayLike, *, sigma: float | None = None) -> Array:
    """Averages over patches that look alike (Buades, Coll and Morel 2005), of scikit-image.

    Patches of 5 x 5 within 6 pixels, `h = 0.8 sigma`: the values of scikit-image's example.

    Args:
        y: the noisy picture (H, W, C).
        sigma: standard deviation of its noise.

    Raises:
        ValueError: as `total_variation`, and where scikit-image is not installed.
    """
    y, sigma = noise.checked(y, sigma)
    options = {"patch_size": 5, "patch_distance": 6, "channel_axis": -1}
    x = _skimage().denoise_nl_means(np.asarray(y), h=0.8 * sigma, sigma=sigma, **options)
    return _image(x.reshape(y.shape))  # it drops the axis of a single channel


def bm3d(y: ArrayLike, *, sigma: float | None = None) -> Array:
    """Collaborative filtering of alike patches (Dabov et al. 2007), by its authors' package.

    Colour as a whole, any other number of channels one by one. The package `bm3d` is free for
    non-commercial use only, and no part of dipjax.

    Args:
        y: the noisy picture (H, W, C).
        sigma: standard deviation of its noise.

    Raises:
        ValueError: as `total_variation`, and where the package is not installed.
    """
    y, sigma = noise.checked(y, sigma)
    try:
        import bm3d  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise Missing(
            'BM3D needs the package bm3d (non-commercial licence): pip install "dipjax[bench]"'
        ) from error
    y = np.asarray(y)
    if y.shape[-1] == 3:
        return _image(bm3d.bm3d_rgb(y, sigma))
    return _image(np.stack([bm3d.bm3d(y[..., c], sigma) for c in range(y.shape[-1])], -1))


DENOISERS: dict[str, Denoiser] = {
    "total variation": total_variation,
    "Chambolle": chambolle,
    "non-local means": non_local_means,
    "non-local Bayes": nonlocal_bayes,
    "BM3D": bm3d,
}


def _image(x: np.ndarray) -> Array:
    return jnp.clip(jnp.asarray(x, jnp.float32), 0, 1)


def _skimage():
    try:
        from skimage import restoration
    except ImportError as error:
        raise Missing('this baseline needs scikit-image: pip install "dipjax[demo]"') from error
    return restoration
