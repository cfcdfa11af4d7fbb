"""Trackers against their formulas, on made-up iterates with a known minimum."""

import dataclasses
import math
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


def test_equal_settings_are_one_tracker_that_says_what_they_are():
    rule = stopping.held_out(50, decays=[np.float64(0.5)])
    assert rule is stopping.held_out(patience=jnp.int32(50), fraction=0.25, decays=(0.5,))
    assert rule is not stopping.held_out(51, decays=[0.5]) and rule.init is not None
    assert repr(rule) == "held_out(patience=50, fraction=0.25, decays=(0.5,))"
    either = stopping.any_of(rule, stopping.never())
    assert either is stopping.any_of(rule, stopping.never())
    assert repr(either) == f"any_of(rules=({rule!r}, never()))"
    assert repr(stopping.average(stopping.growing())) == "average(decay=growing(1))"
    assert repr(stopping.Tracker(*rule[:2])) == "Tracker"


def test_never(images):
    assert not run(stopping.never(), images).stop.any()


def test_windowed_variance_stops_behind_the_minimum(key):
    """Iterates that come to rest at step 60 and then begin to move again, faster and faster."""
    steps = jnp.arange(200)
    spread = jnp.abs(steps - 60) / 60 + 0.05
    images = spread[:, None, None, None] * jax.random.normal(key, (200, 8, 8, 1))
    state = run(stopping.moving_variance(decay=0.8, warmup=20, patience=50), images)
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
    state = run(stopping.moving_variance(decay=d), images)
    np.testing.assert_allclose(state.variance[-1], variance, rtol=1e-5)


def test_equal_settings_are_one_tracker():
    assert stopping.average(0.9) is stopping.average(decay=0.9)
    assert stopping.windowed_variance() is stopping.windowed_variance(patience=1000)
    assert stopping.never() is stopping.never()


def test_a_schedule_of_decays_may_give_plain_numbers(images):
    schedule = run(stopping.average(lambda step: 0.9), images)
    plain = run(stopping.average(0.9), images)
    np.testing.assert_allclose(schedule.mean, plain.mean, rtol=1e-5)


def test_rules_of_rules_without_an_image(images):
    """The estimate of the first rule that keeps one, however deep the others are."""
    deep = stopping.any_of(stopping.any_of(stopping.discrepancy()), stopping.windowed_variance())
    image, average = images[:2]
    state = deep.init(image)
    assert stopping.estimate(state, average) is state.image
    none = stopping.any_of(stopping.any_of(stopping.discrepancy()), stopping.never())
    assert stopping.estimate(none.init(image), average) is average


@pytest.mark.parametrize("power", [1, 3])
def test_a_growing_average_is_over_all_of_the_run(images, power):
    """`d_t = t / (t + p)`: the weight of an iterate is the product of the decays after it."""
    state = run(stopping.average(stopping.growing(power)), images)
    weights = np.array([math.comb(s + power, power) for s in range(len(images))], float)
    expected = np.tensordot(weights / weights.sum(), np.asarray(images), 1)
    np.testing.assert_allclose(state.mean[-1], expected, rtol=1e-4)
    np.testing.assert_allclose(state.weight[-1], (len(images) + power) / (power + 1), rtol=1e-4)
    assert stopping.growing(power) is stopping.growing(np.int32(power))
    assert (stopping.growing() is stopping.growing(power)) == (power == 1)
    with pytest.raises(ValueError, match="power must be at least 1, not 0"):
        stopping.growing(0)


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_bad_decay(decay):
    with pytest.raises(ValueError, match="decay must be in"):
        stopping.average(decay)


def held_out(rule, errors):
    """States of the rule for images that tell their step, from 1, with these errors."""
    images = jnp.ones((len(errors), 2, 2, 1)).cumsum(0)

    def step(state, image):
        error = lambda x: errors[x[0, 0, 0].astype(int) - 1]  # noqa: E731
        state = rule.update(state, stopping.Seen(jnp.zeros(()), image, image, error))
        return state, state

    return jax.lax.scan(step, rule.init(images[0]), images)[1]


def test_held_out_returns_what_had_the_lowest_error():
    errors = (jnp.arange(1.0, 101) - 40) ** 2
    state = held_out(stopping.held_out(10, 0.25, decays=(0.0,)), errors)
    assert int(jnp.argmax(state.stop)) + 1 == 60  # 10 steps and a quarter of 40 behind
    np.testing.assert_array_equal(state.image[59], jnp.full((2, 2, 1), 40.0))


def test_held_out_chooses_between_averages_and_never_an_iterate(images):
    rule = stopping.held_out(decays=(0.5,))
    state = rule.init(images[0])
    short = (images[1] + images[0] / 2) / 1.5
    for target, expected in ((short, short), (images[2], images[2]), (images[1], short)):
        error = lambda x, target=target: jnp.sum((x - target) ** 2)  # noqa: E731
        seen = lambda x, error=error: stopping.Seen(jnp.zeros(()), x, images[2], error)  # noqa: E731
        first = rule.update(state, seen(images[0]))
        first = dataclasses.replace(first, wait=state.wait)
        second = rule.update(first, seen(images[1]))
        np.testing.assert_allclose(second.image, expected, rtol=1e-5)


def test_held_out_needs_something_held_out(images):
    rule = stopping.held_out()
    seen = stopping.Seen(jnp.zeros(()), images[0], images[0], lambda x: None)
    with pytest.raises(ValueError, match="nothing is held out"):
        rule.update(rule.init(images[0]), seen)


def test_windowed_average_is_the_mean_of_the_last_half_windows(images):
    state = run(stopping.windowed_average(6), images)
    for t in range(1, 21):
        first = max(0, (t - 1) // 3 * 3 - 3)  # the half window before the current one
        mean = jax.tree.map(lambda leaf, t=t: leaf[t - 1], state).mean
        np.testing.assert_allclose(mean, images[first:t].mean(0), rtol=1e-6)


def test_windowed_variance_is_that_of_the_window(images):
    state = run(stopping.windowed_variance(window=8, patience=1000), images)
    for t in (8, 12, 16, 20):
        expected = jnp.mean(jnp.var(images[t - 8 : t], axis=0))
        np.testing.assert_allclose(state.variance[t - 1], expected, rtol=1e-4)
    assert np.isinf(state.variance[:7]).all()


def test_windowed_variance_stops_behind_its_minimum(key):
    steps = jnp.arange(200)
    spread = jnp.abs(steps - 60) / 60 + 0.05
    images = spread[:, None, None, None] * jax.random.normal(key, (200, 8, 8, 1))
    state = run(stopping.windowed_variance(window=20, patience=50), images)
    lowest = int(jnp.nanargmin(jnp.where(jnp.isinf(state.variance), jnp.nan, state.variance)))
    assert int(jnp.argmax(state.stop)) == lowest + 50 and abs(lowest - 70) < 15


def test_windowed_variance_of_iterates_that_hardly_move(key):
    images = 0.5 + 1e-4 * jax.random.normal(key, (20, 8, 8, 1))
    state = run(stopping.windowed_variance(window=8), images)
    expected = np.var(np.asarray(images[12:], np.float64), axis=0).mean()
    np.testing.assert_allclose(state.variance[-1], expected, rtol=1e-4)


def test_rules_are_patient(key):
    """A window tells its variance every half: with less patience it would stop in between."""
    with pytest.raises(ValueError, match="patience must be at least half a window, 10 steps"):
        stopping.windowed_variance(window=20, patience=9)
    falling = jnp.geomspace(1, 0.01, 100)[:, None, None, None]
    images = falling * jax.random.normal(key, (100, 8, 8, 1))
    assert not run(stopping.windowed_variance(window=20, patience=10), images).stop.any()
    for rule in (stopping.moving_variance, stopping.held_out):
        with pytest.raises(ValueError, match="patience must not be negative, not -1"):
            rule(patience=-1)


def test_zero_crossing_waits_for_the_end_of_its_warm_up(images):
    def stops(losses, **options):
        return np.flatnonzero(run(stopping.zero_crossing(**options), images, losses).stop)

    below = jnp.full(20, -1.0)
    assert stops(below, warmup=5).tolist() == list(range(5, 20))
    assert stops(below, warmup=0).tolist() == list(range(20))
    falls = jnp.linspace(2, -2, 20)
    assert stops(falls, warmup=5, decay=0.0)[0] == 10  # the first below 0
    assert stops(falls, warmup=5, decay=0.5)[0] == 11  # the mean is later


@pytest.mark.parametrize(("scale", "level"), [(1, 0.0), (1, 5.0), (4, -0.3)])
def test_inflection_knows_neither_time_nor_level(scale, level):
    """The slowest fall of `exp(-t) - a t^2`, whatever is added and however long it takes."""
    t = np.arange(1, 2001)
    losses = level + np.exp(-t / (60 * scale)) - 0.2 * (t / (400 * scale)) ** 2
    rule = stopping.inflection(fraction=0.5)
    state = run(rule, jnp.zeros((len(t), 1, 1, 1)), jnp.asarray(losses, jnp.float32))
    end = int(jnp.argmax(state.stop)) + 1
    at = int(state.at[end - 1])
    assert end == pytest.approx(1.5 * at, abs=1) and at / scale == pytest.approx(326, abs=3)


def ending(losses, setbacks=0, **options):
    """Where the rule ends a run of these losses, and where it says that the fall was slowest."""
    rule, image = stopping.inflection(**options), jnp.zeros((1, 1, 1))
    setbacks = jnp.broadcast_to(jnp.asarray(setbacks, jnp.int32), losses.shape)

    def step(state, info):
        state = rule.update(state, stopping.Seen(info[0], image, image, lambda x: None, info[1]))
        return state, (state.stop, state.at)

    stops, at = jax.lax.scan(step, rule.init(image), (jnp.float32(losses), setbacks))[1]
    return int(stops.argmax()) + 1, int(at[stops.argmax()])


def test_inflection_waits_as_it_says():
    t = np.arange(1, 1001)
    slow = np.exp(-t / 60) - 0.2 * (t / 400) ** 2
    end, at = ending(slow)
    assert end == int(np.ceil(1.25 * at))
    fast = np.exp(-t / 6) - 0.2 * (t / 200) ** 2  # fastest in the warm-up
    assert ending(fast) == (100, 80)
    faster = np.exp(-t / 1.5) - 0.2 * (t / 50) ** 2
    assert ending(faster, warmup=10) == (27, 17)


@pytest.mark.parametrize(("at", "lost"), [(100, 30), (200, 40)])
def test_inflection_is_not_fooled_by_a_setback(at, lost):
    """The energy is that of an earlier step again, which looks like a rise."""
    t = np.arange(1, 2001)
    losses = np.exp(-t / 150) + 0.15 - 0.2 * (t / 1000) ** 2
    clean = ending(losses)[0]
    again = np.concatenate([losses[:at], losses[at - lost :]])
    setbacks = np.arange(len(again)) >= at
    assert ending(again, setbacks)[0] == pytest.approx(clean, rel=0.1)
    assert ending(again)[0] < 0.5 * clean  # what comes of not knowing


def test_inflection_stops_no_fit_that_only_falls():
    losses = 1 / jnp.arange(1.0, 301) ** 0.5
    state = run(stopping.inflection(), jnp.zeros((300, 1, 1, 1)), losses)
    assert not state.stop.any()
    with pytest.raises(ValueError, match="fraction must not be negative"):
        stopping.inflection(-0.1)


def test_discrepancy_stops_when_the_mean_energy_is_low_enough(images):
    losses = jnp.linspace(2, 0, 20)
    state = run(stopping.discrepancy(decay=0.0), images, losses)
    assert int(jnp.argmax(state.stop)) == int(jnp.argmax(losses <= 1))
    with pytest.raises(ValueError, match="limit must be positive"):
        stopping.discrepancy(0)


def test_any_of_stops_with_the_first_and_says_which(images):
    low, waiting = stopping.discrepancy(decay=0.0), stopping.moving_variance(patience=10**6)
    rule = stopping.any_of(waiting, low)
    state = run(rule, images, jnp.linspace(2, 0, 20))
    assert int(jnp.argmax(state.stop)) == 10
    last = jax.tree.map(lambda leaf: leaf[-1], state)
    assert stopping.reason(rule, last) == stopping.Reason.DISCREPANCY
    with pytest.raises(ValueError, match="a rule at least"):
        stopping.any_of()


def test_every_reason_has_its_words():
    assert len({str(reason) for reason in stopping.Reason}) == len(stopping.Reason)


def test_the_error_of_a_measurement_of_more_digits(images, x64):
    """Its precision is not that of the images, in which the rule keeps it."""
    rule, image = stopping.held_out(), images[0].astype(jnp.float32)
    state = rule.init(image)
    seen = stopping.Seen(jnp.zeros(()), image, image, lambda x: jnp.sum(x.astype(jnp.float64)))
    dtypes = lambda state: jax.tree.map(lambda leaf: leaf.dtype, state)  # noqa: E731
    assert dtypes(rule.update(state, seen)) == dtypes(state)
