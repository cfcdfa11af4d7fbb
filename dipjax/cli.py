"""The command line: `dipjax denoise noisy.png -o restored.png`, and the other tasks."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from tyro.conf import OmitArgPrefixes, Positional, arg

from dipjax import cache, checks, cli_features, ensembles, images, memory, report, tasks, tiles
from dipjax import demo as demonstration
from dipjax.images import Picture

Array = jax.Array
Output = Annotated[Path, arg(aliases=["-o"])]

app = tyro.extras.SubcommandApp()


@dataclass(frozen=True)
class Options:
    """What every task takes.

    Attributes:
        preset: "fast" or "paper"; by default fast on a CPU and paper elsewhere.
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
        tiles: keep finished tiles in this folder; the same command goes on from there.
        quiet: print nothing but errors.
    """

    preset: str | None = None
    steps: int | None = None
    seed: int = 0
    members: int = 1
    std: Path | None = None
    reference: Path | None = None
    figure: Path | None = None
    json: Path | None = None
    force: bool = False
    tile: int | None = None
    tiles: Path | None = None
    quiet: bool = False


COMMON = Options()


@app.command
def denoise(input: Positional[Path], output: Output, common: OmitArgPrefixes[Options] = COMMON):
    """Remove noise from a picture.

    Args:
        input: the noisy picture.
        output: where to save the result; the suffix chooses the format.
    """
    picture = images.load_picture(input)
    _check_files(output, picture, common, input)
    _restore("denoise", picture, input, output, common, tasks.denoise)


@app.command
def inpaint(
    input: Positional[Path],
    output: Output,
    mask: Path | None = None,
    mask_alpha: bool = False,
    mask_colour: Annotated[str | None, arg(aliases=["--mask-color"])] = None,
    invert_mask: bool = False,
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
    """
    picture = images.load_picture(input)
    known = _mask(picture, mask, mask_alpha, mask_colour)
    known = 1 - known if invert_mask else known
    picture = picture._replace(alpha=None) if mask_alpha else picture
    _check_files(output, picture, common, input, mask)
    if not common.quiet:
        print(f"{known.mean():.1%} of the pixels are known")
    _restore("inpaint", picture, input, output, common, tasks.inpaint, known)


@app.command
def super_resolve(
    input: Positional[Path],
    output: Output,
    factor: int = 4,
    common: OmitArgPrefixes[Options] = COMMON,
):
    """Enlarge a picture.

    Args:
        input: the small picture.
        output: where to save the result; the suffix chooses the format.
        factor: by how much to enlarge, an integer from 2.
    """
    picture = images.load_picture(input)
    side = min(picture.colour.shape[:2])
    if not 2 <= factor <= side:
        raise ValueError(
            f"--factor {factor}: must be from 2 to {side}, the smaller side of the input"
        )
    _check_files(output, picture, common, input)
    task = partial(tasks.super_resolve, factor=factor)
    _restore("super_resolve", picture, input, output, common, task, factor=factor)


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
def info():
    """Print versions, devices, free memory and the folder of the compilation cache."""
    environment = report.environment()
    for name, number in environment["versions"].items():
        print(f"{name:10} {number}")
    print(f"{'devices':10} {', '.join(environment['devices'])}")
    print(f"{'cores':10} {environment['cores']}")
    print(f"{'free':10} {memory.gib(memory.free_memory())}")
    print(f"{'cache':10} {cache.folder() or 'off'}")


# --- checks, before anything is computed ---------------------------------------------------


def _check_files(output: Path, picture: Picture, options: Options, *inputs: Path | None) -> None:
    """Everything that the run will write can be written, and is nothing that it reads."""
    read = [path for path in (*inputs, options.reference) if path]
    plain = picture._replace(alpha=None, depth=8)
    pairs = ((output, picture), (options.std, plain), (options.figure, None), (options.json, None))
    written = [(path, held) for path, held in pairs if path]
    checks.files(read, written, overwrite=options.force)
    if options.figure:
        report.check_figure(options.figure)
    if options.members < 1:
        raise ValueError(f"--members {options.members}: must be at least 1")
    if options.std and options.members == 1:
        raise ValueError("--std: a single fit has none; give --members, at least 2")
    if options.tile is not None and options.members > 1:
        raise ValueError("--tile: a tile has one member at a time; leave out --members")
    if options.tile is not None and options.tile < 16:
        raise ValueError(f"--tile {options.tile}: must be at least 16")
    presets = tasks.PRESETS["denoise"]
    checks.settings(steps=options.steps, seed=options.seed, preset=options.preset, presets=presets)


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
    if mask.shape[:2] != picture.colour.shape[:2]:
        sizes = [f"{x.shape[1]} x {x.shape[0]}" for x in (mask, picture.colour)]
        raise ValueError(
            f"{str(path)!r}: the mask is {sizes[0]}, the input {sizes[1]}; they must agree"
        )
    return (mask.mean(-1, keepdims=True) > 0.5).astype(np.float32)


def _colour(text: str) -> np.ndarray:
    if not re.fullmatch(r"#?[0-9a-fA-F]{6}", text):
        raise ValueError(f"--mask-colour {text}: must be six hexadecimal digits such as '#ff00ff'")
    return np.frombuffer(bytes.fromhex(text.removeprefix("#")), np.uint8) / np.float32(255)


def _reference(path: Path | None, shape: tuple[int, ...]) -> Array | None:
    if path is None:
        return None
    reference = images.load_picture(path).colour
    if reference.shape != shape:
        raise ValueError(
            f"{str(path)!r}: the reference has shape {reference.shape}, the result {shape} "
            "(height, width, channels); they must agree"
        )
    return jnp.asarray(reference)


# --- the run -------------------------------------------------------------------------------


def _restore(
    name: str,
    picture: Picture,
    input: Path,
    output: Path,
    options: Options,
    task: Callable,
    *data: np.ndarray,
    factor: int = 1,
) -> None:
    """Fit, save, report: the same for every task. Raises KeyboardInterrupt when it was one."""
    y = jnp.asarray(picture.colour)
    shape = (y.shape[0] * factor, y.shape[1] * factor, y.shape[2])
    reference = _reference(options.reference, shape)
    watch = report.Watch(reference, options.quiet)
    steps = {} if options.steps is None else {"steps": options.steps}
    key = jax.random.key(options.seed)
    task = partial(task, preset=options.preset)
    plan = _plan(options, shape, factor, partial(task, key, y, *data))
    task = partial(task, generator=plan.generator, driver=watch, **steps)
    if plan.tile and options.members > 1:
        raise ValueError(f"{plan.text}: too large for members; leave out --members")
    if plan.tile:
        image, std = _tiles(task, key, (y, *data), plan.tile, factor, options, watch), None
    else:
        result = _members(task, key, (y, *data), options.members, watch)
        image, std = result.mean, result.std

    alpha = picture.alpha if picture.alpha is None else _enlarge(picture.alpha, factor)
    images.save(output, image, alpha=alpha, depth=picture.depth, overwrite=options.force)
    if options.std and std is not None:
        images.save(options.std, _white_at_most(std), overwrite=options.force)
    views = {"input": y if factor == 1 else _enlarge(y, factor), "restored": image}
    if reference is not None:
        views["reference"] = reference
    record = {
        "task": name,
        "input": str(input),
        "output": str(output),
        "preset": options.preset or tasks.default_preset(),
        "settings": report.describe(watch.settings),
        "tile": plan.tile,
        "seed": options.seed,
        "interrupted": watch.interrupted,
        **report.total(watch.fits),
        **report.environment(),
    }
    if options.members > 1 and std is not None:
        record["steps"] = watch.fits[0]["steps"]
        record["members"] = len(watch.fits)
        record["seconds_of_members"] = [fit["seconds"] for fit in watch.fits]
        record["std"] = {"mean": float(std.mean()), "max": float(std.max())}
    if reference is not None:
        record["before"] = report.scores(views["input"], reference)
        record["after"] = report.scores(image, reference)
    if options.json:
        report.write_json(options.json, record)
    if options.figure:
        report.figure(options.figure, [list(views.items())])
    if not options.quiet:
        print(report.summary(record))
    if watch.interrupted:
        raise KeyboardInterrupt


def _plan(options: Options, shape, factor: int, task: Callable) -> memory.Plan:
    """What the memory allows, told in a line."""
    asked = tasks.asked(task) or {}
    asked = {name: asked[name] for name in ("generator", "code", "optimizer")}
    side = (options.tile,) if options.tile else None
    plan = memory.plan(shape, factor=factor, sides=side, **asked)
    if not options.quiet:
        print(plan.text)
    return plan


def _tiles(task: Callable, key: Array, data: tuple, tile, factor: int, options: Options, watch):
    """The picture from its tiles, with a bar for all of them in place of one for each."""
    watch.reference, watch.quiet = None, True
    settings = {"tile": tile, "factor": factor, "folder": options.tiles}
    settings |= task.keywords  # pyright: ignore[reportFunctionMemberAccess]
    pictures = tiles.iterate(task.func, key, *data, **settings)  # pyright: ignore
    return jnp.asarray(watch.tiles(pictures, options.quiet))


def _members(task: Callable, key: Array, data: tuple, members: int, watch: report.Watch):
    """The fits one after another, as an ensemble.

    After Ctrl-C those that are finished, because others would blur the mean, or of the first
    the result so far.
    """
    keys = jax.random.split(key, members) if members > 1 else [key]
    fits = []
    with watch.catches_ctrl_c():  # between two fits as well
        for i in range(members):
            watch.label = f"member {i + 1}/{members}" if members > 1 else ""
            result = task(keys[i], *data)
            if fits and result.stopped_at < watch.settings["steps"] and watch.caught:
                watch.fits.pop()
            else:
                fits.append(result)
            if watch.caught:
                break
    return ensembles.collect(fits)


def _white_at_most(std: Array) -> Array:
    """Scaled so that the largest is 1."""
    return std / jnp.maximum(std.max(), jnp.finfo(std.dtype).tiny)


def _enlarge(x: Array | np.ndarray, factor: int) -> Array:
    """Bicubic interpolation: what a user would have without dipjax."""
    shape = (x.shape[0] * factor, x.shape[1] * factor, x.shape[2])
    return jnp.clip(jax.image.resize(jnp.asarray(x), shape, "cubic"), 0, 1)


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, 2 for bad input, 130 on Ctrl-C."""
    try:
        cache.enable()
        app.cli(prog="dipjax", args=argv, config=(tyro.conf.FlagCreatePairsOff,))
    except KeyboardInterrupt:
        return 130
    except (ValueError, OSError, MemoryError, jax.errors.JaxRuntimeError) as error:
        print(f"dipjax: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    return 0
