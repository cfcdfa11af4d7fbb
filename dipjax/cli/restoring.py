"""What the commands of the tasks share: the run, from a picture that was read to a report."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from dipjax import ensembles, figures, images, memory, report, tasks, tiles
from dipjax.baselines import bicubic
from dipjax.cli.options import Options, load_reference
from dipjax.drivers.watch import Watch, total
from dipjax.images import Picture

Array = jax.Array


def whole(task: Callable, shape: tuple[int, int, int], factor: int = 1, *, advice: str) -> Any:
    """The generator of a task that knows no tiles, or one that does the same in less memory."""
    plan = tasks.planned(task, shape, factor=factor)
    if plan.tile:
        raise ValueError(f"{plan.text}: too large, {advice}")
    return plan.generator


def tell_frames(picture: Picture, quiet: bool) -> None:
    """Of an animation, or a file of several pages, say what is left out."""
    if picture.frames > 1 and not quiet:
        print(f"{picture.frames} frames: the first is restored")


def restore(
    name: str,
    picture: Picture,
    input: Path,
    output: Path,
    options: Options,
    task: Callable,
    *data: np.ndarray,
    factor: int = 1,
    said: dict | None = None,
) -> None:
    """Fit, save, report: the same for every task. Raises KeyboardInterrupt when it was one.

    The record has the task's keywords and, in place of those that it was made of, what was `said`.
    """
    tell_frames(picture, options.quiet)
    y = jnp.asarray(picture.colour)
    shape = (y.shape[0] * factor, y.shape[1] * factor, y.shape[2])
    reference = load_reference(options.reference, picture, factor)
    watch = Watch(reference, options.quiet, folder=options.resume)
    steps = {} if options.steps is None else {"steps": options.steps}
    given = {**getattr(task, "keywords", {}), **(said or {})}
    key = jax.random.key(options.seed)
    task = partial(task, preset=options.preset)
    plan = _plan(options, shape, factor, partial(task, key, y, *data))
    task = partial(task, generator=plan.generator, driver=watch, **steps)
    image, std, of_members = _fitted(task, key, (y, *data), plan, factor, options, watch)

    alpha = picture.alpha if picture.alpha is None else bicubic(picture.alpha, factor)
    form = {"alpha": alpha, "depth": picture.depth, "tags": picture.tags.enlarged(factor)}
    images.save(output, image, **form, overwrite=options.force)
    if options.std and std is not None:
        images.save(options.std, _white_at_most(std), overwrite=options.force)
    record = {
        "task": name,
        "input": str(input),
        "output": str(output),
        "preset": options.preset,
        "options": report.describe({k: v for k, v in given.items() if v is not None}),
        "settings": report.describe(watch.settings),
        "tile": plan.tile,
        "seed": options.seed,
        "resumed": watch.resumed,
        "interrupted": watch.interrupted,
        "stop_reason": watch.reason,
        **total(watch.fits),
        **report.environment(),
        **of_members,
    }
    views = {"input": bicubic(y, factor), "restored": image}
    _report(record, views, reference, options)
    watch.conclude()


def _plan(options: Options, shape, factor: int, task: Callable) -> memory.Plan:
    """What the memory allows, told in a line."""
    side = (options.tile,) if options.tile else None
    plan = tasks.planned(task, shape, factor=factor, sides=side)
    if not options.quiet:
        print(plan.text)
    return plan


def _fitted(
    task: Callable,
    key: Array,
    data: tuple,
    plan: memory.Plan,
    factor: int,
    options: Options,
    watch: Watch,
) -> tuple[Array, Array | None, dict]:
    """The image, and of several members where they disagree and what the record says of them."""
    if plan.tile and options.members > 1:
        raise ValueError(f"{plan.text}: too large for members; leave out --members")
    if plan.tile:
        return _tiles(task, key, data, plan.tile, factor, options, watch), None, {}
    return _members(task, key, data, options.members, watch)


def _tiles(
    task: Callable, key: Array, data: tuple, tile, factor: int, options: Options, watch: Watch
) -> Array:
    """The picture from its tiles, with a bar for all of them in place of one for each."""
    watch.reference, watch.quiet, watch.folder = None, True, None
    pictures = tiles.iterate(task, key, *data, tile=tile, factor=factor, folder=options.resume)
    picture = None
    bar = tqdm(unit="tile", disable=options.quiet, dynamic_ncols=True)
    with bar, watch.catches_ctrl_c():
        for picture in pictures:
            bar.total = picture.total
            watch.resumed |= picture.kept > 0
            bar.update(picture.done - bar.n)
    assert picture is not None  # there is a tile at least
    return jnp.asarray(picture.image)


def _members(task: Callable, key: Array, data: tuple, members: int, watch: Watch):
    """The fits one after another, as an ensemble."""
    keys = jax.random.split(key, members) if members > 1 else [key]
    seconds = []  # of each member; one of preset "best" makes several fits

    def one(key: Array):
        watch.label = f"member {len(seconds) + 1}/{members}" if members > 1 else ""
        before = len(watch.fits)
        result = task(key, *data)
        seconds.append(total(watch.fits[before:])["seconds"])
        return result

    with watch.catches_ctrl_c():  # between two fits as well
        result = ensembles.collect(tasks.each(one, keys, watch))
    kept = len(result.members)
    of_members = {
        "members": kept,
        "steps": int(result.fits.stopped_at[0]),
        "steps_of_members": [int(steps) for steps in result.fits.stopped_at],
        "seconds_of_members": seconds[:kept],
        "std": {"mean": float(result.std.mean()), "max": float(result.std.max())},
    }
    return result.mean, result.std, of_members if members > 1 else {}


def _report(record: dict, views: dict, reference: Array | None, options: Options) -> None:
    """The record with its scores and the pictures side by side, as far as they are asked for."""
    if reference is not None:
        record = record | {
            "before": report.scores(views["input"], reference),
            "after": report.scores(views["restored"], reference),
        }
        views = {**views, "reference": reference}
    if options.json:
        report.write_json(options.json, record)
    if options.figure:
        figures.save(options.figure, figures.grid([list(views.items())]))
    if not options.quiet:
        print(report.summary(record))


def _white_at_most(std: Array) -> Array:
    """Scaled so that the largest is 1."""
    return std / jnp.maximum(std.max(), jnp.finfo(std.dtype).tiny)
