"""Laws: what is read is what was written, and a fit that was cut off ends as it would have."""

import os
import signal
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dipjax
from dipjax import checkpoints, fitting, identity
from dipjax.generators import Hourglass, Positional
from dipjax.objectives import data_term
from dipjax.operators import Identity

SHAPE = (8, 6, 3)
OPTIONS = dict(generator=Positional(width=4, depth=1), optimizer=optax.adam(1e-2), steps=6, every=2)


class Pair(NamedTuple):
    first: object
    second: object


@pytest.fixture
def y(key):
    return jax.random.uniform(key, SHAPE)


@pytest.fixture
def objective(y):
    return data_term(Identity(), y)


@pytest.fixture
def steps_made(monkeypatch):
    """How many chunks were computed since the last `clear`."""
    advance, calls = fitting._advance, []

    def counted(*args):
        calls.append(None)
        return advance(*args)

    monkeypatch.setattr(fitting, "_advance", counted)
    return calls


def assert_equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


# --- a file --------------------------------------------------------------------------------


def test_read_is_written(key, tmp_path):
    tree = {
        "nested": Pair((jnp.arange(6.0).reshape(2, 3), jnp.int32(7)), [jnp.zeros((0, 2))]),
        "half": jnp.array([1 / 3, 0, jnp.inf], jnp.bfloat16),
        "flags": jnp.array([True, False]),
        "key": jax.random.split(key),
        "number": 0.5,
        "nothing": None,
        "empty": optax.EmptyState(),
    }
    checkpoints.save(tmp_path / "a.msgpack", tree)
    for like in (tree, jax.eval_shape(lambda: tree)):
        again = checkpoints.load(tmp_path / "a.msgpack", like)
        assert jax.tree.structure(again) == jax.tree.structure(tree)
        assert again["half"].dtype == jnp.bfloat16
        assert again["key"].dtype == tree["key"].dtype
        assert_equal(jax.random.normal(again.pop("key")[1]), jax.random.normal(tree["key"][1]))
        assert_equal(again, {name: part for name, part in tree.items() if name != "key"})


def test_someone_elses_loop(key, objective, tmp_path):
    """A `FitState` is a pytree like any other."""
    init, step = dipjax.fitter(objective, OPTIONS["generator"], OPTIONS["optimizer"])
    z = jax.random.uniform(key, (8, 6, 2))
    state, _ = jax.jit(step)(key, jax.jit(init)(key, z))
    checkpoints.save(tmp_path / "own", state)
    assert_equal(checkpoints.load(tmp_path / "own", jax.eval_shape(init, key, z)), state)


@pytest.mark.parametrize(
    "like, words",
    [
        ({"a": jnp.zeros(3), "b": jnp.zeros(2)}, "['a'] is float32 (2,) there and float32 (3,)"),
        ({"a": jnp.zeros(2, int), "b": jnp.zeros(2)}, "float32 (2,) there and int32 (2,) here"),
        ({"a": jnp.zeros(2)}, "['b'] is float32 (2,) there and nothing here"),
        ({"a": jnp.zeros(2), "b": jnp.zeros(2), "c": 1.0}, "['c'] is nothing there"),
    ],
)
def test_another_tree_is_refused(tmp_path, like, words):
    checkpoints.save(tmp_path / "a", {"a": jnp.zeros(2), "b": jnp.zeros(2)})
    with pytest.raises(ValueError, match="is of something else") as caught:
        checkpoints.load(tmp_path / "a", like)
    assert words in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"a text", b"\x93\x01\x02\x03", "half"])
def test_what_is_no_checkpoint_is_refused(tmp_path, content):
    checkpoints.save(tmp_path / "a", {"a": jnp.zeros(200)})
    if content == "half":
        content = (tmp_path / "a").read_bytes()[:400]
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ValueError, match="is no checkpoint"):
        checkpoints.load(tmp_path / "a", {"a": jnp.zeros(200)})
    with pytest.raises(FileNotFoundError):
        checkpoints.load(tmp_path / "b", {"a": jnp.zeros(200)})


# --- a fit ---------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [dipjax.stopping.never(), dipjax.stopping.held_out(2)])
def test_resumed_is_uninterrupted(key, objective, tmp_path, steps_made, stop):
    options = OPTIONS | {"stop": stop}
    energy = dipjax.objectives.hold_out(key, objective, 0.2)
    *_, whole = dipjax.iterate(key, energy, SHAPE, **options)
    chunks = len(steps_made)
    steps_made.clear()
    for _ in range(chunks):
        run = checkpoints.iterate(key, energy, SHAPE, folder=tmp_path / "fits", **options)
        last = next(run)
        run.close()
    assert len(steps_made) == chunks  # each run has made one more
    *_, again = checkpoints.iterate(key, energy, SHAPE, folder=tmp_path / "fits", **options)
    for progress in (last, again):
        assert_equal(progress, whole)
    assert len(steps_made) == chunks and len(list((tmp_path / "fits").iterdir())) == 1


def test_what_a_dead_process_leaves_is_enough(key, objective, tmp_path, steps_made):
    """One that was killed has closed nothing: there is what was written on the way."""
    *_, whole = dipjax.iterate(key, objective, SHAPE, **OPTIONS)
    run = checkpoints.iterate(key, objective, SHAPE, folder=tmp_path, seconds=0, **OPTIONS)
    next(run), next(run)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    run.close()
    file.write_bytes(content)
    steps_made.clear()
    *_, last = checkpoints.iterate(key, objective, SHAPE, folder=tmp_path, **OPTIONS)
    assert_equal(last, whole)
    assert len(steps_made) == 2


def test_between_two_checkpoints_is_time(key, objective, tmp_path):
    for _ in checkpoints.iterate(key, objective, SHAPE, folder=tmp_path, **OPTIONS):
        assert not list(tmp_path.iterdir())
    assert list(tmp_path.iterdir())


def test_another_fit_is_another_file(key, y, tmp_path):
    def fit(key=key, y=y, **changes):
        objective = data_term(Identity(), y)
        return dipjax.resumable(tmp_path)(key, objective, SHAPE, **OPTIONS | changes)

    for changes in (
        {},
        {"key": jax.random.key(1)},
        {"y": y + 1e-3},
        {"steps": 4},
        {"jitter": 0.0},
        {"generator": Hourglass(widths=(4,))},
    ):
        before = len(list(tmp_path.iterdir()))
        fit(**changes), fit(every=3, **changes)
        assert len(list(tmp_path.iterdir())) == before + 1, changes


def test_a_file_of_another_version_is_refused_and_left_alone(key, objective, tmp_path):
    *_, _ = checkpoints.iterate(key, objective, SHAPE, folder=tmp_path, **OPTIONS)
    (file,) = tmp_path.iterdir()
    checkpoints.save(file, {"another": jnp.zeros(2)})
    content = file.read_bytes()
    with pytest.raises(ValueError, match="is of something else"):
        next(checkpoints.iterate(key, objective, SHAPE, folder=tmp_path, **OPTIONS))
    assert file.read_bytes() == content


def test_a_fit_that_failed_fails_again(key, tmp_path, steps_made):
    def objective(x):
        return jnp.nan * x.sum()

    for chunks in (True, False):
        with pytest.raises(dipjax.FitError):
            dipjax.resumable(tmp_path)(key, objective, SHAPE, **OPTIONS)
        assert bool(steps_made) == chunks
        steps_made.clear()


@dataclass
class Near:
    """An energy of someone who knows nothing of dipjax's."""

    y: object

    def __call__(self, x):
        return jnp.mean((x - self.y) ** 2)

    def energy(self, x):
        return self(x)


MEASURED = jnp.zeros(SHAPE)


def by_global(x):
    return jnp.mean((x - MEASURED) ** 2)


def test_energies_are_known_by_their_data(monkeypatch):
    """Large ones, too, which a repr shortens, and what a function reads of its module."""
    a = np.zeros((24, 24, 3))
    b = a.copy()
    b[12, 12] = 1
    for make in (Near, lambda y: Near(y).energy, lambda y: jax.jit(Near(y).energy)):
        assert identity.digest(make(a)) == identity.digest(make(a.copy()))
        assert identity.digest(make(a)) != identity.digest(make(b))
    for make in (lambda: by_global, lambda: jax.jit(by_global)):
        before = identity.digest(make())
        assert before == identity.digest(make())
        monkeypatch.setattr(f"{__name__}.MEASURED", MEASURED + 1)
        assert before != identity.digest(make())


def test_ctrl_c_keeps_where_it_is(key, objective, tmp_path, monkeypatch, steps_made):
    options = OPTIONS | {"steps": 6, "every": 2}
    advance = fitting._advance

    def interrupt(*args):
        if len(steps_made) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return advance(*args)

    whole = dipjax.resumable(None)(key, objective, SHAPE, **options)
    steps_made.clear()
    monkeypatch.setattr(fitting, "_advance", interrupt)
    with pytest.raises(KeyboardInterrupt):
        dipjax.resumable(tmp_path)(key, objective, SHAPE, **options)
    assert len(steps_made) == 2
    assert_equal(dipjax.resumable(tmp_path)(key, objective, SHAPE, **options), whole)
    assert len(steps_made) == 3


# --- a task --------------------------------------------------------------------------------


def test_members_that_are_there_are_not_made_again(key, y, tmp_path, steps_made):
    task = partial(
        dipjax.inpaint, key, y, y > 0.3, preset="best", generator=OPTIONS["generator"], steps=100
    )
    whole = task(driver=dipjax.resumable(None))
    chunks = len(steps_made)
    steps_made.clear()

    class Interrupted(dipjax.drivers.Loop):
        fits = 0

        def __call__(self, *args, **settings):
            self.fits += 1
            if self.fits == 3:
                next(checkpoints.iterate(*args, folder=self.folder, **settings))
                raise KeyboardInterrupt
            return super().__call__(*args, **settings)

    with pytest.raises(KeyboardInterrupt):
        task(driver=Interrupted(tmp_path))
    result = task(driver=dipjax.resumable(tmp_path))
    assert len(steps_made) == chunks and len(list(tmp_path.iterdir())) == 4
    assert_equal(result, whole)


def test_a_notebook_goes_on(key, y, tmp_path, steps_made, capsys):
    settings = dict(generator=OPTIONS["generator"], steps=4)
    whole = dipjax.denoise(key, y, driver=dipjax.live(every=1), **settings)
    steps_made.clear()
    for steps in (4, 0):
        driver = dipjax.live(every=1, folder=tmp_path)
        assert_equal(dipjax.denoise(key, y, driver=driver, **settings), whole)
        assert len(steps_made) == steps
        steps_made.clear()
