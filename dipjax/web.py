"""A page in the browser: drop a picture on it, say what ails it, watch it being restored.

    dipjax web

Needs `pip install "dipjax[web]"`. Nothing leaves the machine that it runs on, and what the page has
kept is deleted when it ends. It is for one person: pictures wait for each other, and `Stop` ends
the one that is fitted, whose it may be, with the result so far.
"""

import os
import tempfile
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from PIL import Image

from dipjax import images, jobs, kernels, tasks, tiles
from dipjax.baselines import bicubic
from dipjax.images import Picture

TITLE = "dipjax: restore a picture without training data"
INTRO = f"""# {TITLE}
An untrained network is fitted to your one picture, and stopped before it learns what ails it (Deep
Image Prior, Ulyanov et al. 2018). The picture stays on this machine. A small part of it, some
hundred pixels a side, tells in a minute or two what to expect."""
MISSING: dict[str, tasks.Missing] = {
    "thin strokes, text": "text",
    "a large hole": "hole",
    "many single pixels": "half",
}
BLURS: dict[str, Callable[[float, float], jax.Array]] = {
    "out of focus": lambda size, angle: kernels.disc(size),
    "soft": lambda size, angle: kernels.gaussian(size),
    "shaken": kernels.motion,
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
    """Enlarged so many times."""
    alpha = None if picture.alpha is None else np.asarray(bicubic(picture.alpha, factor))
    return Wanted(partial(tasks.super_resolve, factor=factor), alpha)


def blurred(picture: Picture, kind: str, size: float, angle: float) -> Wanted:
    """By a disc of this radius, a Gaussian of this sigma, or a line of this length, in pixels."""
    k = kernels.checked(BLURS[kind](size, angle), picture.colour.shape)
    return Wanted(partial(tasks.deblur, kernel=k), picture.alpha)


def compressed(picture: Picture) -> Wanted:
    """By JPEG, whose steps a file of it tells."""
    return Wanted(partial(tasks.remove_jpeg_artifacts, jpeg=picture.jpeg), picture.alpha)


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
        images.save(file, view.image, alpha=alpha, depth=picture.depth)
        before = bicubic(y, tiles.factor_of(task))
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


# --- the page ------------------------------------------------------------------------------


def page(folder: Path) -> Any:
    """The page, `gradio.Blocks`; its method `launch` serves it.

    Args:
        folder: where results wait for their download.

    Raises:
        ValueError: where gradio is not installed.
    """
    gr, restorer = _gradio(), Restorer(folder)
    with gr.Blocks(title=TITLE, analytics_enabled=False) as blocks:
        gr.Markdown(INTRO)
        with gr.Row():
            with gr.Column():
                source = gr.Image(
                    label="Your picture",
                    type="filepath",
                    image_mode=None,  # the file as it is, of any depth
                    sources=["upload", "clipboard"],
                    height=280,
                )
                with gr.Row():
                    info = "best is slower: four fits, or a wider network"
                    preset = gr.Radio(["fast", "best"], value="fast", label="Preset", info=info)
                    info = "another one gives another picture"
                    seed = gr.Number(0, label="Seed", precision=0, minimum=0, info=info)
                starts = _tabs(gr, source)
            with gr.Column():
                shows = {"format": "png", "interactive": False, "buttons": ["fullscreen"]}
                live = gr.Image(label="On its way", height=SIDE + 40, **shows)
                both = gr.ImageSlider(label="Before and after", visible=False, **shows)
                text = gr.Markdown("The result comes here.")
                with gr.Row():
                    stop = gr.Button("Stop", variant="stop")
                    file = gr.DownloadButton("Download", interactive=False)

        def restore(wanted: Callable[..., Wanted], *fields) -> Iterator[dict[Any, Any]]:
            try:
                for shown in restorer(wanted, *fields):
                    done = shown.file is not None
                    yield {
                        live: gr.Image(shown.image, visible=not done),
                        both: gr.ImageSlider(
                            (shown.before, shown.image) if done else None, visible=done
                        ),
                        text: shown.text,
                        file: gr.DownloadButton(value=shown.file, interactive=done),
                    }
            except Exception as error:  # of whatever kind, who looks at the page is to know
                if not isinstance(error, ValueError | MemoryError):
                    traceback.print_exc()
                words = (str(error) or type(error).__name__).splitlines()[0]
                gr.Warning(words)
                yield {
                    text: f"**{words}**",
                    both: gr.ImageSlider(None, visible=False),
                    live: gr.Image(None, visible=True),
                    file: gr.DownloadButton(value=None, interactive=False),
                }

        for button, wanted, fields in starts:
            button.click(
                partial(restore, wanted),
                [source, preset, seed, *fields],
                [live, both, text, file],
                concurrency_limit=1,
                concurrency_id="fit",
                api_visibility="private",
            )
        stop.click(restorer.stop, outputs=text, queue=False, api_visibility="private")
    return blocks


def _tabs(gr: Any, source: Any) -> list[tuple[Any, Callable[..., Wanted], list[Any]]]:
    """What ails the picture: of each tab the button, what it wants, and its fields."""
    starts = []

    def button(text: str, wanted: Callable[..., Wanted], *fields: Any) -> None:
        starts.append((gr.Button(text, variant="primary"), wanted, list(fields)))

    with gr.Tab("Noise"):
        info = "0 looks how strong it is; else its standard deviation, where white is 255"
        sigma = gr.Slider(0, 100, 0, step=1, label="Level", info=info)
        button("Remove the noise", noise, sigma)
    with gr.Tab("Missing parts"):
        painted = gr.ImageEditor(
            label="Paint over what is missing, or leave it: then what is transparent is",
            type="numpy",
            format="png",
            sources=[],
            transforms=(),
            layers=False,
            brush=gr.Brush(default_size=10, colors=["#ff00ff"], color_mode="fixed"),
        )
        source.change(_background, source, painted)
        kind = gr.Radio(list(MISSING), value=next(iter(MISSING)), label="They are")
        button("Fill them in", missing, painted, kind)
    with gr.Tab("Too small"):
        factor = gr.Radio(list(FACTORS), value=4, label="Enlarge so many times")
        button("Enlarge", small, factor)
    with gr.Tab("Blur"):
        kind = gr.Radio(list(BLURS), value=next(iter(BLURS)), label="The picture is")
        info = "the radius of a point of light, its standard deviation, or how long a line it is"
        size = gr.Slider(0.5, 40, 2, step=0.1, label="By so many pixels", info=info)
        info = "of what is shaken, counter-clockwise from the horizontal"
        angle = gr.Slider(-90, 90, 0, step=1, label="Degrees", info=info)
        button("Sharpen", blurred, kind, size, angle)
    with gr.Tab("JPEG"):
        gr.Markdown(
            "A JPEG file itself says how coarse its steps are. Of a copy that was pasted, or saved "
            "in another format, nothing is known, and less can be done."
        )
        button("Remove blocks and ripples", compressed)
    return starts


def _background(path: str | None) -> np.ndarray | None:
    """What is painted on; of a picture that cannot be read nothing, the button says why."""
    try:
        return seen(images.load_picture(path).colour) if path else None
    except ValueError:
        return None


def serve(host: str, port: int, *, browser: bool) -> None:
    """Serve the page until Ctrl-C, and delete what it has kept.

    Raises:
        ValueError: where gradio is not installed.
        OSError: where the port is taken.
    """
    with tempfile.TemporaryDirectory(prefix="dipjax-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # is looked at when the page is made
        blocks = page(Path(folder))
        print(f"dipjax: http://{host}:{port}, until Ctrl-C")
        blocks.launch(
            server_name=host,
            server_port=port,
            inbrowser=browser,
            share=False,  # a public tunnel, which gradio opens by itself on some machines
            show_error=True,
            quiet=True,
            footer_links=[],
        )


def _gradio() -> Any:
    """gradio is an extra."""
    try:
        import gradio  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ValueError('the page needs gradio: pip install "dipjax[web]"') from error
    return gradio
