"""The blend of a fit with non-local Bayes: where it says something, and where the fit stands."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dipjax
from dipjax import noise
from dipjax.metrics import psnr
from dipjax.polish import polished

S = 0.1


@pytest.fixture
def stripes():
    """(24, 28, 3), half of it flat."""
    i, j = np.mgrid[:24, :28]
    x = np.stack([i % 6 < 3, i % 6 < 2, i % 4 < 2], -1) * np.where(j < 14, 0.6, 0.0)[..., None]
    return jnp.asarray(x + 0.2, jnp.float32)


def level(x):
    return jnp.full(x.shape, S)


def blurred(x):
    """As a fit is that has not learnt all of the texture."""
    return 0.7 * x + 0.3 * noise.local_mean(x)


def test_a_fit_that_has_blurred_gets_its_texture_back(key, stripes):
    y = noise.gaussian(key, stripes, S)
    x = blurred(stripes)
    better = polished(x, y, level(x))
    assert psnr(better, stripes) > psnr(x, stripes) + 3
    assert psnr(better, stripes) > psnr(y, stripes) + 3


def test_where_the_fit_is_flat_it_stands(key, stripes):
    y = noise.gaussian(key, stripes, S)
    flat = jnp.full_like(y, 0.2)
    np.testing.assert_array_equal(polished(flat, y, level(y)), flat)
    right = polished(stripes, y, level(y))[:, 17:]  # five pixels see no stripe
    np.testing.assert_array_equal(right, stripes[:, 17:])


def test_noise_that_differs_from_place_to_place_is_made_white(key, stripes):
    """Ten times the noise on the right: the left half does not suffer."""
    s = jnp.where(jnp.arange(28) < 14, 0.02, 0.2)[None, :, None] * jnp.ones(stripes.shape)
    y = stripes + s * jax.random.normal(key, stripes.shape)
    x = 0.7 * stripes + 0.3 * blurred(stripes)  # a tenth, or it is beyond so little noise
    quiet = slice(0, 12)
    better = polished(x, y, s)[:, quiet]
    assert psnr(better, stripes[:, quiet]) > psnr(x[:, quiet], stripes[:, quiet]) + 5


def test_outliers_are_no_noise_of_this_level(key, stripes):
    y = noise.impulse(key, stripes, 0.2)
    np.testing.assert_array_equal(polished(stripes, y, level(y)), stripes)


def test_a_picture_smaller_than_a_patch_is_left_alone(key):
    x = jax.random.uniform(key, (4, 9, 1))
    np.testing.assert_array_equal(polished(x, 1 - x, level(x)), x)


@pytest.mark.parametrize(
    ("settings", "ends_with_it"),
    [
        ({}, True),
        ({"sigma": S}, True),
        ({"stop": "held_out"}, True),
        ({"polish": False}, False),
        ({"preset": "paper"}, False),
        ({"fidelity": "l1"}, False),
    ],
)
def test_denoise_ends_with_it(key, stripes, settings, ends_with_it):
    y, x = noise.gaussian(key, stripes, S), blurred(stripes)

    def driver(key, objective, shape, **_):
        return dipjax.Restoration(*[x] * 5, jnp.zeros(1), jnp.int32(1), x, None, None)

    image = dipjax.denoise(key, y, driver=driver, clipped=False, **settings).image
    assert (psnr(image, stripes) > psnr(x, stripes) + 2) == ends_with_it
    if not ends_with_it:
        np.testing.assert_array_equal(image, x)


@pytest.mark.parametrize("over", [jax.vmap, dipjax.spread])
def test_it_maps(key, stripes, over):
    """Over devices, too, that share fewer cores, where LAPACK would wait for ever."""
    ys = jnp.stack([noise.gaussian(k, stripes, S) for k in jax.random.split(key, 4)])
    xs = jax.vmap(noise.local_mean)(ys)
    both = over(polished)(xs, ys, jnp.full(ys.shape, S))
    for x, y, image in zip(xs, ys, both, strict=True):
        np.testing.assert_allclose(image, polished(x, y, level(y)), atol=1e-4)
