"""The command line of a blur: `dipjax deblur soft.png --disc 3.5 -o sharp.png`."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tyro.conf import OmitArgPrefixes, Positional

from dipjax import blind as unknown
from dipjax import images, kernels, tasks
from dipjax.cli import checks
from dipjax.cli.options import COMMON, Options, Output, Polish, check_files
from dipjax.cli.restoring import restore


def deblur(
    input: Positional[Path],
    output: Output,
    kernel: Path | None = None,
    gaussian: float | None = None,
    disc: float | None = None,
    motion: tuple[float, float] | None = None,
    blind: int | None = None,
    kernel_output: Path | None = None,
    sigma: float | None = None,
    polish: Polish = True,
    common: OmitArgPrefixes[Options] = COMMON,
):
    """Sharpen a picture that is blurred alike all over. Give one of the five kernels.

    Args:
        input: the blurred picture.
        output: where to save the result; the suffix chooses the format.
        kernel: a picture of what a point of light has become, bright on black.
        gaussian: standard deviation of a soft blur, in pixels.
        disc: radius of the circles of a lens out of focus, in pixels.
        motion: of the camera, its length in pixels and its angle in degrees, counter-clockwise from
            the horizontal.
        blind: nobody knows: the kernel is seen in the picture, within so many pixels on each side;
            rather too many than too few.
        kernel_output: save the kernel as a picture, for --kernel.
        sigma: standard deviation of the noise behind the blur, where white is 1; estimated if not
            given.
        polish: by default the fit is made sharper by non-local Bayes; with --no-polish, and by
            --preset paper, it is left alone.
    """
    picture = images.load_picture(input)
    checks.sigma(sigma)
    h, w = (min(n, common.tile or n) for n in picture.colour.shape[:2])
    given = {"kernel": kernel, "gaussian": gaussian, "disc": disc, "motion": motion, "blind": blind}
    see = kernel_of((h, w), **given)
    check_files(output, picture, common, input, kernel, also=kernel_output)
    k = see(picture.colour)
    if blind and not common.quiet:
        print(f"kernel: {extent(k)} pixels of {k.shape[1]} x {k.shape[0]} have light")
    if kernel_output:
        images.save(kernel_output, k / k.max(), overwrite=common.force)
    task = partial(tasks.deblur, kernel=k, sigma=sigma, polish=polish)
    restore("deblur", picture, input, output, common, task, said=given)


def kernel_of(
    shape: tuple[int, int], kernel: Path | None, gaussian, disc, motion, blind
) -> Callable[[np.ndarray], jax.Array]:
    """What makes the kernel that one of the options names, of a picture or its tiles of this shape.

    Raises:
        ValueError: for none, several, or one that reaches farther than a side of the picture.
    """
    given = {"--gaussian": gaussian, "--disc": disc, "--motion": motion, "--blind": blind}
    named = [(option, value) for option, value in given.items() if value is not None]
    if len(named) + (kernel is not None) != 1:
        raise ValueError(
            "give one of --kernel FILE, --gaussian SIGMA, --disc RADIUS, --motion LENGTH ANGLE and "
            "--blind SIDE"
        )
    if blind is not None:
        return partial(unknown.kernel, side=_side(blind, shape))
    if kernel is not None:
        k = jnp.asarray(images.load_picture(kernel).colour.mean(-1))
    else:
        k = _form(*named[0], max(shape))
    k = kernels.checked(k, shape)
    return lambda y: k


def extent(k: jax.Array) -> str:
    """How many columns and rows are between the first and the last with light."""
    rows, columns = (np.flatnonzero(k.sum(axis)) for axis in (1, 0))
    return f"{np.ptp(columns) + 1} x {np.ptp(rows) + 1}"


def _side(side: int, shape: tuple[int, int]) -> int:
    try:
        return unknown.checked(side, shape)
    except ValueError as error:
        raise ValueError(f"--blind {side}: {error}") from error


def _form(option: str, value: Any, side: int) -> jax.Array:
    """A kernel of a known form, that reaches no farther than a side of the picture."""
    length, angle = value if option == "--motion" else (value, 0.0)
    said = f"{option} {length:g}" + (f" {angle:g}" if option == "--motion" else "")
    if not 0 < length < math.inf:
        raise ValueError(f"{said}: must be a positive number of pixels")
    if not math.isfinite(angle):
        raise ValueError(f"{said}: the angle must be a number of degrees")
    reach = length * {"--gaussian": 3, "--disc": 1, "--motion": 0.5}[option]
    if reach > side:
        raise ValueError(f"{said}: reaches {reach:g} pixels, but the picture has {side}")
    if option == "--motion":
        return kernels.motion(length, angle)
    return kernels.gaussian(length) if option == "--gaussian" else kernels.disc(length)
