import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dipjax import codes


def test_uniform(key):
    z = codes.uniform(key, (50, 40, 3), channels=8, scale=0.1)
    assert z.shape == (50, 40, 8)
    assert z.min() >= 0 and z.max() < 0.1
    np.testing.assert_allclose(z.mean(), 0.05, atol=1e-3)


def test_meshgrid_holds_the_coordinates(key):
    z = codes.meshgrid(key, (3, 5, 1))
    np.testing.assert_allclose(z[2, 1], [0.25, 1.0])
    assert codes.meshgrid(key, (1, 1, 3)).shape == (1, 1, 2)


def test_fourier_features_hold_sines_and_cosines(key):
    z = codes.fourier(key, (4, 6, 3), frequencies=5)
    assert z.shape == (4, 6, 20)
    np.testing.assert_allclose(z[..., :10] ** 2 + z[..., 10:] ** 2, 1, atol=1e-5)


def test_from_image(key):
    image = jnp.ones((4, 5, 3))
    np.testing.assert_array_equal(codes.from_image(image)(key, (4, 5, 1)), image)
    with pytest.raises(ValueError, match="code of shape"):
        codes.from_image(image)(key, (5, 4, 1))


def test_jitter_has_the_deviation_that_is_asked_for(key):
    z = jnp.zeros((100, 100, 4))
    np.testing.assert_allclose(codes.jitter(key, z, 0.2, 0).std(), 0.2, rtol=0.02)
    np.testing.assert_array_equal(codes.jitter(key, z, 0, 0), z)


def test_jitter_is_normal_and_independent(key):
    n = np.asarray(codes.jitter(key, jnp.zeros((64, 65, 33)), 1.0, 0)).ravel()
    inside = [np.mean(np.abs(n) < sigma) for sigma in (1, 2, 3)]
    np.testing.assert_allclose(inside, [0.6827, 0.9545, 0.9973], atol=3e-3)
    half = n.size // 2  # two numbers of one random word are this far apart
    for lag in (1, 33, half, half + 1):
        assert abs(np.corrcoef(n[lag:], n[:-lag])[0, 1]) < 0.015


def test_jitter_is_the_same_in_double_precision(key):
    single = codes.jitter(key, jnp.zeros((4, 5, 3)), 1.0, 0)
    with jax.enable_x64(True):
        double = codes.jitter(key, jnp.zeros((4, 5, 3)), 1.0, 0)
    assert double.dtype == jnp.float64
    np.testing.assert_allclose(double, single, rtol=1e-6)


def test_jitter_follows_a_schedule(key):
    z = jnp.zeros((50, 50, 4))
    decay = optax.linear_schedule(0.1, 0.0, 10)
    np.testing.assert_allclose(codes.jitter(key, z, decay, 5).std(), 0.05, rtol=0.05)
    np.testing.assert_allclose(codes.jitter(key, z, decay, 10), z, atol=1e-7)
