"""The command line of a known blur: `dipjax deblur soft.png --disc 3.5 -o sharp.png`."""

import math
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
from tyro.conf import OmitArgPrefixes, Positional

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
    sigma: float | None = None,
    polish: Polish = True,
    common: OmitArgPrefixes[Options] = COMMON,
):
    """Sharpen a picture whose blur is known. Give one of the four kernels.

    Args:
        input: the blurred picture.
        output: where to save the result; the suffix chooses the format.
        kernel: a picture of what a point of light has become, bright on black.
        gaussian: standard deviation of a soft blur, in pixels.
        disc: radius of the circles of a lens out of focus, in pixels.
        motion: of the camera, its length in pixels and its angle in degrees, counter-clockwise from
            the horizontal.
        sigma: standard deviation of the noise behind the blur, where white is 1; estimated if not
            given.
        polish: by default the fit is made sharper by non-local Bayes; with --no-polish, and by
            --preset paper, it is left alone.
    """
    picture = images.load_picture(input)
    checks.sigma(sigma)
    h, w = (min(n, common.tile or n) for n in picture.colour.shape[:2])
    given = {"kernel": kernel, "gaussian": gaussian, "disc": disc, "motion": motion}
    k = kernels.checked(blur_kernel(max(h, w), **given), (h, w))
    check_files(output, picture, common, input, kernel)
    task = partial(tasks.deblur, kernel=k, sigma=sigma, polish=polish)
    restore("deblur", picture, input, output, common, task, said=given)


def blur_kernel(side: int, kernel: Path | None, gaussian, disc, motion) -> jax.Array:
    """The kernel that one of the options names.

    Raises:
        ValueError: for none, several, or one that reaches farther than a side of the picture.
    """
    given = {"--gaussian": gaussian, "--disc": disc, "--motion": motion}
    named = [(option, value) for option, value in given.items() if value is not None]
    if len(named) + (kernel is not None) != 1:
        raise ValueError(
            "give one of --kernel FILE, --gaussian SIGMA, --disc RADIUS and --motion LENGTH ANGLE"
        )
    if kernel is not None:
        return jnp.asarray(images.load_picture(kernel).colour.mean(-1))
    ((option, value),) = named
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
