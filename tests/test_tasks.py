"""Every task on a small picture, what it promises of its result, and what it refuses."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dipjax
from dipjax import images, kernels, noise, objectives, polish, presets, tasks
from dipjax.generators import Positional
from dipjax.operators import Blur, Downsample, Fourier, Identity, Lambda, Mask, Radon
from dipjax.restoration import IMAGES, Restoration
from dipjax.tasks import deblurring, reconstruction, super_resolution

TINY = dict(generator=Positional(width=4, depth=1), steps=2, stop=dipjax.stopping.never())
GREY = {**TINY, "generator": TINY["generator"].clone(channels=1)}


def recorded(*args, **settings):
    """A driver that fits nothing and tells how it was called; nothing follows it."""
    recorded.settings = settings
    recorded.objective, recorded.shape = args[1:]
    image = jnp.zeros(recorded.shape)
    curve, count = jnp.zeros(1), jnp.array(1)
    return Restoration(*[image] * 5, curve, count, curve, count, count)


def unfitted(*args, **settings):
    """The same, and the task goes on as behind any fit."""
    return recorded(*args, **settings)


recorded.ended = True  # what was cut short is not polished


@pytest.fixture
def x(key):
    return jax.random.uniform(key, (8, 6, 3))


@pytest.fixture
def mask(key):
    return jax.random.bernoulli(key, 0.5, (8, 6))


def test_denoise(key, x):
    result = dipjax.denoise(key, x, clipped=False, **TINY)
    assert result.image.shape == x.shape
    np.testing.assert_array_equal(result.image, result.average)


def test_inpaint_keeps_what_is_known(key, x, mask):
    result = dipjax.inpaint(key, x, mask, **TINY)
    np.testing.assert_array_equal(result.image[mask], x[mask])
    np.testing.assert_array_equal(result.image[~mask], result.average[~mask])


def test_inpaint_never_sees_what_is_missing(key, x, mask):
    for fill in (0.0, 1.0, jnp.nan):
        y = jnp.where(mask[..., None], x, fill)
        dipjax.inpaint(key, y, mask, driver=recorded)
        np.testing.assert_array_equal(recorded.objective.y, jnp.where(mask[..., None], x, 0))


@pytest.mark.parametrize("factor", [2, 3, pytest.param(4, marks=pytest.mark.slow)])
def test_super_resolve(key, x, factor):
    result = dipjax.super_resolve(key, x, factor=factor, **TINY)
    assert result.image.shape == (8 * factor, 6 * factor, 3)


def test_super_resolve_takes_the_paper_s_operator(key, x):
    dipjax.super_resolve(key, x, driver=recorded)
    assert recorded.objective.operator == Downsample(4, "lanczos2")
    dipjax.super_resolve(key, x, factor=2, kernel="box", driver=recorded)
    assert recorded.objective.operator == Downsample(2, "box")


def test_deblur_sees_beyond_the_picture(key, x):
    """By half of the kernel on each side; what is returned is the picture's frame."""
    k = kernels.motion(4, 20)
    dipjax.deblur(key, x, 5 * k, driver=recorded)
    assert recorded.shape == (8 + k.shape[0] - 1, 6 + k.shape[1] - 1, 3)
    assert isinstance(recorded.objective.operator, Blur)
    np.testing.assert_allclose(recorded.objective.operator.kernel, k, rtol=1e-6)
    result = dipjax.deblur(key, x, k, polish=False, **TINY)
    assert {getattr(result, name).shape for name in IMAGES} == {x.shape}
    np.testing.assert_array_equal(result.image, result.average)


@pytest.mark.parametrize("given", [True, False])
def test_deblur_is_polished_by_the_level_of_the_noise(key, monkeypatch, given):
    levels = []

    def refined(x, A, y, s, wide):
        levels.append(float(s))
        return x

    monkeypatch.setattr(deblurring, "refined", refined)
    x = jnp.full((24, 20, 3), 0.5)
    y = noise.gaussian(key, x, 0.05)
    dipjax.deblur(key, y, jnp.ones((3, 3)), driver=unfitted, sigma=0.05 if given else None)
    dipjax.deblur(key, x, jnp.ones((3, 3)), driver=unfitted, sigma=0 if given else None)
    np.testing.assert_allclose(levels, [0.05, polish.EXACT], rtol=1e-6 if given else 0.2)


SCANNERS = {
    "fourier": Fourier(jnp.asarray(np.random.default_rng(0).random((24, 24)) < 0.6)),
    "radon": Radon(jnp.linspace(0, 180, 16, endpoint=False), 34),
}


@pytest.mark.parametrize("name", ["fourier", pytest.param("radon", marks=pytest.mark.slow)])
def test_reconstruct_finds_the_image(key, name):
    """Most of what the nearest image to nothing leaves, of a few rectangles."""
    A = SCANNERS[name]
    truth = jnp.full((24, 24, 1), 0.2).at[4:15, 6:12].set(0.9).at[10:20, 9:19].set(0.6)
    y = A(truth)
    start = jnp.full(truth.shape, 0.5)
    driver = lambda *_, **__: recorded(*_, **__)._replace(image=start)  # noqa: E731
    result = dipjax.reconstruct(key, y, A, shape=truth.shape, sigma=0, driver=driver)
    naive = dipjax.operators.backproject(start, A, y)
    error, before = (float(jnp.linalg.norm(x - truth)) for x in (result.image, naive))
    assert error < 0.7 * before


def test_reconstruct_knows_the_shape_from_the_operator(key, x, mask):
    A = Mask(mask)
    dipjax.reconstruct(key, A(x), A, driver=recorded)
    assert recorded.shape == x.shape
    gray = Lambda(lambda x: x.mean(-1))
    y = gray(x)
    dipjax.reconstruct(key, y, gray, driver=recorded)
    assert recorded.shape == x.shape
    with pytest.raises(ValueError, match="give shape="):
        dipjax.reconstruct(key, y, lambda x: x.mean(-1), driver=recorded)
    result = dipjax.reconstruct(key, y, lambda x: x.mean(-1), shape=(8, 6, 3), driver=recorded)
    assert result.image.shape == x.shape


def test_reconstruct_polishes_what_is_linear(key, monkeypatch):
    """With the noise that is given, or that the fit and its polish leave of what is measured."""
    levels = []

    def refined(x, A, y, s, wide, narrow):
        levels.append(float(s))
        return x

    monkeypatch.setattr(reconstruction, "refined", refined)
    x = jnp.zeros((32, 32, 1))
    A = Mask(jnp.arange(32)[:, None] * jnp.ones((1, 32)) < 8)
    y = A(noise_of(key, 0.05))
    for operator in (A, lambda x: A(x) + 0.5):
        levels.clear()
        for sigma in (None, 0.02, 0):
            settings = {"sigma": sigma, "shape": x.shape, "driver": unfitted}
            dipjax.reconstruct(key, y + operator(x), operator, **settings)
        expected = [0.05, 0.05, 0.02, polish.EXACT / 2]
        np.testing.assert_allclose(levels, expected, rtol=0.1)
    levels.clear()
    for settings in ({"polish": False}, {"preset": "paper"}):
        dipjax.reconstruct(key, y, A, driver=unfitted, **settings)
    assert not levels


def test_reconstruct_polishes_what_has_a_derivative(key):
    """A sensor that saturates: nearer to the truth than the fit, and to what was measured."""
    A = Lambda(lambda x: jnp.tanh(2 * x)) @ Mask(jnp.arange(24 * 24).reshape(24, 24) % 8 > 0)
    truth = jnp.full((24, 24, 1), 0.2).at[4:15, 6:12].set(0.9).at[10:20, 9:19].set(0.6)
    start = jnp.full(truth.shape, 0.5)
    driver = lambda *_, **__: recorded(*_, **__)._replace(image=start)  # noqa: E731
    y = A(truth)
    image = dipjax.reconstruct(key, y, A, shape=truth.shape, sigma=0, driver=driver).image
    assert jnp.linalg.norm(A(image) - y) < 0.05 * jnp.linalg.norm(A(start) - y)
    assert jnp.linalg.norm(image - truth) < 0.4 * jnp.linalg.norm(start - truth)


def looped(x):
    """Linear, which `jax.linear_transpose` cannot tell."""
    return jax.lax.while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, 2 * c[1]), (0, x))[1]


def called_back(x):
    return jax.pure_callback(lambda x: 2 * np.asarray(x), jax.ShapeDtypeStruct(x.shape, x.dtype), x)


@jax.custom_vjp
def descended(x):
    """With a gradient of its own, which is not linear."""
    return x**2


descended.defvjp(lambda x: (x**2, None), lambda _, g: (jnp.clip(g, -1, 1),))


def test_a_derivative_without_end_is_no_nan(key):
    """Of a root at black: it is polished all the same."""
    truth = jnp.zeros((24, 24, 1)).at[4:15, 6:12].set(0.9)
    start = jnp.full(truth.shape, 0.5)
    driver = lambda *_, **__: recorded(*_, **__)._replace(image=start)  # noqa: E731
    y = jnp.sqrt(truth)
    image = dipjax.reconstruct(key, y, jnp.sqrt, shape=truth.shape, sigma=0.01, driver=driver).image
    assert jnp.linalg.norm(image - truth) < 0.2 * jnp.linalg.norm(start - truth)


def test_a_polish_that_leads_away_is_left_out(key):
    """Where the derivative is 0 nothing holds it to what was measured."""
    start = jax.random.uniform(key, (24, 24, 1))
    driver = lambda *_, **__: recorded(*_, **__)._replace(image=start)  # noqa: E731
    coarse = lambda x: jnp.round(4 * x) / 4  # noqa: E731
    image = dipjax.reconstruct(
        key, coarse(start), coarse, shape=start.shape, sigma=0.01, driver=driver
    ).image
    np.testing.assert_array_equal(image, start)


@pytest.mark.parametrize("A", [looped, called_back, descended])
def test_reconstruct_does_not_polish_what_has_no_derivative(key, A):
    y = jnp.ones((24, 24, 1))
    image = dipjax.reconstruct(key, y, A, shape=y.shape, driver=unfitted).image
    np.testing.assert_array_equal(image, 0)


def test_reconstruct_in_single_precision_among_doubles(key, x64):
    y = jax.random.uniform(key, (12, 16, 1), jnp.float32)
    start = jnp.full_like(y, 0.5)
    driver = lambda *_, **__: recorded(*_, **__)._replace(image=start)  # noqa: E731
    image = dipjax.reconstruct(key, y, Identity(), driver=driver).image
    assert image.dtype == jnp.float32 and jnp.isfinite(image).all()


def noise_of(key, sigma):
    return sigma * jax.random.normal(key, (32, 32, 1))


@pytest.mark.slow
def test_reconstruct_many(key):
    """`vmap` is a loop, also over levels of noise; an ensemble is the mean of its members."""
    A = SCANNERS["fourier"]
    ys = jax.vmap(A)(jax.random.uniform(key, (2, 24, 24, 1)))
    keys, sigmas = jax.random.split(key, 2), jnp.asarray([0.1, 0.01])
    one = lambda key, y, sigma: dipjax.reconstruct(key, y, A, sigma=sigma, **GREY).image  # noqa: E731
    many = jax.vmap(one)(keys, ys, sigmas)
    np.testing.assert_allclose(many[1], one(keys[1], ys[1], sigmas[1]), atol=2e-3)
    settings = {"members": 2, "polish": False, **GREY}
    whole = dipjax.ensemble(dipjax.reconstruct, key, ys[0], A, **settings)
    np.testing.assert_allclose(whole.mean, whole.members.mean(0), atol=1e-6)


def test_reconstruct_holds_complex_measurements_out(key):
    A = SCANNERS["fourier"]
    y = A(jax.random.uniform(key, (24, 24, 1)))
    result = dipjax.reconstruct(key, y, A, **GREY | {"stop": "held_out"})
    assert jnp.isfinite(result.error).all() and (result.error > 0).all()


def test_reconstruct_means_the_image_that_was_measured(key):
    """And not the square that views alone would mean."""
    A = Radon(jnp.asarray([0.0, 60.0]))
    dipjax.reconstruct(key, A(jnp.ones((24, 15, 1))), A, polish=False, driver=recorded)
    assert recorded.shape == (24, 15, 1)
    fresh = Radon(jnp.asarray([0.0, 60.0]))
    dipjax.reconstruct(key, jnp.ones((2, 24, 1)), fresh, polish=False, driver=recorded)
    assert recorded.shape == (24, 24, 1)


def test_nothing_measured_is_no_nan(key):
    A = Fourier(jnp.zeros((24, 24)))
    y = A(jnp.ones((24, 24, 1)))
    assert jnp.isfinite(dipjax.reconstruct(key, y, A, driver=unfitted).image).all()


def test_a_blurred_picture_becomes_sharp(key):
    """The middle of a larger view, whose light has come in from outside."""
    i, j = np.mgrid[:30, :30]
    view = jnp.asarray(np.stack([i % 12 < 6, j % 12 < 6, (i + j) % 14 < 7], -1) * 0.8 + 0.1)
    k = kernels.gaussian(1.0)
    y, x = Blur(k)(view.astype(jnp.float32)), view[3:-3, 3:-3]
    settings = {"generator": dipjax.Hourglass(widths=(8,), skips=4), "steps": 60}
    result = dipjax.deblur(key, y, k, **settings)
    before, after = dipjax.metrics.psnr(y, x), dipjax.metrics.psnr(result.image, x)
    assert after > before + 4 and after > dipjax.metrics.psnr(result.average, x)


@pytest.mark.slow
def test_deblur_of_members_tiles_and_a_live_picture(key, x, capsys):
    """Wherever else a task goes, with what reaches beyond the picture."""
    k, settings = jnp.ones((3, 3)), TINY | {"polish": False}
    many = dipjax.ensemble(dipjax.deblur, key, x, k, members=2, **settings)
    assert many.members.shape == (2, *x.shape)
    y = jnp.tile(x, (3, 4, 1))
    image = dipjax.tiled(dipjax.deblur, key, y, tile=(16, 16), kernel=k, **settings)
    assert image.shape == y.shape
    dipjax.deblur(key, x, k, driver=dipjax.live(reference=x), **settings)
    assert "PSNR" in capsys.readouterr().out


@pytest.mark.slow
def test_deblur_maps_over_kernels(key):
    ks = jnp.stack([jnp.ones((3, 4)), jnp.eye(3, 4)])
    ys = jax.random.uniform(key, (2, 8, 6, 1))
    keys = jax.random.split(key)
    settings = TINY | {"generator": TINY["generator"].clone(channels=1)}
    many = jax.vmap(partial(dipjax.deblur, **settings))(keys, ys, ks)
    for k, y, kernel, image in zip(keys, ys, ks, many.image, strict=True):
        np.testing.assert_allclose(image, dipjax.deblur(k, y, kernel, **settings).image, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 2, 3, 7])
def test_any_number_of_channels(key, channels):
    y = jnp.ones((8, 6, channels)) * jnp.linspace(0, 1, 6)[None, :, None]
    dipjax.denoise(key, y, driver=recorded)
    assert recorded.settings["generator"].channels == channels


def test_integers_and_grey_are_pictures(key):
    picture = np.arange(48, dtype=np.uint8).reshape(8, 6)
    dipjax.denoise(key, picture, driver=recorded)
    np.testing.assert_allclose(recorded.objective.y[..., 0], picture / 255, rtol=1e-6)


def test_the_paper_s_settings(key, x, mask):
    dipjax.denoise(key, x, preset="paper", driver=recorded)
    assert recorded.settings["generator"] == dipjax.Hourglass(scale_init="uniform")
    assert recorded.settings["steps"] == 1800
    dipjax.super_resolve(key, jnp.ones((8, 8, 3)), factor=8, preset="paper", driver=recorded)
    assert (recorded.settings["steps"], recorded.settings["jitter"]) == (4000, 0.05)
    dipjax.inpaint(key, x, mask, preset="paper", driver=recorded)
    assert recorded.settings["steps"] == 11000


def test_the_default_preset_is_fast_on_any_machine(key, x, monkeypatch):
    dipjax.denoise(key, x, driver=recorded)
    on_cpu = recorded.settings
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    dipjax.denoise(key, x, driver=recorded)
    assert recorded.settings["steps"] == on_cpu["steps"] == 1800
    assert recorded.settings["generator"] == on_cpu["generator"].clone(dtype=jnp.bfloat16)


def test_settings_are_changed_one_by_one(key, x):
    dipjax.denoise(key, x, steps=7, driver=recorded)
    preset = tasks.PRESETS["denoise"]["fast"]
    found = dict(recorded.settings)
    np.testing.assert_array_equal(found.pop("code"), recorded.objective.code)
    expected = {**preset, **presets.by_risk(x.shape), "steps": 7}
    assert found == {name: expected[name] for name in expected if name != "code"}
    with pytest.raises(TypeError, match="stepz"):
        dipjax.denoise(key, x, stepz=7)


@pytest.mark.parametrize(
    "side, options, steps",
    [
        (8, {}, 1800),
        (192, {}, 1800),
        (256, {}, 1350),
        (512, {}, 675),
        (1024, {}, 600),
        (512, {"polish": False}, 1800),
        (512, {"preset": "best"}, 1800),
        (512, {"preset": "paper"}, 1800),
        (512, {"steps": 7}, 7),
    ],
)
def test_large_pictures_take_fewer_steps_where_a_polish_follows(key, side, options, steps):
    y = jnp.full((side, side, 1), 0.5)
    asked = tasks.asked(partial(dipjax.denoise, key, y, sigma=0.1, **options))
    assert asked["steps"] == steps


def test_vmap_over_pictures_and_masks(key):
    keys = jax.random.split(key, 2)
    ys = jax.random.uniform(key, (2, 8, 6, 3))
    masks = jax.random.bernoulli(key, 0.5, (2, 8, 6))
    options = {**TINY, "steps": 1}
    many = jax.vmap(partial(dipjax.inpaint, **options))(keys, ys, masks)
    for i in range(2):
        one = dipjax.inpaint(keys[i], ys[i], masks[i], **options)
        np.testing.assert_allclose(many.image[i], one.image, atol=1e-5)


def test_a_regulariser_is_added_to_the_data_term(key, x):
    regularizer = 0.1 * dipjax.TotalVariation()
    dipjax.denoise(key, x, driver=recorded, **TINY)
    plain = recorded.objective
    dipjax.denoise(key, x, regularizer=regularizer, driver=recorded, **TINY)
    other = jax.random.uniform(jax.random.key(1), x.shape)
    np.testing.assert_allclose(recorded.objective(other), plain(other) + regularizer(other))


def test_the_flash_picture_is_the_code(key, x):
    flash = jax.random.uniform(jax.random.key(1), (8, 6, 1))
    dipjax.flash_no_flash(key, x, flash, driver=recorded)
    np.testing.assert_array_equal(recorded.settings["code"], flash)
    np.testing.assert_array_equal(recorded.objective.y, x)
    assert recorded.settings["jitter"] == 0
    assert dipjax.flash_no_flash(key, x, flash, **TINY).image.shape == x.shape


@pytest.mark.parametrize("strength", [0.5, 2.0])
def test_enhance_adds_what_the_fit_leaves(key, x, strength):
    result = dipjax.enhance(key, x, strength=strength, **TINY)
    detail = x - result.average
    np.testing.assert_allclose(result.image, jnp.clip(x + strength * detail, 0, 1), atol=1e-6)


def test_a_sample_of_a_generator_without_a_hash(key):
    with pytest.raises(TypeError, match="has no hash"):
        dipjax.sample(key, (8, 6, 3), generator=dipjax.Hourglass(widths=[4]))


def test_a_sample_is_what_the_generator_says_first(key):
    generator = dipjax.Hourglass(channels=2, widths=(4, 4), skips=2)
    x = dipjax.sample(key, (8, 6, 2), generator=generator)
    assert x.shape == (8, 6, 2) and 0 <= x.min() < x.max() <= 1
    np.testing.assert_array_equal(x, dipjax.sample(key, (8, 6, 2), generator=generator))
    assert jnp.any(x != dipjax.sample(jax.random.key(1), (8, 6, 2), generator=generator))
    first = dipjax.fit(key, jnp.sum, (8, 6, 2), generator=generator, steps=1, jitter=0).last
    np.testing.assert_allclose(x, first, atol=1e-6)


# The notebooks of the paper's authors: params of the networks, channels of the code they take.
PARAMS = {
    "denoise": (2_217_831, 32),
    "inpaint_text": (3_002_627, 32),
    "inpaint_sparse": (1_027_379, 32),
    "inpaint_hole": (2_157_955, 2),
    "remove_jpeg_artifacts": (572_827, 3),
}


@pytest.mark.parametrize("task", PARAMS)
def test_params_of_the_published_networks(key, task):
    count, channels = PARAMS[task]
    preset = tasks.PRESETS[task]["paper"]
    z = jax.eval_shape(lambda: preset["code"](key, (8, 8, 3)))
    assert z.shape[-1] == channels
    params = jax.eval_shape(preset["generator"].init, key, z)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count
    assert preset["generator"].scale_init == "uniform"  # as in the PyTorch of the paper's day


def test_what_is_missing_chooses_the_settings(key, x, mask):
    steps = {"half": 11000, "text": 6001, "sparse": 1000, "hole": 5001}
    for missing, count in steps.items():
        dipjax.inpaint(key, x, mask, missing=missing, preset="paper", driver=recorded)
        assert recorded.settings["steps"] == count
    assert recorded.settings["code"] is dipjax.codes.meshgrid


@pytest.mark.parametrize("task, preset", [(t, p) for t, of in tasks.PRESETS.items() for p in of])
def test_every_preset_is_one_of_fit(key, task, preset):
    """Any size, grey or colour: what the generator makes of the code is an image."""
    settings = dict(tasks.PRESETS[task][preset])
    code = settings.pop("code")
    generator = settings.pop("generator").clone(channels=1)
    image = jax.eval_shape(lambda: dipjax.sample(key, (9, 7, 1), generator=generator, code=code))
    assert image.shape == (9, 7, 1)
    assert set(settings) <= {"optimizer", "jitter", "decay", "steps", "members"}


def test_best_is_the_mean_of_fits_from_different_seeds(key, x):
    """Each holds out pixels of its own, and all steps count."""
    seen = []

    def driver(key, objective, shape, **settings):
        seen.append(objective.held)
        return dipjax.fit(key, objective, shape, **settings)

    settings = dict(preset="best", driver=driver, generator=TINY["generator"], steps=3)
    result = dipjax.flash_no_flash(key, x, x, **settings)
    assert len(seen) == 4
    assert not np.array_equal(seen[0], seen[1])
    keys = jax.random.split(key, 4)
    alone = [
        dipjax.flash_no_flash(k, x, x, generator=TINY["generator"], steps=3).image for k in keys
    ]
    np.testing.assert_allclose(result.image, np.mean(alone, 0), atol=1e-6)
    np.testing.assert_allclose(result.std, np.std(alone, 0), atol=1e-6)
    assert result.stopped_at == 12


def test_a_driver_may_tell_nothing_but_the_image(key, x, mask):
    driver = lambda *_, **__: dipjax.Restoration(*[x] * 5, jnp.zeros(1), jnp.zeros((), int))  # noqa: E731
    result = dipjax.inpaint(key, x, mask, preset="best", driver=driver)
    assert result.image.shape == x.shape and result.setbacks is None


def test_best_denoises_with_a_pilot(key, x):
    """The fit enters as a part of the pilot; what comes out is non-local Bayes of all of y."""
    settings = dict(preset="best", generator=TINY["generator"], steps=3, members=2)
    y = jnp.clip(x + 0.1 * jax.random.normal(key, x.shape), 0, 1)
    result = dipjax.denoise(key, y, sigma=0.1, **settings)
    assert result.image.shape == x.shape
    assert result.image.min() >= 0 and result.image.max() <= 1
    bad = dipjax.baselines.nonlocal_bayes(y, sigma=0.1, pilot=jnp.full_like(y, 0.5))
    assert float(jnp.abs(result.image - bad).max()) > 1e-3
    with pytest.raises(ValueError, match="sigma 0: must be positive"):
        dipjax.denoise(key, y, sigma=0, **settings)


def test_a_fidelity_is_the_same_by_its_name_and_by_itself(key, x):
    """By both it is fitted by risk, polished, and its clipping undone."""
    settings = dict(generator=TINY["generator"], steps=3, sigma=0.1)
    named = dipjax.denoise(key, x, fidelity="l2", **settings)
    itself = dipjax.denoise(key, x, fidelity=objectives.l2, **settings)
    np.testing.assert_array_equal(named.image, itself.image)


def test_best_leaves_a_fit_alone_where_the_noise_is_salt_and_pepper(key, x):
    settings = dict(generator=TINY["generator"], steps=3, sigma=0.01)
    y = noise.impulse(key, x, 0.3)
    fitted = dipjax.denoise(key, y, preset="fast", **settings)
    best = dipjax.denoise(key, y, preset="best", members=1, **settings)
    np.testing.assert_allclose(best.image, jnp.clip(fitted.image, 0, 1), atol=1e-6)


def test_salt_and_pepper_is_seen(key):
    x = jnp.full((16, 12, 3), 0.5)
    noisy = noise.gaussian(key, x, 0.1), noise.impulse(key, x, 0.1)
    for y, fidelity in zip(noisy, (objectives.l2, objectives.l1), strict=True):
        dipjax.denoise(key, y, driver=recorded, stop="held_out")
        assert recorded.objective.fidelity is fidelity
    dipjax.denoise(key, noisy[1], driver=recorded)  # no risk is known for it
    assert recorded.objective.fidelity is objectives.l1


def test_the_fidelity_is_the_caller_s(key, x):
    dipjax.denoise(key, x, fidelity="l1", driver=recorded)
    assert recorded.objective.fidelity is objectives.l1
    with pytest.raises(ValueError, match="fidelity must be one of"):
        dipjax.denoise(key, x, fidelity="l3", driver=recorded)


# --- bad input -----------------------------------------------------------------------------


@pytest.mark.parametrize("task", [dipjax.denoise, dipjax.super_resolve])
@pytest.mark.parametrize(
    "picture, message",
    [
        (jnp.ones((2, 8, 6, 3)), "expected"),
        (jnp.full((8, 6, 3), jnp.nan), "NaN"),
        (jnp.full((8, 6, 3), 200.0), "divide by"),
        (jnp.ones((8, 6, 3), int), "divide by"),
        (jnp.ones((0, 6, 3)), "no pixels"),
        ("noisy.png", "dipjax.images.load reads a file"),
    ],
)
def test_bad_pictures(key, task, picture, message):
    with pytest.raises(ValueError, match=message):
        task(key, picture)


@pytest.mark.parametrize("sigma", [-1, float("nan"), float("inf")])
def test_bad_noise_of_a_measurement(key, x, mask, sigma):
    with pytest.raises(ValueError, match=f"sigma {sigma}: must be a level of noise"):
        dipjax.reconstruct(key, x, Mask(mask), sigma=sigma)


def test_bad_measurements(key, x, mask):
    for y, shape in ((x[1:], x.shape), (x + 1j, x.shape), (x, (8, 6, 1))):
        with pytest.raises(ValueError, match="but y is"):
            dipjax.reconstruct(key, y, Mask(mask), shape=shape)
    with pytest.raises(ValueError, match="give shape="):
        dipjax.reconstruct(key, x[..., 0], Radon(jnp.ones(8)))
    with pytest.raises(ValueError, match="NaN"):
        dipjax.reconstruct(key, jnp.full_like(x, jnp.nan), Mask(mask))


def test_a_kernel_may_be_a_list_of_what_is_traced(key, x):
    task = jax.jit(lambda a: dipjax.deblur(key, x, [[a, a]], light="stored", **TINY).image)
    assert jnp.isfinite(task(0.5)).all()


def test_bad_kernel(key, x):
    with pytest.raises(ValueError, match="must not be larger"):
        dipjax.deblur(key, x, jnp.ones((9, 9)))
    with pytest.raises(ValueError, match="sigma -1: must be positive, or 0 for none"):
        dipjax.deblur(key, x, jnp.ones((3, 3)), sigma=-1)


@pytest.mark.parametrize("factor", [-1, 0, 1, 7, 2.0])
def test_bad_factor(key, x, factor):
    with pytest.raises(ValueError, match=f"factor {factor}: must be an integer from 2"):
        dipjax.super_resolve(key, x, factor=factor)
    for sigma in (-1, 25):
        with pytest.raises(ValueError, match=f"sigma {sigma}: must be positive, or 0 for none"):
            dipjax.super_resolve(key, x, factor=2, sigma=sigma)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_noise_of_a_small_picture_is_seen(key, channels):
    """Not what is too weak, and not detail, which is alike in the colours and softer in grey."""
    smooth = jnp.linspace(0.2, 0.8, 64)[:, None, None] * jnp.ones((64, 64, channels))
    detail = images.local_mean(jax.random.uniform(jax.random.key(1), (64, 64, 1)))
    n = jax.random.normal(key, smooth.shape)
    assert super_resolution.level(smooth + 8 / 255 * n) == pytest.approx(8 / 255, rel=0.1)
    assert super_resolution.level(smooth + 2 / 255 * n) == 0
    assert super_resolution.level(jnp.clip(smooth + 2 * (detail - 0.5), 0, 1)) == 0
    assert super_resolution.level(smooth[:8, :8] + 8 / 255 * n[:8, :8]) == 0 or channels == 3


def test_where_no_noise_of_a_small_picture_is_looked_for(key):
    y = 0.5 + 0.1 * jax.random.normal(key, (32, 32, 3))
    seen = partial(tasks.seen, dipjax.super_resolve)
    assert seen(y)["sigma"] == pytest.approx(0.1, rel=0.1)
    assert seen(y, sigma=0.2)["sigma"] == pytest.approx(0.2)
    assert seen(y, polish=False)["sigma"] == seen(y, preset="paper")["sigma"] == 0
    assert jax.jit(lambda y: seen(y)["sigma"])(y) == 0
    assert jax.jit(lambda k: k * seen(y)["sigma"])(1) > 0  # of one that is known all is seen


@pytest.mark.parametrize(
    "mask, message",
    [
        (jnp.ones((8, 5)), "does not fit"),
        (jnp.ones((8, 6, 2)), "does not fit"),
        (jnp.ones((8, 6)), "every pixel is known"),
        (jnp.zeros((8, 6)), "no pixel is known"),
        (jnp.full((8, 6), 0.5), "1 where the picture is known and 0 where not"),
        ("mask.png", "mask is 'mask.png', not an array"),
        (None, "mask is None, not an array"),
    ],
)
def test_bad_masks(key, x, mask, message):
    with pytest.raises(ValueError, match=message):
        dipjax.inpaint(key, x, mask)


def test_black_with_holes_of_nan_is_no_inverted_mask(key, x, mask):
    y = jnp.where(mask[..., None], 0, jnp.nan)
    dipjax.inpaint(key, y, mask, driver=recorded)
    assert not recorded.objective.y.any()


def test_other_orders_of_bytes_are_taken(key, x, mask):
    """As FITS files have them."""
    y = np.asarray(x).astype(">f4")
    dipjax.inpaint(key, y, np.asarray(mask).astype(">f4"), driver=recorded)
    np.testing.assert_array_equal(recorded.objective.y, jnp.where(mask[..., None], x, 0))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_short_floats_are_denoised(key, x, dtype):
    result = dipjax.denoise(key, x.astype(dtype), **TINY)
    assert result.image.dtype == jnp.float32 and jnp.isfinite(result.image).all()


def test_an_inverted_mask_is_noticed(key, x, mask):
    y = jnp.where(mask[..., None], x, 0)
    with pytest.raises(ValueError, match="seems to be inverted"):
        dipjax.inpaint(key, y, ~mask)


def test_a_flash_picture_of_another_size(key, x):
    with pytest.raises(ValueError, match="flash of 6 x 7 pixels for a picture of 6 x 8"):
        dipjax.flash_no_flash(key, x, x[:7])


@pytest.mark.parametrize("strength", [0, -1, float("nan"), float("inf")])
def test_bad_strength(key, x, strength):
    with pytest.raises(ValueError, match=f"strength {strength}: must be a positive number"):
        dipjax.enhance(key, x, strength=strength)


def test_unknown_kind_of_missing(key, x, mask):
    with pytest.raises(ValueError, match="missing must be one of"):
        dipjax.inpaint(key, x, mask, missing="all")


@pytest.mark.parametrize("shape", [(8, 6), (0, 6, 3), (8, 6, 3, 1)])
def test_no_sample_of_such_a_shape(key, shape):
    with pytest.raises(ValueError, match=r"shape must be \(H, W, C\)"):
        dipjax.sample(key, shape)


def test_a_regulariser_is_a_function(key, x):
    with pytest.raises(TypeError, match="an objective is a function of an image"):
        dipjax.denoise(key, x, regularizer=0.1)


def test_unknown_preset(key, x):
    for task in (dipjax.denoise, dipjax.remove_jpeg_artifacts, dipjax.enhance):
        with pytest.raises(ValueError, match=r"preset must be one of \('paper', 'fast', "):
            task(key, x, preset="slow")


@pytest.mark.parametrize("settings", [{}, {"stop": "auto", "preset": "paper"}, {"stop": "risk"}])
def test_noise_that_adds_is_fitted_by_its_risk(key, x, settings):
    dipjax.denoise(key, x, driver=recorded, **settings)
    assert isinstance(recorded.objective, dipjax.risk.Risk)
    assert recorded.settings["stop"] is presets.by_risk(x.shape)["stop"]
    assert recorded.settings["jitter"] == 1.0


@pytest.mark.parametrize(
    ("task", "settings", "held"),
    [
        ("denoise", {"stop": "held_out"}, True),
        ("denoise", {"fidelity": "l1"}, True),
        ("denoise", {"code": dipjax.codes.meshgrid}, True),
        ("denoise", {"jitter": 0.05}, True),
        ("denoise", {"regularizer": objectives.TotalVariation()}, True),
        ("denoise", {"preset": "paper"}, False),
        ("super_resolve", {}, False),
        ("super_resolve", {"stop": "auto"}, False),
        ("super_resolve", {"stop": "held_out"}, True),
    ],
)
def test_what_is_stopped_by_pixels_that_are_held_out(key, x, task, settings, held):
    getattr(dipjax, task)(key, x, driver=recorded, **settings)
    data = getattr(recorded.objective, "left", recorded.objective)  # of a sum
    assert (data.held is not None) == held
    rule = dipjax.stopping.held_out() if held else dipjax.stopping.never()
    assert recorded.settings["stop"] == rule
    if held:  # a fifth of so small a picture
        assert data.held.sum() == round(0.2 * x.shape[0] * x.shape[1])


@pytest.mark.parametrize(
    "settings", [{"regularizer": objectives.TotalVariation()}, {"code": dipjax.codes.uniform}]
)
def test_a_risk_stands_alone(key, x, settings):
    """In its units a regulariser would weigh something else, and its code is the measurement."""
    with pytest.raises(ValueError, match="its own code and no regulariser"):
        dipjax.denoise(key, x, stop="risk", driver=recorded, **settings)


def test_a_fit_returns_what_predicted_the_held_out_pixels_best(key, x):
    seen = []

    def driver(key, objective, shape, **settings):
        seen.append(objective)
        return dipjax.fit(key, objective, shape, **settings)

    settings = {"generator": TINY["generator"], "steps": 3, "stop": "held_out"}
    settings |= {"clipped": False, "polish": False}
    result = dipjax.denoise(key, x, driver=driver, **settings)
    error = seen[0].error
    assert result.stop_reason == dipjax.stopping.Reason.STEPS
    np.testing.assert_allclose(error(result.average), result.error[-1], rtol=1e-5)
    assert error(result.image) <= result.error.min() * (1 + 1e-5)


@pytest.mark.parametrize(
    ("settings", "undone"),
    [
        ({}, True),
        ({"stop": "held_out"}, True),
        ({"preset": "best", "members": 1}, True),
        ({"clipped": False}, False),
        ({"fidelity": "l1"}, False),
        ({"preset": "paper"}, False),
    ],
)
def test_what_clipping_has_done_to_noise_is_undone(key, settings, undone):
    """A fit of black pixels is the mean of their noise, 0.4 sigma, and the picture is black."""
    y = noise.gaussian(key, jnp.zeros((32, 32, 1)), 0.1)

    def driver(key, objective, shape, **_):
        mean = jnp.full(shape, y.mean())
        return dipjax.Restoration(*[mean] * 5, jnp.zeros(1), jnp.int32(1), mean, None, None)

    image = dipjax.denoise(key, y, sigma=0.1, driver=driver, **settings).image
    assert (float(image.mean()) < 0.02) == undone
    assert (float(image.mean()) > 0.03) == (not undone)


def test_an_unknown_stop_is_an_error(key, x):
    with pytest.raises(ValueError, match="stop must be"):
        dipjax.denoise(key, x, stop="soon")
