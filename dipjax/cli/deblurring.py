"""The command line of a blur: `dipjax deblur soft.png --disc 3.5 -o sharp.png`."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from tyro.conf import OmitArgPrefixes, Positional

from dipjax import blind as unknown
from dipjax import images, kernels, tasks
from dipjax import light as lights
from dipjax.cli import checks
from dipjax.cli.options import (
    COMMON,
    Flag,
    OptionalFloat,
    OptionalInt,
    OptionalPath,
    Options,
    Output,
    check_files,
    optional,
    tell_unused,
)
from dipjax.cli.restoring import restore
from dipjax.images import Picture
from dipjax.light import Asked

TOLD, CUT = 0.2, 0.1  # of the brightest entry what is told; of all what is cut at the edge


def deblur(
    input: Positional[Path],
    output: Output,
    kernel: OptionalPath = None,
    gaussian: OptionalFloat = None,
    disc: OptionalFloat = None,
    motion: Annotated[tuple[float, float] | None, optional("LENGTH ANGLE")] = None,
    blind: OptionalInt = None,
    kernel_output: OptionalPath = None,
    light: Asked = "auto",
    sigma: OptionalFloat = None,
    polish: Flag = True,
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
        blind: where nobody knows the blur, how far it goes from end to end, in pixels, rather too
            many than too few; the kernel is looked for in the picture.
        kernel_output: save the kernel as a picture that --kernel reads; best a PNG.
        light: what was blurred, linear light, as by a lens or a camera, or the values as they are
            stored, as by an image editor; auto looks which it is, but takes a soft blur for an
            editor's more often than not.
        sigma: standard deviation of the noise behind the blur, where white is 1, 0 for none;
            estimated if not given.
        polish: by default the fit is made sharper by non-local Bayes; with --no-polish, and by
            --preset paper, it is left alone.
    """
    picture = images.load_picture(input)
    checks.sigma(sigma or None)
    h, w = (min(n, common.tile or n) for n in picture.colour.shape[:2])
    given = {"kernel": kernel, "gaussian": gaussian, "disc": disc, "motion": motion, "blind": blind}
    see = blur_of(picture, (h, w), **given, light=light, quiet=common.quiet)
    check_files(output, picture, common, input, kernel, also=kernel_output)
    tell_unused(sigma, polish and common.preset != "paper", common.quiet)
    k, found = see(jnp.asarray(picture.colour))
    if light == "auto" and found == "linear" and not common.quiet:
        print("light was blurred, as by a lens (--light stored: the values of the file were)")
    if kernel_output:
        images.save(kernel_output, k / k.max(), overwrite=common.force)
    task = partial(tasks.deblur, kernel=k, light=found, sigma=sigma, polish=polish)
    restore("deblur", picture, input, output, common, task, said=given)


def blur_of(
    picture: Picture,
    shape: tuple[int, int],
    kernel: Path | None,
    gaussian: float | None,
    disc: float | None,
    motion: tuple[float, float] | None,
    blind: int | None,
    light: Asked,
    quiet: bool,
) -> Callable[[jax.Array], unknown.Seen]:
    """What sees the blur that one of the options names, for a picture or tiles of this shape.

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
        side = _side(blind, picture.colour.shape)
        kernels.checked(np.ones((side, side)), shape)
        return partial(look, side=side, light=light, quiet=quiet)
    if kernel is not None:
        k = jnp.asarray(images.load_picture(kernel).colour.mean(-1))
    else:
        k = _form(*named[0], max(shape))
    k = kernels.checked(k, shape)
    return lambda y: unknown.Seen(k, lights.asked(light, y, k))


def look(y: jax.Array, side: int, light: Asked, quiet: bool) -> unknown.Seen:
    """The blur that is seen in a picture, and what there is to say of its kernel."""
    if not quiet:
        print(f"looking for a kernel of {side} x {side} pixels")
    seen = unknown.seen(y, side, light)
    if not quiet:
        print(told(seen.kernel))
    return seen


def told(k: jax.Array) -> str:
    """How far a kernel goes that was seen, but for its faint entries, and whether it was cut."""
    bright = np.asarray(k > TOLD * k.max())
    rows, columns = (int(np.ptp(np.flatnonzero(bright.any(axis)))) + 1 for axis in (1, 0))
    said = f"kernel: {columns} x {rows} pixels"
    if rows == columns == 1:
        return f"{said}, no blur is seen"
    at_the_edge = 1 - float(k[1:-1, 1:-1].sum())
    return said + (", give more to --blind" if at_the_edge > CUT else "")


def _side(side: int, shape: tuple[int, ...]) -> int:
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
