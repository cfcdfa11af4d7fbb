"""Pictures in a notebook, and what stands for them outside of one."""

import os
import re
import signal
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dipjax
from dipjax import fitting, tiles
from dipjax.drivers import notebook as notebooks
from dipjax.drivers.interruption import collected
from dipjax.drivers.notebook import _html, in_notebook
from dipjax.generators import Positional

SETTINGS = dict(generator=Positional(width=4, depth=1), steps=4)


class Display:
    """What IPython would show."""

    def __init__(self):
        self.shown, self.updates = [], []

    def display(self, thing, display_id=None):
        self.shown.append(thing)
        return SimpleNamespace(update=self.updates.append)


@pytest.fixture
def notebook(monkeypatch):
    """A made-up kernel."""
    display = Display()
    shell = SimpleNamespace(kernel=1)
    kernel = SimpleNamespace(get_ipython=lambda: shell, version_info=(9, 0))
    shown = SimpleNamespace(display=display.display, HTML=str, Image=bytes)
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    return display


def test_live_is_fit(key, capsys):
    y = jax.random.uniform(key, (8, 6, 3))
    watched = dipjax.denoise(key, y, driver=dipjax.live(y, every=2), **SETTINGS)
    plain = dipjax.denoise(key, y, **SETTINGS)
    np.testing.assert_allclose(watched.image, plain.image, atol=1e-5)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["step 2 of 4", "step 4 of 4"]
    psnr = float(dipjax.metrics.psnr(plain.average, y))
    assert f"PSNR {psnr:.2f} dB" in lines[-1]


def test_a_notebook_has_one_picture_that_changes(key, notebook, capsys):
    y = jax.random.uniform(key, (8, 6, 3))
    dipjax.denoise(key, y, driver=dipjax.live(every=1), **SETTINGS)
    assert (len(notebook.shown), len(notebook.updates)) == (1, 3)
    assert "step 4 of 4" in notebook.updates[-1] and capsys.readouterr().out == ""


def test_the_stop_button_gives_the_result_so_far(key, monkeypatch):
    """Though it is pressed within a step, nearly always, where the state is not to be had."""
    advance, steps = fitting._advance, []

    def stop(*args):
        steps.append(1)
        if len(steps) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return advance(*args)

    monkeypatch.setattr(fitting, "_advance", stop)
    y = jax.random.uniform(key, (8, 6, 3))
    result = dipjax.denoise(key, y, driver=dipjax.live(every=1), **SETTINGS)
    assert result.stopped_at == 2 and jnp.isfinite(result.image).all()


def test_the_stop_button_ends_all_tiles(key, monkeypatch):
    looked = []

    def stop(*args):
        looked.append(1)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(notebooks, "_caption", stop)
    y = jax.random.uniform(key, (24, 16, 3))
    driver = dipjax.live()
    pictures = tiles.iterate(dipjax.denoise, key, y, tile=16, driver=driver, **SETTINGS)
    done = [picture.done for picture in pictures]
    assert done == [1] and len(looked) == 1 and driver.ended


def test_tiles_go_on_from_what_is_shown(key, capsys):
    """A live picture has the state from which the next tile starts, which makes fewer steps."""
    y = jax.random.uniform(key, (24, 16, 3))
    dipjax.tiled(dipjax.denoise, key, y, tile=16, driver=dipjax.live(), warm=0.5, **SETTINGS)
    said = [line.split(",")[0] for line in capsys.readouterr().out.splitlines()]
    assert said == ["step 4 of 4", "step 2 of 2"]


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_any_picture_is_a_png(channels):
    html = _html(np.full((8, 6, channels), 0.5, np.float32), "text")
    assert re.search(r'src="data:image/png;base64,iVBOR[^"]+".*<br>text$', html)


def test_show(notebook, tmp_path):
    x = np.zeros((8, 6, 3), np.float32)
    dipjax.show({"a": x, "b": x[..., :1]}, {"c": x}, file=str(tmp_path / "f.png"))
    assert notebook.shown[0][:4] == b"\x89PNG"
    assert (tmp_path / "f.png").stat().st_size > 1000
    with pytest.raises(ValueError, match="a has shape"):
        dipjax.show({"a": np.zeros(3)})
    with pytest.raises(ValueError, match="unknown suffix"):
        dipjax.show({"a": x}, file="f.xyz")


def test_outside_a_notebook(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", None)
    assert not in_notebook()
    dipjax.show({"a picture": np.zeros((8, 6, 3), np.float32)})
    assert capsys.readouterr().out == "a picture\n"


@pytest.mark.parametrize("held", [None, signal.SIG_IGN])
def test_a_handler_that_is_not_python_s_is_left_alone(monkeypatch, held):
    """Python within another program, whose handler it could not put back, or in the background."""
    monkeypatch.setattr(signal, "getsignal", lambda number: held)
    monkeypatch.setattr(signal, "signal", lambda *args: pytest.fail("it was replaced"))
    with collected([], print):
        pass
