"""What stands behind the page: what its fields ask for, and the restoration of one picture."""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from PIL import Image

from dipjax import blind, compression, images, kernels, tasks, tiles
from dipjax import light as lights
from dipjax.baselines import bicubic
from dipjax.images import Picture
from dipjax.tasks.super_resolution import level
from dipjax.web import jobs

MISSING: dict[str, tasks.Missing] = {
    "thin strokes, text": "text",
    "a large hole": "hole",
    "many single pixels": "half",
}
LINE = "shaken along a line"
BLURS: dict[str, Callable[[float, float], jax.Array]] = {
    "out of focus": lambda size, angle: kernels.disc(size),
    "soft": lambda size, angle: kernels.gaussian(size),
    LINE: kernels.motion,
}
UNKNOWN, LEAST = "blurred, nobody knows how", 5
LIGHTS: dict[str, lights.Asked] = {
    "look which": "auto",
    "a lens or a camera": "linear",
    "an image editor": "stored",
}
FACTORS = (2, 3, 4, 8)
SIDE = 480  # pixels of a screen for a picture


class Wanted(NamedTuple):
    """A task with its settings, what else it takes for each pixel, and what is transparent then."""

    task: Callable[..., Any]
    alpha: np.ndarray | None
    data: tuple[np.ndarray, ...] = ()


# --- what the fields of each tab ask for -----------------------------------------------------


def noise(picture: Picture, sigma: float | None) -> Wanted:
    """Of a level in parts of 255, or 0 to have it estimated."""
    return Wanted(partial(tasks.denoise, sigma=sigma / 255 if sigma else None), picture.alpha)


def missing(picture: Picture, painted: dict[str, Any] | None, kind: str) -> Wanted:
    """What is painted over, by an editor's layers, and what is transparent.

    Where there is no painting what is transparent is filled in, and else stays so.
    """
    over = covered(painted, picture.colour.shape)
    alpha = np.ones_like(over) if picture.alpha is None else picture.alpha
    known = (1 - over) * (alpha > 0.5)
    if known.all():
        raise ValueError("nothing is missing: paint over what is, on the picture of this tab")
    alpha = np.maximum(alpha, over) if over.any() and picture.alpha is not None else None
    return Wanted(partial(tasks.inpaint, missing=MISSING[kind]), alpha, (known,))


def small(picture: Picture, factor: int) -> Wanted:
    """Enlarged so many times; of a JPEG file, or where noise is seen, it may be off."""
    alpha = None if picture.alpha is None else np.asarray(bicubic(picture.alpha, factor))
    sigma = level(jnp.asarray(picture.colour), picture.jpeg)
    return Wanted(partial(tasks.super_resolve, factor=factor, sigma=sigma), alpha)


def blurred(picture: Picture, kind: str, size: float, angle: float, by: str) -> Wanted:
    """By a disc of this radius, a Gaussian of this sigma, or a line of this length, in pixels.

    Where nobody knows, the kernel is looked for in the picture, as large as the size. What has
    blurred it says which light.
    """
    asked = LIGHTS[by]
    if kind == UNKNOWN:
        if size < LEAST:
            raise ValueError(f"by {size:g} pixels: give more, at least {LEAST}, better too many")
        k, light = blind.seen(picture.colour, round(size), asked)
    else:
        k = kernels.checked(BLURS[kind](size, angle), picture.colour.shape)
        light = lights.asked(asked, jnp.asarray(picture.colour), k)
    return Wanted(partial(tasks.deblur, kernel=k, light=light), picture.alpha)


def compressed(picture: Picture) -> Wanted:
    """By JPEG, whose steps a file of it tells, and a copy shows."""
    jpeg = compression.kept(jnp.asarray(picture.colour), picture.jpeg)
    return Wanted(partial(tasks.remove_jpeg_artifacts, jpeg=jpeg), picture.alpha)


def covered(painted: dict[str, Any] | None, shape: tuple[int, ...]) -> np.ndarray:
    """1 where any layer of an editor is painted (H, W, 1), in the pixels of the picture."""
    over = np.zeros((*shape[:2], 1), np.float32)
    for layer in (painted or {}).get("layers", ()):
        alpha = Image.fromarray(np.ascontiguousarray(layer[..., 3]))
        alpha = alpha.resize((shape[1], shape[0]), Image.Resampling.NEAREST)
        over = np.maximum(over, np.asarray(alpha)[..., None] > 0)
    return over


# --- the restoration -----------------------------------------------------------------------


class Shown(NamedTuple):
    """What the page shows: of bytes (H, W, C), before it only behind the last step, with a file."""

    image: np.ndarray
    text: str
    before: np.ndarray | None = None
    file: Path | None = None


class Restorer:
    """What stands behind the page: it restores one picture at a time, and stops.

    Args:
        folder: where results wait for their download.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.stops = folder, []

    def stop(self) -> str:
        """End what is fitted, and say so."""
        self.stops.append("stop")
        return "stopping; a polish that has begun is finished first"

    def __call__(
        self,
        wanted: Callable[..., Wanted],
        path: str | None,
        preset: str,
        seed: float | None,
        *fields,
    ) -> Iterator[Shown]:
        """A picture on its way, at last with the file of the result.

        Raises:
            ValueError: for what cannot be restored so, with the reason.
            MemoryError: for what is too large.
        """
        self.stops = stops = []
        if not path:
            raise ValueError("there is no picture yet: drop one on the field above")
        if not 0 <= (seed or 0) < 2**32:
            raise ValueError(f"seed {seed}: must be from 0 to {2**32 - 1}")
        picture = images.load_picture(path)
        task, alpha, data = wanted(picture, *fields)
        key, y = jax.random.key(int(seed or 0)), jnp.asarray(picture.colour)
        task, view = partial(task, preset=preset), None
        for view in jobs.job(task, key, y, *data, stops=stops):
            yield Shown(enlarged(seen(view.image)), view.text)
        assert view is not None  # the result is one
        file = self._file(Path(path).stem, picture.depth)
        factor = tiles.factor_of(task)
        tags = picture.tags.enlarged(factor)
        images.save(file, view.image, alpha=alpha, depth=picture.depth, tags=tags)
        before = bicubic(y, factor)
        yield Shown(enlarged(seen(view.image)), view.text, enlarged(seen(before)), file)

    def _file(self, stem: str, depth: int) -> Path:
        suffix = ".tif" if depth == 32 else ".png"
        return Path(tempfile.mkdtemp(dir=self.folder)) / f"{stem}-restored{suffix}"


def seen(image: ArrayLike) -> np.ndarray:
    """What a screen shows of an image: bytes (H, W, 3)."""
    x = images.quantised(np.asarray(image))
    return np.broadcast_to(x, (*x.shape[:2], 3))


def enlarged(x: np.ndarray) -> np.ndarray:
    """The same in pixels of a screen, of a small picture several for each."""
    return images.repeated(x, max(1, SIDE // max(x.shape[:2])))
