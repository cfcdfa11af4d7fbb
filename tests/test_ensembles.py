"""Laws: member i is the fit of its key; every way to run them is the loop; mean and std."""

from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dipjax
from dipjax import ensembles, fitting, members
from dipjax.ensembles import Ensemble, calibration, ensemble
from dipjax.generators import Positional
from dipjax.objectives import data_term
from dipjax.operators import Identity
from dipjax.restoration import Restoration
from dipjax.stopping import Reason, never
from dipjax.tasks import denoising, seeing

SHAPE = (8, 6, 3)


class Linear:
    """A generator that compiles at once: `sigmoid(z w + b)` in every pixel."""

    def init(self, key, z):
        return {"w": jax.random.normal(key, (z.shape[-1], 3)), "b": jnp.zeros(3)}

    def apply(self, params, z):
        return jax.nn.sigmoid(z @ params["w"] + params["b"][None, None])


TINY = dict(
    generator=Linear(),
    optimizer=optax.sgd(1e-3),  # Adam amplifies rounding, which is not what is tested here
    steps=2,
)
TASK = partial(dipjax.inpaint, **TINY)


@pytest.fixture
def ys(key):
    return jax.random.uniform(key, (3, *SHAPE))


@pytest.fixture
def masks(key):
    return jax.random.bernoulli(key, 0.5, (3, 8, 6))


def stacked(fits):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *fits)


def assert_equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def assert_close(a, b, atol=1e-5):
    jax.tree.map(partial(np.testing.assert_allclose, atol=atol), a, b)


# --- members are fits ----------------------------------------------------------------------


def test_seeds_are_single_fits_bit_for_bit(key, ys):
    task = partial(dipjax.denoise, generator=Positional(width=4, depth=1), steps=2)
    result = ensemble(task, key, ys[0], members=3)
    assert_equal(result.fits, stacked([task(key, ys[0]) for key in jax.random.split(key, 3)]))
    assert not np.array_equal(result.members[0], result.members[1])


def test_pictures_and_masks_are_single_fits_bit_for_bit(key, ys, masks):
    result = ensemble(TASK, key, np.moveaxis(ys, 0, 2), masks, in_axes=(2, 0))
    keys = jax.random.split(key, 3)
    assert_equal(result.fits, stacked([TASK(*one) for one in zip(keys, ys, masks, strict=True)]))


def test_the_statistics_are_those_of_the_images(key, ys, masks):
    result = ensemble(TASK, key, ys[0], masks[0], members=3)
    images = np.asarray(result.fits.image, np.float64)
    np.testing.assert_array_equal(result.members, result.fits.image)
    np.testing.assert_allclose(result.mean, images.mean(0), atol=1e-6)
    np.testing.assert_allclose(result.std, images.std(0), atol=1e-6)
    np.testing.assert_array_equal(result.image, result.mean)
    np.testing.assert_allclose(result.mean[masks[0]], ys[0][masks[0]], atol=1e-6)  # pasted
    np.testing.assert_allclose(result.std[masks[0]], 0, atol=1e-6)


def test_fit_with_an_objective_and_a_static_shape(key, ys):
    objective = data_term(Identity(), ys[0])
    singles = [dipjax.fit(key, objective, SHAPE, **TINY) for key in jax.random.split(key, 2)]
    for how, close in [("map", assert_equal), ("devices", assert_close)]:
        result = ensemble(dipjax.fit, key, objective, SHAPE, members=2, how=how, batch=1, **TINY)
        close(result.fits, stacked(singles))


def test_objectives_of_their_own(key, ys):
    run = partial(ensemble, dipjax.fit, key, in_axes=(0, None), how="map", **TINY)
    result = run(data_term(Identity(), ys), SHAPE)
    single = dipjax.fit(jax.random.split(key, 3)[2], data_term(Identity(), ys[2]), SHAPE, **TINY)
    assert_equal(jax.tree.map(lambda leaf: leaf[2], result.fits), single)


def test_one_member(key, ys):
    result = ensemble(dipjax.denoise, key, ys[0], members=1, **TINY)
    np.testing.assert_array_equal(result.mean, result.members[0])
    np.testing.assert_array_equal(result.std, 0)


def test_a_single_fit_has_compiled_everything(key, ys, masks):
    TASK(key, ys[0], masks[0])
    before = fitting._fit.program()._cache_size()
    ensemble(TASK, key, ys[0], masks[0], members=3)
    ensemble(TASK, key, ys, masks, in_axes=0)
    assert fitting._fit.program()._cache_size() == before > 0


def test_a_second_ensemble_compiles_nothing(key, ys, masks, compilations):
    ensemble(TASK, key, ys[0], masks[0], members=3)
    ensemble(TASK, key, ys, masks, in_axes=0)
    compilations.clear()
    ensemble(TASK, jax.random.key(3), ys[1], masks[0], members=3)
    ensemble(TASK, jax.random.key(3), ys, masks, in_axes=0)
    assert not compilations


# --- every way is the loop -----------------------------------------------------------------


@pytest.mark.parametrize("how, batch", [("vmap", 2), ("devices", 1)])
def test_every_way_is_the_loop(key, ys, masks, how, batch):
    """Seeds, and pictures with masks; numbers that neither batches nor devices divide."""
    for run in (
        partial(ensemble, TASK, key, ys[0], masks[0], members=5),
        partial(ensemble, TASK, key, ys, masks, in_axes=0),
    ):
        result, loop = run(how=how, batch=batch), run(how="map")
        assert result.members.shape == loop.members.shape
        assert_close(result, loop)


def sighted(key, y, *, light="auto", spectrum=0.0):
    """A task that says what it was told."""
    x = y + spectrum + (0 if light == "bright" else -y)
    return Restoration(x, *[x] * 4, y.sum()[None], jnp.int32(1))


@pytest.fixture
def sight(monkeypatch):
    def sees(y, *, light="auto", **_):
        light = ("bright" if y.max() > 0.5 else "dim") if light == "auto" else light
        return {"light": light, "spectrum": y.min()}

    monkeypatch.setitem(seeing.SEES, sighted, sees)


@pytest.mark.parametrize("how", ["vmap", "devices"])
def test_what_a_task_sees_is_looked_for_before_data_are_traced(sight, how):
    ys = jnp.stack([jnp.full(SHAPE, value) for value in (0.6, 0.7)])
    run = partial(ensemble, how=how, batch=2)
    np.testing.assert_allclose(run(sighted, jax.random.key(0), ys[1], members=3).mean, 1.4)
    told = run(partial(sighted, light="dim"), jax.random.key(0), ys[1], members=3)
    np.testing.assert_allclose(told.mean, 0.7)
    apart = run(sighted, jax.random.key(0), ys, in_axes=0)
    np.testing.assert_allclose(apart.members[:, 0, 0, 0], [1.2, 1.4], rtol=1e-6)


def test_members_that_see_what_differs_are_fitted_one_after_another(sight, monkeypatch):
    """Where nobody says how; and where somebody does, what is traced is taken as it was."""
    ys = jnp.stack([jnp.full(SHAPE, value) for value in (0.6, 0.3)])
    run = partial(ensemble, sighted, jax.random.key(0), ys, in_axes=0, batch=2)
    np.testing.assert_allclose(run(how="vmap").members, 0)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(jax, "local_device_count", lambda: 1)
    monkeypatch.setattr(ensembles, "side_by_side", None)
    run()


@pytest.mark.parametrize("how", ["map", "vmap"])
def test_what_a_task_sees_is_looked_for_once(key, how, monkeypatch):
    looked = []

    def sees(y, **settings):
        looked.append(settings)
        return denoising.sees(y, **settings)

    monkeypatch.setitem(seeing.SEES, dipjax.denoise, sees)
    monkeypatch.setattr(denoising.noise, "fidelity", lambda y: looked.append("again") or "l2")
    y = jax.random.uniform(key, SHAPE)
    ensemble(dipjax.denoise, key, y, members=2, how=how, spectrum="white", **TINY)
    assert looked.count("again") == 1 and len(looked) == 2


@pytest.mark.parametrize("how", ["vmap", "devices"])
def test_salt_and_pepper_is_seen_side_by_side(key, how):
    y = dipjax.noise.impulse(key, jnp.full(SHAPE, 0.5), 0.3)
    run = partial(ensemble, dipjax.denoise, key, y, members=2, batch=2, stop=never(), **TINY)
    result = run(how=how)
    assert_close(result, run(how="map"))
    assert np.abs(result.fits.loss - run(how=how, fidelity="l2").fits.loss).min() > 0.01


def test_under_a_trace_it_is_the_loop(key, ys, masks):
    run = partial(ensemble, TASK, members=2)
    assert_close(jax.jit(run)(key, ys[0], masks[0]), run(key, ys[0], masks[0]))
    fits = [str(jax.make_jaxpr(partial(run, members=n))(key, ys[0], masks[0])) for n in (2, 9)]
    for how in ("vmap", "devices"):
        traced = jax.jit(partial(run, how=how, batch=2))(key, ys[0], masks[0])
        assert_close(traced, run(key, ys[0], masks[0]))
    assert abs(len(fits[0]) - len(fits[1])) < 0.01 * len(fits[0])  # one body for all members


def test_vmap_over_ensembles(key, ys, masks):
    run = partial(ensemble, TASK, members=2)
    many = jax.vmap(run, (None, 0, 0))(key, ys[:2], masks[:2])
    one = run(key, ys[1], masks[1])
    assert_close(jax.tree.map(lambda leaf: leaf[1], many), one)


@pytest.mark.parametrize("how", ["vmap", "devices"])
def test_another_picture_compiles_nothing(key, ys, how, compilations):
    run = partial(ensemble, dipjax.denoise, members=2, how=how, batch=2, code=ys[0], **TINY)
    run(key, ys[0])
    run(key, ys[1])
    compilations.clear()
    run(jax.random.key(5), ys[2])
    assert not compilations


def test_members_are_made_one_after_another(key, ys):
    """A driver in Python works, and what it raises between two members comes through."""
    calls = []

    def driver(key, objective, shape, **settings):
        calls.append(key)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return dipjax.fit(key, objective, shape, **{**settings, **TINY})

    with pytest.raises(KeyboardInterrupt):
        ensemble(dipjax.denoise, key, ys[0], members=3, driver=driver)
    assert len(calls) == 2


def test_a_member_cut_short_is_left_out_and_ends_the_ensemble(key, ys):
    reasons = iter([Reason.STEPS, Reason.RUNNING, Reason.STEPS])

    def driver(key, objective, shape, **settings):
        result = dipjax.fit(key, objective, shape, **{**settings, **TINY})
        return result._replace(stop_reason=np.array(next(reasons)))

    result = ensemble(dipjax.inpaint, key, ys[0], jnp.eye(8, 6), members=3, driver=driver)
    assert len(result.members) == 1


@pytest.mark.parametrize("failing, kept", [(1, 0), (2, 1), (3, 2)])
def test_a_member_that_fails_takes_no_other_with_it(key, ys, failing, kept):
    fits = []

    def driver(key, objective, shape, **settings):
        fits.append(dipjax.fit(key, objective, shape, **{**settings, **TINY}))
        if len(fits) == failing:
            raise dipjax.FitError(fits[-1])
        return fits[-1]

    run = partial(ensemble, dipjax.inpaint, key, ys[0], jnp.eye(8, 6), members=3, driver=driver)
    if kept:
        assert len(run().members) == kept
    else:
        with pytest.raises(dipjax.FitError):
            run()


def test_a_member_that_fails_side_by_side_is_left_out(key):
    """Nothing is raised within `vmap`: what came of it is looked at behind it."""
    ys = jnp.full((3, *SHAPE), 0.5)
    run = partial(ensemble, fit_to, key, how="vmap", in_axes=0)
    found = run(ys.at[1].set(jnp.nan))
    assert found.members.shape == (2, *SHAPE) and np.isfinite(found.mean).all()
    np.testing.assert_allclose(found.members, run(ys).members[jnp.array([0, 2])], atol=1e-5)
    with pytest.raises(dipjax.FitError):
        run(ys * jnp.nan)


def fit_to(key, y):
    return dipjax.fit(key, lambda x: jnp.sum((x - y) ** 2), SHAPE, **{**TINY, "steps": 20})


def test_batches_follow_the_memory_forecast(key, ys, monkeypatch):
    asked, codes = [], []

    def estimate_memory(shape, *, members, generator=None, code=None, **others):
        asked.append((shape, generator, members))
        codes.append(code)
        return 100 * members

    memory = SimpleNamespace(
        estimate_memory=estimate_memory, free_memory=lambda: 350, needs=dipjax.memory.needs
    )
    monkeypatch.setattr(members, "memory", memory)
    rounds = []
    monkeypatch.setattr(
        members, "_rounds", lambda many, arguments, shared, size: rounds.append(size)
    )
    for name in ("_sound", "_summary"):
        monkeypatch.setattr(ensembles, name, lambda fits: fits)

    ensemble(dipjax.super_resolve, key, ys[0], factor=2, how="vmap", **TINY)
    assert rounds == [2] and asked[-1] == ((16, 12, 3), TINY["generator"], 2)
    ensemble(dipjax.fit, key, data_term(Identity(), ys[0]), SHAPE, members=3, how="vmap", steps=1)
    assert rounds == [2, 3] and asked[-1] == (SHAPE, None, 3)
    ensemble(dipjax.denoise, key, ys[0], how="vmap", stop="risk", **TINY)
    risk = dipjax.risk.sure(ys[0], 0.1)
    ensemble(dipjax.fit, key, risk, SHAPE, code=risk.code, how="vmap", steps=1)
    assert codes[-1].shape == SHAPE


def test_what_auto_takes(monkeypatch):
    for platform, devices, driver, how in [
        ("cpu", 4, None, "map"),
        ("gpu", 1, None, "vmap"),
        ("gpu", 1, dipjax.fit, "vmap"),
        ("gpu", 4, dipjax.fit, "devices"),
        ("gpu", 4, print, "map"),
    ]:
        monkeypatch.setattr(jax, "default_backend", lambda platform=platform: platform)
        monkeypatch.setattr(jax, "local_device_count", lambda devices=devices: devices)
        assert ensembles._how("auto", None, driver) == how
    assert ensembles._driver(dipjax.denoise, {}) is dipjax.fit
    assert ensembles._driver(partial(dipjax.denoise, driver=print), {}) is print
    assert ensembles._driver(dipjax.denoise, {"driver": print}) is print
    assert ensembles._driver(dipjax.fit, {}) is None


# --- calibration ---------------------------------------------------------------------------


@pytest.mark.parametrize("members", [2, 3, 8])
@pytest.mark.parametrize("width", [0.5, 1.0, 2.0])
def test_calibration_is_the_width_of_the_spread(members, width):
    """Members and truth from one distribution give 1; members spread apart by half give half."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(members, 200, 200, 1))
    mean = images.mean(0)
    fits = Restoration(*[jnp.asarray(mean + width * (images - mean))] * 5, loss=None, stopped_at=0)
    made = Ensemble(jnp.asarray(mean), fits.image.std(0), fits.image, fits)
    ratio = calibration(made, jnp.asarray(rng.normal(size=(200, 200, 1))))
    np.testing.assert_allclose(ratio, width, rtol=0.03)


def test_calibration_refuses(key, ys):
    image = ys[0]
    one = Ensemble(image, image, ys[:1], None)
    with pytest.raises(ValueError, match="at least two members"):
        calibration(one, image)
    with pytest.raises(ValueError, match="truth of shape"):
        calibration(one._replace(members=ys), image[:4])


# --- bad input, before any step ------------------------------------------------------------


@pytest.fixture
def no_fits(monkeypatch):
    monkeypatch.setattr(fitting, "_fit", lambda *args, **kwargs: pytest.fail("computed"))


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(members=0), "members must be at least 1, not 0"),
        (dict(members=-2), "members must be at least 1, not -2"),
        (dict(how="pmap"), r"how must be one of .*, not 'pmap'"),
        (dict(how="vmap", batch=0), "batch must be at least 1, not 0"),
        (dict(in_axes=(0,)), "one for each of the 2 data"),
        (dict(in_axes=(0, 1)), r"they count \[3, 8\]"),
        (dict(in_axes=0, members=4), r"they count \[3, 4\]"),
        (dict(in_axes=(None, 3)), r"an array of shape \(3, 8, 6\) has no axis 3"),
    ],
)
def test_bad_settings(key, ys, masks, options, message, no_fits):
    with pytest.raises(ValueError, match=message):
        ensemble(TASK, key, ys, masks, **options)


def test_what_is_no_key(ys, masks, no_fits):
    with pytest.raises(TypeError, match=r"jax\.random\.key"):
        ensemble(TASK, ys, ys, masks)


@pytest.mark.parametrize("how", ["map", "vmap", "devices"])
def test_the_last_member_s_data_are_looked_at_first(key, ys, masks, how, no_fits):
    run = partial(ensemble, TASK, key, how=how, batch=1)
    with pytest.raises(ValueError, match="member 2: the mask says that every pixel is known"):
        run(ys, masks.at[2].set(True), in_axes=0)
    with pytest.raises(ValueError, match=r"^the mask says that no pixel"):
        run(ys[0], jnp.zeros((8, 6)))
    with pytest.raises(ValueError, match=r"member 1: .* NaN"):
        ensemble(dipjax.denoise, key, ys.at[1].set(jnp.nan), in_axes=0, how=how, batch=1)


def test_lists_and_what_is_no_restoration(key, ys):
    with pytest.raises(ValueError, match="a list cannot hold"):
        ensemble(dipjax.denoise, key, list(ys), in_axes=0)
    for how in ("map", "vmap"):
        with pytest.raises(TypeError, match="made of Restorations, not of"):
            ensemble(lambda key, y: y, key, ys[0], how=how, batch=8)
    with pytest.raises(ValueError, match="at least one fit"):
        ensembles.collect([])
