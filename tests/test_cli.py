"""The command line as a user meets it: files in, files out, one line for each mistake."""

import json
import os
import signal
import sys
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from command import run
from PIL import Image, ImageCms

import dipjax
from dipjax import (
    blind,
    cli,
    fitting,
    images,
    kernels,
    light,
    memory,
    noise,
    report,
    tasks,
)
from dipjax.cli import masking
from dipjax.drivers import loop
from dipjax.drivers.watch import Watch
from dipjax.generators import Hourglass, Positional

RNG = np.random.default_rng(0)
PIXELS = RNG.random((8, 6, 3), np.float32)


@pytest.fixture(autouse=True)
def small_fits(monkeypatch):
    """The presets with a tiny generator and few steps: this is not about their quality."""
    for presets in tasks.PRESETS.values():
        for preset in presets.values():
            monkeypatch.setitem(preset, "generator", Positional(width=4, depth=1))
            monkeypatch.setitem(preset, "steps", 2)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a picture, one with alpha, a mask and a reference."""
    monkeypatch.chdir(tmp_path)
    images.save("in.png", PIXELS)
    images.save("alpha.png", PIXELS, alpha=(RNG.random((8, 6)) > 0.5) * 1.0)
    images.save("mask.png", (RNG.random((8, 6)) > 0.5) * 1.0)
    images.save("small.png", PIXELS[:4, :3])
    images.save("true.png", PIXELS * 0.9)
    images.save("point.png", np.outer([0, 1, 0], [0.5, 1, 0.5]))
    return tmp_path


def test_denoise(folder, capsys):
    line = (
        "denoise in.png -o out.png --reference true.png --json out.json --figure out.pdf --seed 3"
    )
    assert run(line) == 0
    assert images.load("out.png").shape == PIXELS.shape
    assert (folder / "out.pdf").stat().st_size > 1000
    out, err = capsys.readouterr()
    assert "6 x 8 needs 0." in out and "PSNR" in out
    assert "polished in" in out and "polishing" in err
    record = json.loads((folder / "out.json").read_text())
    assert (record["task"], record["seed"], record["steps"]) == ("denoise", 3, 2)
    assert record["settings"]["optimizer"] == "adam(0.01)"
    assert set(record["seconds"]) == {"compile", "run", "polish"}
    assert {"dipjax", "jax", "python"} <= set(record["versions"]) and record["devices"]
    x, true = images.load("out.png"), images.load("true.png")
    psnr = -10 * np.log10(np.mean((x - true) ** 2))
    assert abs(record["after"]["psnr"] - psnr) < 0.1 and record["before"]["psnr"] > 10
    assert record["after"]["ssim"] is None  # smaller than its window


def test_the_same_seed_gives_the_same_file(folder):
    for name in ("a.png", "b.png"):
        assert run(f"denoise in.png -o {name} --quiet") == 0
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()


@pytest.mark.parametrize(
    "mask", ["--mask mask.png", "--mask mask.png --invert-mask", "--mask-color #808080"]
)
def test_inpaint_keeps_what_is_known(folder, mask):
    pixels = images.load("in.png")
    pixels[2:4, 2:4] = 128 / 255
    images.save("in.png", pixels)
    assert run(f"inpaint in.png -o out.png {mask}") == 0
    known = images.load("mask.png")[..., 0] > 0.5
    if "color" in mask:
        known = np.ones((8, 6), bool)
        known[2:4, 2:4] = False
    known = ~known if "invert" in mask else known
    np.testing.assert_array_equal(images.load("out.png")[known], images.load("in.png")[known])
    assert not np.array_equal(images.load("out.png")[~known], images.load("in.png")[~known])


@pytest.mark.parametrize("quality", [75, 95])
@pytest.mark.parametrize("name, rgb", [("#f0f", (255, 0, 255)), ("lime", (0, 255, 0))])
def test_a_mark_in_a_jpeg_file_is_found_by_its_colour(tmp_path, quality, name, rgb):
    x = np.full((40, 48, 3), 90, np.uint8)
    x[8:30, 20:23] = rgb
    Image.fromarray(x).save(tmp_path / "a.jpg", quality=quality)
    picture = images.load_picture(tmp_path / "a.jpg")
    known = masking.known_pixels(picture, None, False, name, inverted=False)[..., 0]
    assert known[8:30, 20:23].mean() < 0.05 and known[:, :18].all() and known[:, 25:].all()


def test_black_paint_on_a_transparent_layer_is_what_is_missing(folder):
    images.save("paint.png", np.zeros((8, 6)), alpha=np.eye(8, 6))
    picture = images.load_picture("in.png")
    for inverted in (False, True):
        known = masking.known_pixels(picture, Path("paint.png"), False, None, inverted=inverted)
        np.testing.assert_array_equal(known[..., 0], np.eye(8, 6) == inverted)


def test_inpaint_what_is_transparent(folder):
    assert run("inpaint alpha.png -o out.png --mask-alpha") == 0
    assert images.load("out.png").shape == (8, 6, 3)  # nothing is missing any more


@pytest.mark.parametrize("factor", [pytest.param(2, marks=pytest.mark.slow), 3])
def test_super_resolve_enlarges_alpha_too(folder, factor):
    assert run(f"super-resolve alpha.png -o out.png --no-polish --factor {factor}") == 0
    assert images.load("out.png").shape == (8 * factor, 6 * factor, 4)


@pytest.mark.slow
def test_options_of_super_resolve_reach_the_task(folder):
    y, key = images.load("in.png"), jax.random.key(0)
    for option, settings in {
        "": {},
        "--no-polish": {"polish": False},
        "--kernel box": {"kernel": "box"},
    }.items():
        line = "super-resolve in.png -o out.png --force --factor 2 --json out.json"
        assert run(f"{line} {option}") == 0
        asked = json.loads((folder / "out.json").read_text())["options"]
        seen = tasks.seen(dipjax.super_resolve, y, **settings)["sigma"]
        assert asked.pop("sigma", 0) == pytest.approx(float(seen))
        assert asked == {"factor": 2, "kernel": "lanczos2", "polish": True} | settings
        expected = dipjax.super_resolve(key, y, factor=2, **settings).image
        np.testing.assert_allclose(images.load("out.png"), expected, atol=1 / 255)


@pytest.mark.parametrize(
    "line, used",
    [
        ("denoise in.png", True),
        ("denoise in.png --fidelity l1", False),
        ("denoise in.png --preset paper", False),
        ("super-resolve in.png --factor 2", True),
        ("super-resolve in.png --factor 2 --no-polish", False),
        ("deblur in.png --disc 1", True),
        ("deblur in.png --disc 1 --no-polish", False),
    ],
)
def test_a_sigma_that_nothing_looks_at_is_told(folder, capsys, line, used):
    assert run(f"{line} -o out.png --sigma 0.1") == 0
    assert ("--sigma 0.1 is not used" in capsys.readouterr().out) == (not used)


def test_a_small_jpeg_file_is_not_taken_at_its_word(folder, capsys):
    images.save("in.jpg", PIXELS[..., :1])  # which shows too little for noise to be seen
    level = float(images.load_picture("in.jpg").jpeg.level)
    for option, sigma in {
        "": level,
        "--sigma 0.1": 0.1,
        "--sigma 0": 0,
        "--no-polish": None,
    }.items():
        line = "super-resolve in.jpg -o out.png --force --factor 2 --steps 2 --json out.json"
        assert run(f"{line} {option}") == 0
        assert ("it may be off by" in capsys.readouterr().out) == (option == "")
        asked = json.loads((folder / "out.json").read_text())["options"].get("sigma")
        assert asked == (sigma and pytest.approx(sigma))


def test_denoise_says_that_it_sees_salt_and_pepper(folder, capsys):
    y = np.where(RNG.random((16, 12, 3)) < 0.1, 1.0, 0.5)
    images.save("salt.png", y)
    assert run("denoise salt.png -o out.png --no-polish") == 0
    assert "salt and pepper" in capsys.readouterr().out
    assert run("denoise salt.png -o out2.png --no-polish --fidelity l2") == 0
    assert "salt and pepper" not in capsys.readouterr().out


def test_a_jpeg_file_is_restored_by_what_it_says(folder, capsys):
    images.save("in.jpg", PIXELS)
    for option, options in (("", {"jpeg": "as the input says"}), ("--blind", {})):
        assert run(f"remove-jpeg-artifacts in.jpg -o out.png --json out.json --force {option}") == 0
        assert ("a JPEG file" in capsys.readouterr().out) == bool(options)
        record = json.loads((folder / "out.json").read_text())
        assert record["options"] == options
        assert ("polish" in record["seconds"]) == bool(options)


@pytest.mark.slow
def test_a_jpeg_file_in_tiles(folder):
    images.save("large.jpg", np.tile(PIXELS, (4, 4, 1)))
    line = "remove-jpeg-artifacts large.jpg -o out.png --tile 16 --resume kept"
    assert run(line) == 0
    whole = images.load("out.png")
    assert run(f"{line} --force") == 0
    np.testing.assert_array_equal(images.load("out.png"), whole)
    assert run(f"{line} --force --blind") == 2  # the folder holds others


@pytest.mark.parametrize(
    "line, name",
    [
        ("remove-jpeg-artifacts in.png", "remove_jpeg_artifacts"),
        ("flash-no-flash in.png --flash true.png", "flash_no_flash"),
        ("enhance in.png --strength 2", "enhance"),
        ("deblur in.png --kernel point.png", "deblur"),
        ("deblur in.png --motion 3 45", "deblur"),
        ("denoise in.png --tv 0.1 --fidelity l1", "denoise"),
        ("inpaint in.png --mask mask.png --missing hole", "inpaint"),
    ],
)
def test_every_task_is_a_command(folder, line, name, capsys):
    assert run(f"{line} -o out.png --reference true.png --json out.json") == 0
    assert images.load("out.png").shape == PIXELS.shape
    record = json.loads((folder / "out.json").read_text())
    assert (record["task"], record["steps"]) == (name, 2)
    if "motion" in line:
        assert record["options"] == {"light": "stored", "motion": [3, 45], "polish": True}
        assert record["settings"]["stop"] == "never()"
    assert "PSNR" in capsys.readouterr().out
    code = {"flash_no_flash": "array of shape (8, 6, 3)", "inpaint": "meshgrid"}
    if name in code:
        assert record["settings"]["code"] == code[name]
    if name == "denoise":
        assert record["options"]["regularizer"] == "0.1 * TotalVariation"


def test_options_of_deblur_reach_the_task(folder):
    y, key = images.load("in.png"), jax.random.key(0)
    for option, k in {
        "--kernel point.png": np.outer([0, 1, 0], [0.5, 1, 0.5]),
        "--gaussian 0.6": kernels.gaussian(0.6),
        "--disc 1.5": kernels.disc(1.5),
        "--motion 3 45": kernels.motion(3, 45),
    }.items():
        assert run(f"deblur in.png -o out.png --force --no-polish {option}") == 0
        expected = dipjax.deblur(key, y, k, polish=False).image
        np.testing.assert_allclose(images.load("out.png"), expected, atol=1.5 / 255)


def test_a_kernel_that_nobody_knows_is_seen_and_saved(folder, capsys):
    line = "deblur in.png --no-polish"
    assert run(f"{line} -o a.png --blind 3 --kernel-output k.png --json a.json") == 0
    out = capsys.readouterr().out
    assert "looking for a kernel of 3 x 3 pixels" in out and "give more to --blind" in out
    k = blind.kernel(images.load("in.png"), 3)
    np.testing.assert_allclose(images.load("k.png")[..., 0], k / k.max(), atol=0.51 / 255)
    assert json.loads((folder / "a.json").read_text())["options"] == {
        "blind": 3,
        "light": "stored",
        "polish": False,
    }
    assert run(f"{line} -o b.png --kernel k.png") == 0
    np.testing.assert_allclose(images.load("b.png"), images.load("a.png"), atol=3 / 255)
    images.save("flat.png", np.full((8, 6), 0.5))
    assert run("deblur flat.png -o c.png --blind 3 --no-polish") == 0
    assert "1 x 1 pixels, no blur is seen" in capsys.readouterr().out
    line = "deblur in.png -o d.png --blind 3 --kernel-output d-k.png --reference small.png"
    assert run(line) == 2 and not (folder / "d-k.png").exists()


def test_which_light_was_blurred_is_told_where_it_was_looked_for(folder, capsys, monkeypatch):
    monkeypatch.setattr(light, "seen", lambda y, k: "linear")
    for option, told in {"": True, " --light linear": False, " --light stored": False}.items():
        line = f"deblur in.png --disc 1 -o out.png --force --json out.json{option}"
        assert run(line) == 0
        assert ("light was blurred" in capsys.readouterr().out) == told
        options = json.loads((folder / "out.json").read_text())["options"]
        assert options["light"] == ("stored" if "stored" in option else "linear")


def test_the_reference_is_looked_at_before_anything_is_computed(folder, monkeypatch):
    monkeypatch.setattr(noise, "fidelity", lambda y: pytest.fail("the noise was looked at"))
    assert run("denoise in.png -o out.png --reference small.png") == 2


@pytest.mark.slow
def test_total_variation_changes_the_result_and_the_kept_tiles(folder, capsys):
    images.save("large.png", RNG.random((20, 20, 3)))
    for name, tv in (("a", 0), ("b", 10)):
        assert run(f"denoise large.png -o {name}.png --tile 16 --resume {name} --tv {tv}") == 0
    assert (folder / "a.png").read_bytes() != (folder / "b.png").read_bytes()
    assert run("denoise large.png -o c.png --tile 16 --resume b --tv 20") == 2
    assert "something else than tiles" in capsys.readouterr().err


def test_sample(folder):
    line = "sample --height 9 --width 7 --channels 1 --depth 2 --skips 0"
    for name, seed in (("a.png", 0), ("b.png", 0), ("c.png", 1)):
        assert run(f"{line} -o {name} --seed {seed}") == 0
    assert images.load("a.png").shape == (9, 7, 1)
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
    assert (folder / "a.png").read_bytes() != (folder / "c.png").read_bytes()


def test_a_sample_that_memory_has_no_room_for(folder, capsys, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 2**20)
    assert run("sample -o out.png --height 40 --width 50 --depth 2") == 2
    assert "50 x 40 needs 0.0 GiB, 0.0 GiB are free: make it smaller" in capsys.readouterr().err
    assert not (folder / "out.png").exists()


def test_depth_and_grey_are_kept(folder):
    images.save("deep.png", PIXELS[..., :1], depth=16)
    assert run("denoise deep.png -o out.png") == 0
    assert images.load_picture("out.png").depth == 16
    assert images.load("out.png").shape == (8, 6, 1)


def test_profile_and_resolution_are_kept(folder):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.open("in.png").save("tagged.png", icc_profile=profile, dpi=(300, 300))
    assert run("denoise tagged.png -o out.png --quiet") == 0
    with Image.open("out.png") as image:
        assert image.info["icc_profile"] == profile
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)


def test_a_thin_grey_picture_with_everything(folder):
    images.save("thin.png", PIXELS[:1, :, :1])
    line = "denoise thin.png -o out.png --reference thin.png --figure f.png --json out.json"
    assert run(line) == 0
    assert json.loads((folder / "out.json").read_text())["before"]["psnr"] is None  # no error


def test_quiet_prints_nothing(folder, capfd):
    """And a bar that is not there does not tell what an earlier run has made."""
    assert run("denoise in.png -o out.png --quiet --steps 40 --json out.json") == 0
    assert capfd.readouterr() == ("", "")
    assert not json.loads((folder / "out.json").read_text())["resumed"]


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_closed_pipe_ends_no_fit(folder, monkeypatch, name):
    """Not before the fit, in it, or when the interpreter flushes what it still holds."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stream:
        monkeypatch.setattr(sys, name, stream)
        assert run("denoise in.png -o out.png") == 0
        stream.flush()
    assert images.load("out.png").shape == PIXELS.shape


def test_info(capsys):
    assert run("info") == 0
    out = capsys.readouterr().out
    for word in ("jax", "flax", "python", "devices", "free", "cache"):
        assert word in out


@pytest.mark.parametrize("existing", [False, True])
def test_ctrl_c_saves_the_result_so_far(folder, monkeypatch, existing):
    """The signal comes while the fit runs; the picture so far is saved, and the status is 130."""
    postfix = Watch._postfix

    def interrupt(self, progress):
        os.kill(os.getpid(), signal.SIGINT)
        return postfix(self, progress)

    monkeypatch.setattr(Watch, "_postfix", interrupt)
    assert run("denoise in.png -o out.png --steps 100 --json out.json") == 130
    assert images.load("out.png").shape == PIXELS.shape
    record = json.loads((folder / "out.json").read_text())
    assert record["interrupted"] and record["steps"] == loop.EVERY


@pytest.mark.parametrize("members", ["", " --members 2"])
def test_a_fit_goes_on_where_ctrl_c_ended_it(folder, monkeypatch, members):
    """With --force, since there is a picture; it is the same as without the interruption."""
    postfix, steps = Watch._postfix, []

    def interrupt(self, progress):
        steps.append(progress.step)
        if steps == [loop.EVERY, 2 * loop.EVERY]:
            os.kill(os.getpid(), signal.SIGINT)
        return postfix(self, progress)

    line = f"denoise in.png --steps 40 --json out.json{members}"
    assert run(f"{line} -o whole.png") == 0
    whole = json.loads((folder / "out.json").read_text())
    monkeypatch.setattr(Watch, "_postfix", interrupt)
    assert run(f"{line} -o out.png --resume kept --force") == 130
    assert (folder / "out.png").read_bytes() != (folder / "whole.png").read_bytes()
    for first in (3 * loop.EVERY, 40):  # the second finds all that was to be done
        steps.clear()
        assert run(f"{line} -o out.png --resume kept --force") == 0
        assert steps[0] == first
        assert (folder / "out.png").read_bytes() == (folder / "whole.png").read_bytes()
        record = json.loads((folder / "out.json").read_text())
        assert record["steps"] == whole["steps"] and record["resumed"] and not whole["resumed"]
    assert len(list((folder / "kept").iterdir())) == (2 if members else 1)


TILED = pytest.param(" --tile 48 --resume kept", marks=pytest.mark.slow)


@pytest.mark.parametrize("how", ["", TILED])
def test_coloured_noise_is_told(folder, capsys, how):
    """And overruled; the record says which it was."""
    n = RNG.standard_normal((65, 97, 3))
    soft = (n[1:, 1:] + n[:-1, 1:] + n[1:, :-1] + n[:-1, :-1]) / 2
    images.save("soft.png", np.clip(0.5 + 0.1 * soft, 0, 1))
    images.save("white.png", np.clip(0.5 + 0.1 * n, 0, 1))
    line = f"--json out.json --force -o out.png --no-polish{how}"
    for file, option, spectrum in (
        ("soft.png", "", "coloured"),
        ("soft.png", " --spectrum white", "white"),
        ("soft.png", " --sigma 0.1", "white"),
        ("white.png", "", "white"),
        ("white.png", " --spectrum coloured", "coloured"),
    ):
        resumed = line.replace("kept", f"kept{file}{option}".replace(" ", ""))
        assert run(f"denoise {file} {resumed}{option}") == 0
        told = "coloured noise" in capsys.readouterr().out
        assert told == (spectrum == "coloured" and not option)
        record = json.loads((folder / "out.json").read_text())
        assert record["options"]["spectrum"] == spectrum


def test_tiles_where_memory_is_short(folder, capsys, monkeypatch):
    images.save("large.png", RNG.random((100, 70, 3)))
    y, small = jnp.ones((100, 70, 3)), Hourglass(widths=(4,), skips=2)
    monkeypatch.setitem(tasks.PRESETS["denoise"]["fast"], "generator", small)
    monkeypatch.setattr(memory, "COMPILER", 0)
    needed = memory.estimate_memory(y.shape, small, code=y)
    monkeypatch.setattr(memory, "free_memory", lambda: needed * 9 // 10)
    line = "denoise large.png -o out.png --steps 4 --no-polish --reference large.png"
    assert run(f"{line} --json out.json") == 0
    assert "70 x 100 needs 0.0 GiB, 0.0 GiB are free: fitted in 4 tiles" in capsys.readouterr().out
    assert images.load("out.png").shape == (100, 70, 3)
    assert json.loads((folder / "out.json").read_text())["tile"] == [64, 64]
    monkeypatch.setattr(memory, "free_memory", lambda: 0)
    assert run("denoise large.png -o none.png") == 2
    assert "too little even for tiles" in capsys.readouterr().err


@pytest.mark.parametrize(
    "task",
    ["denoise", *(pytest.param(t, marks=pytest.mark.slow) for t in ("inpaint", "super-resolve"))],
)
def test_kept_tiles_are_not_made_again(folder, task, monkeypatch):
    images.save("large.png", RNG.random((20, 20, 3)))
    images.save("known.png", (RNG.random((20, 20)) > 0.5) * 1.0)
    options = {"inpaint": " --mask known.png", "super-resolve": " --factor 2"}.get(task, "")
    options += " --no-polish"
    line = f"{task} large.png --tile 16 --resume kept{options}"
    assert run(f"{line} -o a.png --json a.json") == 0
    assert len(list((folder / "kept").glob("*.npy"))) == (9 if task == "super-resolve" else 4)
    monkeypatch.setattr(Watch, "__call__", lambda *args, **kwargs: pytest.fail("computed"))
    assert run(f"{line} -o b.png --json b.json") == 0
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
    resumed = [json.loads((folder / name).read_text())["resumed"] for name in ("a.json", "b.json")]
    assert resumed == [False, True]


def test_ctrl_c_saves_the_tiles_so_far(folder, monkeypatch):
    images.save("large.png", RNG.random((16, 30, 3)))
    iterate = fitting.iterate

    def interrupt(*args, **settings):
        for progress in iterate(*args, **settings):
            os.kill(os.getpid(), signal.SIGINT)
            yield progress

    monkeypatch.setattr(fitting, "iterate", interrupt)
    line = "denoise large.png -o out.png --tile 16 --resume kept --json out.json --steps 100"
    assert run(line) == 130
    before, after = images.load("large.png"), images.load("out.png")
    np.testing.assert_array_equal(after[:, 16:], before[:, 16:])
    assert np.abs(after[:, :14] - before[:, :14]).mean() > 0.01
    assert not list((folder / "kept").glob("*.npy"))  # that tile was cut short
    assert json.loads((folder / "out.json").read_text())["interrupted"]


def test_members_are_fits_of_their_own_and_the_result_their_mean(folder, capfd):
    line = "denoise in.png -o out.png --members 3 --std std.png --json out.json --seed 5"
    assert run(line + " --reference true.png --no-polish") == 0
    out, err = capfd.readouterr()
    assert "3 x 2 steps" in out and "the mean of 3" in out and "polish" not in out + err
    assert all(f"member {i}/3 fitting" in err for i in (1, 2, 3))

    y = images.load("in.png")
    expected = dipjax.ensemble(dipjax.denoise, jax.random.key(5), y, members=3, polish=False)
    np.testing.assert_allclose(images.load("out.png"), expected.mean, atol=1 / 255)
    std = np.asarray(expected.std)
    np.testing.assert_allclose(images.load("std.png"), std / std.max(), atol=1.5 / 255)
    record = json.loads((folder / "out.json").read_text())
    assert (record["members"], record["steps"], record["interrupted"]) == (3, 2, False)
    assert record["steps_of_members"] == [2, 2, 2]
    seconds = record["seconds_of_members"]
    assert len(seconds) == 3
    assert record["seconds"]["run"] == round(sum(member["run"] for member in seconds), 2)
    np.testing.assert_allclose(record["std"]["mean"], std.mean(), rtol=0.01)
    np.testing.assert_allclose(record["std"]["max"], std.max(), rtol=0.01)


@pytest.mark.slow
def test_members_of_the_other_tasks(folder):
    assert run("super-resolve alpha.png -o large.png --factor 2 --members 2 --quiet") == 0
    assert images.load("large.png").shape == (16, 12, 4)
    line = "inpaint in.png -o out.png --mask mask.png --members 2 --std std.png"
    assert run(line) == 0
    known = images.load("mask.png")[..., 0] > 0.5
    np.testing.assert_array_equal(images.load("out.png")[known], images.load("in.png")[known])
    assert not images.load("std.png")[known].any() and images.load("std.png")[~known].any()


def test_one_member_is_the_fit_without_members(folder):
    assert run("denoise in.png -o a.png --members 1 --json a.json") == 0
    assert run("denoise in.png -o b.png") == 0
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
    assert not {"members", "std"} & set(json.loads((folder / "a.json").read_text()))


@pytest.mark.parametrize("during, kept, steps", [(1, 1, 10), (3, 2, 20), (2.5, 2, 20)])
def test_ctrl_c_saves_the_mean_of_the_finished_members(folder, monkeypatch, during, kept, steps):
    """In the first member it is the result so far, later, or between two, it is the mean."""
    postfix, call, at = Watch._postfix, Watch.__call__, {"member": 0}

    def look(self, progress):
        if at["member"] == during:
            os.kill(os.getpid(), signal.SIGINT)
        return postfix(self, progress)

    def fit(self, *args, **settings):
        at["member"] += 1
        result = call(self, *args, **settings)
        if at["member"] + 0.5 == during:
            os.kill(os.getpid(), signal.SIGINT)
        return result

    monkeypatch.setattr(Watch, "_postfix", look)
    monkeypatch.setattr(Watch, "__call__", fit)
    line = "denoise in.png -o out.png --members 4 --steps 20 --json out.json --std std.png"
    assert run(line) == 130
    record = json.loads((folder / "out.json").read_text())
    assert record["interrupted"]
    assert (record["members"], record["steps"]) == (kept, steps)
    assert len(record["seconds_of_members"]) == kept and at["member"] == int(during)
    assert images.load("out.png").shape == images.load("std.png").shape == PIXELS.shape


@pytest.mark.parametrize("of_members", ["", " --members 2"])
def test_ctrl_c_ends_all_fits_of_the_preset_best(folder, monkeypatch, of_members):
    postfix = Watch._postfix

    def look(self, progress):
        if len(self.fits) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return postfix(self, progress)

    monkeypatch.setattr(Watch, "_postfix", look)
    line = "remove-jpeg-artifacts in.png -o out.png --preset best --steps 20 --json out.json"
    assert run(line + of_members) == 130
    record = json.loads((folder / "out.json").read_text())
    assert record["interrupted"] and images.load("out.png").shape == PIXELS.shape
    assert 2 * 20 <= record["steps"] < 4 * 20


def test_a_record_holds_no_nan(tmp_path):
    report.write_json(tmp_path / "a.json", {"loss": [1.0, np.nan], "seconds": {"run": np.inf}})
    assert json.loads((tmp_path / "a.json").read_text()) == {
        "loss": [1.0, None],
        "seconds": {"run": None},
    }


MISTAKES = {
    "denoise no.png -o out.png": "no.png",
    "denoise text.png -o out.png": "not an image",
    "denoise empty.png -o out.png": "empty",
    "denoise cut.png -o out.png": "truncated",
    "denoise in.png -o in.png": "is an input",
    "denoise in.png -o in.png --force": "is an input",
    "denoise in.png -o true.png": "exists already",
    "denoise in.png -o out.png --json true.png": "exists already",
    "denoise in.png -o out.png --reference true.png --json true.png --force": "is an input",
    "denoise in.png -o out.png --figure out.png": "is given twice",
    "denoise in.png -o no/out.png": "there is no folder",
    "denoise in.png -o out.xyz": "unknown suffix",
    "denoise in.png -o out.png --figure out.xyz": "unknown suffix",
    "denoise alpha.png -o out.jpg": "cannot hold transparency",
    "denoise in.png -o out.png --steps 0": "--steps 0",
    "denoise in.png -o out.png --steps -5": "--steps -5",
    "denoise in.png -o out.png --seed -1": "--seed -1",
    "denoise in.png -o out.png --tile 4": "--tile 4",
    "denoise in.png -o out.png --tile 16 --members 2": "one member at a time",
    "denoise in.png -o out.png --tile 16 --resume .": "something else than tiles",
    "denoise in.png -o out.png --resume true.png": "true.png: cannot be made a folder (File",
    "denoise in.png -o out.png --resume /proc/foo/a": "cannot be made a folder (No",
    "denoise in.png -o out.png --spectrum coloured": "no block of 16 x 16 pixels",
    "denoise in.png -o out.png --members 0": "--members 0",
    "denoise in.png -o out.png --members 3000000000": "--members 3000000000",
    "denoise in.png -o out.png --members -3": "--members -3",
    "denoise in.png -o out.png --std std.png": "give --members",
    "denoise in.png -o out.png --members 2 --std std.xyz": "unknown suffix",
    "denoise in.png -o out.png --members 2 --std out.png": "is given twice",
    "denoise in.png -o out.png --members 2 --std true.png": "exists already",
    "denoise in.png -o out.png --members 2 --std in.png --force": "is an input",
    "denoise in.png -o out.png --reference small.png": "they must agree",
    "super-resolve in.png -o out.png --factor 0": "--factor 0",
    "super-resolve in.png -o out.png --factor 1": "--factor 1",
    "super-resolve in.png -o out.png --factor -2": "--factor -2",
    "super-resolve in.png -o out.png --factor 7": "--factor 7",
    "super-resolve line.png -o out.png": "a single line of pixels",
    "super-resolve wide.png -o out.webp --factor 2": "WEBP cannot hold 16384 x 4 pixels",
    "super-resolve in.png -o out.png --factor 5 --tile 24": "--tile 24: must be at least 25",
    "inpaint in.png -o out.png": "give one of",
    "inpaint in.png -o out.png --mask mask.png --mask-alpha": "give one of",
    "inpaint in.png -o out.png --mask-alpha": "no alpha channel",
    "inpaint white.png -o out.png --mask-color white": "--mask-color white: no pixel is known",
    "inpaint in.png -o out.png --mask-colour rad": "--mask-color rad: must be such as",
    "inpaint in.png -o out.png --mask-color #12345678": "--mask-color #12345678: must be",
    "inpaint in.png -o out.png --mask-color #f0f": "--mask-color #f0f: no pixel has",
    "inpaint in.png -o out.png --mask small.png": "they must agree",
    "inpaint in.png -o out.png --mask white.png": "every pixel is known",
    "inpaint in.png -o out.png --mask dark.png": "its brightest value is 1 of 255; --invert",
    "inpaint in.png -o out.png --mask white.png --invert-mask": "its darkest value is 255 of 255",
    "inpaint half.png -o out.png --mask mask.png --invert-mask": "seems to be inverted",
    "denoise in.png -o out.png --seed 4294967296": "--seed 4294967296",
    "denoise in.png -o dangling.png": "there is no folder",
    "inpaint in.png -o mask.png --mask mask.png --force": "is an input",
    "demo -o true.png": "exists already",
    "denoise in.png -o out.png --tv -1": "--tv -1",
    "denoise in.png -o out.png --sigma 25": "--sigma 25",
    "deblur in.png -o out.png --disc 1 --sigma -1": "--sigma -1",
    "super-resolve in.png -o out.png --factor 2 --sigma 5": "--sigma 5",
    "enhance in.png -o out.png --strength 0": "--strength 0",
    "flash-no-flash in.png -o out.png --flash small.png": "they must agree",
    "flash-no-flash in.png -o true.png --flash true.png --force": "is an input",
    "deblur in.png -o out.png": "give one of",
    "deblur in.png -o out.png --disc 1 --gaussian 1": "give one of",
    "deblur in.png -o out.png --disc 0": "--disc 0: must be a positive number of pixels",
    "deblur in.png -o out.png --gaussian nan": "--gaussian nan: must be",
    "deblur in.png -o out.png --motion -5 20": "--motion -5 20: must be",
    "deblur in.png -o out.png --disc 1 --blind 3": "give one of",
    "deblur in.png -o out.png --blind 2": "--blind 2: a kernel of 2 pixels: must be",
    "deblur in.png -o out.png --blind 4": "--blind 4: a kernel of 5 pixels: in 6 x 8 none",
    "deblur large.png -o out.png --blind 17 --tile 16": "tiles of 16 x 16 pixels",
    "deblur in.png -o out.png --blind 3 --kernel-output out.png": "is given twice",
    "deblur in.png -o out.png --blind 3 --kernel-output true.png": "exists already",
    "deblur in.png -o out.png --motion 5 inf": "--motion 5 inf: the angle must be",
    "deblur in.png -o out.png --motion 8 0": "must not be larger",
    "deblur in.png -o out.png --disc 1e9": "--disc 1e+09: reaches 1e+09 pixels",
    "deblur large.png -o out.png --motion 20 0 --tile 16": "tiles of 16 x 16",
    "deblur in.png -o out.png --kernel black.png": "its sum must be positive",
    "deblur in.png -o point.png --kernel point.png --force": "is an input",
    "sample -o true.png": "exists already",
    "sample -o out.png --height 0": "--height 0",
    "sample -o out.png --depth 9": "--depth 9",
    "sample -o out.xyz": "unknown suffix",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_one_line_and_status_2(folder, capsys, line, monkeypatch):
    (folder / "text.png").write_text("no picture")
    (folder / "empty.png").touch()
    (folder / "cut.png").write_bytes((folder / "in.png").read_bytes()[:60])
    (folder / "dangling.png").symlink_to(folder / "nowhere" / "x.png")
    images.save("half.png", PIXELS * images.load("mask.png"))
    images.save("large.png", RNG.random((36, 40, 3)))
    Image.new("L", (6, 8), 255).save("white.png")
    Image.new("L", (6, 8), 0).save("black.png")
    Image.new("L", (6, 8), 1).save("dark.png")
    Image.new("L", (9, 1)).save("line.png")
    Image.new("L", (8192, 2)).save("wide.png")
    files = {path: path.read_bytes() for path in folder.iterdir() if path.exists()}
    monkeypatch.setattr(Watch, "__call__", lambda *args, **kwargs: pytest.fail("computed"))

    assert run(line) == 2
    err = capsys.readouterr().err
    assert MISTAKES[line] in err and err.count("\n") == 1
    assert files == {path: path.read_bytes() for path in folder.iterdir() if path.exists()}


@pytest.mark.parametrize(
    "words, said",
    [
        (["denoise", "in.png", "-o", ""], "-o: the name is empty"),
        (["denoise", "in.png", "--output="], "--output: the name is empty"),
        (["denoise", "", "-o", "out.png"], "input: the name is empty"),
        (["denoise", "-in.png", "-o", "out.png"], "given as ./-name"),
        (["denoise", "in.png", "true.png", "-o", "out.png"], "one picture at a time"),
        (["denoise", "in.png", "out.png"], "the result is named by -o"),
    ],
)
def test_what_the_parser_does_not_say(folder, capsys, words, said):
    try:
        status = cli.main(words)
    except SystemExit as exit:
        status = exit.code
    assert status == 2 and said in capsys.readouterr().err.splitlines()[-1]


COMMANDS = (
    "denoise remove-jpeg-artifacts inpaint super-resolve deblur flash-no-flash enhance sample "
    "impedance compare invert activate demo web info"
)


@pytest.mark.parametrize("command", COMMANDS.split())
def test_help_is_in_words(capsys, command, monkeypatch):
    """Not in those of Python, and without the line breaks of a docstring."""
    monkeypatch.setenv("COLUMNS", "500")
    assert run(f"{command} --help") == 0
    said = capsys.readouterr().out
    assert f"usage: dipjax {command}" in said
    assert not any(word in said for word in ("None", "True", "False"))
    wrapped = [line.startswith("│" + " " * 10) for line in said.splitlines()]
    assert not any(a and b for a, b in pairwise(wrapped))


def test_version(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"dipjax {dipjax.__version__}\n"


def test_the_frames_that_are_left_out_are_told(folder, capsys):
    frames = [Image.new("L", (6, 8), value) for value in (60, 90, 120)]
    frames[0].save("in.tif", save_all=True, append_images=frames[1:])
    assert run("denoise in.tif -o out.png") == 0
    assert "3 frames: the first is restored\n" in capsys.readouterr().out


def test_the_parser_s_mistakes_have_status_2(folder):
    for line in ("denoise in.png", "blur in.png -o out.png", "denoise in.png -o out.png --stepz 3"):
        assert run(line) == 2
