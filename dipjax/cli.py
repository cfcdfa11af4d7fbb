"""The command line: `dipjax denoise noisy.png -o restored.png`, and the other tasks."""

import math
import re
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from tyro.conf import OmitArgPrefixes, Positional, arg

from dipjax import (
    cache,
    checks,
    cli_compare,
    cli_features,
    cli_impedance,
    images,
    kernels,
    memory,
    noise,
    report,
    tasks,
)
from dipjax import demo as demonstration
from dipjax import spectrum as spectra
from dipjax import web as web_page
from dipjax.cli_restore import COMMON, Options, check_files, restore
from dipjax.generators import Hourglass
from dipjax.images import Picture
from dipjax.objectives import TotalVariation
from dipjax.operators import Kernel
from dipjax.restoration import FitError

Output = Annotated[Path, arg(aliases=["-o"])]
Polish = Annotated[bool, arg(help_behavior_hint="")]  # the default of --no-polish reads as its own
PLAIN = Picture(np.zeros((1, 1, 3), np.float32), None, 8)  # what `sample` makes

app = tyro.extras.SubcommandApp()


@app.command
def denoise(
    input: Positional[Path],
    output: Output,
    sigma: float | None = None,
    fidelity: Literal["auto", "l2", "l1", "huber"] = "auto",
    spectrum: Literal["auto", "white", "coloured"] = "auto",
    tv: float = 0.0,
    polish: Polish = True,
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
    if fidelity == "auto":
        fidelity = noise.fidelity(jnp.asarray(picture.colour))
        if fidelity == "l1" and not common.quiet:
            print("salt and pepper: fitted by absolute differences")
    regularizer = tv * TotalVariation() if tv else None
    known = sigma is not None or not tasks.finishes(fidelity, common.preset)
    S = spectra.asked(spectrum, jnp.asarray(picture.colour), known=known)
    if S is not None and spectrum == "auto" and not common.quiet:
        print("coloured noise: neighbouring pixels err alike (--spectrum white: they do not)")
    given = {"sigma": sigma, "fidelity": fidelity, "polish": polish}
    shared = "white" if S is None else S  # of all of the picture, in tiles, too
    task = partial(tasks.denoise, regularizer=regularizer, spectrum=shared, **given)
    said = {"spectrum": "white" if S is None else "coloured"}
    restore("denoise", picture, input, output, common, task, said=said)


@app.command
def remove_jpeg_artifacts(
    input: Positional[Path],
    output: Output,
    blind: bool = False,
    common: OmitArgPrefixes[Options] = COMMON,
):
    """Remove the blocks and ripples that JPEG leaves in a picture.

    Args:
        input: the picture, in whatever format it is kept now; a JPEG file says how coarse its steps
            are, and the result agrees with it, but for --preset paper.
        output: where to save the result; the suffix chooses the format.
        blind: leave out what the file says, of a picture that was coarser before it was saved so.
    """
    picture = images.load_picture(input)
    check_files(output, picture, common, input)
    jpeg = None if blind or common.preset == "paper" else picture.jpeg
    if jpeg and not common.quiet:
        print("a JPEG file: the result will agree with what it has kept (--blind: it need not)")
    task = partial(tasks.remove_jpeg_artifacts, jpeg=jpeg)
    said = {"jpeg": jpeg and "as the input says"}
    restore("remove_jpeg_artifacts", picture, input, output, common, task, said=said)


@app.command
def inpaint(
    input: Positional[Path],
    output: Output,
    mask: Path | None = None,
    mask_alpha: bool = False,
    mask_colour: Annotated[str | None, arg(aliases=["--mask-color"])] = None,
    invert_mask: bool = False,
    missing: tasks.Missing = "half",
    polish: Polish = True,
    common: OmitArgPrefixes[Options] = COMMON,
):
    """Fill in the missing parts of a picture. Give one of the three masks.

    Args:
        input: the picture.
        output: where to save the result; the suffix chooses the format.
        mask: a picture of the same size, white where the input is known, black where missing.
        mask_alpha: what is transparent in the input is missing.
        mask_colour: what has this colour in the input is missing, such as "#ff00ff".
        invert_mask: exchange known and missing.
        missing: what is, which chooses the settings: about half of the pixels, thin strokes as
            of text, nearly all, or a large hole.
        polish: by default the fit is made sharper by non-local Bayes; with --no-polish, and by
            --preset paper, it is left alone.
    """
    picture = images.load_picture(input)
    known = _mask(picture, mask, mask_alpha, mask_colour)
    known = 1 - known if invert_mask else known
    picture = picture._replace(alpha=None) if mask_alpha else picture
    check_files(output, picture, common, input, mask)
    if not common.quiet:
        print(f"{known.mean():.1%} of the pixels are known")
    task = partial(tasks.inpaint, missing=missing, polish=polish)
    restore("inpaint", picture, input, output, common, task, known)


@app.command
def super_resolve(
    input: Positional[Path],
    output: Output,
    factor: int = 4,
    kernel: Kernel = "lanczos2",
    polish: Polish = True,
    common: OmitArgPrefixes[Options] = COMMON,
):
    """Enlarge a picture.

    Args:
        input: the small picture.
        output: where to save the result; the suffix chooses the format.
        factor: by how much to enlarge, an integer from 2.
        kernel: how the picture was made small; lanczos2 is close to bicubic.
        polish: by default the fit is made sharper by non-local Bayes; with --no-polish, and by
            --preset paper, it is left alone.
    """
    picture = images.load_picture(input)
    side = min(picture.colour.shape[:2])
    if not 2 <= factor <= side:
        raise ValueError(
            f"--factor {factor}: must be from 2 to {side}, the smaller side of the input"
        )
    if common.tile is not None and common.tile < factor**2:
        raise ValueError(f"--tile {common.tile}: must be at least {factor**2}, the factor squared")
    check_files(output, picture, common, input)
    task = partial(tasks.super_resolve, factor=factor, kernel=kernel, polish=polish)
    restore("super_resolve", picture, input, output, common, task, factor=factor)


@app.command
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
    k = kernels.checked(_kernel(max(h, w), **given), (h, w))
    check_files(output, picture, common, input, kernel)
    task = partial(tasks.deblur, kernel=k, sigma=sigma, polish=polish)
    restore("deblur", picture, input, output, common, task, said=given)


@app.command
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
    _check_size(flash, "the flash picture", lit, picture)
    check_files(output, picture, common, input, flash)
    restore("flash_no_flash", picture, input, output, common, tasks.flash_no_flash, lit)


@app.command
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


@app.command
def sample(
    output: Output,
    height: int = 256,
    width: int = 256,
    channels: Literal[1, 3] = 3,
    depth: int = 5,
    skips: int = 4,
    seed: int = 0,
    force: bool = False,
):
    """Draw a picture from the prior: what a network with random weights says.

    Args:
        output: where to save the picture; the suffix chooses the format.
        height: of the picture.
        width: of the picture.
        channels: 1 for grey and 3 for colour.
        depth: of the hourglass; deeper is smoother.
        skips: channels of its skip connections, 0 for none.
        seed: of all randomness; the same seed gives the same picture.
        force: replace the picture if it exists already.
    """
    limits = (("height", height, 1, 4096), ("width", width, 1, 4096), ("depth", depth, 1, 8))
    for name, value, low, high in (
        *limits,
        ("skips", skips, 0, 1024),
        ("seed", seed, 0, 2**32 - 1),
    ):
        if not low <= value <= high:
            raise ValueError(f"--{name} {value}: must be from {low} to {high}")
    images.check_target(output, overwrite=force, picture=PLAIN)
    generator = Hourglass(channels=channels, widths=(128,) * depth, skips=skips)
    key = jax.random.key(seed)
    x = tasks.sample(key, (height, width, channels), generator=generator)
    images.save(output, x, overwrite=force)


app.command(cli_impedance.impedance)
app.command(cli_compare.compare)
app.command(cli_features.invert)
app.command(cli_features.activate)


@app.command
def demo(output: Output = Path("dipjax-demo.png"), force: bool = False, quiet: bool = False):
    """Degrade a public-domain picture in three ways, restore it, and draw the result.

    Args:
        output: where to save the figure.
        force: replace the figure if it exists already.
        quiet: print nothing but errors.
    """
    images.check_target(output, overwrite=force)
    demonstration.run(output, quiet=quiet)


@app.command
def web(port: int = 7860, host: str = "127.0.0.1", no_browser: bool = False):
    """Serve a page on which pictures are restored: drop one on it, paint over what is missing.

    Args:
        port: of the page.
        host: 0.0.0.0 lets other machines of the network use it; there is one fit at a time, and
            who presses Stop stops it for all.
        no_browser: do not open it.
    """
    if not 1 <= port <= 65535:
        raise ValueError(f"--port {port}: must be from 1 to 65535")
    web_page.serve(host, port, browser=not no_browser)


@app.command
def info():
    """Print versions, devices, free memory and the folder of the compilation cache."""
    environment = report.environment()
    for name, number in environment["versions"].items():
        print(f"{name:10} {number}")
    print(f"{'devices':10} {', '.join(environment['devices'])}")
    print(f"{'cores':10} {environment['cores']}")
    print(f"{'free':10} {memory.gib(memory.free_memory())}")
    print(f"{'cache':10} {cache.folder() or 'off'}")


def _mask(picture: Picture, path: Path | None, alpha: bool, colour: str | None) -> np.ndarray:
    """1 where the picture is known and 0 where it is missing, (H, W, 1)."""
    if (path is not None) + alpha + (colour is not None) != 1:
        raise ValueError("give one of --mask FILE, --mask-alpha and --mask-colour '#rrggbb'")
    if alpha:
        if picture.alpha is None:
            raise ValueError("--mask-alpha: the input has no alpha channel; use another mask")
        return (picture.alpha > 0.5).astype(np.float32)
    if path is None:
        distance = np.abs(picture.colour - _colour(colour or ""))
        return (distance.max(-1, keepdims=True) > 0.5 / 255).astype(np.float32)
    mask = images.load_picture(path).colour
    _check_size(path, "the mask", mask, picture)
    return (mask.mean(-1, keepdims=True) > 0.5).astype(np.float32)


def _kernel(side: int, kernel: Path | None, gaussian, disc, motion) -> jax.Array:
    """The picture of a point, which reaches no farther than a side of the picture."""
    if sum(option is not None for option in (kernel, gaussian, disc, motion)) != 1:
        raise ValueError(
            "give one of --kernel FILE, --gaussian SIGMA, --disc RADIUS and --motion LENGTH ANGLE"
        )
    if kernel is not None:
        return jnp.asarray(images.load_picture(kernel).colour.mean(-1))
    reach = max(3 * (gaussian or 0), disc or 0, motion[0] / 2 if motion else 0)
    if reach > side:
        raise ValueError(f"a blur that reaches {reach:g} pixels: must be less than {side}")
    if gaussian is not None:
        return kernels.gaussian(gaussian)
    return kernels.motion(*motion) if disc is None else kernels.disc(disc)


def _check_size(path: Path, what: str, x: np.ndarray, picture: Picture) -> None:
    if x.shape[:2] != picture.colour.shape[:2]:
        sizes = [f"{x.shape[1]} x {x.shape[0]}" for x in (x, picture.colour)]
        raise ValueError(
            f"{str(path)!r}: {what} is {sizes[0]}, the input {sizes[1]}; they must agree"
        )


def _colour(text: str) -> np.ndarray:
    if not re.fullmatch(r"#?[0-9a-fA-F]{6}", text):
        raise ValueError(f"--mask-colour {text}: must be six hexadecimal digits such as '#ff00ff'")
    return np.frombuffer(bytes.fromhex(text.removeprefix("#")), np.uint8) / np.float32(255)


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0, 1 for a fit that failed (what there is is saved), 2 for bad input, 130 on Ctrl-C.
    """
    try:
        cache.enable()
        app.cli(prog="dipjax", args=argv, config=(tyro.conf.FlagCreatePairsOff,))
    except KeyboardInterrupt:
        return 130
    except FitError as error:
        print(f"dipjax: {error}; what there is is saved", file=sys.stderr)
        return 1
    except (ValueError, OSError, MemoryError, jax.errors.JaxRuntimeError) as error:
        print(f"dipjax: {(str(error) or type(error).__name__).splitlines()[0]}", file=sys.stderr)
        return 2
    return 0
