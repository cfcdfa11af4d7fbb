"""The command line of comparisons: `dipjax compare noisy.png -o figure.png`."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import jax
import jax.numpy as jnp
from tyro.conf import Positional

from dipjax import figures, images, report, tasks
from dipjax.baselines import srresnet
from dipjax.cli import checks, comparison
from dipjax.cli.comparison import Entry, Method
from dipjax.cli.options import (
    Flag,
    OptionalFloat,
    OptionalInt,
    OptionalPath,
    Output,
    Preset,
    load_reference,
    optional,
)
from dipjax.cli.restoring import tell_frames, whole
from dipjax.drivers.watch import Watch, total
from dipjax.operators import Kernel

Array = jax.Array
KERNELS = f"{{{','.join(get_args(Kernel))}}}"


def compare(
    input: Positional[Path],
    output: Output,
    reference: OptionalPath = None,
    task: Literal["denoise", "super-resolve"] = "denoise",
    factor: OptionalInt = None,
    kernel: Annotated[Kernel | None, optional(KERNELS)] = None,
    sigma: OptionalFloat = None,
    weights: Annotated[Path | None, optional("PATH", name="srresnet")] = None,
    preset: Preset = "fast",
    steps: OptionalInt = None,
    seed: int = 0,
    pictures: OptionalPath = None,
    json: OptionalPath = None,
    force: Flag = False,
    quiet: Flag = False,
):
    """Restore a picture by several methods, and draw all results into one figure.

    Beside Deep Image Prior, to denoise: total variation (by dipjax and, as Chambolle, by
    scikit-image), non-local means, non-local Bayes, BM3D; to enlarge: bicubic and, with its
    weights, a trained SRResNet. What is not installed is left out, and said.

    Args:
        input: the noisy or small picture; its transparency is left out.
        output: the figure, .png, .pdf, .svg or .jpg.
        reference: the true picture, to measure PSNR and SSIM against.
        task: what is wrong with the picture.
        factor: by how much to enlarge, an integer from 2; 4 if not given.
        kernel: how the picture was made small; lanczos2, if not given, is close to bicubic.
        sigma: standard deviation of the noise, where white is 1; estimated if not given.
        weights: the file of a trained SRResNet (scripts/train_srresnet.py).
        preset: best is slower, four fits or a wider network; paper is as published.
        steps: of the fit, in place of the preset's.
        seed: of all randomness.
        pictures: keep what each method made in this folder, such as total-variation.png.
        json: write settings, times and scores into this file.
        force: replace files that exist already; the input is never replaced.
        quiet: print nothing but errors.
    """
    picture = images.load_picture(input)
    y = picture.colour
    read = [path for path in (input, reference, weights) if path]
    written = [(path, None) for path in (output, json) if path]
    checks.files(read, written, overwrite=force)
    figures.check(output)
    checks.settings(steps=steps, seed=seed)
    if pictures:
        checks.folder("--pictures", pictures)
    for option, value in (("--factor", factor), ("--kernel", kernel)):
        if task == "denoise" and value is not None:
            raise ValueError(f"{option} {value}: is of --task super-resolve; give that, too")
    factor = 1 if task == "denoise" else 4 if factor is None else factor
    trained = None if weights is None else srresnet.load(weights)
    _check(y.shape, task, factor, sigma, trained)
    true = load_reference(reference, picture, factor)
    tell_frames(picture, quiet)
    y = jnp.asarray(y)
    shape = (y.shape[0] * factor, y.shape[1] * factor, y.shape[2])

    options: dict[str, Any] = {} if sigma is None else {"sigma": sigma}
    if task == "denoise":
        methods, recipe = comparison.denoisers(sigma), tasks.denoise
    else:
        methods, recipe = comparison.enlargers(factor, trained), tasks.super_resolve
        options = {"factor": factor, "kernel": kernel or "lanczos2", **options}
    recipe = partial(recipe, **options)
    watch, key = Watch(true, quiet), jax.random.key(seed)
    settings = {"preset": preset} | ({} if steps is None else {"steps": steps})
    fitted = partial(recipe, key, y, **settings)
    settings["generator"] = whole(fitted, shape, factor, advice="cut a part out of it")
    methods["Deep Image Prior"] = comparison.dip(key, recipe, watch, **settings)
    places = {n: pictures / f"{n.lower().replace(' ', '-')}.png" for n in methods if pictures}
    plain = picture._replace(alpha=None, depth=min(picture.depth, 16))  # what PNG holds
    if pictures:
        pictures.mkdir(parents=True, exist_ok=True)
    kept = [(path, plain) for path in places.values()]
    checks.files(read, written + kept, overwrite=force, factor=factor)
    entries = [] if factor > 1 else [comparison.entry("input", y, true)]
    entries += _run(methods, y, true, watch)
    figures.save(output, figures.grid(comparison.views(entries, true)))
    for e in entries:
        if e.name in places:
            form = {"depth": plain.depth, "tags": plain.tags.enlarged(factor)}
            images.save(places[e.name], e.image, **form, overwrite=force)
    if json:
        report.write_json(json, _record(input, task, preset, options, seed, watch, entries))
    if not quiet:
        print(comparison.table(entries))
        print(f"side by side: {output}")
    watch.conclude()


def _check(shape: tuple[int, ...], task: str, factor: int, sigma, trained) -> None:
    if task == "super-resolve":
        checks.factor(factor, min(shape[:2]))
    checks.sigma(sigma if task == "denoise" else sigma or None)
    if trained and trained[0].factor != factor:
        raise ValueError(
            f"--srresnet: its network enlarges {trained[0].factor} times; "
            f"give --task super-resolve --factor {trained[0].factor}"
        )


def _run(methods: dict[str, Method], y: Array, true: Array | None, watch: Watch):
    """All methods until Ctrl-C, one after another.

    What is not installed is left out, and what cannot do with such a picture, such as a tiny one.
    """
    entries: list[Entry] = []
    with watch.catches_ctrl_c():
        for name, method in methods.items():
            try:
                entries.append(comparison.timed(name, method, y, true))
            except ValueError as error:
                if not watch.quiet:
                    print(f"{name} is left out: {error}")
            if watch.interrupted:
                break
    return entries


def _record(
    input: Path, task: str, preset, options: dict, seed: int, watch: Watch, entries
) -> dict:
    return {
        "task": task,
        "input": str(input),
        "preset": preset,
        "options": options,
        "settings": report.describe(watch.settings),
        "steps": total(watch.fits)["steps"],
        "seed": seed,
        "interrupted": watch.interrupted,
        "methods": {e.name: {"seconds": round(e.seconds, 2), **(e.scores or {})} for e in entries},
        **report.environment(),
    }
