"""The rules that the paper's numbers were measured by."""

import jax
import jax.numpy as jnp
import numpy as np

from dipjax import metrics

Array = jax.Array


def whole(x: Array, truth: Array) -> float:
    """PSNR over all pixels and channels: denoising and inpainting."""
    return float(metrics.psnr(eight_bits(x), truth))


def missing(x: Array, truth: Array, mask: Array) -> float:
    """PSNR over the pixels that the mask (H, W, 1) leaves out."""
    where = jnp.broadcast_to(mask == 0, truth.shape)
    return float(metrics.psnr(eight_bits(x)[where][None], truth[where][None]))


def box(result: Array) -> tuple[slice, slice]:
    """Where a result of super-resolution is not black: the crop that the authors restored.

    Both ends are cut as in the authors' script, which leaves out the last row and column.
    """
    light = np.asarray(result)[..., :3].sum(-1)
    rows, columns = (np.flatnonzero(light.sum(axis) > 0) for axis in (1, 0))
    return slice(rows[0], rows[-1]), slice(columns[0], columns[-1])


def luma(x: Array, truth: Array, where: tuple[slice, slice]) -> float:
    """The paper's PSNR of super-resolution: of luma, in the box less 4 pixels on each side."""
    return float(metrics.psnr_y(three(eight_bits(x))[where], three(truth)[where], border=4))


def rgb(x: Array, truth: Array, where: tuple[slice, slice]) -> float:
    """PSNR in the box, of all three channels: what the slide has."""
    return whole(three(x)[where], three(truth)[where])


def three(x: Array) -> Array:
    """Three channels, all equal for a grey picture."""
    return jnp.repeat(x, 3, -1) if x.shape[-1] == 1 else x[..., :3]


def eight_bits(x: Array) -> Array:
    """A picture as a file of 8 bits keeps it."""
    return jnp.round(255 * jnp.clip(x, 0, 1)) / 255
