"""The estimates of the risk against the risk, where the truth is known."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dipjax
from dipjax import noise, presets, risk, stopping
from dipjax.noise import clipping, spectrum

SHAPE = 24, 24, 3


class Shrinkage(NamedTuple):
    """`f_theta(z) = theta z`, whose risk is a formula: `d x_i / d y_i = theta`."""

    name: str = "theta z"

    def init(self, key, z):
        return jnp.float32(0.5)

    def apply(self, theta, z):
        return theta * z


@pytest.fixture
def truth(key):
    return 0.3 + 0.4 * jax.random.uniform(key, SHAPE)


def probed(E, key, at):
    """`E(x) + sum_k <w_k, f(z + d_k) - f(z)>` with `at(d) = f(z + d)`."""
    return E(at(0)) + sum(jnp.sum(w * (at(d) - at(0))) for d, w in E.probes(key))


def mean_risk(energy, theta, ys):
    """Mean of `E` over the measurements and as many probes."""

    def one(key, y):
        E = energy(y)
        z, unit = E.code, jnp.sqrt(jnp.mean(E.s**2))
        return probed(E, key, lambda d: theta * unit * (z + d))

    return jax.vmap(one)(jax.random.split(jax.random.key(2), len(ys)), ys).mean()


@pytest.mark.parametrize("theta", [0.0, 0.6, 1.0])
def test_sure_is_the_risk_on_average(truth, theta):
    sigma = 0.05
    keys = jax.random.split(jax.random.key(1), 400)
    ys = jax.vmap(lambda k: noise.gaussian(k, truth, sigma))(keys)
    true = jnp.mean((theta * ys - truth[None]) ** 2) / sigma**2
    np.testing.assert_allclose(mean_risk(lambda y: risk.sure(y, sigma), theta, ys), true, rtol=0.01)


@pytest.mark.parametrize("theta", [0.0, 0.6, 1.0])
def test_pure_is_the_risk_on_average(truth, theta):
    peak = 400.0
    keys = jax.random.split(jax.random.key(1), 400)
    ys = jax.vmap(lambda k: noise.poisson(k, truth, peak))(keys)
    true = jnp.mean((theta * ys - truth[None]) ** 2) / jnp.mean(truth / peak)
    estimate = mean_risk(lambda y: risk.pure(y, 1 / peak), theta, ys)
    np.testing.assert_allclose(estimate, true, rtol=0.02)


def test_sure_of_coloured_noise_is_the_risk_on_average(truth):
    """Of a filter that takes the mean of neighbours, to which soft noise is no stranger."""
    k = jnp.zeros((9, 9, 3, 3)).at[4, 4:6].set(0.5**0.5 * jnp.eye(3)[None])
    keys = jax.random.split(jax.random.key(1), 400)
    noises = jax.vmap(lambda key: spectrum.draw(key, k, SHAPE))(keys)
    ys = truth[None] + 0.05 * noises

    def smooth(x):
        return (x + jnp.roll(x, 1, 1)) / 2

    def one(key, y):
        E = risk.sure(y, 0.05, k)
        unit = jnp.sqrt(jnp.mean(E.s**2))
        return probed(E, key, lambda d: smooth(unit * (E.code + d)))

    estimate = jax.vmap(one)(jax.random.split(jax.random.key(2), len(ys)), ys).mean()
    true = jnp.mean((jax.vmap(smooth)(ys) - truth[None]) ** 2) / 0.05**2
    np.testing.assert_allclose(estimate, true, rtol=0.02)


def test_a_level_of_every_entry(truth):
    """Half of the picture has ten times the noise of the other half."""
    s = jnp.where(jnp.arange(SHAPE[1])[None, :, None] < 12, 0.01, 0.1) * jnp.ones(SHAPE)
    keys = jax.random.split(jax.random.key(1), 400)
    ys = truth[None] + s[None] * jax.vmap(lambda k: jax.random.normal(k, SHAPE))(keys)
    theta = 0.8
    true = jnp.sum((theta * ys - truth[None]) ** 2) / len(ys) / jnp.sum(s**2)
    estimate = mean_risk(lambda y: risk.Risk(y, s), theta, ys)
    np.testing.assert_allclose(estimate, true, rtol=0.01)


def test_a_fit_finds_the_shrinkage_of_least_risk(truth):
    """`theta = <x, y> / (<y, y>)`, of which SURE knows `|y|^2 - n sigma^2` for `<x, y>`."""
    y = truth + 0.3 * jax.random.normal(jax.random.key(1), SHAPE)
    energy = risk.Risk(y, jnp.full(SHAPE, 0.3))
    fitter = dipjax.fitter(energy, Shrinkage(), dipjax.optimizers.adam(0.01), jitter=0.0)
    state = jax.jit(fitter.init)(jax.random.key(0), energy.code)
    step = jax.jit(lambda i, s: fitter.step(jax.random.key(i), s)[0])
    for i in range(400):
        state = step(i, state)
    least = 1 - y.size * 0.3**2 / jnp.sum(y**2)
    np.testing.assert_allclose(state.params / 0.3, least, atol=3e-3)  # f(z) = theta y / 0.3
    assert abs(least - 1) > 0.2  # the fit without the divergence copies


def test_sums_and_multiples_probe_too(truth, key):
    energy = risk.sure(truth, 0.1)
    at = lambda d: 0.5 * (truth + d)  # noqa: E731
    alone = probed(energy, key, at)
    both = probed(2 * energy + dipjax.objectives.TotalVariation(), key, at)
    expected = 2 * alone + dipjax.objectives.TotalVariation()(at(0))
    np.testing.assert_allclose(both, expected, rtol=1e-6)


def test_the_fit_stops_at_the_zero_crossing(truth):
    y = noise.gaussian(jax.random.key(1), truth, 0.1)
    energy = risk.sure(y, 0.1)
    result = dipjax.fit(
        jax.random.key(0),
        energy,
        SHAPE,
        code=energy.code,
        jitter=1.0,
        generator=dipjax.Hourglass(widths=(8, 8), skips=2),
        stop=stopping.zero_crossing(),
        steps=2000,
    )
    assert result.stop_reason == stopping.Reason.RISK
    made = np.asarray(result.loss)[: int(result.stopped_at)]
    mean = weight = 0.0
    for loss in made:
        weight = 0.9 * weight + 1
        mean += (loss - mean) / weight
    assert mean <= 0 and len(made) > 300 and np.isfinite(made).all()


def test_the_code_must_be_the_measurement(truth, key):
    with pytest.raises(ValueError, match="let the measurement be the code"):
        dipjax.fit(key, risk.sure(truth, 0.1), SHAPE, steps=2)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan")])
def test_bad_levels(truth, bad):
    with pytest.raises(ValueError, match="must be positive"):
        risk.sure(truth, bad)
    with pytest.raises(ValueError, match="must be positive"):
        risk.pure(truth, bad)


def test_a_level_of_every_entry_is_looked_at(truth):
    with pytest.raises(ValueError, match="entries that are negative"):
        risk.sure(truth, jnp.full_like(truth, 0.1).at[0, 0, 0].set(-1))
    assert not jnp.isnan(risk.pure(truth.at[0, 0, 0].set(-0.1), 0.1).s).any()


def test_no_risk_without_noise(truth):
    for level, message in [(0.0, "0 everywhere"), (jnp.inf, "not finite"), (jnp.nan, "not finite")]:
        with pytest.raises(ValueError, match=message):
            risk.sure(truth, jnp.full(SHAPE, level))
    for black in (jnp.zeros(SHAPE), jnp.full(SHAPE, -0.1)):
        with pytest.raises(ValueError, match="no photons"):
            risk.pure(black, 0.1)
    assert jax.jit(lambda y: risk.pure(y, 0.1).s)(jnp.zeros(SHAPE)).sum() == 0  # nothing is known


TINY = dict(generator=dipjax.generators.Positional(width=4, depth=1), steps=3, polish=False)


@pytest.mark.parametrize("sigma", [None, 0.1])
def test_denoise_by_risk(truth, key, sigma):
    y = noise.gaussian(jax.random.key(1), truth, 0.1)
    asked = {}

    def driver(key, objective, shape, **settings):
        asked.update(settings, objective=objective)
        return dipjax.fit(key, objective, shape, **settings)

    dipjax.denoise(key, y, stop="risk", preset="fast", sigma=sigma, driver=driver, **TINY)
    np.testing.assert_array_equal(asked["code"], asked["objective"].code)
    assert asked["stop"] is presets.by_risk(SHAPE)["stop"] and asked["jitter"] == 1.0
    level = noise.level_by_brightness(y) if sigma is None else clipping.level_after(y, sigma)
    np.testing.assert_allclose(asked["objective"].s, level, rtol=1e-6)


@pytest.mark.parametrize(("side", "early"), [(64, True), (256, False)])
def test_a_large_picture_is_not_stopped_where_its_fit_falters_while_it_is_coarse(side, early):
    """The estimate falls fast, hardly, and fast again when finer parts are learnt."""
    t = jnp.arange(1.0, 1001)
    losses = 0.6 * jnp.exp(-t / 25) + 0.25 / (1 + (t / 240) ** 3) - 0.008
    rule, image = presets.by_risk((side, side, 3))["stop"], jnp.zeros((1, 1, 1))

    def step(state, loss):
        state = rule.update(state, stopping.Seen(loss, image, image, lambda x: None, 0))
        return state, state.stop

    stops = jax.lax.scan(step, rule.init(image), losses)[1]
    end = int(stops.argmax()) + 1
    assert stops.any() and (end < 200 if early else end > 700)  # before the fall, and behind it


@pytest.mark.parametrize("count", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_step_sums_over_all_looks(truth, key, count):
    """Value, image, gradient, and what a line search gets: those of the energy written out."""
    E = [risk.sure(truth, 0.1), risk.sure(truth, 0.1) + risk.pure(truth, 1.0)][count - 1]
    generator, z = dipjax.Hourglass(widths=(4,), skips=2), truth / 0.1
    seen = {}

    def update(updates, state, params, *, value, value_fn, **_):
        seen.update(grad=updates, value=value, again=value_fn(params))
        return updates, state

    sgd = optax.GradientTransformationExtraArgs(lambda _: (), update)
    fitter = dipjax.fitter(E, generator, sgd, jitter=0.0)
    state = jax.jit(fitter.init)(key, z)
    info, seen = jax.jit(lambda *args: (fitter.step(*args)[1], seen))(key, state)

    def written_out(params):
        return probed(E, jax.random.split(key)[1], lambda d: generator.apply(params, z + d))

    value, grad = jax.jit(jax.value_and_grad(written_out))(state.params)
    assert len(E.probes(key)) == count
    image = jax.jit(generator.apply)(state.params, z)
    np.testing.assert_allclose(info.image, image, atol=1e-5)
    for loss in (info.loss, seen["value"], seen["again"]):
        np.testing.assert_allclose(loss, value, rtol=1e-3)
    for ours, plain in zip(jax.tree.leaves(seen["grad"]), jax.tree.leaves(grad), strict=True):
        np.testing.assert_allclose(ours, plain, atol=1e-3 * jnp.abs(plain).max() + 1e-5)


@pytest.mark.slow
def test_denoise_by_risk_maps(truth, key):
    """Nothing static comes from the picture."""
    ys = jnp.stack([truth, 0.9 * truth])
    many = jax.vmap(lambda y: dipjax.denoise(key, y, stop="risk", preset="fast", **TINY).image)(ys)
    for y, image in zip(ys, many, strict=True):
        alone = dipjax.denoise(key, y, stop="risk", preset="fast", **TINY).image
        np.testing.assert_allclose(image, alone, atol=1e-4)


def test_denoise_by_risk_needs_noise_that_adds(key):
    y = noise.impulse(key, jnp.full(SHAPE, 0.5), 0.2)
    for options in (dict(fidelity="l1"), {}):
        with pytest.raises(ValueError, match="no risk is known"):
            dipjax.denoise(key, y, stop="risk", **options, **TINY)
