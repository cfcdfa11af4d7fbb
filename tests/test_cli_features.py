"""`dipjax invert` and `dipjax activate` as a user meets them."""

import json
from typing import get_args, get_type_hints

import jax
import numpy as np
import pytest

from dipjax import cli, features, images, tasks, weights
from dipjax.cli import networks, options
from dipjax.drivers.watch import Watch
from dipjax.features import inversion

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def small_fits(monkeypatch):
    """Two steps on pixels, which compile in a moment: this is not about their quality."""
    for presets in inversion.PRESETS.values():
        for name in presets:
            monkeypatch.setitem(presets, name, {**presets["tv"], "steps": 2})


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """A file of random weights of SqueezeNet 1.1, and one that ends with fire2."""
    arrays = features.squeezenet(jax.random.key(0), version="1.1").arrays()
    folder = tmp_path_factory.mktemp("weights")
    weights.save(folder / "net.npz", arrays)
    start = {k: v for k, v in arrays.items() if k.startswith(("conv1_", "fire2"))}
    weights.save(folder / "start.npz", start)
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch, net):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIPJAX_WEIGHTS", str(tmp_path / "none"))
    for name in ("net.npz", "start.npz"):
        (tmp_path / name).write_bytes((net / name).read_bytes())
    images.save("in.png", RNG.random((40, 50, 3), np.float32))
    images.save("grey.png", RNG.random((30, 20, 1), np.float32), alpha=np.ones((30, 20)))
    images.save("there.png", RNG.random((8, 8, 3), np.float32))
    return tmp_path


def run(line):
    """The exit status of `dipjax LINE`, where | stands for a blank inside an argument."""
    words = [word.replace("|", " ") for word in line.split()]
    try:
        return cli.main(words)
    except SystemExit as exit:
        return exit.code


NET = "--network squeezenet1.1 --weights net.npz --size 32"


def test_invert_one_layer(folder, capsys):
    assert run(f"invert in.png {NET} --layer conv2 -o out.png --json out.json --seed 3") == 0
    assert images.load("out.png").shape == (32, 32, 3)
    record = json.loads((folder / "out.json").read_text())
    (fit,) = record["fits"]
    assert (record["task"], record["seed"], fit["steps"]) == ("invert", 3, 2)
    assert record["network"] == "SqueezeNet 1.1 (caffe)"
    phi = features.squeezenet(folder / "net.npz", version="1.1")
    x = features.centred(images.check(images.load("in.png")), 32)
    a, b = phi("fire2")(x), phi("fire2")(images.load("out.png"))
    error = float(((a - b) ** 2).sum() / (a**2).sum())
    assert fit["feature_error"]["fire2"] == pytest.approx(error, rel=0.05)
    e = fit["feature_error"]["fire2"]  # the energy, of which the user sees the root as well
    assert f"fire2: error {e**0.5:.1%} (squared {e:.2%})" in capsys.readouterr().out


def test_several_layers_are_drawn_in_a_row(folder):
    assert run(f"invert grey.png {NET} --layer conv1 fire2 -o row.pdf --json out.json") == 0
    assert (folder / "row.pdf").stat().st_size > 1000
    fits = json.loads((folder / "out.json").read_text())["fits"]
    assert [list(fit["feature_error"]) for fit in fits] == [["conv1"], ["fire2"]]


def test_several_layers_at_once(folder):
    line = f"invert in.png {NET} --layer conv1 fire2 --together --gram -o out.png"
    assert run(line + " --figure f.pdf --json out.json --preset tv --quiet") == 0
    (fit,) = json.loads((folder / "out.json").read_text())["fits"]
    assert set(fit["feature_error"]) == {"conv1", "fire2"}
    assert fit["settings"]["generator"] == "Pixels"
    assert (folder / "f.pdf").exists() and images.load("out.png").shape == (32, 32, 3)


def test_activate_a_class_and_a_unit(folder, capsys):
    assert run(f"activate {NET} --class black|swan -o swan.png --json out.json") == 0
    assert images.load("swan.png").shape == (32, 32, 3)
    record = json.loads((folder / "out.json").read_text())
    assert len(record["fits"][0]["classes"]) == 5 and "%" in capsys.readouterr().out
    line = f"activate {NET} --weights start.npz --layer fire2 --unit 7 --window 3 -o u.png --quiet"
    assert run(line) == 0
    assert capsys.readouterr().out == ""


MISTAKES = {
    f"invert no.png {NET} --layer conv1 -o out.png": "no.png",
    f"invert in.png {NET} --layer conv1 -o in.png --force": "is an input",
    f"invert in.png {NET} --layer conv1 -o net.npz --force": "is an input",
    f"invert in.png {NET} --layer conv1 -o there.png": "exists already",
    f"invert in.png {NET} --layer conv1 -o out.xyz": "unknown suffix",
    f"invert in.png {NET} --layer conv1 fire2 -o out.tif": "unknown suffix",
    f"invert in.png {NET} --layer conv1 fire2 -o a.png --figure b.png": "a figure already",
    f"invert in.png {NET} --layer conv1 -o a.png --figure a.png": "is given twice",
    f"invert in.png {NET} --layer conv99 -o out.png": "no layer of",
    f"invert in.png {NET} --layer conv1 conv99 -o out.png": "no layer of",
    f"invert in.png {NET} --weights start.npz --layer fire9 -o out.png": "weights at hand end",
    f"invert in.png {NET} --size 9 --layer fire4 -o out.png": "too small",
    f"invert in.png {NET} --size 9 --layer conv1 fire4 -o out.png": "too small",
    f"invert in.png {NET} --size 0 --layer conv1 -o out.png": "--size 0",
    f"invert in.png {NET} --steps 0 --layer conv1 -o out.png": "--steps 0",
    f"invert in.png {NET} -o out.png --layer": "--layer: name at least one",
    "invert in.png --network alexnet --weights net.npz --layer conv1 -o out.png": "AlexNet",
    "invert in.png --network alexnet --weights in.png --layer conv1 -o out.png": "unknown format",
    "invert in.png --network vgg16 --weights no.pth --layer conv1_1 -o out.png": "no such file",
    "invert in.png --network vgg16 --weights evil.pth --layer conv1_1 -o out.png": "refused",
    f"activate {NET} -o out.png": "give either --class",
    f"activate {NET} --class guenon --layer conv1 -o out.png": "give either --class",
    f"activate {NET} --layer conv1 -o out.png": "belong together",
    f"activate {NET} --class swan -o out.png": "is no class of ImageNet",
    f"activate {NET} --class purple|unicorn -o out.png": "; the nearest in spelling are '",
    f"activate {NET} --weights start.npz --class guenon -o out.png": "weights at hand end",
    f"activate {NET} --layer conv1 --unit 64 -o out.png": "channels 0 to 63",
    f"activate {NET} --layer conv1 --unit 6 --target nan -o out.png": "--target nan",
    f"activate {NET} --class guenon --window 0 -o out.png": "window must be",
    f"activate {NET} --class guenon -o there.png": "exists already",
    f"activate {NET} --class guenon --seed -1 -o out.png": "--seed -1",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_one_line_and_status_2(folder, capsys, line, monkeypatch):
    import os
    import pickle

    from test_weights import Evil, write_zip

    write_zip(folder / "evil.pth", pickle.dumps(Evil(folder / "it-ran")))
    assert os.path.exists("evil.pth")
    files = {path: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(Watch, "__call__", lambda *args, **kwargs: pytest.fail("computed"))
    assert run(line) == 2
    err = capsys.readouterr().err
    assert MISTAKES[line] in err and err.count("\n") == 1
    assert files == {path: path.read_bytes() for path in folder.iterdir()}


def test_offline_it_says_which_file_to_put_where(folder, capsys, monkeypatch):
    pooch = pytest.importorskip("pooch")

    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(pooch, "HTTPDownloader", lambda progressbar: offline)
    assert run("invert in.png --network alexnet --layer conv4 -o out.png") == 2
    err = capsys.readouterr().err
    assert "alexnet-owt-7be5be79.pth" in err and str(folder / "none") in err
    assert err.count("\n") == 1


def test_the_presets_that_are_offered_are_those_that_there_are():
    offered = {"invert_features": networks.ToInvert, "maximize_activation": networks.ToActivate}
    for task, kind in offered.items():
        assert set(get_args(get_type_hints(kind)["preset"])) == set(inversion.PRESETS[task])
    for task, presets in tasks.PRESETS.items():
        assert set(get_args(options.Preset)) == {*presets, "best"}, task


def test_the_parser_s_mistakes_have_status_2(folder):
    for line in (
        "invert in.png --layer conv1 -o out.png",
        f"invert in.png {NET} -o out.png",
        "invert in.png --network lenet --layer conv1 -o out.png",
        f"activate {NET} --preset appendix --class guenon -o out.png",
    ):
        assert run(line) == 2
