"""Pictures in a notebook: one that changes while a fit runs, and several side by side.

    restored = dipjax.denoise(key, y, driver=dipjax.live(reference=x))
    dipjax.show({"noisy": y, "restored": restored.image, "true": x})

Outside a notebook `live` prints a line in place of each picture, and `show` the titles.
"""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike
from PIL import Image

from dipjax import figures, images
from dipjax.drivers import interruption
from dipjax.drivers.loop import Loop, psnr
from dipjax.fitting import CHUNK, STEPS, Progress
from dipjax.restoration import Driver, Restoration

Array = jax.Array

SIDE = 384  # pixels of a screen that a small picture is enlarged to


def live(
    reference: ArrayLike | None = None,
    *,
    every: int = 2 * CHUNK,
    folder: str | Path | None = None,
) -> Driver:
    """A driver of fits that shows the average of the iterates while it grows.

    The button that stops a cell ends the fit, and gives the result so far.

    Args:
        reference: the true image (H, W, C), to say the PSNR by.
        every: steps between two pictures.
        folder: of checkpoints, from which the same fit goes on (see `resumable`): on Colab one of
            the mounted drive, which is still there when the machine is not.

    Returns:
        A function with the arguments of `fit`, for the option `driver` of any task.
    """
    true = None if reference is None else images.check(reference, "reference")
    return Live(folder, every, reference=true)


@dataclass
class Live(Loop):
    """A `Loop` that shows the average of the iterates, with its PSNR by the `reference`, if any."""

    reference: Array | None = None

    def __call__(
        self, key: Array, objective: Any, shape: Any, *, steps: int = STEPS, **settings: Any
    ) -> Restoration:
        """Fit, see `fitting.fit`; the button that stops a cell ends it, and what would follow."""
        screen = _Screen()

        def look(progress: Progress) -> None:
            screen.update(progress.average, _caption(progress, steps, self.reference))

        self.look = look
        self.caught.clear()  # of a call before this one
        with interruption.collected(self.caught, print):
            return super().__call__(key, objective, shape, steps=steps, **settings)


def show(*rows: Mapping[str, ArrayLike], file: str | None = None) -> None:
    """Pictures side by side under their titles; needs matplotlib.

    Args:
        *rows: title -> image (H, W, C), one dictionary for each row.
        file: keep the figure in this file too (.png, .pdf, .svg, .jpg).

    Raises:
        ValueError: for what is no image, and where matplotlib is not installed.
    """
    pictures = [[(title, images.check(x, title)) for title, x in row.items()] for row in rows]
    if file:
        figures.check(Path(file))
    figure = figures.grid(pictures) if file or in_notebook() else None
    if file:
        figures.save(Path(file), figure)
    if not in_notebook():
        print(", ".join(title for row in pictures for title, _ in row))
        return
    from IPython.display import Image as Png  # pyright: ignore[reportMissingImports]
    from IPython.display import display  # pyright: ignore[reportMissingImports]

    display(Png(figures.render(figure, "png", dpi=100)))


def in_notebook() -> bool:
    """Whether this runs in a kernel that can show pictures."""
    try:
        from IPython import get_ipython  # pyright: ignore[reportMissingImports]
    except ImportError:
        return False
    return hasattr(get_ipython(), "kernel")


class _Screen:
    """One place of a notebook, whose picture is exchanged; elsewhere the captions as lines."""

    def __init__(self):
        self.handle = None

    def update(self, image: Array, caption: str) -> None:
        if not in_notebook():
            print(caption)
            return
        from IPython.display import HTML, display  # pyright: ignore[reportMissingImports]

        picture = HTML(_html(np.asarray(image), caption))
        if self.handle is None:
            self.handle = display(picture, display_id=True)
        else:
            self.handle.update(picture)


def _caption(progress: Progress, steps: int, reference: Array | None) -> str:
    text = f"step {progress.step} of {steps}, loss {progress.loss:.4g}"
    if reference is None:
        return text
    return f"{text}, PSNR {psnr(progress, reference):.2f} dB"


def _html(image: np.ndarray, caption: str) -> str:
    """A picture with its caption in one line of HTML."""
    if image.shape[-1] not in (1, 3):
        image = image.mean(-1, keepdims=True)
    samples = images.quantised(image)
    data = io.BytesIO()
    Image.fromarray(samples[..., 0] if samples.shape[-1] == 1 else samples).save(data, "PNG")
    width = image.shape[1] * max(1, SIDE // image.shape[1])
    source = f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"
    style = f"width: {width}px; image-rendering: pixelated"
    return f'<img src="{source}" style="{style}"><br>{caption}'
