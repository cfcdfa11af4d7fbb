"""The experiments: tables measured from the authors' own images, and runs that go on."""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "scripts"))

import reproduce
from experiments import (
    EXPERIMENTS,
    compressing,
    impedance,
    lab,
    pictures,
    published,
    restoring,
    rules,
    samples,
    sets,
    shaken,
    slide,
    tables,
)

import dipjax
from dipjax import cache, figures, report
from dipjax.generators import Positional

PICTURES = [(table, name) for table in published.TABLES for name in published.TABLES[table]]


@pytest.mark.parametrize("table, name", PICTURES, ids=[f"{t}-{n}" for t, n in PICTURES])
def test_the_columns_of_other_methods_are_the_published(table, name, data):
    """To 0.02 dB, each picture of each table."""
    measured = sets.columns(data, table, name)
    for method, value in published.TABLES[table][name].items():
        if method == "Papyan":  # [P] is printed in that paper, the stored file is 8 bits
            assert abs(measured[method] - value) < 0.1
        else:
            assert measured[method] == pytest.approx(value, abs=0.02)


# --- averages and the slide ----------------------------------------------------------------


@pytest.mark.slow
def test_the_averages_in_rgb(data):
    """The starred columns are of a box with one row and column more."""
    for table, averages in published.RGB_AVERAGES.items():
        rows = [sets.super_resolution(data, table, name)["rgb"] for name in sets.names(table)]
        for method, value in averages.items():
            name = method.removesuffix("*")
            mean = sum(row[name] for row in rows) / len(rows)
            assert mean == pytest.approx(value, abs=0.08 if method.endswith("*") else 0.02)


@pytest.mark.slow
def test_the_slide_by_its_own_arithmetic(data):
    items = slide.items(made(data=data))
    records = [lab.Record(name, item().numbers, {}, {}) for name, item in items.items()]
    found = slide.arithmetic(records)
    for name, row in published.SLIDE.items():
        for method, value in row.items():
            assert found["by its arithmetic"][name][method] == pytest.approx(value, abs=0.02)
    luma = found["averages in luma"]
    assert luma["Set5"]["DIP"] == pytest.approx(29.90, abs=0.01)
    assert luma["Set14"]["DIP"] == pytest.approx(27.00, abs=0.01)


# --- runs that go on -----------------------------------------------------------------------


def made(folder=Path("."), data=None, **options):
    return lab.Lab(lab.SCALES["tiny"], pictures.Pictures(data), folder, quiet=True, **options)


@pytest.fixture
def counted():
    """An experiment of three items that counts how often each is computed."""
    calls = []

    def compute(name):
        calls.append(name)
        return lab.Found({"value": float(len(name))}, {"view": np.full((4, 5, 3), 0.5)})

    def items(_):
        return {name: lambda name=name: compute(name) for name in ("a", "bb", "ccc")}

    def summary(records):
        return {"table": {record.name: record.numbers for record in records}}

    def draw(records, summary):
        return figures.grid([list(record.views.items()) for record in records])

    return lab.Experiment("counts", items, summary, draw), calls


def test_a_run_writes_a_figure_and_numbers_and_does_nothing_twice(counted, tmp_path):
    experiment, calls = counted
    summary = lab.run("counted", experiment, made(tmp_path))
    assert summary["table"] == {"a": {"value": 1.0}, "bb": {"value": 2.0}, "ccc": {"value": 3.0}}
    assert json.loads((tmp_path / "tiny/counted.json").read_text())["scale"] == "tiny"
    assert (tmp_path / "tiny/counted.png").stat().st_size > 1000
    assert lab.run("counted", experiment, made(tmp_path)) == summary
    assert calls == ["a", "bb", "ccc"]


def test_the_numbers_of_a_clone_stand_without_the_pictures(counted, tmp_path):
    """Records are committed, their pictures are not."""
    experiment, calls = counted
    summary = lab.run("counted", experiment, made(tmp_path))
    for picture in tmp_path.rglob("*.png"):
        picture.unlink()
    assert lab.draw("counted", experiment, made(tmp_path)) == summary
    assert lab.run("counted", experiment, made(tmp_path)) == summary and len(calls) == 3
    assert not (tmp_path / "tiny/counted.png").exists()


def test_an_interrupted_run_goes_on_with_the_next_item(counted, tmp_path, monkeypatch):
    experiment, calls = counted
    monkeypatch.setattr(lab.Watch, "interrupted", property(lambda _: len(calls) == 2))
    with pytest.raises(KeyboardInterrupt):
        lab.run("counted", experiment, made(tmp_path))
    assert [file.name for file in (tmp_path / "tiny/counted").glob("*.json")] == ["a.json"]
    lab.run("counted", experiment, made(tmp_path))
    assert calls == ["a", "bb", "bb", "ccc"]


def test_an_item_whose_picture_is_missing_is_left_out(counted, tmp_path, capsys):
    """A folder may hold a part of the pictures."""
    experiment, calls = counted
    lacking = lambda: pictures.load(tmp_path / "nowhere.png")  # noqa: E731
    some = experiment._replace(items=lambda lab: experiment.items(lab) | {"bb": lacking})
    summary = lab.run("counted", some, made(tmp_path))
    assert list(summary["table"]) == ["a", "ccc"] and calls == ["a", "ccc"]
    assert "bb: left out, there is no" in capsys.readouterr().out


def test_a_fit_that_was_cut_off_goes_on(key, tmp_path, monkeypatch):
    """Where a run has a folder of checkpoints, to the picture that it would have made at once."""
    y = jax.random.uniform(key, (8, 6, 3))
    settings = dict(generator=Positional(width=4, depth=1), steps=60, preset="paper")

    def items(here):
        def compute():
            fit = dipjax.denoise(here.key, y, driver=here.driver(), **settings)
            return lab.Found({"mean": float(fit.image.mean())}, {"view": fit.image})

        return {"a": compute}

    experiment = lab.Experiment(
        "fits",
        items,
        lambda records: {record.name: record.numbers for record in records},
        lambda records, _: figures.grid([list(records[0].views.items())]),
    )
    whole = lab.run("fits", experiment, made(tmp_path / "whole"))
    postfix = lab.Watch.catches_ctrl_c
    monkeypatch.setattr(lab.Watch, "catches_ctrl_c", lambda w: w.caught.append("") or postfix(w))
    with pytest.raises(KeyboardInterrupt):
        lab.run("fits", experiment, made(tmp_path / "cut", resume=tmp_path / "fits"))
    monkeypatch.undo()
    found = lab.run("fits", experiment, made(tmp_path / "cut", resume=tmp_path / "fits"))
    assert found["a"] == whole["a"]
    assert found["items"]["a"]["resumed"] and found["items"]["a"]["steps"] == 60


def test_records_are_made_again_where_that_is_asked_for(counted, tmp_path):
    experiment, calls = counted
    lab.run("counted", experiment, made(tmp_path))
    lab.run("counted", experiment, made(tmp_path, again=True))
    assert len(calls) == 6


def test_records_of_another_seed_are_kept(counted, tmp_path):
    experiment, calls = counted
    lab.run("counted", experiment, made(tmp_path))
    before = (tmp_path / "tiny/counted/a.json").read_bytes()
    with pytest.raises(SystemExit, match="of seed 0: give --output NEW_FOLDER, or --again"):
        lab.run("counted", experiment, made(tmp_path, seed=1))
    assert (tmp_path / "tiny/counted/a.json").read_bytes() == before and len(calls) == 3


def test_only_some_items(counted, tmp_path):
    experiment, calls = counted
    summary = lab.run("counted", experiment, made(tmp_path, only="bb"))
    assert calls == ["bb"] and set(summary["items"]) == {"bb"}
    lab.run("counted", experiment, made(tmp_path))
    assert calls == ["bb", "a", "ccc"]


def test_every_experiment_has_items_without_the_published_pictures():
    for experiment in EXPERIMENTS.values():
        assert experiment.about
        assert experiment.needs_data or experiment.items(made())


def test_names_are_checked_before_anything_runs():
    with pytest.raises(SystemExit, match="unknown: nosuch; choose from impedance"):
        reproduce.main(("nosuch",))


# --- what they measure ---------------------------------------------------------------------


def test_the_order_of_the_losses():
    step = np.arange(0, 140, 10)
    ones = np.ones(step.size)
    curves = dict(zip(impedance.KINDS, (ones, 2 * ones, 3 * ones, 3 * ones), strict=True))
    assert impedance.in_order(step, curves).tolist() == [True] * 4  # 100, 110, 120, 130
    curves["natural"] = np.where(step == 110, 5.0, 1.0)
    assert impedance.in_order(step, curves).tolist() == [True, False, True, True]


@pytest.mark.parametrize("side", [9, 15])
def test_a_shaken_camera_moves_light_within_its_side(side):
    k = np.asarray(shaken.shaken(3, side))
    assert k.shape == (side, side) and (k >= 0).all() and not k[[0, -1]].any()
    assert k.sum() == pytest.approx(1, abs=1e-5) and not k[:, [0, -1]].any()
    assert max(np.ptp(np.flatnonzero(k.sum(axis))) for axis in (0, 1)) >= side - 4


@pytest.mark.slow
def test_psnr_wherever_a_picture_lies(key):
    """A picture that is moved by a pixel and a half is as near as one that is not."""
    x = jax.random.uniform(key, (40, 44, 3))
    x = jax.image.resize(x, (80, 88, 3), "cubic")
    moved = jax.image.scale_and_translate(
        x, x.shape, (0, 1), jnp.ones(2), jnp.array([-1.5, 0.75]), "cubic"
    )
    off = 0.05 * jax.random.normal(key, x.shape)
    assert shaken.placed(x + off, x) == pytest.approx(20 * np.log10(20), abs=0.3)
    assert shaken.placed(moved, x) > 30 > 20 > dipjax.metrics.psnr(moved, x)


def test_jpeg_has_blocks(key):
    x = jnp.broadcast_to(jnp.linspace(0.2, 0.8, 48)[:, None, None], (48, 48, 3))
    x = x + 0.1 * jax.random.normal(key, x.shape)
    assert restoring.blockiness(x) == pytest.approx(1, abs=0.1)
    y, _ = compressing.compressed(jnp.clip(x, 0, 1), 5)
    assert restoring.blockiness(y) > 1.5


def test_roughness_of_noise_and_of_a_ramp(key):
    assert samples.roughness(jax.random.normal(key, (64, 64, 3))) == pytest.approx(1.13, abs=0.03)
    ramp = jnp.broadcast_to(jnp.arange(64.0)[:, None, None], (64, 64, 3))
    assert samples.roughness(ramp) < 0.05


@pytest.mark.parametrize("name", pictures.DRAWINGS)
def test_drawn_masks_miss_a_part(name):
    mask = pictures.DRAWINGS[name]((60, 80))
    assert mask.shape == (60, 80, 1) and set(np.unique(mask)) == {0, 1}
    assert 0.5 < mask.mean() < 0.99


def test_markdown_leaves_out_what_is_not_there():
    table = tables.averaged({"a": {"x": 1.0, "ours": 2.0}, "b": {"x": 3.0, "ours": 4.0, "z": 1}})
    assert tables.markdown(table).splitlines() == [
        "|  | x | ours | z |",
        "| --- | --- | --- | --- |",
        "| a | 1.00 | **2.00** |  |",
        "| b | 3.00 | **4.00** | 1 |",
        "| average | 2.00 | **3.00** |  |",
    ]


def test_a_line_says_what_was_found():
    numbers = {"luma": {"bicubic": 20.0, "ours": 21.256}, "kind": "x", "curve": [1.0]}
    assert lab.brief(numbers) == "luma 21.26, kind x"
    assert lab.brief({"rgb": {"DIP": 1.0}}) == "done"


@pytest.mark.parametrize("shape", [(300, 451, 3), (96, 64, 1)])
def test_a_scale_makes_pictures_smaller_and_never_larger(shape, key):
    x, here = jax.random.uniform(key, shape), made()
    small = here.shrink(x, 48)
    assert small.shape[-1] == shape[-1] and all(n % 8 == 0 for n in small.shape[:2])
    assert min(small.shape[:2]) == 48 and here.crop(x).shape[:2] == (64, 64)
    assert lab.Lab(lab.SCALES["paper"], here.pictures, here.folder).shrink(x) is x


def test_the_psnr_of_missing_pixels_is_theirs_alone(key):
    truth = jnp.full((6, 6, 3), 0.4)
    mask = jnp.ones((6, 6, 1)).at[2:4].set(0)
    x = jnp.where(mask == 0, 0.5, 0.9) * jnp.ones(3)[None, None]
    assert rules.missing(x, truth, mask) == pytest.approx(20, abs=0.2)  # in 8 bits


def test_a_record_tells_its_versions_without_an_installation(monkeypatch):
    """As on a machine that got the files of the checkout and nothing else."""

    def version(name):
        assert name != "dipjax"
        return "1"

    monkeypatch.setattr(report, "version", version)
    environment = report.environment()
    assert environment["versions"]["dipjax"] == dipjax.__version__
    assert environment["cores"] == cache.cores()
