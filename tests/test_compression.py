"""Steps of JPEG seen in a decoded picture: oracles are the tables of Pillow's own files."""

import io
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

import dipjax
from dipjax import compression, ensembles, images, tasks
from dipjax.cli import main
from dipjax.images import codecs
from dipjax.restoration import Restoration


def picture(channels=3, side=96):
    """A photo has shapes and edges, and some texture."""
    rng = np.random.default_rng(0)
    shapes = gaussian_filter(rng.normal(size=(side, side, channels)), (6, 6, 0))
    edges = np.sign(gaussian_filter(rng.normal(size=(side, side, channels)), (4, 4, 0)))
    texture = gaussian_filter(rng.normal(size=(side, side, channels)), (0.7, 0.7, 0))
    x = shapes / shapes.std() + edges + texture / 3
    return np.uint8(np.clip(128 + 30 * x, 20, 235))


def saved(x, **options):
    """The decoded picture (H, W, C), and what its file says."""
    data = io.BytesIO()
    Image.fromarray(x.squeeze()).save(data, "JPEG", **options)
    return codecs.decode(data.getvalue()), codecs.compression(data.getvalue())


def steps(jpeg):
    return np.round(np.asarray(jpeg.steps) * 255).astype(int)


@pytest.mark.parametrize("quality, subsampling", [(15, 2), (40, 0), (60, 1), (75, 2), (95, 0)])
def test_the_tables_of_the_standard(quality, subsampling):
    y, said = saved(picture(), quality=quality, subsampling=subsampling)
    found = compression.seen(y)
    np.testing.assert_array_equal(steps(found), steps(said))
    assert found.sampling == said.sampling and found.orientation == 1
    np.testing.assert_array_equal(steps(compression.seen(y[:-5, :-9])), steps(said))


def test_a_copy_of_a_small_file_is_not_taken_at_its_word():
    y, said = saved(picture(), quality=85)
    assert tasks.seen(dipjax.super_resolve, y)["sigma"] == pytest.approx(float(said.level))


def test_a_grey_picture():
    y, said = saved(picture(1), quality=50)
    np.testing.assert_array_equal(steps(compression.seen(y)), steps(said))


def test_a_large_picture_is_seen_by_its_middle():
    y, said = saved(picture(side=560), quality=75)
    np.testing.assert_array_equal(steps(compression.seen(y)), steps(said))


def test_a_file_of_other_tables_is_taken_at_its_word():
    y, said = saved(picture(), qtables=[list(range(3, 67)), list(range(2, 66))])
    assert compression.seen(y) is None and compression.kept(y, said) is said


def test_the_coarser_of_two():
    y, coarse = saved(picture(), quality=40)
    again, fine = saved(y, quality=95)
    np.testing.assert_array_equal(steps(compression.seen(again)), steps(coarse))
    np.testing.assert_array_equal(steps(compression.kept(again, fine)), steps(coarse))
    assert compression.kept(y, coarse) is coarse
    assert steps(compression.kept(y, None)).shape == (3, 8, 8)
    assert compression.kept(images.check(picture()), fine) is fine


def test_where_none_is_seen(key):
    y = images.check(saved(picture(), quality=40)[0])
    noisy = jnp.clip(y + 0.02 * jax.random.normal(key, y.shape), 0, 1)
    for other in (picture(), noisy, y[:63], jnp.full((64, 64, 3), 0.5)):
        assert compression.seen(other) is None
    for rows, columns in ((1, 0), (0, 3), (4, 0), (4, 4), (0, 7), (5, 2)):
        assert compression.seen(y[rows:, columns:]) is None
    small = Image.fromarray(np.uint8(y * 255 + 0.5)).resize((80, 80))
    assert compression.seen(np.asarray(small)) is None
    assert compression.seen(jnp.tile(y[..., :1], 5)) is None
    assert jax.jit(lambda y: jnp.float32(compression.seen(y) is None))(y) == 1


@pytest.fixture
def measured(monkeypatch):
    """What a polish would agree with."""
    operators = []
    refined = lambda x, A, **_: operators.append(A) or x  # noqa: E731
    monkeypatch.setattr("dipjax.tasks.jpeg.refined", refined)
    return operators


def drawing():
    """A few flat shapes."""
    x = np.full((96, 96, 3), 255, np.uint8)
    x[10:40, 20:60], x[50:80, 30:90] = (50, 130, 180), (200, 30, 50)
    return x


def ramp():
    x = np.linspace(0, 255, 256)[None, :, None] + np.zeros((96, 1, 3))
    return np.uint8(np.round(x))


def board():
    light = np.indices((12, 12)).sum(0) % 2
    return np.uint8(255 * np.kron(light[..., None], np.ones((8, 8, 3))))


@pytest.mark.parametrize("draw", [drawing, ramp, board])
def test_no_steps_are_seen_in_a_drawing(draw):
    assert compression.seen(draw()) is None
    y, said = saved(draw(), quality=95)
    assert compression.kept(y, said) is said


def test_a_picture_that_is_known_where_all_else_is_traced():
    y, coarse = saved(picture(), quality=40)
    again, fine = saved(y, quality=95)
    y, again = images.check(y), images.check(again)
    assert jax.jit(lambda k: k + (compression.seen(y) is not None))(1) == 2
    assert jax.jit(lambda k: k + (compression.kept(again, fine) is not fine))(1) == 2
    assert jax.jit(lambda k: k + (compression.kept(y, coarse) is coarse))(1) == 2


def test_a_task_looks_for_itself(key, measured):
    y, said = saved(picture(), quality=40)
    x = images.check(y)
    driver = lambda *_, **__: Restoration(x, x, x, x, x, jnp.ones(1), jnp.int32(1))  # noqa: E731
    run = partial(dipjax.remove_jpeg_artifacts, key, y, driver=driver)
    run()
    np.testing.assert_array_equal(steps(measured.pop()), steps(said))
    run(jpeg=None)
    run(preset="paper")
    assert not measured
    with pytest.raises(ValueError, match='jpeg must be a Jpeg, "auto" or None'):
        run(jpeg="blind")


def test_tiles_and_members_see_what_all_of_the_picture_shows(key, measured):
    y, said = saved(picture(), quality=40)
    task = dipjax.remove_jpeg_artifacts

    def driver(key, objective, shape, **_):
        x = jnp.full(shape, 0.5)
        return Restoration(x, x, x, x, x, jnp.ones(1), jnp.int32(1))

    dipjax.tiled(task, key, y, tile=min(y.shape[:2]) // 2, driver=driver)
    assert len(measured) > 3  # too small to show it by themselves
    for operator in measured:
        np.testing.assert_array_equal(steps(operator), steps(said))
    words, own = ensembles._shared(ensembles._seen(task, [(key, y), (key, y)], {"steps": 2}))
    assert words == {} and own["jpeg"].steps.shape == (2, 3, 8, 8)
    assert ensembles._shared(ensembles._seen(task, [(key, y), (key, picture())], {})) is None


def test_the_command_tells(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    y, said = saved(picture(), quality=40)
    images.save("copy.png", y)
    Image.fromarray(y).save("again.jpg", quality=95)
    Image.fromarray(picture()).save("once.jpg", quality=40)
    tasks = {}
    monkeypatch.setattr(
        "dipjax.cli.tasks.restore", lambda *given, said: tasks.update({given[2].name: given[-1]})
    )
    line = ["remove-jpeg-artifacts", "in", "-o", "out.png"]
    for name, told in (
        ("copy.png", "this was a coarser JPEG file before"),
        ("again.jpg", "this was a coarser JPEG file before"),
        ("once.jpg", "a JPEG file: the result will agree"),
    ):
        line[1] = name
        main(line)
        assert capsys.readouterr().out.startswith(told)
        np.testing.assert_array_equal(steps(tasks[name].keywords["jpeg"]), steps(said))
    main([*line, "--blind"])
    assert capsys.readouterr().out == "" and tasks["once.jpg"].keywords == {"jpeg": None}
