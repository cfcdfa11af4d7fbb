"""The same picture by several methods: what each makes of it, how near the truth, how long."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dipjax import baselines, report, tasks
from dipjax.baselines.srresnet import SRResNet, Variables, enlarge

Array = jax.Array
Method = Callable[[Array], Array]  # measurement -> image


@dataclass(frozen=True)
class Entry:
    """What one method made.

    Attributes:
        name: of the method.
        image: (H, W, C) in [0, 1].
        seconds: all in all, with compilation.
        scores: PSNR and SSIM, where there is a reference.
    """

    name: str
    image: Array
    seconds: float
    scores: dict[str, float | None] | None


def denoisers(sigma: float | None = None) -> dict[str, Method]:
    """The classical ones by name, for noise of this level, estimated where it is None."""
    return {name: partial(fn, sigma=sigma) for name, fn in baselines.DENOISERS.items()}


def enlargers(factor: int, trained: tuple[SRResNet, Variables] | None = None) -> dict[str, Method]:
    """Bicubic enlargement, and the trained network where there is one."""
    methods: dict[str, Method] = {"bicubic": partial(baselines.bicubic, factor=factor)}
    if trained is not None:
        methods["SRResNet"] = lambda y: enlarge(y, *trained)
    return methods


def dip(key: Array, task: Callable[..., Any], driver: tasks.Driver, **settings) -> Method:
    """Deep Image Prior as a method among others: a task of dipjax with its settings."""
    return lambda y: jnp.clip(task(key, y, driver=driver, **settings).image, 0, 1)


def timed(name: str, method: Method, y: Array, reference: Array | None) -> Entry:
    """A method applied, its seconds and its scores.

    Raises:
        ValueError: where it cannot do with such a picture, or makes no picture of it.
    """
    start = time.perf_counter()
    image = jax.block_until_ready(method(y))
    seconds = time.perf_counter() - start
    if not np.isfinite(image).all():
        raise ValueError("it makes values of this picture that are no numbers")
    return entry(name, image, reference, seconds)


def entry(name: str, image: Array, reference: Array | None, seconds: float = 0.0) -> Entry:
    """A picture that is there already, such as the input."""
    scores = None if reference is None else report.scores(image, reference)
    return Entry(name, image, seconds, scores)


def table(entries: list[Entry]) -> str:
    """Names, PSNR, SSIM and seconds in columns; the best score of each has a star."""
    form = {"psnr": "{:.2f}", "ssim": "{:.3f}"}
    best = {k: max((e.scores[k] or 0 for e in entries if e.scores), default=0) for k in form}
    lines = [f"{'':18} {'PSNR':>7}  {'SSIM':>6}  {'seconds':>7}"]
    for e in entries:
        cells = []
        for k, width in (("psnr", 7), ("ssim", 6)):
            value = e.scores and e.scores[k]
            text = form[k].format(value) if value is not None else "-"
            cells.append(f"{text:>{width}}" + ("*" if value and value == best[k] else " "))
        lines.append(f"{e.name:18} {cells[0]} {cells[1]} {e.seconds:>7.1f}")
    return "\n".join(lines)


def views(entries: list[Entry], reference: Array | None) -> list[list[tuple[str, Array]]]:
    """The pictures side by side and, below, the middle of each, where grain can be seen."""
    row = [(_title(e), e.image) for e in entries]
    row += [] if reference is None else [("true", reference)]
    h, w = row[0][1].shape[:2]
    if min(h, w) < 64:
        return [row]
    rows, columns = slice(3 * h // 8, 5 * h // 8), slice(3 * w // 8, 5 * w // 8)
    return [row, [("", image[rows, columns]) for _, image in row]]


def _title(e: Entry) -> str:
    if not e.scores or e.scores["psnr"] is None:
        return e.name
    return f"{e.name}: {e.scores['psnr']:.2f} dB"
