"""What clipping does to noise is known, and undone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dipjax import noise
from dipjax.noise import clipping


@pytest.mark.parametrize("light", [0.0, 0.03, 0.1, 0.5, 0.97])
def test_what_clipping_leaves_of_white_noise(key, light):
    y = noise.gaussian(key, jnp.full((64, 64, 3), light), 0.1)
    s = clipping.level_after(y, 0.1)
    assert s.shape == y.shape
    np.testing.assert_allclose(jnp.sqrt(jnp.mean(s**2)), y.std(), rtol=0.06)


def test_clipping_takes_nothing_far_from_black_and_white(key):
    y = noise.gaussian(key, jnp.full((8, 8, 1), 0.5), 0.02)
    np.testing.assert_allclose(clipping.level_after(y, 0.02), 0.02, rtol=1e-5)
    tiny = clipping.level_after(jnp.full((2, 2, 1), 0.5), 0.02)
    np.testing.assert_allclose(tiny, 0.02, rtol=1e-6)


@pytest.mark.parametrize("sigma", [0.05, 0.2])
@pytest.mark.parametrize("light", [0.0, 0.03, 0.2, 0.5, 0.9, 1.0])
def test_the_light_behind_the_mean_of_clipped_noise(key, light, sigma):
    y = noise.gaussian(key, jnp.full((100, 100, 3), light), sigma)
    mean = jnp.full((1, 1, 1), y.mean())
    np.testing.assert_allclose(clipping.unclipped(mean, sigma), light, atol=0.03 * sigma)


def test_what_no_noise_leaves():
    x = jnp.asarray([0.0, 0.3, 1.0])[:, None, None]
    np.testing.assert_allclose(clipping.unclipped(x, 0.0), x, atol=1e-5)
    np.testing.assert_allclose(clipping.level_after(x, 0.0), 0, atol=1e-5)
    np.testing.assert_allclose(clipping.level_before(x, jnp.zeros_like(x)), 0, atol=1e-5)


def test_what_was_not_clipped_stays(key):
    x = 0.3 + 0.4 * jax.random.uniform(key, (8, 6, 3))
    np.testing.assert_allclose(clipping.unclipped(x, 0.03), x, atol=1e-6)


@pytest.mark.parametrize("light", [0.02, 0.5, 0.95])
def test_the_level_before_clipping(light):
    y = jnp.full((8, 8, 3), light)
    sigma = jnp.full_like(y, 0.08)
    mean = light + 0.08 * clipping._clipped(-light / sigma, (1 - light) / sigma)[0]
    left = sigma * jnp.sqrt(clipping._clipped(-light / sigma, (1 - light) / sigma)[1])
    np.testing.assert_allclose(clipping.level_before(mean, left), sigma, rtol=0.02)


def test_a_pattern_is_no_noise_without_bounds():
    """More than clipped noise can be: twice of what is seen, or half of the range."""
    i, j = jnp.indices((16, 16))
    y = (0.5 + 0.2 * (-1.0) ** (i + j))[..., None]
    s = noise.level_by_brightness(y)
    sigma = clipping.level_before(y, s)
    assert jnp.isfinite(sigma).all() and (sigma <= jnp.maximum(s, 0.5)).all()


@pytest.mark.parametrize(
    ("corrupt", "level", "clipped"),
    [
        (noise.gaussian, 0.1, True),
        (noise.gaussian, 0.2, True),
        (noise.poisson, 30.0, False),
        (noise.poisson, 10.0, False),
        (noise.speckle, 0.2, False),
    ],
)
def test_what_fades_in_the_dark_is_not_clipped_there(key, corrupt, level, clipped):
    x = jnp.broadcast_to(jnp.linspace(0.02, 0.7, 64)[:, None, None], (64, 64, 3))
    y = corrupt(key, x, level)
    sigma = clipping.level_before(y, noise.level_by_brightness(y))
    assert clipping.at_black(y, sigma) == clipped
