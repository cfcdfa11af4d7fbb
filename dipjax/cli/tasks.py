"""The commands of the tasks: `dipjax denoise`, `dipjax inpaint`, and what else restores."""

import math
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import jax.numpy as jnp
from tyro.conf import OmitArgPrefixes, Positional

from dipjax import compression, images, tasks
from dipjax.cli import checks, deblurring
from dipjax.cli.masking import known_pixels
from dipjax.cli.options import (
    COMMON,
    Flag,
    OptionalFloat,
    OptionalPath,
    Options,
    Output,
    check_files,
    check_size,
    optional,
    tell_unused,
)
from dipjax.cli.restoring import restore
from dipjax.objectives import TotalVariation
from dipjax.operators import Kernel
from dipjax.tasks.super_resolution import level as level_of


def denoise(
    input: Positional[Path],
    output: Output,
    sigma: OptionalFloat = None,
    fidelity: Literal["auto", "l2", "l1", "huber"] = "auto",
    spectrum: Literal["auto", "white", "coloured"] = "auto",
    tv: float = 0.0,
    polish: Flag = True,
    common: OmitArgPrefixes[Options] = COMMON,
):
    """Remove noise from a picture.

    Args:
        input: the noisy picture.
        output: where to save the result; the suffix chooses the format.
        sigma: standard deviation of the noise before clipping, where white is 1, such as 0.1; if
            not given it is estimated, with how it depends on the light.
        fidelity: what is made small, squares of the difference (l2) or its absolute values (l1),
            which leave salt and pepper out; auto looks which noise it is.
        spectrum: of the noise, white where each pixel errs by itself, coloured where neighbours err
            alike, as from most cameras; auto looks which it is, unless sigma is given.
        tv: weight of total variation as a regulariser beside the generator, such as 0.01.
        polish: by default a fit by l2 is blended with non-local Bayes, which keeps more of fine
            texture; with --no-polish, and by --preset paper, it is left alone.
    """
    picture = images.load_picture(input)
    if not 0 <= tv < math.inf:
        raise ValueError(f"--tv {tv}: must be 0 or a positive number")
    checks.sigma(sigma)
    check_files(output, picture, common, input)
    asked = {"sigma": sigma, "fidelity": fidelity, "spectrum": spectrum}
    y = jnp.asarray(picture.colour)
    seen = tasks.seen(tasks.denoise, y, preset=common.preset, **asked)  # in tiles the same for all
    white = isinstance(seen["spectrum"], str)
    tell_unused(sigma, tasks.finishes(seen["fidelity"], common.preset), common.quiet)
    if not common.quiet and fidelity == "auto" and seen["fidelity"] == "l1":
        print("salt and pepper: fitted by absolute differences")
    if not common.quiet and spectrum == "auto" and not white:
        print("coloured noise: neighbouring pixels err alike (--spectrum white: they do not)")
    regularizer = tv * TotalVariation() if tv else None
    task = partial(tasks.denoise, regularizer=regularizer, polish=polish, **asked | seen)
    said = {"spectrum": "white" if white else "coloured"}
    restore("denoise", picture, input, output, common, task, said=said)


def remove_jpeg_artifacts(
    input: Positional[Path],
    output: Output,
    blind: Flag = False,
    common: OmitArgPrefixes[Options] = COMMON,
):
    """Remove the blocks and ripples that JPEG leaves in a picture.

    Args:
        input: the picture, in whatever format it is kept now; a JPEG file says how coarse its steps
            are, those of a copy are seen, and the result agrees with them, but for --preset paper.
        output: where to save the result; the suffix chooses the format.
        blind: leave out what the file says and what is seen.
    """
    picture = images.load_picture(input)
    check_files(output, picture, common, input)
    look = not blind and common.preset != "paper"
    jpeg = compression.kept(jnp.asarray(picture.colour), picture.jpeg) if look else None
    its_own = jpeg is picture.jpeg
    if jpeg and not common.quiet:
        what = "a JPEG file" if its_own else "this was a coarser JPEG file before, as is seen"
        print(f"{what}: the result will agree with what that has kept (--blind: it need not)")
    task = partial(tasks.remove_jpeg_artifacts, jpeg=jpeg)
    said = {"jpeg": jpeg and ("as the input says" if its_own else "as is seen")}
    restore("remove_jpeg_artifacts", picture, input, output, common, task, said=said)


def inpaint(
    input: Positional[Path],
    output: Output,
    mask: OptionalPath = None,
    mask_alpha: Flag = False,
    mask_colour: Annotated[str | None, optional("COLOUR", aliases=["--mask-color"])] = None,
    invert_mask: Flag = False,
    missing: tasks.Missing = "half",
    polish: Flag = True,
    common: OmitArgPrefixes[Options] = COMMON,
):
    """Fill in the missing parts of a picture. Give one of the three masks.

    Args:
        input: the picture.
        output: where to save the result; the suffix chooses the format.
        mask: a picture of the same size, white where the input is known, black where missing; of
            black paint on a transparent layer what is painted is missing.
        mask_alpha: what is transparent in the input is missing.
        mask_colour: what has this colour in the input is missing, such as "#ff00ff" or magenta; in
            a JPEG file, which blurs colours, what is within 60 of 255 of it, and pixels beside it.
        invert_mask: exchange known and missing.
        missing: what is, which chooses the settings: about half of the pixels, thin strokes as
            of text, nearly all, or a large hole.
        polish: by default the fit is made sharper by non-local Bayes; with --no-polish, and by
            --preset paper, it is left alone.
    """
    picture = images.load_picture(input)
    known = known_pixels(picture, mask, mask_alpha, mask_colour, inverted=invert_mask)
    picture = picture._replace(alpha=None) if mask_alpha else picture
    check_files(output, picture, common, input, mask)
    if not common.quiet:
        print(f"{known.mean():.1%} of the pixels are known")
    task = partial(tasks.inpaint, missing=missing, polish=polish)
    restore("inpaint", picture, input, output, common, task, known)


def super_resolve(
    input: Positional[Path],
    output: Output,
    factor: int = 4,
    kernel: Kernel = "lanczos2",
    sigma: OptionalFloat = None,
    polish: Flag = True,
    common: OmitArgPrefixes[Options] = COMMON,
):
    """Enlarge a picture.

    Args:
        input: the small picture.
        output: where to save the result; the suffix chooses the format.
        factor: by how much to enlarge, an integer from 2.
        kernel: how the picture was made small; lanczos2 is close to bicubic.
        sigma: standard deviation of the noise in the small picture, where white is 1, such as 0.02,
            or 0 for none; if not given what a JPEG file says, or what is seen.
        polish: by default the fit is made sharper by non-local Bayes; with --no-polish, and by
            --preset paper, it is left alone.
    """
    picture = images.load_picture(input)
    checks.sigma(sigma or None)
    checks.factor(factor, min(picture.colour.shape[:2]))
    if common.tile is not None and common.tile < factor**2:
        raise ValueError(f"--tile {common.tile}: must be at least {factor**2}, the factor squared")
    check_files(output, picture, common, input, factor=factor)
    polished = polish and common.preset != "paper"
    tell_unused(sigma, polished, common.quiet)
    if sigma is None and polished:
        sigma = level_of(jnp.asarray(picture.colour), picture.jpeg)
        if sigma and not common.quiet:
            what = "a JPEG file" if picture.jpeg else "noise, or steps of JPEG, are seen"
            print(f"{what}: it may be off by {255 * sigma:.1f} levels of 255 (--sigma)")
    task = partial(tasks.super_resolve, factor=factor, kernel=kernel, sigma=sigma, polish=polish)
    restore("super_resolve", picture, input, output, common, task, factor=factor)


def flash_no_flash(
    input: Positional[Path],
    flash: Path,
    output: Output,
    common: OmitArgPrefixes[Options] = COMMON,
):
    """Remove the noise of a dark picture with the help of one with flash.

    Args:
        input: the picture without flash, whose light is kept.
        flash: the same view with flash, of the same size.
        output: where to save the result; the suffix chooses the format.
    """
    picture, lit = images.load_picture(input), images.load_picture(flash).colour
    check_size(flash, "the flash picture", lit, picture)
    check_files(output, picture, common, input, flash)
    restore("flash_no_flash", picture, input, output, common, tasks.flash_no_flash, lit)


def enhance(
    input: Positional[Path],
    output: Output,
    strength: float = 1.0,
    common: OmitArgPrefixes[Options] = COMMON,
):
    """Boost the details of a picture. Fewer --steps take more of it for detail.

    Args:
        input: the picture; its noise is boosted too.
        output: where to save the result; the suffix chooses the format.
        strength: of the details that are added.
    """
    picture = images.load_picture(input)
    if not 0 < strength < math.inf:
        raise ValueError(f"--strength {strength}: must be a positive number")
    check_files(output, picture, common, input)
    task = partial(tasks.enhance, strength=strength)
    restore("enhance", picture, input, output, common, task)


COMMANDS = (
    denoise,
    remove_jpeg_artifacts,
    inpaint,
    super_resolve,
    deblurring.deblur,
    flash_no_flash,
    enhance,
)
