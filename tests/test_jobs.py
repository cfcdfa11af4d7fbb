"""A task in a thread of its own, and its pictures as they come."""

import threading
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dipjax
from dipjax import drivers, fitting, memory
from dipjax.drivers import loop
from dipjax.generators import Positional
from dipjax.web import jobs

SETTINGS = {"generator": Positional(width=4, depth=1), "steps": 40, "polish": False}
ENDLESS = {"steps": 10**6, "stop": dipjax.stopping.never()}


@pytest.fixture
def y(key):
    return jax.random.uniform(key, (20, 18, 3))


def job(key, y, *data, task=dipjax.denoise, stops=None, **settings):
    return jobs.job(partial(task, **SETTINGS | settings), key, y, *data, stops=stops)


def test_the_last_view_is_the_result(key, y):
    first, *views, last = job(key, y)
    np.testing.assert_array_equal(first.image, y)
    assert first.text.endswith("compiling")
    whole = dipjax.denoise(key, y, driver=drivers.Loop(every=loop.EVERY), **SETTINGS)
    np.testing.assert_array_equal(last.image, whole.image)
    assert last.text.startswith(f"{whole.stopped_at} steps, ")
    assert all(view.text.startswith("step ") or "polishing" in view.text for view in views)
    assert {view.image.shape for view in views} == {y.shape}


def test_how_long_it_takes_yet():
    clock = jobs._Clock(40)
    assert clock.text(10) == "step 10 of 40 at most"
    clock.first = 10, time.perf_counter() - 300
    assert clock.text(20) == "step 20 of 40 at most, 10 min left at most"


def test_who_is_slow_sees_the_newest(key, y):
    """And not all that has come meanwhile."""
    views = job(key, y, polish=False)
    next(views)
    for thread in running():
        thread.join()
    (last,) = views
    assert " steps, " in last.text


def test_integers(key):
    y = np.full((20, 18, 3), 255, np.uint8)
    first, *_, last = job(key, y, steps=2, polish=False)
    assert first.image.min() == 1 and last.image.max() <= 1


def test_a_task_that_enlarges(key, y):
    views = list(job(key, y, task=partial(dipjax.super_resolve, factor=2), steps=4, polish=False))
    assert {view.image.shape for view in views[1:]} == {(40, 36, 3)}


def test_several_fits_count_together(key, y):
    *_, last = job(key, y, y > 0.3, task=dipjax.inpaint, preset="best", steps=3, polish=False)
    assert last.text.startswith("12 steps, all steps were made")


def test_what_reaches_beyond_the_picture_is_cut(key, y):
    k = dipjax.kernels.disc(2)
    views = list(job(key, y, task=partial(dipjax.deblur, kernel=k), steps=10, polish=False))
    assert {view.image.shape for view in views[1:]} == {y.shape}


def test_it_is_stopped_with_the_result_so_far(key, y):
    stops = []
    for view in job(key, y, stops=stops, **ENDLESS):
        if view.text.startswith("step"):
            stops.append("stop")
    assert " steps, it was interrupted" in view.text
    assert np.isfinite(view.image).all()


def test_who_leaves_wants_no_more(key, y):
    stops = []
    views = job(key, y, stops=stops, **ENDLESS)
    for view in views:
        if view.text.startswith("step"):
            break
    views.close()
    assert stops == ["left"]
    for thread in running():
        thread.join(60)
        assert not thread.is_alive()


def running():
    """The threads of jobs; a worker of pytest has others."""
    return [thread for thread in threading.enumerate() if thread.name == "dipjax job"]


def test_a_refusal_comes_before_any_view(key, y):
    with pytest.raises(ValueError, match="mask"):
        job(key, y, jnp.zeros((20, 18, 1)), task=dipjax.inpaint)
    with pytest.raises(ValueError, match="preset"):
        job(key, y, preset="none")


def test_an_error_within_is_raised_without(key, y, monkeypatch):
    def fail(*args):
        raise RuntimeError("of the device")

    views = job(key, y)
    monkeypatch.setattr(fitting, "_advance", fail)
    with pytest.raises(RuntimeError, match="of the device"):
        list(views)


def test_a_fit_that_fails_has_its_best_image(key, y):
    *_, last = job(key, y, regularizer=lambda x: jnp.nan * x.sum(), task=dipjax.denoise)
    assert "failed" in last.text and last.image.shape == y.shape


SCALES = dipjax.Hourglass(widths=(4,), skips=2)  # whose memory follows the size of a tile
IN_TILES = {"generator": SCALES, "steps": 2, "clipped": False}


@pytest.fixture
def little_memory(monkeypatch):
    """A picture for which four tiles are necessary."""
    y = jnp.ones((100, 70, 3))
    monkeypatch.setattr(memory, "COMPILER", 0)
    needed = memory.estimate_memory(y.shape, IN_TILES["generator"], code=y)
    monkeypatch.setattr(memory, "free_memory", lambda: needed * 9 // 10)
    return y


@pytest.mark.slow
def test_tiles_where_memory_is_short(key, little_memory):
    first, *views, last = job(key, little_memory, **IN_TILES)
    assert "fitted in 4 tiles" in first.text
    assert all("tile" in view.text for view in views)
    assert last.text.startswith("4 of 4 tiles: ") and "all steps were made" in last.text
    assert last.image.shape == little_memory.shape


def test_tiles_are_stopped(key, little_memory):
    stops = []
    for view in job(key, little_memory, stops=stops, **IN_TILES | {"steps": 10**4}):
        if "step" in view.text:
            stops.append("stop")
    assert view.text.startswith("1 of 4 tiles: ") and "it was interrupted" in view.text


def test_a_tile_that_fails_leaves_those_before_it(key, little_memory, monkeypatch):
    ends = iter([False, True, True, True])
    call = drivers.Loop.__call__

    def fail(self, *args, **settings):
        result = call(self, *args, **settings)
        if next(ends):
            raise dipjax.FitError(result)
        return result

    monkeypatch.setattr(drivers.Loop, "__call__", fail)
    *_, last = job(key, little_memory, **IN_TILES)
    assert last.text.startswith("2 of 4 tiles: ") and "failed" in last.text
