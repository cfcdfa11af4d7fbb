"""`dipjax compare` as a user meets it: one figure, one table, one record."""

import json
import os
import signal
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from command import run

from dipjax import baselines, images, presets, tasks
from dipjax.baselines import SRResNet, srresnet
from dipjax.cli import comparison
from dipjax.drivers.watch import Watch
from dipjax.generators import Positional

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def small_fits(monkeypatch):
    for task in ("denoise", "super_resolve"):
        for preset in presets.PRESETS[task].values():
            monkeypatch.setitem(preset, "generator", Positional(width=4, depth=1))
            monkeypatch.setitem(preset, "steps", 2)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a noisy picture, a small one, their truths, and weights."""
    monkeypatch.chdir(tmp_path)
    x = np.broadcast_to(np.linspace(0, 1, 24)[:, None, None], (24, 20, 3))
    images.save("true.png", x)
    images.save("noisy.png", x + 0.1 * RNG.normal(size=x.shape))
    images.save("small.png", x[::2, ::2])
    network = SRResNet(factor=2, features=4, blocks=1)
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((4, 4, 3)))
    variables = jax.tree.map(lambda leaf: np.ones(leaf.shape, np.float32) / 9, shapes)
    srresnet.save("net.npz", network, variables)
    return tmp_path


@pytest.mark.slow
def test_denoisers_side_by_side(folder, capsys):
    line = "compare noisy.png -o figure.png --reference true.png --json out.json --sigma 0.1"
    assert run(line) == 0
    assert images.load("figure.png").shape[1] > 1000
    record = json.loads((folder / "out.json").read_text())
    assert record["options"] == {"sigma": 0.1}
    methods = record["methods"]
    assert next(iter(methods)) == "input" and list(methods)[-1] == "Deep Image Prior"
    assert {"total variation", "Chambolle", "non-local means"} <= set(methods)
    assert methods["Chambolle"]["psnr"] > methods["input"]["psnr"] + 3
    out = capsys.readouterr().out
    table = out[out.index("PSNR") :]
    for name, method in methods.items():
        assert f"{method['psnr']:.2f}" in table and name in table
    best = max(methods.values(), key=lambda method: method["psnr"])
    assert f"{best['psnr']:.2f}*" in table
    assert record["steps"] == 2 and record["settings"]["steps"] == 2


def test_ctrl_c_during_a_method_draws_what_there_is(folder, monkeypatch):
    def interrupted(y):
        os.kill(os.getpid(), signal.SIGINT)
        return y

    methods = {"one": lambda y: y, "two": interrupted, "three": lambda y: pytest.fail("ran")}
    monkeypatch.setattr(comparison, "denoisers", lambda sigma: methods)
    assert run("compare noisy.png -o figure.png --json out.json --quiet") == 130
    record = json.loads((folder / "out.json").read_text())
    assert list(record["methods"]) == ["input", "one", "two"] and record["interrupted"]
    assert record["steps"] == 0 and images.load("figure.png").size


def test_what_cannot_do_with_a_picture_is_left_out(folder, monkeypatch, capsys):
    def refuses(y):
        raise ValueError("too small")

    methods = {"one": lambda y: y, "two": refuses, "three": lambda y: y * np.nan}
    monkeypatch.setattr(comparison, "denoisers", lambda sigma: methods)
    line = "compare noisy.png -o figure.png --reference true.png --pictures kept --json out.json"
    assert run(f"{line} --steps 2") == 0
    said = capsys.readouterr().out
    assert "two is left out: too small" in said and "three is left out" in said
    record = json.loads((folder / "out.json").read_text())
    assert list(record["methods"]) == ["input", "one", "Deep Image Prior"]
    assert sorted(p.name for p in (folder / "kept").iterdir()) == [
        "deep-image-prior.png",
        "one.png",
    ]


def test_enlargements_side_by_side(folder, monkeypatch):
    task, kernels = tasks.super_resolve, []

    def spied(*args, kernel, **settings):
        kernels.append(kernel)
        return task(*args, kernel=kernel, **settings)

    monkeypatch.setattr(tasks, "super_resolve", spied)
    line = "compare small.png -o figure.pdf --task super-resolve --factor 2 --reference true.png"
    assert run(f"{line} --srresnet net.npz --json out.json --quiet --kernel box") == 0
    record = json.loads((folder / "out.json").read_text())
    assert list(record["methods"]) == ["bicubic", "SRResNet", "Deep Image Prior"]
    assert record["options"] == {"factor": 2, "kernel": "box"} and set(kernels) == {"box"}


def test_without_a_reference_and_without_packages(folder, capsys, monkeypatch):
    for name in ("bm3d", "skimage"):
        monkeypatch.setitem(sys.modules, name, None)
    assert run("compare noisy.png -o figure.png --json out.json") == 0
    out = capsys.readouterr().out
    assert "BM3D is left out" in out and "Chambolle is left out" in out
    record = json.loads((folder / "out.json").read_text())
    methods, options = record["methods"], record["options"]
    assert not options and list(methods) == [
        "input",
        "total variation",
        "non-local Bayes",
        "Deep Image Prior",
    ]
    assert list(methods["input"]) == ["seconds"]


@pytest.mark.slow
def test_the_pictures_are_kept(folder):
    line = "compare small.png -o f.png --task super-resolve --factor 2 --pictures kept --quiet"
    assert run(line) == 0
    names = {path.name for path in (folder / "kept").iterdir()}
    assert names == {"bicubic.png", "deep-image-prior.png"}
    y = jnp.asarray(images.load("small.png"))
    kept = images.load("kept/bicubic.png")
    np.testing.assert_allclose(kept, jnp.clip(baselines.bicubic(y, 2), 0, 1), atol=0.003)


MISTAKES = {
    "compare no.png -o figure.png": "no.png",
    "compare noisy.png -o noisy.png": "is an input",
    "compare noisy.png -o true.png": "exists already",
    "compare noisy.png -o net.npz --srresnet net.npz --force": "is an input",
    "compare noisy.png -o figure.xyz": "unknown suffix",
    "compare noisy.png -o figure.png --reference small.png": "they must agree",
    "compare noisy.png -o figure.png --sigma 25": "--sigma 25",
    "compare noisy.png -o figure.png --steps 0": "--steps 0",
    "compare small.png -o figure.png --task super-resolve --factor 1": "--factor 1",
    "compare small.png -o figure.png --task super-resolve --srresnet net.npz": "enlarges 2 times",
    "compare noisy.png -o figure.png --srresnet net.npz": "enlarges 2 times",
    "compare noisy.png -o figure.png --factor 2": "--factor 2: is of --task super-resolve",
    "compare noisy.png -o figure.png --kernel box": "--kernel box: is of --task super-resolve",
    "compare noisy.png -o figure.png --srresnet true.png": "unknown format",
    "compare noisy.png -o figure.png --pictures true.png": "true.png: cannot be made a folder (",
    "compare noisy.png -o kept/chambolle.png --pictures kept": "is given twice",
    "compare noisy.png -o figure.png --pictures kept": "kept/bm3d.png': exists already",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_one_line_and_status_2(folder, capsys, line, monkeypatch):
    (folder / "kept").mkdir()
    (folder / "kept" / "bm3d.png").touch()
    files = {path: path.read_bytes() for path in folder.rglob("*.*")}
    monkeypatch.setattr(comparison, "timed", lambda *args: pytest.fail("computed"))
    monkeypatch.setattr(Watch, "__call__", lambda *args, **kwargs: pytest.fail("computed"))
    assert run(line) == 2
    err = capsys.readouterr().err
    assert MISTAKES[line] in err and err.count("\n") == 1
    assert files == {path: path.read_bytes() for path in folder.rglob("*.*")}
