"""The page itself, in gradio: fields, buttons and pictures."""

import os
import socket
import tempfile
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dipjax import images
from dipjax.web.restoring import (
    BLURS,
    FACTORS,
    LIGHTS,
    LINE,
    MISSING,
    SIDE,
    UNKNOWN,
    Restorer,
    Wanted,
    blurred,
    compressed,
    missing,
    noise,
    seen,
    small,
)

TITLE = "dipjax: restore a picture without training data"
USUAL, USUAL_UNKNOWN = 2, 15  # pixels of a blur, and within which one that nobody knows lies
INTRO = f"""# {TITLE}
An untrained network is fitted to your one picture, and stopped before it learns what is wrong
with it (Deep Image Prior, Ulyanov et al. 2018). The picture stays on this machine. A small part of
it, some hundred pixels a side, tells in a minute or two what to expect."""


def build(folder: Path) -> Any:
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
    """What is wrong with the picture: of each tab the button, what it wants, and its fields."""
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
        kind = gr.Radio([*BLURS, UNKNOWN], value=next(iter(BLURS)), label="The picture is")
        info = (
            "the radius of a point of light, its standard deviation, how long a line it is, or, "
            "where nobody knows, how far it goes from end to end: rather too much than too little"
        )
        size = gr.Slider(0.5, 40, USUAL, step=0.1, label="By so many pixels", info=info)
        info = "of the line, counter-clockwise from the horizontal"
        angle = gr.Slider(-90, 90, 0, step=1, label="Degrees", info=info, visible=False)
        info = "a soft blur tells little: say a lens, where it was one"
        by = gr.Radio(list(LIGHTS), value=next(iter(LIGHTS)), label="Blurred by", info=info)

        def suits(kind: str) -> tuple[float, Any]:
            return USUAL_UNKNOWN if kind == UNKNOWN else USUAL, gr.Slider(visible=kind == LINE)

        kind.change(suits, kind, [size, angle], api_visibility="private")
        button("Sharpen", blurred, kind, size, angle, by)
    with gr.Tab("JPEG"):
        gr.Markdown(
            "A JPEG file itself says how coarse its steps are, and a copy of all of it, pasted or "
            "saved in another format, still shows them. Of a part, or another size, nothing is "
            "known, and less can be done."
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
        ValueError: where gradio is not installed, the port is taken, or the host is another's.
    """
    with tempfile.TemporaryDirectory(prefix="dipjax-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # is looked at when the page is made
        blocks = build(Path(folder))
        _check_free(host, port)
        blocks.launch(
            server_name=host,
            server_port=port,
            inbrowser=browser,
            share=False,  # a public tunnel, which gradio opens by itself on some machines
            show_error=True,
            quiet=True,
            footer_links=[],
            prevent_thread_lock=True,
        )
        name = f"[{host}]" if ":" in host else host
        print(f"dipjax: http://{name}:{port}, until Ctrl-C", flush=True)
        blocks.block_thread()


def _check_free(host: str, port: int) -> None:
    """Raise ValueError for an address that cannot be served, of which gradio has many words."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]  # Python adds what it attempted
        raise ValueError(
            f"{host}:{port} cannot be served ({reason}): give another --port, or --host"
        ) from error


def _gradio() -> Any:
    """gradio is an extra."""
    try:
        import gradio  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ValueError('the page needs gradio: pip install "dipjax[web]"') from error
    return gradio
