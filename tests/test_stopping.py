"""Trackers against their formulas, on made-up iterates with a known minimum."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dipjax import stopping


class Info(NamedTuple):
    loss: jax.Array
    image: jax.Array


def run(tracker, images, losses=None):
    """The tracker's states after each of the images (T, H, W, C)."""
    losses = jnp.zeros(len(images)) if losses is None else losses

    def step(state, info):
        state = tracker.update(state, info)
        return state, state

    return jax.lax.scan(step, tracker.init(images[0]), Info(losses, images))[1]


@pytest.fixture
def images(key):
    return jax.random.uniform(key, (20, 3, 4, 2))


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_average_is_the_weighted_mean_and_variance(decay, images):
    state = run(stopping.average(decay), images)
    for t in (1, 2, 20):
        weights = decay ** np.arange(t - 1, -1, -1.0)
        mean = np.average(images[:t], axis=0, weights=weights)
        variance = np.average((images[:t] - mean[None]) ** 2, axis=0, weights=weights)
        np.testing.assert_allclose(state.mean[t - 1], mean, atol=1e-6)
        np.testing.assert_allclose(state.variance[t - 1], variance, atol=1e-6)


def test_best_keeps_the_lowest_loss(images):
    losses = jnp.array([3.0, 1.0, 2.0, jnp.nan, 1.5])
    state = run(stopping.best(), images[:5], losses)
    np.testing.assert_array_equal(state.loss, [3, 1, 1, 1, 1])
    np.testing.assert_array_equal(state.image[-1], images[1])


def test_never(images):
    assert not run(stopping.never(), images).stop.any()


def test_windowed_variance_stops_behind_the_minimum(key):
    """Iterates that come to rest at step 60 and then begin to move again, faster and faster."""
    steps = jnp.arange(200)
    spread = jnp.abs(steps - 60) / 60 + 0.05
    images = spread[:, None, None, None] * jax.random.normal(key, (200, 8, 8, 1))
    state = run(stopping.windowed_variance(decay=0.8, warmup=20, patience=50), images)
    stopped = int(jnp.argmax(state.stop))
    lowest = int(jnp.argmin(jnp.where(steps > 20, state.variance, jnp.inf)))
    assert state.stop.any() and stopped == lowest + 50
    assert abs(lowest - 60) < 12


def test_windowed_variance_is_its_formula(images):
    d, mean, variance = 0.9, np.zeros_like(images[0]), 0.0
    for image in np.asarray(images):
        delta = image - mean
        mean = mean + (1 - d) * delta
        variance = d * (variance + (1 - d) * np.mean(delta**2))
    state = run(stopping.windowed_variance(decay=d), images)
    np.testing.assert_allclose(state.variance[-1], variance, rtol=1e-5)


def test_equal_settings_are_one_tracker():
    assert stopping.average(0.9) is stopping.average(decay=0.9)
    assert stopping.windowed_variance() is stopping.windowed_variance(patience=1000)
    assert stopping.never() is stopping.never()


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_bad_decay(decay):
    with pytest.raises(ValueError, match="decay must be in"):
        stopping.average(decay)
