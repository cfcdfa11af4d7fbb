"""Non-local Bayes: exact where a group is one Gaussian, and better by a better pilot."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dipjax.baselines import nonlocal_bayes
from dipjax.metrics import psnr
from dipjax.polish.nonlocal_bayes import _inverse, staged

RNG = np.random.default_rng(0)
SIGMA = 0.1


@pytest.fixture(scope="module")
def pictures():
    """Stripes (24, 27, 3), which have many alike, and the same with noise."""
    i, j = np.mgrid[:24, :27]
    x = np.stack([i % 6 < 3, i % 6 < 2, j % 9 < 4], -1) * 0.6 + 0.2
    return x, (x + SIGMA * RNG.normal(size=x.shape)).clip(0, 1)


def test_it_removes_noise_and_a_pilot_helps(pictures):
    x, y = pictures
    alone, known = nonlocal_bayes(y, sigma=SIGMA), nonlocal_bayes(y, sigma=SIGMA, pilot=x)
    assert psnr(alone, x) > psnr(y, x) + 5
    assert psnr(known, x) > psnr(alone, x) + 1


def test_what_is_flat_becomes_its_mean():
    """No covariance in the pilot: all of the deviation from the mean of the group is noise."""
    y = np.full((12, 12, 1), 0.5) + SIGMA * RNG.normal(size=(12, 12, 1))
    x = nonlocal_bayes(y.clip(0, 1), sigma=SIGMA, pilot=np.full((12, 12, 1), 0.5))
    assert x.std() < 0.5 * y.std()


def test_little_noise_changes_little(pictures):
    x, _ = pictures
    np.testing.assert_allclose(nonlocal_bayes(x, sigma=1e-4, pilot=x), x, atol=1e-3)


@pytest.mark.parametrize("shape", [(5, 5, 1), (7, 40, 3), (30, 6, 2)])
def test_any_size_and_channels(shape):
    y = RNG.random(shape)
    x = nonlocal_bayes(y, sigma=SIGMA)
    assert x.shape == shape
    assert bool(jnp.isfinite(x).all())


@pytest.mark.parametrize("d", [1, 27, 75])
def test_the_inverse_of_a_covariance(d):
    p = RNG.normal(size=(2 * d, d)) @ RNG.normal(size=(d, d))
    A = np.cov(p, rowvar=False).reshape(d, d) + 0.1 * np.eye(d)
    inverse = _inverse(jnp.asarray(A, jnp.float32))
    np.testing.assert_allclose(inverse, np.linalg.inv(A), atol=1e-3)


def test_bad_input(pictures):
    _, y = pictures
    with pytest.raises(ValueError, match="smaller than a patch"):
        nonlocal_bayes(y[:4])
    with pytest.raises(ValueError, match="pilot of shape"):
        nonlocal_bayes(y, pilot=y[:-1])
    with pytest.raises(ValueError, match="sigma 25: must be positive"):
        nonlocal_bayes(y, sigma=25)


def test_what_is_divided_by_a_weak_level_is_no_picture(key):
    """The polish makes noise even, and what it gives to the two stages leaves the range."""
    y = (0.5 + 0.1 * jax.random.normal(key, (12, 12, 1))).at[3, 4].set(60.0)
    with pytest.raises(ValueError, match="ranges from"):
        nonlocal_bayes(y, sigma=0.1)
    assert jnp.isfinite(staged(y, 0.1)).all()
