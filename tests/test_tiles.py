"""Tiles: where they lie, how they are blended, and what passes from one to the next."""

from contextlib import nullcontext
from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dipjax
from dipjax import drivers, grids, noise, tiles
from dipjax.generators import Positional
from dipjax.noise import clipping
from dipjax.tiles import relay

RNG = np.random.default_rng(0)
FIT = dict(generator=Positional(width=4, depth=1), steps=4)
TINY = dict(FIT, polish=False)
GRIDS = [(8, 8, 2), (9, 8, 2), (5, 8, 2), (100, 32, 4), (101, 32, 31), (64, 16, 0), (4096, 512, 64)]


def negative(key, y, *data, driver, factor=1):
    """A task whose result is not its input."""
    return SimpleNamespace(image=jnp.asarray(1 - y.repeat(factor, 0).repeat(factor, 1)))


@pytest.fixture
def y():
    return RNG.random((20, 15, 3), np.float32)


# --- the grid and the blend ----------------------------------------------------------------


@pytest.mark.parametrize("n, tile, overlap", GRIDS)
def test_tiles_cover_all_and_share_enough(n, tile, overlap):
    tile = min(n, tile)
    first = grids.starts(n, tile, overlap)
    assert first[0] == 0 and first[-1] == n - tile
    assert all(1 <= gap <= tile - overlap for gap in np.diff(first))
    if len(first) > 1:  # one less would not do
        assert (len(first) - 1) * (tile - overlap) < n - overlap


@pytest.mark.parametrize("n", [16, 40, 100, 107])
@pytest.mark.parametrize("tile, overlap", [(16, 0), (16, 12), (24, 8), (50, 6)])
def test_tiles_lie_on_blocks_from_either_end(n, tile, overlap):
    parts = grids.cut((n, tile), (tile, tile), overlap, block=8)
    rows = [part.rows for part in parts]
    assert rows[0].start == 0 and rows[-1].stop == n
    assert all(row.start % 8 == 0 and (n - row.stop) % 8 == 0 for row in rows)
    assert all(a.stop - b.start >= overlap and a.start < b.start for a, b in pairwise(rows))
    (size,) = {row.stop - row.start for row in rows}
    assert min(n, tile) <= size < max(tile, overlap + 8) + 8


@pytest.mark.parametrize("n, tile, overlap", GRIDS)
def test_weights_are_a_smooth_partition_of_unity(n, tile, overlap):
    tile = min(n, tile)
    first = grids.starts(n, tile, overlap)
    w, total = grids.weights(first, tile), np.zeros(n)
    for start, row in zip(first, w, strict=True):
        total[start : start + tile] += row
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert w.min() >= 0
    if overlap > 2:
        assert np.abs(np.diff(w)).max() < 3 / overlap
        assert max(w[1:, 0].max(initial=0), w[:-1, -1].max(initial=0)) < 2 / overlap


@pytest.mark.parametrize("tile", [(8, 8), (20, 15), (64, 64), (7, 40)])
@pytest.mark.parametrize("factor", [1, 2])
def test_tiling_a_pointwise_task_changes_nothing(key, y, tile, factor):
    image = tiles.tiled(negative, key, y, tile=tile, factor=factor)
    np.testing.assert_allclose(image, negative(key, y, driver=None, factor=factor).image, atol=1e-6)


def test_every_tile_has_one_size_and_lies_beside_the_one_before():
    parts = grids.cut((100, 70, 3), (32, 24), 4)
    assert {part.weight.shape for part in parts} == {(32, 24, 1)}
    for a, b in pairwise(parts):
        assert (a.rows == b.rows) != (a.columns == b.columns)
        assert a.rows.start < b.rows.stop and b.rows.start < a.rows.stop
        assert a.columns.start < b.columns.stop and b.columns.start < a.columns.stop


def test_the_image_so_far_is_the_measurement_where_no_tile_is(key, y):
    progress = next(tiles.iterate(negative, key, y, tile=(20, 8), overlap=0))
    assert (progress.done, progress.total) == (1, 2)
    np.testing.assert_allclose(progress.image[:, :7], 1 - y[:, :7], atol=1e-6)
    np.testing.assert_array_equal(progress.image[:, 8:], y[:, 8:])


@pytest.mark.parametrize("overlap, seam", [(0, True), (16, False)])
def test_seam_sees_what_an_overlap_avoids(key, overlap, seam):
    """Tiles that differ by a constant each, as fits do, and noise as their error elsewhere."""

    def biased(key, y, *, driver):
        return SimpleNamespace(image=y + 0.05 * jax.random.normal(key, (1, 1, 1)))

    truth = RNG.random((128, 96, 3), np.float32)
    y = truth + 0.02 * RNG.standard_normal(truth.shape, np.float32)
    options = dict(tile=(32, 32), overlap=overlap)
    image = tiles.tiled(biased, key, y, **options)
    np.testing.assert_array_equal(tiles.tiled(biased, key, y, tile=32, overlap=overlap), image)
    ratio = grids.seam(image, truth, grids.cut(y.shape, **options))
    assert ratio > 1.3 if seam else 0.95 < ratio < 1.05


# --- fits ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_task_in_tiles(key, y):
    options = dict(TINY, steps=2, tile=(20, 12))
    assert dipjax.tiled(dipjax.denoise, key, y, **options).shape == y.shape
    larger = dipjax.tiled(dipjax.super_resolve, key, y, factor=2, **options)
    assert larger.shape == (40, 30, 3)
    mask = RNG.random((20, 15)) > 0.5
    filled = dipjax.tiled(
        dipjax.inpaint, key, np.where(mask[..., None], y, np.nan), mask, **options
    )
    np.testing.assert_array_equal(filled[mask], y[mask])
    assert np.isfinite(filled).all()


def test_one_tile_is_the_task_itself(key, y):
    options = dict(TINY, code=dipjax.codes.uniform)
    image = dipjax.tiled(dipjax.denoise, key, y, **options)
    alone = dipjax.denoise(jax.random.fold_in(key, 0), y, driver=drivers.Loop(), **options)
    np.testing.assert_allclose(image, alone.image, atol=1e-6)


def test_a_partial_is_the_task_with_its_settings(key):
    y, mask = RNG.random((8, 24, 3), np.float32), np.ones((8, 24))
    mask[:, 3] = 0
    options = dict(tile=(8, 8), overlap=0)
    plain = dipjax.tiled(dipjax.inpaint, key, y, mask, **TINY, **options)
    given = partial(dipjax.inpaint, **TINY, driver=drivers.Loop())
    np.testing.assert_array_equal(dipjax.tiled(given, key, y, mask, **options), plain)


def test_any_driver_will_do(key, y, tmp_path):
    """One that does not keep the last state has tiles that start from nothing."""
    options = dict(TINY, tile=(20, 12), code=dipjax.codes.uniform, folder=str(tmp_path / "here"))
    image = dipjax.tiled(dipjax.denoise, key, y, driver=dipjax.fit, **options)
    again = dipjax.tiled(dipjax.denoise, key, y, driver=None, **options)  # they are all there
    np.testing.assert_array_equal(image, again)


def test_a_tile_starts_where_the_one_before_ended(key, y):
    calls = []

    class Recorded(drivers.Loop):
        def __call__(self, *args, **settings):
            calls.append(dict(settings))
            result = super().__call__(*args, **settings)
            calls[-1]["end"] = jax.tree.map(jnp.copy, self.state.fit)
            return result

    driver = Recorded()
    dipjax.tiled(dipjax.denoise, key, y, tile=(20, 8), warm=0.5, driver=driver, **TINY)
    first, second, *_ = calls
    assert "start" not in first and (first["steps"], second["steps"]) == (4, 2)
    jax.tree.map(np.testing.assert_array_equal, second["start"].params, first["end"].params)
    # By default where the tile is its own code, to denoise, and for nothing else.
    twice = dict(TINY, tile=(20, 8), steps=50, driver=driver)
    for options, warm in [
        (dict(), [50, 2]),
        (dict(members=2), [50, 50, 2, 2]),
        (dict(warm=1), [50, 50]),
        (dict(code=dipjax.codes.uniform), [50, 50]),
        (dict(fidelity="l1"), [50, 50]),
    ]:
        calls.clear()
        dipjax.tiled(dipjax.denoise, key, y, **twice, **options)
        assert [call["steps"] for call in calls] == warm, options
        assert [("start" in call) for call in calls] == [n < 50 for n in warm], options


def test_each_member_goes_on_from_itself(key, y):
    calls = []

    class Recorded(drivers.Loop):
        def __call__(self, *args, **settings):
            result = super().__call__(*args, **settings)
            calls.append((settings.get("start"), jax.tree.map(jnp.copy, self.state.fit)))
            return result

    options = dict(TINY, tile=(20, 8), overlap=0, warm=0.5, members=3)
    dipjax.tiled(dipjax.denoise, key, y, driver=Recorded(), **options)
    assert [start is None for start, _ in calls] == [True] * 3 + [False] * 3
    for (start, _), (_, end) in zip(calls[3:], calls, strict=False):
        jax.tree.map(np.testing.assert_array_equal, start.params, end.params)


class Counted(drivers.Loop):
    calls = 0

    def __call__(self, *args, **settings):
        self.calls += 1
        return super().__call__(*args, **settings)


def test_what_is_known_is_copied_and_what_is_all_missing_refused(key):
    y, mask = RNG.random((8, 24, 3), np.float32), np.ones((8, 24))
    mask[:, 3] = 0
    options = dict(TINY, tile=(8, 8), overlap=0, driver=Counted())
    image = dipjax.tiled(dipjax.inpaint, key, y, mask, **options)
    assert options["driver"].calls == 1
    np.testing.assert_array_equal(image[mask > 0], y[mask > 0])
    mask[:, :8] = 0
    with pytest.raises(ValueError, match="no pixel is known in rows 0 to 7 and columns 0 to 7"):
        dipjax.tiled(dipjax.inpaint, key, y, mask, **options)
    assert options["driver"].calls == 1


# --- a folder of finished tiles ------------------------------------------------------------


@pytest.mark.parametrize("task, warm", [("denoise", 0.5), ("enhance", 0.5), ("enhance", 1)])
def test_resumed_is_uninterrupted(key, y, tmp_path, task, warm):
    task, options = getattr(dipjax, task), dict(FIT, tile=(12, 12), warm=warm)
    whole = dipjax.tiled(task, key, y, **options)
    for done in (1, 3, 4):  # each run ends at a tile, and that one is made again
        run = tiles.iterate(task, key, y, folder=tmp_path / "tiles", **options)
        for progress in run:
            if progress.done == done:
                break
        run.close()
    np.testing.assert_array_equal(progress.image, whole)
    assert sorted(file.name for file in (tmp_path / "tiles").iterdir()) == sorted(
        ["run.txt", "state-2.msgpack", "0.npy", "1.npy", "2.npy"]
    )


def test_resumed_where_the_state_was_written_and_its_tile_was_not(key, y, tmp_path):
    """A tile starts from the end of the one before, never from its own."""
    options = dict(TINY, tile=(12, 12), warm=0.5, folder=tmp_path / "tiles")
    whole = dipjax.tiled(dipjax.denoise, key, y, **options | {"folder": None})
    run = tiles.iterate(dipjax.denoise, key, y, **options)
    next(run), next(run)
    kept = {path: path.read_bytes() for path in (tmp_path / "tiles").glob("state-*")}
    next(run), run.close()
    (tmp_path / "tiles/1.npy").unlink()
    for path, content in kept.items():
        path.write_bytes(content)
    np.testing.assert_array_equal(dipjax.tiled(dipjax.denoise, key, y, **options), whole)


def test_what_a_run_is_known_by(key, y, tmp_path):
    """Not by what follows the memory, and by the code of its functions."""
    stores = dipjax.Hourglass(widths=(4,), skips=2)
    options = dict(TINY, generator=stores, tile=(20, 8), folder=tmp_path / "tiles")
    dipjax.tiled(dipjax.denoise, key, y, **options)
    again = options | {"generator": stores.clone(remat=True), "driver": Counted()}
    dipjax.tiled(dipjax.denoise, key, y, **again)
    assert again["driver"].calls == 0
    one, other = (lambda step: 0.0), (lambda step: 1.0)
    options["folder"] = tmp_path / "jitter"
    dipjax.tiled(dipjax.denoise, key, y, jitter=one, **options)
    with pytest.raises(ValueError, match="something else"):
        dipjax.tiled(dipjax.denoise, key, y, jitter=other, **options)


def test_a_task_with_arguments_and_a_driver_without_steps(key, y):
    def task(gain, key, y, *, driver):
        energy = dipjax.data_term(dipjax.operators.Identity(), y)
        settings = {k: v for k, v in FIT.items() if k != "steps"}
        result = driver(key, energy, y.shape, **settings)
        return result._replace(image=gain * y)

    def driver(key, objective, shape, *, steps, **settings):
        return dipjax.fit(key, objective, shape, steps=2, **settings)

    options = dict(tile=(20, 8), driver=driver)
    image = dipjax.tiled(partial(task, 0.5), key, y, **options)
    np.testing.assert_allclose(image, 0.5 * y, atol=1e-6)


def test_a_folder_of_something_else_is_refused_and_left_alone(key, y, tmp_path):
    options = dict(TINY, tile=(20, 8), folder=tmp_path / "tiles")
    dipjax.tiled(dipjax.denoise, key, y, **options)
    files = {path: path.read_bytes() for path in (tmp_path / "tiles").iterdir()}
    for changed in (dict(steps=3), dict(warm=0.5), dict(tile=(20, 9)), dict(preset="paper")):
        with pytest.raises(ValueError, match="something else than tiles of this run"):
            dipjax.tiled(dipjax.denoise, key, y, **(options | changed))
    with pytest.raises(ValueError, match="something else"):
        dipjax.tiled(dipjax.denoise, key, y * 0.5, **options)
    with pytest.raises(ValueError, match="something else"):
        dipjax.tiled(dipjax.denoise, key, y, **(options | dict(folder=tmp_path)))
    assert files == {path: path.read_bytes() for path in (tmp_path / "tiles").iterdir()}


@pytest.mark.parametrize("part", [0, 60, 200])
def test_a_damaged_tile_is_named(key, y, tmp_path, part):
    options = dict(TINY, tile=(20, 8), folder=tmp_path)
    dipjax.tiled(dipjax.denoise, key, y, **options)
    (tmp_path / "1.npy").write_bytes((tmp_path / "1.npy").read_bytes()[:part])
    with pytest.raises(ValueError, match=r"1\.npy': is no tile, or not a whole one; delete it"):
        dipjax.tiled(dipjax.denoise, key, y, **options)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(overlap=8), "overlap 8: must be from 0"),
        (dict(overlap=-1), "overlap -1: must be from 0"),
        (dict(tile=(0, 8)), "tile"),
        (dict(warm=0), "warm 0: must be"),
        (dict(warm=1.5), "warm 1.5: must be"),
        (dict(factor=0), "factor 0: must be"),
    ],
)
def test_bad_options(key, y, options, message):
    with pytest.raises(ValueError, match=message):
        tiles.tiled(negative, key, y, **(dict(tile=(8, 8)) | options))


def test_data_of_another_size(key, y):
    with pytest.raises(ValueError, match="data of shape"):
        tiles.tiled(negative, key, y, y[:-1])
    with pytest.raises(ValueError, match="does not fit"):
        dipjax.tiled(dipjax.inpaint, key, y, np.ones((3, 3)))


def test_who_dies_behind_the_state_goes_on_with_it(key, tmp_path, monkeypatch):
    """Between the two files of a tile: the state is there already, and stays."""
    y = np.full((40, 24, 3), 0.5, np.float32)
    options = dict(TINY, tile=(24, 24), folder=tmp_path)
    whole = dipjax.tiled(dipjax.denoise, key, y, **dict(options, folder=None))
    write = relay.images.write_bytes

    def dies(file, data):
        if file.name == "1.npy":
            raise KeyboardInterrupt
        write(file, data)

    monkeypatch.setattr(relay.images, "write_bytes", dies)
    with pytest.raises(KeyboardInterrupt):
        dipjax.tiled(dipjax.denoise, key, y, **options)
    monkeypatch.undo()
    np.testing.assert_array_equal(dipjax.tiled(dipjax.denoise, key, y, **options), whole)
    assert len(list(tmp_path.glob("state-*"))) == 1


def test_a_driver_that_was_stopped_ends_the_tiles(key):
    class Stopped(drivers.Loop):
        def __call__(self, *args, **settings):
            self.caught.append("stop")
            return super().__call__(*args, **settings)

    y = np.full((40, 24, 3), 0.5, np.float32)
    options = dict(TINY, tile=24, driver=Stopped())
    assert [picture.done for picture in tiles.iterate(dipjax.denoise, key, y, **options)] == [1]


def test_a_driver_that_was_stopped_before_goes_on(key, tmp_path):
    """With tiles that are kept, of which it is not asked whether something has ended it."""
    y = np.full((40, 24, 3), 0.5, np.float32)
    driver = drivers.resumable(tmp_path / "fits")
    options = dict(TINY, tile=24, driver=driver, folder=tmp_path / "tiles")
    whole = dipjax.tiled(dipjax.denoise, key, y, **options)
    driver.caught.append("stop")
    np.testing.assert_array_equal(dipjax.tiled(dipjax.denoise, key, y, **options), whole)


def test_a_driver_that_polishes_does_so_in_tiles(key):
    class Polisher(drivers.Loop):
        polished = 0

        def polish(self, work):
            self.polished += 1
            return work()

    y, driver = np.full((40, 24, 3), 0.5, np.float32), Polisher()
    dipjax.tiled(dipjax.denoise, key, y, driver=driver, tile=(24, 24), **FIT)
    assert driver.polished == 2


@pytest.mark.parametrize("tile", [np.int64(24), [24, 24], 24.5, 0, (24.5, 24), (24, 0)])
def test_the_sides_of_a_tile_are_whole_numbers(key, tile):
    y = np.full((24, 24, 3), 0.5, np.float32)
    good = tile in (24, [24, 24])
    with nullcontext() if good else pytest.raises((TypeError, ValueError), match="tile"):
        dipjax.tiled(dipjax.denoise, key, y, **dict(TINY, tile=tile))


@pytest.mark.slow
def test_tiles_keep_the_colours_of_a_noisy_picture(key):
    noise = 0.1 * np.random.default_rng(1).standard_normal((40, 40, 3), np.float32)
    y = np.clip(0.2 + noise, 0, 1)
    image = dipjax.tiled(dipjax.denoise, key, y, tile=(24, 24), **TINY)
    assert abs(image.mean((0, 1)) - y.mean((0, 1))).max() < 0.01


@pytest.mark.slow
def test_salt_and_pepper_is_not_copied(key, optimized):
    """As it was where such a tile was its own code."""
    i, j = np.meshgrid(np.arange(64), np.arange(64), indexing="ij")
    truth = np.float32(
        np.stack([0.5 + 0.3 * np.sin(i / 9 + k) * np.cos(j / 7) for k in range(3)], -1)
    )
    y = np.asarray(noise.impulse(key, jnp.asarray(truth), 0.1))
    image = dipjax.tiled(dipjax.denoise, key, y, tile=(64, 48), steps=400)
    assert dipjax.metrics.psnr(image, truth) > dipjax.metrics.psnr(y, truth) + 10


@pytest.mark.slow
def test_noise_that_has_a_mean_corrects_nothing(key, monkeypatch):
    calls = []
    monkeypatch.setattr(relay, "corrected", lambda x, *_: calls.append(1) or x)
    salt = np.random.default_rng(1).random((40, 40, 1)) < 0.3
    salted = np.where(salt, np.ones(3, np.float32), np.float32(0.2))
    options = dict(TINY, tile=(24, 24))
    dipjax.tiled(dipjax.denoise, key, salted, **options)
    dipjax.tiled(dipjax.denoise, key, salted, fidelity="auto", **options)
    dipjax.tiled(dipjax.denoise, key, salted, fidelity="l1", **options)
    assert not calls
    dipjax.tiled(dipjax.denoise, key, salted, fidelity="l2", **options)
    assert len(calls) == 4


def test_clipping_is_undone_behind_the_correction(key):
    """Which has to see the mean of the noise, as the fit does."""
    noisy = np.clip(0.1 * np.random.default_rng(1).standard_normal((40, 40, 3), np.float32), 0, 1)
    options = dict(TINY, tile=(40, 40), sigma=0.1)
    plain = dipjax.tiled(dipjax.denoise, key, noisy, clipped=False, **options)
    image = dipjax.tiled(dipjax.denoise, key, noisy, **options)
    assert image.mean() < 0.95 * plain.mean()
    np.testing.assert_allclose(image, clipping.undo(plain, noisy, sigma=0.1), atol=1e-6)


@pytest.mark.slow
def test_no_seam_in_a_denoised_picture(key, optimized):
    """Smooth texture under noise: the error's gradient across borders is that of elsewhere."""
    rows, columns = np.meshgrid(np.arange(128), np.arange(128), indexing="ij")
    truth = np.stack([np.sin(rows / 9 + k) * np.cos(columns / 13 - k) for k in range(3)], -1)
    truth = np.float32(0.5 + 0.4 * truth)
    y = truth + np.float32(0.1) * RNG.standard_normal(truth.shape, np.float32)
    settings = dict(generator=dipjax.Hourglass(widths=(16, 16, 16)), steps=300, warm=0.2)
    image = dipjax.tiled(dipjax.denoise, key, y, tile=(64, 64), **settings)
    ratio = grids.seam(image, truth, grids.cut(y.shape, (64, 64)))
    assert 0.9 < ratio < 1.15
    assert dipjax.metrics.psnr(image, truth) > dipjax.metrics.psnr(y, truth) + 6


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
def test_tiles_of_another_kernel_are_not_taken(key, kind):
    """Of the same numbers, from left to right and from above to below, too."""
    y, k = np.zeros((20, 20, 3)), np.arange(4.0)[None]
    marks = {
        relay.mark(dipjax.deblur, key, y, (), {"kernel": kind(kernel)})
        for kernel in (k, k.T, k[:, ::-1], k)
    }
    assert len(marks) == 3


def _options():
    """Of runs that all differ; made anew, as another process would."""
    quick = optax.adam(0.1)
    return [
        {},
        {"sigma": np.float32(0.05)},
        {"sigma": np.float32(0.2)},
        {"generator": dipjax.Hourglass(widths=(4,))},
        {"generator": dipjax.Hourglass(widths=(8,))},
        {"code": dipjax.codes.meshgrid},
        {"code": partial(dipjax.codes.uniform, channels=3)},
        {"stop": dipjax.stopping.held_out(50)},
        {"stop": dipjax.stopping.held_out(60)},
        {"optimizer": quick},
        {"optimizer": optax.adam(0.2)},
        {"decay": lambda step: step / (step + 5)},
        {"regularizer": 1e-2 * dipjax.TotalVariation()},
        {"regularizer": 1e-3 * dipjax.TotalVariation()},
    ]


def test_what_a_folder_holds_is_known_by_all_options(key):
    """And by no address in memory, which another process would not find again."""
    y = np.zeros((20, 20, 3))
    marks, again = (
        [relay.mark(dipjax.denoise, key, y, (), options) for options in _options()]
        for _ in range(2)
    )
    assert marks == again and len(set(marks)) == len(marks)


def test_a_task_says_how_much_larger_it_makes_a_picture(key):
    y = np.full((9, 8, 1), 0.5)
    generator = Positional(1, width=4, depth=1)
    settings = {"steps": 1, "generator": generator, "polish": False}
    for task, factor in ((dipjax.super_resolve, 4), (partial(dipjax.super_resolve, factor=2), 2)):
        image = dipjax.tiled(task, key, y, tile=(8, 8), **settings)
        assert image.shape == (9 * factor, 8 * factor, 1)


def test_tiles_are_fitted_as_published_where_that_is_asked_for():
    seen = []

    def driver(key, objective, shape, **settings):
        seen.append(settings)
        return dipjax.fit(key, objective, shape, **settings | FIT)

    y = np.full((16, 20, 3), 0.5)
    dipjax.tiled(dipjax.denoise, jax.random.key(0), y, tile=(16, 16), driver=driver, preset="paper")
    published = dipjax.tasks.PRESETS["denoise"]["paper"]
    for settings in seen:
        names = ("steps", "jitter", "decay", "code")
        assert [settings[name] for name in names] == [published[name] for name in names]
    assert len(seen) == 2
