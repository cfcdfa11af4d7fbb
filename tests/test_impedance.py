"""The impedance to noise: as a task, and as `dipjax impedance` meets a user."""

import json
import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from command import run

import dipjax
from dipjax import images, memory, tasks
from dipjax.drivers import loop
from dipjax.drivers.watch import Watch
from dipjax.generators import Hourglass
from dipjax.tasks.impedance import KINDS, targets

SMALL = Hourglass(widths=(4,), skips=2)


def test_the_targets_are_what_they_say(key):
    x = jax.random.uniform(key, (6, 5, 3))
    natural, noisy, shuffled, noise = targets(key, x).values()
    np.testing.assert_array_equal(natural, x)
    assert 0.05 < jnp.std(noisy - x) < 0.15 and noise.shape == x.shape
    order = np.argsort(shuffled.reshape(-1, 3)[:, 0])
    np.testing.assert_array_equal(
        np.asarray(shuffled).reshape(-1, 3)[order],
        np.asarray(x).reshape(-1, 3)[np.argsort(x.reshape(-1, 3)[:, 0])],
    )
    assert not np.array_equal(shuffled, x)


def test_what_is_natural_is_learnt_first(key):
    i, j = jnp.mgrid[:32, :32]
    network = Hourglass(channels=1, widths=(8, 16))
    x = jnp.where((i - 14) ** 2 + (j - 18) ** 2 < 90, 0.8, 0.25)[..., None]
    fits = dipjax.noise_impedance(key, x, generator=network, steps=30)
    last = [float(fits[kind].loss[-1]) for kind in KINDS]
    assert last == sorted(last) and 5 * last[0] < last[-1]


def test_kinds_are_fitted_from_the_same_start(key):
    """And any of them alone is the same fit."""
    seen, x = [], jax.random.uniform(key, (6, 5, 1))

    def driver(key, objective, shape, **settings):
        seen.append((key, objective.y, settings["jitter"], settings["steps"]))

    both = dipjax.noise_impedance(key, x, kinds=("noise", "natural"), driver=driver)
    dipjax.noise_impedance(key, x, kinds=("noise",), preset="paper", driver=driver)
    assert list(both) == ["noise", "natural"]
    keys, ys, jitters, steps = zip(*seen, strict=True)
    assert keys[0] == keys[1] == keys[2] and set(jitters) == {0} and steps == (500, 500, 10000)
    np.testing.assert_array_equal(ys[0], targets(key, x)["noise"])
    np.testing.assert_array_equal(ys[0], ys[2])


def test_an_unknown_kind_is_refused(key):
    with pytest.raises(ValueError, match="kinds must be some of"):
        dipjax.noise_impedance(key, jnp.ones((6, 5, 1)), kinds=("natural", "unnatural"))


# --- the command ---------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a colour picture and a grey one, and presets of two steps."""
    monkeypatch.chdir(tmp_path)
    for preset in tasks.PRESETS["noise_impedance"].values():
        monkeypatch.setitem(preset, "generator", SMALL)
        monkeypatch.setitem(preset, "steps", 2)
    rng = np.random.default_rng(0)
    images.save("in.png", rng.random((20, 30, 3)))
    images.save("grey.png", rng.random((16, 16, 1)))
    return tmp_path


def test_curves_of_a_picture(folder, capsys):
    assert run("impedance in.png -o curves.png --size 16 --steps 12 --json out.json") == 0
    assert images.load("curves.png").shape[1] > 1000
    record = json.loads((folder / "out.json").read_text())
    curves = record["mean squared error"]
    assert list(curves) == list(KINDS) and {len(curve) for curve in curves.values()} == {12}
    assert record["steps"] == 48 and record["settings"]["jitter"] == 0
    x = dipjax.features.centred(images.check(images.load("in.png")), 16)
    fits = dipjax.noise_impedance(jax.random.key(0), x, steps=12)
    loss = fits["shuffled"].loss / x.size
    np.testing.assert_allclose(curves["shuffled"], loss, rtol=1e-3)
    out = capsys.readouterr().out
    assert "curves.png" in out and f"{curves['shuffled'][9]:.5f}" in out


@pytest.mark.slow
def test_a_grey_picture_and_the_published_settings(folder, capsys):
    assert run("impedance grey.png -o curves.pdf --size 16 --preset paper --quiet") == 0
    assert (folder / "curves.pdf").stat().st_size > 1000 and capsys.readouterr().out == ""


def test_ctrl_c_draws_the_curves_so_far(folder, monkeypatch):
    postfix = Watch._postfix

    def look(self, progress):
        if len(self.fits) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return postfix(self, progress)

    monkeypatch.setattr(Watch, "_postfix", look)
    line = "impedance in.png -o curves.png --size 16 --steps 40 --json out.json"
    assert run(line) == 130
    record = json.loads((folder / "out.json").read_text())
    lengths = {kind: len(curve) for kind, curve in record["mean squared error"].items()}
    assert lengths == {"natural": 40, "natural + noise": loop.EVERY}
    assert record["interrupted"] and images.load("curves.png").size


MISTAKES = {
    "impedance no.png -o out.png": "no.png",
    "impedance in.png -o in.png --force": "is an input",
    "impedance in.png -o grey.png": "exists already",
    "impedance in.png -o out.xyz": "unknown suffix",
    "impedance in.png -o out.png --size 4": "--size 4",
    "impedance in.png -o out.png --size 512": "too large, give a smaller --size",
    "impedance in.png -o out.png --steps 0": "--steps 0",
    "impedance in.png -o out.png --seed -1": "--seed -1",
    "impedance in.png -o out.png --json out.png": "is given twice",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_one_line_and_status_2(folder, capsys, line, monkeypatch):
    files = {path: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(Watch, "__call__", lambda *args, **kwargs: pytest.fail("computed"))
    monkeypatch.setattr(memory, "free_memory", lambda: 2**29 if "512" in line else 2**33)
    assert run(line) == 2
    err = capsys.readouterr().err
    assert MISTAKES[line] in err and err.count("\n") == 1
    assert files == {path: path.read_bytes() for path in folder.iterdir()}
