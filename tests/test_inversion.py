"""Inversion and maximisation on networks with random weights; their energies, settings, errors."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from test_features import random_arrays

import dipjax
from dipjax import features, optimizers
from dipjax.features import FeatureError, MinusActivation, inversion
from dipjax.features.objectives import gram
from dipjax.features.squeezenet import V1_1
from dipjax.generators import Pixels
from dipjax.restoration import Restoration

# Pixels compile in a moment; the presets and one test have a network.
TINY = dict(preset="tv", steps=2)
HOURGLASS = dipjax.Hourglass(widths=(4,), skips=2)


def recorded(*args, **settings):
    """A driver that fits nothing and tells how it was called."""
    recorded.settings = settings
    recorded.objective, recorded.shape = args[1:]
    image = jnp.zeros(recorded.shape)
    return Restoration(*[image] * 5, loss=jnp.zeros(1), stopped_at=jnp.array(1))


@pytest.fixture(scope="module")
def phi():
    """The first stages of SqueezeNet 1.1 with random weights."""
    return features.squeezenet(random_arrays(V1_1[:5], (224, 224, 3)), version="1.1")


@pytest.fixture
def x(key):
    return jax.random.uniform(key, (19, 23, 3))


# --- energies ------------------------------------------------------------------------------


def test_feature_error_is_relative_and_zero_at_the_solution(phi, x):
    a = phi("fire2")(x)
    energy = FeatureError(phi, {"fire2": a}, {"fire2": 1.0})
    assert energy(x) == 0
    half = FeatureError(phi, {"fire2": 2 * a}, {"fire2": 3.0})
    assert half(x) == pytest.approx(3 / 4, rel=1e-5)
    assert FeatureError(phi, {"fire2": 0 * a}, {"fire2": 1.0})(x) > 1  # and no division by 0


def test_feature_error_of_several_layers_is_their_sum(phi, x, key):
    y = jax.random.uniform(jax.random.fold_in(key, 1), x.shape)
    layers = {"conv1": 0.5, "fire2": 2.0}
    targets = phi.activations(y, layers)
    energy = FeatureError(phi, targets, layers)
    alone = [
        w * FeatureError(phi, {name: targets[name]}, {name: 1.0})(x) for name, w in layers.items()
    ]
    assert energy(x) == pytest.approx(float(sum(alone)), rel=1e-5)


def test_gram_is_the_inner_product_of_channels_and_blind_to_place():
    a = jax.random.normal(jax.random.key(0), (4, 5, 3))
    g = gram(a)
    assert g[0, 2] == pytest.approx(float((a[..., 0] * a[..., 2]).mean()), rel=1e-5)
    shuffled = jax.random.permutation(jax.random.key(1), a.reshape(20, 3)).reshape(4, 5, 3)
    np.testing.assert_allclose(gram(shuffled), g, rtol=1e-5)


def test_gradient_of_the_feature_error_against_differences(phi, x, key, x64):
    phi = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), phi)
    x = jnp.asarray(x, jnp.float64)
    energy = FeatureError(phi, {"fire2": 1.1 * phi("fire2")(x)}, {"fire2": 1.0})
    d = jax.random.normal(key, x.shape, jnp.float64)
    h = 1e-6
    slope = (energy(x + h * d) - energy(x - h * d)) / (2 * h)
    assert slope == pytest.approx(float(jnp.vdot(jax.grad(energy)(x), d)), rel=1e-5)


def test_minus_activation(phi, x):
    a = phi("conv1")(x)
    phi = phi.upto("conv1")
    assert MinusActivation(phi, 3)(x) == pytest.approx(-float(a[..., 3].mean()), abs=1e-5)
    h, w = a.shape[0] // 2, a.shape[1] // 2  # an odd map has one neuron in its middle
    assert a.shape[0] % 2 and a.shape[1] % 2
    neuron = MinusActivation(phi, 3, window=1)
    assert neuron(x) == pytest.approx(-float(a[h, w, 3]), abs=1e-5)
    assert MinusActivation(phi, 3, 2.0, window=1)(x) == pytest.approx(
        abs(2 - float(a[h, w, 3])), abs=1e-5
    )
    assert MinusActivation(phi, 3, window=99)(x) == MinusActivation(phi, 3)(x)


def test_minus_class_is_the_mean_over_the_views(key):
    whole = features.squeezenet(jax.random.key(0), version="1.1")
    x = jax.random.uniform(key, (60, 60, 3))

    def one(x, size):
        view = features.centred(x, size)
        a, p = (whole(layer)(view).ravel()[7] for layer in whole.layers[-2:])
        return -jnp.log(p) - a / 10

    expected = (one(x, 224) + one(x[12:48, 12:48], 112)) / 2
    energy = features.MinusClass(whole, 7, ((0.0, 1.0, 1.0), (0.2, 0.8, 0.5)))
    assert energy(x) == pytest.approx(float(expected), rel=1e-4)


# --- inversion -----------------------------------------------------------------------------


def test_inversion_makes_the_feature_error_small(key, phi, x):
    layer, settings = "fire2", dict(generator=HOURGLASS, steps=150, jitter=0.0)
    result = dipjax.invert_features(key, x, phi, layer, preset="fast", **settings)
    assert result.image.shape == x.shape
    loss = result.loss
    assert loss[-1] < 0.5 * loss[0]
    energy = FeatureError(phi.upto(layer), {layer: phi(layer)(x)}, {layer: 1.0})
    assert energy(result.best) == pytest.approx(float(jnp.nanmin(loss)), rel=1e-2)


def test_an_image_or_its_activations(key, phi, x):
    a = dipjax.invert_features(key, x, phi, "conv2", **TINY)  # another name of fire2
    b = dipjax.invert_features(key, phi("fire2")(x), phi, "fire2", shape=x.shape[:2], **TINY)
    np.testing.assert_allclose(a.image, b.image, atol=1e-6)
    c = dipjax.invert_features(
        key, phi.activations(x, ("fire2",)), phi, ["fire2"], shape=x.shape[:2], **TINY
    )
    np.testing.assert_allclose(a.image, c.image, atol=1e-6)


def test_several_layers_with_weights(key, phi, x):
    layers = {"conv1": 1.0, "fire2": 0.1}
    dipjax.invert_features(key, x, phi, layers, driver=recorded)
    assert recorded.objective.weights == layers
    np.testing.assert_allclose(recorded.objective.targets["fire2"], phi("fire2")(x), atol=1e-6)
    assert recorded.objective.network.layers[-1] == "fire2"


def test_gram_of_a_texture_of_another_size(key, phi, x):
    result = dipjax.invert_features(
        key, x, phi, ["conv1", "fire2"], statistics="gram", shape=(30, 27), **TINY
    )
    assert result.image.shape == (30, 27, 3)
    with pytest.raises(ValueError, match=r"activations of shape .* another size"):
        dipjax.invert_features(key, x, phi, "conv1", shape=(30, 27), **TINY)


def test_grey_and_integers_are_pictures(key, phi):
    grey = np.arange(20 * 20, dtype=np.uint8).reshape(20, 20)
    dipjax.invert_features(key, grey, phi, "conv1", driver=recorded)
    x = jnp.repeat(jnp.asarray(grey / 255, jnp.float32)[..., None], 3, -1)
    expected = phi("conv1")(x)
    np.testing.assert_allclose(recorded.objective.targets["conv1"], expected, atol=1e-3)


def test_the_paper_s_settings(key, phi):
    x = jnp.full((24, 70, 3), 0.5)
    dipjax.invert_features(key, x, phi, "conv1", preset="paper", driver=recorded)
    g = recorded.settings["generator"]
    assert (g.widths, g.kernels_down) == ((16, 32, 64, 128, 128, 128), (7, 7, 5, 5, 3, 3))
    assert (g.padding, g.upsample, g.downsample) == ("zero", "nearest", "average")
    assert recorded.shape == (64, 128, 3)  # which is cropped
    assert (recorded.settings["steps"], recorded.settings["jitter"]) == (3100, 0)
    z = recorded.settings["code"](key, recorded.shape)
    assert z.shape == (64, 128, 32)

    dipjax.invert_features(key, x, phi, "conv1", preset="appendix", driver=recorded)
    jitter = recorded.settings["jitter"]
    assert [float(jitter(n)) for n in (9_999, 10_001, 15_001)] == pytest.approx([10, 2, 0.5])
    assert recorded.settings["code"](key, recorded.shape).shape == (64, 128, 2)


def test_the_energy_looks_at_the_crop_only(key, phi, x):
    dipjax.invert_features(key, x, phi, "conv1", preset="paper", driver=recorded)
    canvas = jax.random.uniform(key, recorded.shape).at[:19, :23].set(x)
    assert recorded.objective(canvas) == 0
    result = dipjax.invert_features(key, x, phi, "conv1", **{**TINY, "multiple": 32})
    assert result.image.shape == result.best.shape == x.shape


def test_total_variation_in_the_same_loop(key, phi, x):
    options = dict(preset="tv", steps=60)
    smooth = dipjax.invert_features(
        key, x, phi, "conv1", regularizer=1.0 * dipjax.TotalVariation(beta=2.0), **options
    )
    rough = dipjax.invert_features(key, x, phi, "conv1", regularizer=None, **options)
    tv = dipjax.TotalVariation()
    assert tv(smooth.last) < 0.5 * tv(rough.last)
    energy = FeatureError(phi.upto("conv1"), {"conv1": phi("conv1")(x)}, {"conv1": 1.0})
    assert energy(rough.last) < energy(smooth.last)


def test_an_ensemble_by_vmap(key, phi, x):
    keys = jax.random.split(key, 2)
    settings = {**TINY, "steps": 1}
    invert = partial(dipjax.invert_features, target=x, phi=phi, layer="conv1", **settings)
    many = jax.vmap(lambda k: invert(k))(keys)
    for i in range(2):
        np.testing.assert_allclose(many.image[i], invert(keys[i]).image, atol=1e-5)
    assert not np.allclose(many.image[0], many.image[1])


# --- maximisation --------------------------------------------------------------------------


def test_maximisation_raises_the_activation(key, phi):
    settings = {**TINY, "steps": 60}
    result = dipjax.maximize_activation(key, phi, "conv1", 5, shape=(24, 21), window=3, **settings)
    assert result.image.shape == (24, 21, 3)
    assert result.loss[-1] < result.loss[0]


def test_a_class_by_name(key):
    whole = features.squeezenet(jax.random.key(0), version="1.1")
    dipjax.maximize_activation(key, whole, None, "black swan", target=300, driver=recorded)
    assert recorded.objective.unit == 100
    assert recorded.objective.network.layers[-1] == "conv10"
    assert recorded.shape == (224, 224, 3)
    dipjax.maximize_activation(key, whole, None, "black swan", preset="fast", driver=recorded)
    assert (recorded.objective.unit, recorded.objective.network) == (100, whole)
    dipjax.maximize_activation(key, whole, None, 100, preset="paper", driver=recorded)
    assert recorded.shape == (256, 256, 3)
    g = recorded.settings["generator"]
    assert (g.skips, g.kernels_up) == ((0, 4, 4, 4, 4, 4), (5, 3, 5, 3, 5, 3))


def test_the_views_of_a_class_are_the_caller_s(key):
    whole = features.squeezenet(jax.random.key(0), version="1.1")
    maximize = partial(dipjax.maximize_activation, key, whole, None, 100, driver=recorded)
    views = ((0.0, 1.0, 0.5),)
    for preset in ("fast", "paper"):
        maximize(preset=preset, views=views)
        energy = recorded.objective  # of a part of the image, in the paper
        assert getattr(energy, "objective", energy).views == views
    maximize(preset="fast", views=())
    assert isinstance(recorded.objective, MinusActivation)


# --- parameter noise -----------------------------------------------------------------------


def test_parameter_noise_has_the_size_that_it_says_and_spares_the_rest():
    w = 3.0 * jax.random.normal(jax.random.key(0), (5, 5, 20, 30)) + 7.0
    params = {"kernel": w, "bias": jnp.ones(30)}
    noise = optimizers.parameter_noise(1 / 50)
    zeros = jax.tree.map(jnp.zeros_like, params)
    updates, state = noise.update(zeros, noise.init(params), params)
    assert updates["kernel"].std() == pytest.approx(3 / 50, rel=0.03)
    assert abs(updates["kernel"].mean()) < 3e-3
    np.testing.assert_array_equal(updates["bias"], 0)
    again, _ = noise.update(zeros, state, params)
    assert abs(np.corrcoef(updates["kernel"].ravel(), again["kernel"].ravel())[0, 1]) < 0.05


def test_parameter_noise_is_no_no_op(key, x):
    """As it is in the published code since its port to PyTorch 0.4."""
    settings = dict(generator=HOURGLASS, jitter=0.0, steps=2)
    energy = dipjax.data_term(dipjax.operators.Identity(), x)
    chain = optax.chain(optax.set_to_zero(), optimizers.parameter_noise(1 / 50))
    result = dipjax.fit(key, energy, x.shape, optimizer=chain, **settings)
    assert result.loss[0] != result.loss[1]
    assert not np.allclose(result.last, result.average)


def test_parameter_noise_is_drawn_from_the_start_and_the_seed():
    noise, zeros = optimizers.parameter_noise(), jnp.zeros((1, 1, 2, 2))
    keys = [noise.init(jnp.full((1, 1, 2, 2), float(i))).key for i in (1, 1, 2)]
    np.testing.assert_array_equal(keys[0], keys[1])
    assert not np.array_equal(keys[0], keys[2])
    other = optimizers.parameter_noise(seed=1).init(jnp.ones((1, 1, 2, 2))).key
    assert not np.array_equal(keys[0], other)
    silent = optimizers.parameter_noise(lambda step: 0.0)
    updates, _ = silent.update(zeros, silent.init(zeros), zeros + 5)
    np.testing.assert_array_equal(updates, 0)
    with pytest.raises(ValueError, match="needs the params"):
        noise.update(zeros, noise.init(zeros))


def test_pixels_are_their_own_params(key):
    z = jax.random.uniform(key, (4, 5, 3))
    assert Pixels() == Pixels() and hash(Pixels()) == hash(Pixels())
    np.testing.assert_array_equal(Pixels().apply(Pixels().init(key, z), 0 * z), z)
    y = jnp.full((4, 5, 3), 0.25)
    result = dipjax.fit(
        key,
        dipjax.data_term(dipjax.operators.Identity(), y),
        (4, 5, 3),
        generator=Pixels(),
        code=z,
        jitter=0.0,
        steps=300,
    )
    np.testing.assert_allclose(result.last, y, atol=1e-2)


# --- mistakes ------------------------------------------------------------------------------


def test_mistakes_come_before_any_step(key, phi, x):
    invert = partial(dipjax.invert_features, driver=lambda *a, **k: pytest.fail("computed"))
    cases = [
        (dict(target=x, layer="conv99"), "no layer of"),
        (dict(target=x, layer="conv10"), "weights at hand end before it"),
        (dict(target=x, layer=[]), "name one"),
        (dict(target=x[:3, :9], layer="fire3"), "too small"),
        (dict(target=x[..., :2], layer="conv1"), "takes RGB images"),
        (dict(target=jnp.full((9, 9, 3), jnp.nan), layer="conv1"), "NaN"),
        (dict(target=x, layer="conv1", preset="best"), "preset must be one of"),
        (dict(target=x, layer="conv1", statistics="mean"), "statistics must be one of"),
        (dict(target=jnp.zeros((9, 9, 64)), layer="conv1"), "images of 227 x 227, not .9, 9, 64"),
        (dict(target={"fire2": x}, layer="conv1"), r"activations of \['fire2'\] for"),
        (dict(target=x[None], layer="conv1"), "one image"),
        (dict(target=jnp.ones((40, 40, 4)), layer="conv1"), "takes RGB images"),
    ]
    for options, message in cases:
        with pytest.raises(ValueError, match=message):
            invert(key, phi=phi, **options)
    maximize = partial(dipjax.maximize_activation, driver=lambda *a, **k: pytest.fail("computed"))
    cases = [
        (("conv1", 64), {}, "unit 64: conv1 has channels 0 to 63"),
        (("conv1", -1), {}, "unit -1"),
        (("conv1", "black swan"), {}, "64 channels and no classes"),
        ((None, "black swan"), {}, "weights at hand end before it"),
        (("conv1", "no such thing"), {}, "is no class"),
        (("conv1", 0), dict(window=0), "window must be at least 1"),
        (("fire3", 0), dict(shape=(3, 9)), "too small"),
        (("conv1", 0), dict(preset="best"), "preset must be one of"),
    ]
    for (layer, unit), options, message in cases:
        with pytest.raises(ValueError, match=message):
            maximize(key, phi, layer, unit, **options)


def test_settings_are_changed_one_by_one(key, phi, x):
    fast = dict(inversion.PRESETS["invert_features"]["fast"])
    local = fast.pop("local")
    dipjax.invert_features(key, x, phi, "conv1", preset="fast", steps=7, driver=recorded)
    assert recorded.settings == {**fast, **local, "steps": 7}  # 3 of 19 pixels
    assert phi.receptive("fire3").size > min(x.shape[:2]) > phi.receptive("conv1").size
    for layer in ("fire3", ["fire3", "conv1"]):
        dipjax.invert_features(key, x, phi, layer, preset="fast", driver=recorded)
        assert recorded.settings == fast
    dipjax.invert_features(key, x, phi, "conv1", preset="fast", local={}, driver=recorded)
    assert recorded.settings == fast
    with pytest.raises(TypeError, match="stepz"):
        dipjax.invert_features(key, x, phi, "conv1", stepz=7)
