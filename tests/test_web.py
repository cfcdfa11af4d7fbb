"""The page: what its fields ask for, and what stands behind its buttons."""

import json
import socket
import subprocess
import sys
from functools import partial
from importlib.util import find_spec

import jax.numpy as jnp
import numpy as np
import pytest
from command import run

import dipjax
from dipjax import blind, images, kernels, noise, tasks
from dipjax.generators import Positional
from dipjax.web import page, restoring

RNG = np.random.default_rng(0)
PIXELS = RNG.random((12, 10, 3)).astype(np.float32)
SETTINGS = {"generator": Positional(width=4, depth=1), "steps": 4}


@pytest.fixture
def picture(tmp_path):
    """One with alpha, as it was read."""
    alpha = np.ones((12, 10, 1))
    alpha[3:5] = 0
    images.save(tmp_path / "in.png", PIXELS, alpha=alpha, depth=16)
    return images.load_picture(tmp_path / "in.png")


def layer(h, w, *painted):
    """Of an editor, painted in these slices."""
    x = np.zeros((h, w, 4), np.uint8)
    for at in painted:
        x[at] = 255
    return x


# --- the fields ----------------------------------------------------------------------------


def test_noise(picture):
    assert restoring.noise(picture, 0).task.keywords == {"sigma": None}
    assert restoring.noise(picture, 51).task.keywords == {"sigma": pytest.approx(0.2)}


def test_what_is_painted_is_missing(picture):
    drawn = {"layers": [layer(12, 10, np.s_[:2]), layer(12, 10, np.s_[:, 9:])]}
    opaque = picture._replace(alpha=None)
    task, alpha, (known,) = restoring.missing(opaque, drawn, "a large hole")
    expected = np.ones((12, 10, 1))
    expected[:2] = expected[:, 9:] = 0
    np.testing.assert_array_equal(known, expected)
    assert task.func is tasks.inpaint and task.keywords == {"missing": "hole"} and alpha is None


def test_what_is_painted_is_filled_in_and_what_is_transparent_stays_so(picture):
    drawn = {"layers": [layer(12, 10, np.s_[4:8])]}
    _, alpha, (known,) = restoring.missing(picture, drawn, "a large hole")
    assert (known[3:8] == 0).all() and known.sum() == 70
    assert (alpha[3] == 0).all() and alpha.sum() == 110


def test_a_painting_of_another_size_is_brought_to_the_picture(picture):
    drawn = {"layers": [layer(24, 20, np.s_[:4])]}
    _, _, (known,) = restoring.missing(picture._replace(alpha=None), drawn, "a large hole")
    assert (known[:2] == 0).all() and (known[2:] == 1).all()


@pytest.mark.parametrize("drawn", [None, {"layers": []}, {"layers": [layer(12, 10)]}])
def test_without_a_painting_what_is_transparent_is_missing(picture, drawn):
    _, alpha, (known,) = restoring.missing(picture, drawn, "a large hole")
    np.testing.assert_array_equal(known, picture.alpha)
    assert alpha is None
    with pytest.raises(ValueError, match="nothing is missing"):
        restoring.missing(picture._replace(alpha=None), drawn, "a large hole")


@pytest.mark.parametrize("kind", restoring.MISSING)
def test_every_kind_of_missing_is_one_of_the_task(picture, kind):
    task, _, (known,) = restoring.missing(picture, None, kind)
    assert tasks.asked(partial(task, None, PIXELS, known))


def test_blurs(picture):
    for kind, size, expected in (
        ("out of focus", 2, kernels.disc(2)),
        ("soft", 1.2, kernels.gaussian(1.2)),
        ("shaken along a line", 4, kernels.motion(4, 30)),
        (restoring.UNKNOWN, 5.4, blind.kernel(picture.colour, 5)),
    ):
        k = restoring.blurred(picture, kind, size, 30, "look which").task.keywords["kernel"]
        np.testing.assert_allclose(k, expected)
    with pytest.raises(ValueError, match="kernel"):
        restoring.blurred(picture, "soft", 40, 0, "look which")
    with pytest.raises(ValueError, match="by 2 pixels: give more"):
        restoring.blurred(picture, restoring.UNKNOWN, 2, 0, "look which")


def test_what_has_blurred_says_which_light(picture):
    for by, light in (("a lens or a camera", "linear"), ("an image editor", "stored")):
        for kind, size in (("soft", 1.2), (restoring.UNKNOWN, 5)):
            task = restoring.blurred(picture, kind, size, 0, by).task
            assert task.keywords["light"] == light


def test_enlarged_and_compressed(picture, tmp_path):
    task, alpha, _ = restoring.small(picture, 4)
    assert task.keywords["factor"] == 4 and alpha.shape == (48, 40, 1)
    np.testing.assert_allclose(task.keywords["sigma"], noise.level_by_colour(picture.colour))
    assert restoring.compressed(picture).task.keywords == {"jpeg": None}
    images.save(tmp_path / "in.jpg", PIXELS[..., :1])
    kept = images.load_picture(tmp_path / "in.jpg")
    assert restoring.compressed(kept).task.keywords["jpeg"] is kept.jpeg is not None
    sigma = restoring.small(kept, 2).task.keywords["sigma"]
    assert sigma == pytest.approx(float(kept.jpeg.level)) and sigma < 0.02


# --- what stands behind them ---------------------------------------------------------------


def wanted(picture, task=tasks.denoise, **settings):
    return restoring.Wanted(partial(task, **SETTINGS | settings), picture.alpha)


def test_a_result_is_a_file_in_the_form_of_the_input(picture, tmp_path):
    *way, last = restoring.Restorer(tmp_path)(wanted, str(tmp_path / "in.png"), "fast", 0)
    assert all(shown.file is None for shown in way) and last.file.name == "in-restored.png"
    result = images.load_picture(last.file)
    assert (result.depth, result.colour.shape) == (16, PIXELS.shape)
    np.testing.assert_array_equal(result.alpha, picture.alpha)
    assert last.image.shape == last.before.shape == (480, 400, 3)
    assert last.image.dtype == np.uint8 and 480 <= max(last.image.shape) < 480 + 12


def test_what_is_enlarged_has_its_before_of_the_same_size(picture, tmp_path):
    def larger(picture):
        task, alpha, _ = restoring.small(picture, 2)
        return restoring.Wanted(partial(task, polish=False, **SETTINGS), alpha)

    *_, last = restoring.Restorer(tmp_path)(larger, str(tmp_path / "in.png"), "fast", 0)
    assert images.load(last.file).shape == (24, 20, 4)
    assert last.image.shape == last.before.shape


def test_what_was_transparent_and_is_filled_in_is_not_transparent(picture, tmp_path):
    def filled(picture):
        task, alpha, data = restoring.missing(picture, None, "a large hole")
        return restoring.Wanted(partial(task, polish=False, **SETTINGS), alpha, data)

    *_, last = restoring.Restorer(tmp_path)(filled, str(tmp_path / "in.png"), "fast", 0)
    assert images.load_picture(last.file).alpha is None


def test_stop(picture, tmp_path):
    restorer = restoring.Restorer(tmp_path)
    endless = partial(wanted, steps=10**6, stop=dipjax.stopping.never())
    for shown in restorer(endless, str(tmp_path / "in.png"), "fast", 0):
        if shown.text.startswith("step"):
            restorer.stop()
    assert "interrupted" in shown.text and shown.file is not None
    *_, last = restorer(wanted, str(tmp_path / "in.png"), "fast", 0)  # the next goes on
    assert "interrupted" not in last.text


def test_mistakes_are_told(tmp_path):
    with pytest.raises(ValueError, match="no picture"):
        next(restoring.Restorer(tmp_path)(wanted, None, "fast", 0))
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match="seed"):
            next(restoring.Restorer(tmp_path)(wanted, str(tmp_path / "in.png"), "fast", seed))
    (tmp_path / "in.png").write_text("no picture")
    with pytest.raises(ValueError, match="not an image"):
        next(restoring.Restorer(tmp_path)(wanted, str(tmp_path / "in.png"), "fast", 0))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_screen_shows_bytes(channels):
    x = restoring.seen(jnp.full((4, 5, channels), 1.2))
    assert x.shape == (4, 5, 3) and x.dtype == np.uint8 and (x == 255).all()


def test_without_gradio(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert run("web") == 2
    assert 'pip install "dipjax[web]"' in capsys.readouterr().err
    assert run("web --port 0") == 2


def test_an_address_that_cannot_be_served():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ValueError, match=rf"127.0.0.1:{port} cannot be served \(Address[a-z ]*\): give"
        ):
            page._check_free("127.0.0.1", port)
    with pytest.raises(ValueError, match=r"192.0.2.1:7860 cannot be served .*--host"):
        page._check_free("192.0.2.1", 7860)  # an address that nobody has (RFC 5737)


@pytest.mark.skipif(find_spec("gradio") is None, reason='needs pip install ".[web]"')
def test_the_page():
    """Every tab has a button, and each button restores."""
    # In a process of its own: gradio leaves an event loop open, and warnings are errors here.
    config = (
        "import json; from dipjax.web import page;"
        "print(json.dumps(page.build('.').get_config_file()))"
    )
    made = subprocess.run([sys.executable, "-c", config], capture_output=True, text=True)
    config = json.loads(made.stdout)
    buttons = [c["props"]["value"] for c in config["components"] if c["type"] == "button"]
    tabs = [c["props"]["label"] for c in config["components"] if c["type"] == "tabitem"]
    assert tabs == ["Noise", "Missing parts", "Too small", "Blur", "JPEG"]
    assert len(buttons) == len(tabs) + 1 and "Stop" in buttons
    clicks = [d for d in config["dependencies"] if d["targets"][0][1] == "click"]
    assert len(clicks) == len(buttons)
