"""A task in a thread of its own, and its pictures as they come."""

import threading
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dipjax
from dipjax import drivers, fitting, jobs, memory

SETTINGS = {"generator": dipjax.Hourglass(widths=(4,), skips=2), "steps": 40}
ENDLESS = {"steps": 10**6, "stop": dipjax.stopping.never()}


@pytest.fixture
def y(key):
    return jax.random.uniform(key, (20, 18, 3))


def job(key, y, *data, task=dipjax.denoise, ended=None, **settings):
    return jobs.job(partial(task, **SETTINGS | settings), key, y, *data, ended=ended)


def test_the_last_view_is_the_result(key, y):
    first, *views, last = job(key, y)
    np.testing.assert_array_equal(first.image, y)
    assert first.text.endswith("compiling")
    whole = dipjax.denoise(key, y, driver=drivers.Loop(every=drivers.EVERY), **SETTINGS)
    np.testing.assert_array_equal(last.image, whole.image)
    assert last.text.startswith(f"{whole.stopped_at} steps: ")
    assert views[0].text == "step 10 of 40 at most" and "0 s left" in views[1].text
    assert "polishing" in views[-1].text
    assert {view.image.shape for view in views} == {y.shape}


def test_several_fits_count_together(key, y):
    *_, last = job(key, y, y > 0.3, task=dipjax.inpaint, preset="best", steps=3, polish=False)
    assert last.text.startswith("12 steps: all steps were made")


def test_what_reaches_beyond_the_picture_is_cut(key, y):
    k = dipjax.kernels.disc(2)
    views = list(job(key, y, task=partial(dipjax.deblur, kernel=k), steps=10, polish=False))
    assert {view.image.shape for view in views} == {y.shape}


def test_it_is_stopped_with_the_result_so_far(key, y):
    ended = []
    for view in job(key, y, ended=ended, **ENDLESS):
        if view.text.startswith("step"):
            ended.append("stop")
    assert " steps: it was interrupted" in view.text
    assert np.isfinite(view.image).all()


def test_who_leaves_wants_no_more(key, y):
    ended = []
    views = job(key, y, ended=ended, **ENDLESS)
    for view in views:
        if view.text.startswith("step"):
            break
    views.close()
    assert ended == ["left"]
    threads = [t for t in threading.enumerate() if t is not threading.main_thread() and t.daemon]
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


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


def test_tiles_where_memory_is_short(key, monkeypatch):
    y = jnp.ones((100, 70, 3))
    monkeypatch.setattr(memory, "COMPILER", 0)
    needed = memory.estimate_memory(y.shape, SETTINGS["generator"], code=y)
    monkeypatch.setattr(memory, "free_memory", lambda: needed * 9 // 10)
    first, *views, last = job(key, y, steps=2, polish=False, clipped=False)
    assert "fitted in 4 tiles" in first.text
    assert [view.text for view in views] == [f"{i} of 4 tiles" for i in range(1, 5)]
    assert last.image.shape == y.shape
