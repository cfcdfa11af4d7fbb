"""The options that commands share, and the files that they name."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from tyro.conf import arg

from dipjax import figures, images
from dipjax.cli import checks
from dipjax.images import Picture

Array = jax.Array

PLAIN = Picture(np.zeros((1, 1, 3), np.float32), None, 8)  # what is made, and not restored

Preset = Literal["fast", "best", "paper"]
Output = Annotated[Path, arg(aliases=["-o"])]
# A switch: its name says what it does, and of --no-polish the default would be read as its own.
Flag = Annotated[bool, arg(help_behavior_hint="")]


def optional(metavar: str, **more: Any) -> Any:
    """What may be left out, which the help would call {None}|PATH, by default None."""
    return arg(metavar=metavar, help_behavior_hint="", **more)


OptionalPath = Annotated[Path | None, optional("PATH")]
OptionalInt = Annotated[int | None, optional("INT")]
OptionalFloat = Annotated[float | None, optional("FLOAT")]


@dataclass(frozen=True)
class Options:
    """What every task takes.

    Attributes:
        preset: best is slower, four fits or a wider network; paper is as published.
        steps: of the fit, in place of the preset's.
        seed: of all randomness; the same seed gives the same picture.
        members: fit so many times, each with its own randomness, and save the mean.
        std: write the standard deviation of the members into this picture, for each pixel and
            channel; black is 0, white is the largest, which stands in the JSON file.
        reference: the true picture, to measure PSNR and SSIM against.
        figure: draw before and after side by side into this file.
        json: write settings, times and scores into this file.
        force: replace files that exist already; the input is never replaced.
        tile: side of the tiles to restore one by one; chosen where memory is short.
        resume: keep here, in a folder, where each fit is, every minute and at Ctrl-C, and finished
            tiles; the same command goes on from there, with --force where it has saved what there
            was. With tiles give --tile, too: else their size follows the memory.
        quiet: print nothing but errors.
    """

    preset: Preset = "fast"
    steps: OptionalInt = None
    seed: int = 0
    members: int = 1
    std: OptionalPath = None
    reference: OptionalPath = None
    figure: OptionalPath = None
    json: OptionalPath = None
    force: Flag = False
    tile: OptionalInt = None
    resume: OptionalPath = None
    quiet: Flag = False


COMMON = Options()


def check_files(
    output: Path,
    picture: Picture,
    options: Options,
    *inputs: Path | None,
    also: Path | None = None,
    factor: int = 1,
) -> None:
    """Everything that the run will write can be written, and is nothing that it reads.

    `also` is one more picture that it writes, small, without alpha and of 8 bits, or None. The
    reference is of the size of the input, or larger by the factor.
    """
    read = [path for path in (*inputs, options.reference) if path]
    plain = picture._replace(alpha=None, depth=8)
    pairs = (
        (output, picture),
        (options.std, plain),
        (also, PLAIN),
        (options.figure, None),
        (options.json, None),
    )
    written = [(path, held) for path, held in pairs if path]
    checks.files(read, written, overwrite=options.force, factor=factor)
    if options.figure:
        figures.check(options.figure)
    if not 1 <= options.members <= 10**6:
        raise ValueError(f"--members {options.members}: must be from 1 to {10**6}")
    if options.std and options.members == 1:
        raise ValueError("--std: a single fit has none; give --members, at least 2")
    if options.tile is not None and options.members > 1:
        raise ValueError("--tile: a tile has one member at a time; leave out --members")
    if options.tile is not None and options.tile < 16:
        raise ValueError(f"--tile {options.tile}: must be at least 16")
    checks.settings(steps=options.steps, seed=options.seed)
    if options.resume:
        checks.folder("--resume", options.resume)
    load_reference(options.reference, picture, factor)


def load_reference(path: Path | None, picture: Picture, factor: int = 1) -> Array | None:
    """The true picture, where there is one, of the shape of the result."""
    if path is None:
        return None
    h, w, c = picture.colour.shape
    shape = (factor * h, factor * w, c)
    reference = images.load_picture(path).colour
    if reference.shape != shape:
        raise ValueError(
            f"{str(path)!r}: the reference has shape {reference.shape}, the result {shape} "
            "(height, width, channels); they must agree"
        )
    return jnp.asarray(reference)


def tell_unused(sigma: float | None, used: bool, quiet: bool) -> None:
    """Of a level of noise that was given, and that nothing looks at."""
    if sigma is not None and not used and not quiet:
        print(f"--sigma {sigma:g} is not used: nothing here goes by the level of the noise")


def check_size(path: Path, what: str, x: np.ndarray, picture: Picture) -> None:
    """Raise ValueError where another picture has not the size of the input."""
    if x.shape[:2] != picture.colour.shape[:2]:
        sizes = [f"{x.shape[1]} x {x.shape[0]}" for x in (x, picture.colour)]
        raise ValueError(
            f"{str(path)!r}: {what} is {sizes[0]}, the input {sizes[1]}; they must agree"
        )
