"""What a run tells people: a progress bar, a figure, a record in JSON."""

import io
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

import dipjax
from dipjax import cache, images, interruption, metrics, presets, tiles
from dipjax.drivers import Loop, often
from dipjax.fitting import Progress
from dipjax.objectives import Scaled
from dipjax.restoration import FitError, Restoration
from dipjax.run import Run
from dipjax.stopping import Reason

Array = jax.Array

FIGURES = (".png", ".pdf", ".svg", ".jpg")


@dataclass
class Watch:
    """A driver of fits for people: shows its progress, times it, and ends well on Ctrl-C.

    It is called like `fitting.fit`. After the call it knows what it was asked to do and how it
    went; after Ctrl-C the result is the one so far, and `interrupted` is set.

    Attributes:
        reference: the true image (H, W, C), to show the PSNR by.
        quiet: show nothing.
        settings: the arguments of the fit, of several those of the first.
        steps: how many were made.
        seconds: of compilation and of running.
        reason: why the last fit ended, in words.
        error: of a fit that failed; its best image is the result.
        label: what the progress bar says first, such as "member 2/8".
        caught: the Ctrl-C since the watch was made.
        folder: of checkpoints that fits go on from (see `checkpoints.iterate`), or None.
        resumed: whether one of them went on, or tiles of an earlier run were kept; what those took
            is not among the seconds.
        state: the last of the fit.
        fits: steps and seconds of every fit that this drove, such as members or tiles.
    """

    reference: Array | None = None
    quiet: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    steps: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    error: FitError | None = None
    label: str = ""
    caught: list[int] = field(default_factory=list)
    folder: Path | None = None
    resumed: bool = False
    state: Run | None = None
    fits: list[dict[str, Any]] = field(default_factory=list)

    @property
    def interrupted(self) -> bool:
        """Whether it was Ctrl-C that ended the fit."""
        return bool(self.caught)

    @property
    def ended(self) -> bool:
        """Whether something other than its rule ended a fit: Ctrl-C, or that it failed."""
        return self.interrupted or self.error is not None

    def conclude(self) -> None:
        """Raise what ended the fits, once their result is saved: FitError, KeyboardInterrupt."""
        if self.error:
            raise self.error
        if self.interrupted:
            raise KeyboardInterrupt

    def __call__(self, key: Array, objective, shape, **settings) -> Restoration:
        """Fit, see `fitting.fit`; raises KeyboardInterrupt at the second Ctrl-C."""
        self.settings = self.settings or settings
        every = often(settings["steps"])
        label = self.label or (f"fit {len(self.fits) + 1}" if self.fits else "")
        times = [time.perf_counter()]
        bar = tqdm(total=settings["steps"], unit="step", disable=self.quiet, dynamic_ncols=True)
        bar.set_description(f"{label} compiling".strip())

        def look(progress: Progress) -> None:
            if progress.step > every and len(times) == 1:  # what an earlier run has made
                bar.initial, self.resumed = progress.step, True
            times.append(time.perf_counter())
            bar.set_description(f"{label} fitting".strip(), refresh=False)
            if not self.quiet:
                bar.set_postfix_str(self._postfix(progress), refresh=False)
            bar.update(progress.step - bar.n)
            self.steps = progress.step

        loop = Loop(self.folder, every, look, self.caught)
        with bar, self.catches_ctrl_c():
            try:
                result = loop(key, objective, shape, **settings)
            except FitError as error:
                self.error, result = error, error.result
        self.state, self.seconds = loop.state, _seconds(np.diff(times))
        self.reason = str(Reason(int(result.stop_reason)))
        self.fits.append({"steps": self.steps, "seconds": self.seconds})
        return result

    def polish(self, work: Callable[[], Array]) -> Array:
        """What a task does behind its fit, for some seconds in which no bar moves."""
        if not self.quiet:
            tqdm.write(f"{self.label} polishing".strip(), file=sys.stderr)
        begin = time.perf_counter()
        with self.catches_ctrl_c():
            image = jax.block_until_ready(work())
        self.fits[-1]["seconds"]["polish"] = round(time.perf_counter() - begin, 2)
        return image

    def tiles(self, pictures: Iterator[tiles.Progress], quiet: bool) -> np.ndarray:
        """The image of `tiles.iterate`, whose fits this drives, with a bar for all of them."""
        picture = None
        with tqdm(unit="tile", disable=quiet, dynamic_ncols=True) as bar, self.catches_ctrl_c():
            for picture in pictures:
                bar.total = picture.total
                self.resumed |= picture.kept > 0
                bar.update(picture.done - bar.n)
                if self.ended:  # a tile that failed, too, spoils those that start from its params
                    break
        assert picture is not None  # there is a tile at least
        return picture.image

    def _postfix(self, progress: Progress) -> str:
        loss = f"loss {progress.loss:.4g}"
        if self.reference is None:
            return loss
        return f"{loss}, PSNR {psnr(progress, self.reference):.2f} dB"

    def catches_ctrl_c(self) -> AbstractContextManager[None]:
        """Collects Ctrl-C, so that no result is lost to it; a second one raises."""
        return interruption.collected(self.caught, partial(tqdm.write, file=sys.stderr))


def _seconds(chunks: np.ndarray) -> dict[str, float]:
    """The first chunk compiles: what it took beyond the usual is compilation."""
    usual = float(np.median(chunks[1:])) if len(chunks) > 1 else 0.0
    compiling = max(float(chunks[0]) - usual, 0.0)
    return {"compile": round(compiling, 2), "run": round(float(chunks.sum()) - compiling, 2)}


def total(fits: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Steps and seconds of several fits together."""
    names = dict.fromkeys(("compile", "run", *(name for fit in fits for name in fit["seconds"])))
    seconds = {n: round(sum(fit["seconds"].get(n, 0) for fit in fits), 2) for n in names}
    return {"steps": sum(fit["steps"] for fit in fits), "seconds": seconds}


def psnr(progress: Progress, reference: Array) -> Array:
    """Of the average so far, in dB; of its middle, where the fit reaches beyond the picture."""
    return metrics.psnr(images.middle(progress.average, reference.shape), reference)


def scores(image: Array, reference: Array) -> dict[str, float | None]:
    """PSNR in dB and SSIM of a picture, as they stand in the record; None for what has none."""
    db = float(metrics.psnr(image, reference))
    ssim = None if min(image.shape[:2]) < 11 else float(metrics.ssim(image, reference))
    return {
        "psnr": round(db, 3) if np.isfinite(db) else None,  # of equal pictures
        "ssim": ssim and round(ssim, 4),
    }


def environment() -> dict[str, Any]:
    """Versions and devices, the part of a result that the key does not fix."""
    names = ("jax", "jaxlib", "flax", "optax", "numpy", "pillow")
    return {
        "versions": {
            "python": platform.python_version(),
            "dipjax": dipjax.__version__,  # a checkout that is not installed has it, too
            **{name: version(name) for name in names},
        },
        "devices": [f"{device.platform}: {device.device_kind}" for device in jax.devices()],
        "cores": cache.cores(),
    }


def describe(settings: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a fit in words and numbers."""
    return {name: _describe(value) for name, value in settings.items()}


def _describe(value: Any) -> Any:
    for name, optimizer in presets.OPTIMIZERS.items():
        if value is optimizer:
            return name
    if isinstance(value, int | float | str):
        return value
    if type(value) is tuple:  # and no tracker
        return [_describe(part) for part in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Scaled):
        return f"{value.weight} * {_describe(value.objective)}"
    if isinstance(value, partial):
        options = ", ".join(f"{name}={option}" for name, option in value.keywords.items())
        return f"{value.func.__name__}({options})"
    if isinstance(value, jax.Array):  # such as a code that is a picture
        return f"array of shape {value.shape}"
    if isinstance(value, nn.Module):
        return f"{type(value).__name__}({_changed(value)})"
    return getattr(value, "__name__", type(value).__name__)


def _changed(module: nn.Module) -> str:
    """The fields of a module that are not at their defaults."""
    pairs = ((f.name, getattr(module, f.name), f.default) for f in fields(module) if f.init)
    own = ((name, value) for name, value, default in pairs if value != default and name != "parent")
    return ", ".join(f"{name}={value!r}" for name, value in own)


def write_json(path: Path, record: dict[str, Any]) -> None:
    """One record, written in whole or not at all; None for what is not finite, as JSON has it."""
    text = json.dumps(_finite(record), indent=2, allow_nan=False)
    images.write_bytes(path, (text + "\n").encode())


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {name: _finite(part) for name, part in value.items()}
        case list() | tuple():
            return [_finite(part) for part in value]
        case float():
            return value if np.isfinite(value) else None
        case _:
            return value


def figure(path: Path, rows: Sequence[Sequence[tuple[str, Array]]]) -> None:
    """Pictures side by side, every pixel as it is, under their titles.

    Args:
        path: of the figure; the suffix chooses the format, one of `FIGURES`.
        rows: of (title, image (H, W, C)).
    """
    save(path, draw(rows))


def save(path: Path, fig) -> None:
    """A figure of matplotlib as a file, in the format of its suffix, whole or not at all."""
    images.write_bytes(path, render(fig, path.suffix.lower().removeprefix(".")))


def draw(rows: Sequence[Sequence[tuple[str, Array]]]):
    """The same as a figure of matplotlib."""
    shape = len(rows), max(map(len, rows))
    fig = _matplotlib_figure()(figsize=(3.2 * shape[1], 3.5 * shape[0]), layout="tight")
    axes = fig.subplots(*shape, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for line, row in zip(axes, rows, strict=True):
        for axis, (title, image) in zip(line, row, strict=False):
            show(axis, title, image)
    return fig


def draw_curves(
    step: np.ndarray, curves: dict[str, np.ndarray], pictures: dict[str, dict[str, Array]]
):
    """Mean squared errors by step as a figure of matplotlib, and pictures of each below.

    Args:
        step: where the curves are known, from 1.
        curves: name -> (runs, steps); of several runs each thin, and their mean. One that is
            shorter than `step` ended there.
        pictures: name -> title -> image (H, W, C), two for each.
    """
    fig = _matplotlib_figure()(figsize=(9, 6.6), layout="constrained")
    halves = fig.subfigures(2, 1, height_ratios=[3.4, 3.2], squeeze=False)
    axis = halves[0, 0].subplots()
    below = halves[1, 0].subplots(2, len(pictures), squeeze=False)
    for i, (name, runs) in enumerate(curves.items()):
        at = step[: runs.shape[1]]
        if len(runs) > 1:
            axis.plot(at, runs.T, color=f"C{i}", alpha=0.3, linewidth=0.8)
        axis.plot(at, runs.mean(0), color=f"C{i}", label=name)
        for place, (title, image) in zip(below[:, i], pictures[name].items(), strict=True):
            place.set_axis_off()
            show(place, title, image)
    axis.set(xscale="log", xlabel="step", ylabel="mean squared error", ylim=(0, None))
    axis.legend()
    return fig


def show(axis: Any, title: str, image: Array) -> None:
    """A picture (H, W, C) in its place of a figure, every pixel as it is."""
    x = np.asarray(jnp.clip(image, 0, 1))
    x = x[..., 0] if x.shape[-1] == 1 else x
    axis.imshow(x, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axis.set_title(title, fontsize=10)


def render(fig, format: str, *, dpi: int = 160) -> bytes:
    """What a file of a figure holds."""
    data = io.BytesIO()
    fig.savefig(data, dpi=dpi, format=format)
    return data.getvalue()


def check_figure(path: Path) -> None:
    """Raise ValueError where `figure` could not draw into a file of this name."""
    _matplotlib_figure()
    if path.suffix.lower() not in FIGURES:
        raise ValueError(f"{str(path)!r}: unknown suffix; use one of {', '.join(FIGURES)}")


def _matplotlib_figure():
    """matplotlib is an extra: asked for before any compute."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ValueError('a figure needs matplotlib: pip install "dipjax[plot]"') from error
    return Figure


def summary(record: dict[str, Any]) -> str:
    """A record in a few lines, for a terminal."""
    seconds = record["seconds"]
    many = record.get("steps_of_members", [])
    ends = " to ".join(map(str, sorted({min(many), max(many)}))) if many else ""
    steps = f"{len(many)} x {ends}" if many else record["steps"]
    lines = [
        f"{record['output']}: {steps} steps in {seconds['run']:.1f} s, "
        f"and {seconds['compile']:.1f} s of compilation"
    ]
    if "polish" in seconds:
        lines[0] += f"; polished in {seconds['polish']:.1f} s"
    if many:
        lines.append(f"the mean of {record['members']}; their std is {record['std']['mean']:.4f}")
    if "after" in record:
        before, after = record["before"], record["after"]
        for name, form, unit in (("psnr", ".2f", " dB"), ("ssim", ".3f", "")):
            if before[name] is not None and after[name] is not None:
                change = f"{before[name]:{form}} -> {after[name]:{form}}{unit}"
                lines.append(f"{name.upper()} {change}")
    if record.get("stop_reason"):  # there is none where all tiles were kept ones
        lines.append(f"it stopped because {record['stop_reason']}")
    if record.get("resumed"):
        lines.append("it went on from an earlier run, whose seconds are not counted here")
    if record["interrupted"]:
        lines.append("interrupted: this is the result so far")
    return "\n".join(lines)
