"""Laws: E >= 0, zero at the solution, the gradient against finite differences, the algebra."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from dipjax import objectives
from dipjax.objectives import TotalVariation, data_term
from dipjax.operators import Downsample, Identity

SHAPE = (6, 5, 2)
FIDELITIES = ("l2", "l1", "huber", "poisson", lambda prediction, y: jnp.sum((prediction - y) ** 4))


@pytest.fixture
def x(key):
    return jax.random.uniform(key, SHAPE)


@pytest.mark.parametrize("fidelity", FIDELITIES)
def test_data_term_is_zero_at_the_solution_only(fidelity, x):
    A = Downsample(2)
    E = data_term(A, A(x), fidelity)
    assert E(x) == 0
    assert E(x + 0.1) > 0


@pytest.mark.parametrize("fidelity", FIDELITIES)
def test_data_term_gradient(fidelity, x, x64):
    x = x.astype(jnp.float64)
    y = jnp.full((3, 3, 2), 0.35)
    check_grads(data_term(Downsample(2), y, fidelity), (x,), order=1, modes=["rev"], atol=1e-6)


def test_the_fidelities_are_their_formulas(x):
    y = jnp.zeros(SHAPE)
    np.testing.assert_allclose(data_term(Identity(), y)(x), np.sum(np.square(x)), rtol=1e-6)
    np.testing.assert_allclose(data_term(Identity(), y, "l1")(x), np.sum(np.abs(x)), rtol=1e-6)
    r = np.abs(np.asarray(x))
    huber = np.where(r < 0.1, r**2 / 2, 0.1 * (r - 0.05)).sum()
    np.testing.assert_allclose(data_term(Identity(), y, "huber")(x), huber, rtol=1e-6)


def test_poisson_is_the_likelihood_of_counts(key):
    """How much less likely the counts `k = N y` are under `N x` than under `N y`, over `N`."""
    x, y = jax.random.uniform(key, (2, 6, 5, 1), minval=0.2)
    less = x - y - y * jnp.log(x / y)  # the factorials of the counts are the same
    energy = data_term(Identity(), y, "poisson")
    np.testing.assert_allclose(energy(x), less.sum(), rtol=0.02)
    dark = jnp.zeros((6, 5, 1))
    assert jnp.isfinite(jax.grad(energy)(dark)).all() and jnp.isfinite(energy(dark))


def test_a_data_term_takes_any_function(x):
    E = data_term(lambda x: x.mean(-1), x.mean(-1))
    assert E(x) == 0


@pytest.mark.parametrize("beta", [1.0, 2.0, 1.5])
def test_total_variation_is_its_formula(beta, x):
    x_ = np.asarray(x, np.float64)
    total = sum(
        ((x_[i, j + 1, c] - x_[i, j, c]) ** 2 + (x_[i + 1, j, c] - x_[i, j, c]) ** 2) ** (beta / 2)
        for i in range(SHAPE[0] - 1)
        for j in range(SHAPE[1] - 1)
        for c in range(SHAPE[2])
    )
    np.testing.assert_allclose(TotalVariation(beta)(x), total, rtol=1e-5)


def test_total_variation_gradient(x, x64):
    check_grads(TotalVariation(), (x.astype(jnp.float64),), order=1, modes=["rev"], atol=1e-6)
    flat = jnp.ones(SHAPE)
    assert TotalVariation()(flat) == 0
    np.testing.assert_array_equal(jax.grad(TotalVariation())(flat), 0)


def test_objectives_add_and_scale(x):
    E, R = data_term(Identity(), jnp.zeros(SHAPE)), TotalVariation()
    np.testing.assert_allclose((E + 0.5 * R)(x), E(x) + 0.5 * R(x), rtol=1e-6)
    np.testing.assert_allclose((R * 0.5 + E)(x), E(x) + 0.5 * R(x), rtol=1e-6)
    np.testing.assert_allclose((E + (lambda x: x.sum()))(x), E(x) + x.sum(), rtol=1e-6)
    np.testing.assert_allclose(((lambda x: x.sum()) + E)(x), E(x) + x.sum(), rtol=1e-6)
    with pytest.raises(TypeError, match="an objective is a function"):
        E + 3


def test_objectives_are_summed_and_divided(x):
    E, R = data_term(Identity(), jnp.zeros(SHAPE)), TotalVariation()
    np.testing.assert_allclose(sum([E, R])(x), E(x) + R(x), rtol=1e-6)
    for two in (2, 2.0, np.float32(2), jnp.float32(2)):
        np.testing.assert_allclose((E / two)(x), E(x) / 2, rtol=1e-6)
    for wrong in (lambda: E / R, lambda: E * R, lambda: E * "2", lambda: E / None):
        with pytest.raises(TypeError, match="scaled by a number, not by"):
            wrong()
    for wrong in (lambda: 3 + E, lambda: 2 / E):
        with pytest.raises(TypeError):
            wrong()


def test_another_measurement_or_weight_compiles_nothing(x):
    traces = 0

    @jax.jit
    def energy(E, x):
        nonlocal traces
        traces += 1
        return E(x)

    for weight in (0.1, 0.2):
        energy(data_term(Identity(), x * weight) + weight * TotalVariation(), x)
    assert traces == 1


def test_bad_arguments(x):
    with pytest.raises(ValueError, match="fidelity must be one of"):
        data_term(Identity(), x, "l3")
    for fidelity in (None, ["l2"], x):
        with pytest.raises(ValueError, match="or a function, not"):
            data_term(Identity(), x, fidelity)
    with pytest.raises(ValueError, match="NaN"):  # of what is known where all else is traced
        jax.jit(data_term(Identity(), np.full(SHAPE, np.nan)))(x)
    with pytest.raises(ValueError, match="NaN"):
        jax.jit(lambda x: data_term(Identity(), np.full(SHAPE, np.nan))(x))(x)
    with pytest.raises(TypeError, match="operator None: must be"):
        data_term(None, x)
    with pytest.raises(ValueError, match="measurements of shape"):
        data_term(Downsample(2), x)(x)
    with pytest.raises(ValueError, match="convert it to floats"):
        data_term(Identity(), jnp.ones(SHAPE, jnp.uint8))
    with pytest.raises(ValueError, match="NaN"):
        data_term(Identity(), jnp.full(SHAPE, jnp.nan))


def test_held_out_entries_are_not_fitted_and_make_the_error(key):
    x, y = jax.random.uniform(key, (2, 6, 5, 3))
    term = objectives.hold_out(key, data_term(Identity(), y), 0.2)
    held = np.broadcast_to(term.held, y.shape) == 1
    assert held.sum() == 6 * 3 and (held.all(-1) | ~held.any(-1)).all()  # whole pixels
    far = np.abs(np.asarray(x - y))
    np.testing.assert_allclose(term(x), (far[~held] ** 2).sum(), rtol=1e-5)
    h = np.where(far < 0.2, far**2, 0.4 * far - 0.04)  # outliers do not decide
    np.testing.assert_allclose(term.error(x), h[held].mean(), rtol=1e-5)
    np.testing.assert_array_equal(jax.grad(term)(x)[held], 0)


def test_the_error_of_another_fidelity_is_its_own(key):
    x, y = jax.random.uniform(key, (2, 6, 5, 3))
    term = objectives.hold_out(key, data_term(Identity(), y, "l1"), 0.2)
    held = np.broadcast_to(term.held, y.shape) == 1
    np.testing.assert_allclose(term.error(x), np.abs(x - y)[held].mean(), rtol=1e-5)


def test_the_error_of_complex_measurements_is_real(key):
    x = jax.random.uniform(key, (6, 5, 1))
    term = objectives.hold_out(key, data_term(lambda x: jnp.fft.fft2(x, axes=(0, 1)), 1j * x), 0.5)
    assert term.error(x).dtype == x.dtype and term.error(x) > 0


def test_the_error_goes_through_sums_and_weights(key):
    x, y = jax.random.uniform(key, (2, 6, 5, 3))
    plain = data_term(Identity(), y) + 0.1 * TotalVariation()
    assert plain.error(x) is None
    held = objectives.hold_out(key, 2 * plain)
    np.testing.assert_allclose(held.error(x), 2 * held.objective.left.error(x))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_many_held_entries_of_short_floats_are_counted(key, dtype):
    y = jnp.zeros((256, 300, 1), dtype)
    term = objectives.hold_out(key, data_term(Identity(), y), 0.9)
    np.testing.assert_allclose(term.error(y + 3), 0.4 * 3 - 0.04, rtol=1e-5)


def test_something_is_left_to_fit(key):
    pair = data_term(Identity(), jnp.ones(2))
    assert objectives.hold_out(key, pair, 0.9).held.sum() == 1
    single = data_term(jnp.mean, jnp.ones(()))
    assert objectives.hold_out(key, single + pair).left is single


def test_what_cannot_be_held_out(key):
    with pytest.raises(ValueError, match="no data term"):
        objectives.hold_out(key, TotalVariation())
    with pytest.raises(ValueError, match="between 0 and 1"):
        objectives.hold_out(key, data_term(Identity(), jnp.ones((2, 2, 1))), 1.0)
    with pytest.raises(ValueError, match="no data term of several pixels"):
        objectives.hold_out(key, data_term(Identity(), jnp.ones((1, 1, 3))))
