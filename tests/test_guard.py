"""The guard takes back what ruins a fit: NaN, and a fall of the data fit."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dipjax
from dipjax import guard
from dipjax.drivers.watch import Watch
from dipjax.generators import Positional
from dipjax.guard import Guard
from dipjax.objectives import data_term
from dipjax.operators import Identity
from dipjax.step import FitState
from dipjax.stopping import Reason

SHAPE = (8, 6, 1)
OPTIONS = dict(
    generator=Positional(width=4, depth=1, channels=1),
    code=jnp.ones((8, 6, 2)),
    guard=Guard(every=4, retries=3),
    steps=12,
)


def nan_at(*steps):
    """A jitter that is NaN at these steps, which makes the image NaN, its loss and gradient."""
    return lambda step: jnp.where(jnp.isin(step, jnp.array(steps)), jnp.nan, 1 / 30)


AT_7, FROM_7 = nan_at(7), nan_at(*range(7, 12))


@pytest.fixture
def objective(key):
    return data_term(Identity(), jax.random.uniform(key, SHAPE))


def fit(key, objective, **options):
    return dipjax.fit(key, objective, SHAPE, **{**OPTIONS, **options})


def iterate(key, objective, **options):
    return dipjax.iterate(key, objective, SHAPE, **{**OPTIONS, **options})


def test_a_good_fit_is_left_alone(key, objective):
    # Within `jit`, where both are compiled alike to the last bit.
    guarded = jax.jit(lambda key: fit(key, objective))(key)
    alone = jax.jit(lambda key: fit(key, objective, guard=Guard(fall=jnp.inf, every=10**6)))(key)
    assert guarded.setbacks == 0 and guarded.stop_reason == Reason.STEPS
    jax.tree.map(np.testing.assert_array_equal, guarded, alone)


@pytest.mark.parametrize("steps, every", [(9, 4), (13, 4), (13, 1), (13, 3), (13, 7)])
def test_fit_keeps_the_points_that_iterate_keeps(key, objective, steps, every):
    """Whatever the number of steps, and how often one looks."""
    options = dict(jitter=nan_at(5), steps=steps)
    *between, last = iterate(key, objective, every=every, **options)
    seen = [*range(every, 6, every), *range(6, steps, every)]  # step 5 is bad
    assert [p.step for p in between] == seen
    result = fit(key, objective, **options)
    assert result.setbacks == 1
    np.testing.assert_allclose(result.loss, dipjax.finish(last.state).loss, rtol=1e-4)


def test_a_failed_fit_comes_out_of_another_process(key, objective):
    with pytest.raises(dipjax.FitError) as caught:
        fit(key, objective, jitter=FROM_7)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    np.testing.assert_array_equal(again.result.image, caught.value.result.image)


def test_a_guard_of_no_steps_is_refused(key, objective):
    with pytest.raises(ValueError, match="every=0"):
        fit(key, objective, guard=Guard(every=0))


def test_what_is_no_guard_is_refused(key, objective):
    with pytest.raises(TypeError, match=r"guard None: must be a dipjax\.guard\.Guard"):
        fit(key, objective, guard=None)


def test_a_fit_without_a_good_step_has_failed(key, objective):
    """However few there are."""
    with pytest.raises(dipjax.FitError):
        fit(key, objective, steps=2, jitter=nan_at(0, 1))
    with pytest.raises(dipjax.FitError) as caught:
        for progress in iterate(key, objective, every=1, steps=2, jitter=nan_at(0, 1)):
            state = copied(progress).state
    assert caught.value.result.stop_reason == Reason.FAILED
    *_, last = iterate(key, objective, every=1, steps=6, state=state)
    assert last.state.reason == Reason.STEPS  # with more steps it goes on


def test_a_nan_is_taken_back(key, objective):
    result = fit(key, objective, jitter=AT_7)
    assert result.setbacks == 1 and result.stopped_at == 12
    np.testing.assert_array_equal(np.isnan(result.loss), np.arange(12) == 7)
    for image in (result.image, result.last, result.best, result.std):
        assert np.isfinite(image).all()


def test_how_seldom_one_looks_changes_nothing(key, objective):
    """Good points are kept as often as the guard says, also between two looks."""
    options = dict(jitter=AT_7, guard=Guard(every=2))
    often, seldom = ([*iterate(key, objective, every=n, **options)][-1] for n in (2, 12))
    for name in ("loss", "image"):
        a, b = (getattr(progress.state, name) for progress in (often, seldom))
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert seldom.state.kept.setbacks == 1


def test_params_and_optimizer_go_back_to_the_good_point_with_smaller_steps(key, objective):
    options = dict(every=1, jitter=AT_7, guard=Guard(every=2), steps=16)
    states = [p.state for p in map(copied, iterate(key, objective, **options))]
    good = states[3].fit  # before step 4; the point before step 6 was still on trial
    back = states[7]
    assert back.fit.step == 8 and back.kept.scale == 0.5 and back.kept.failures == 1
    for name in ("params", "opt_state"):
        jax.tree.map(np.testing.assert_array_equal, getattr(back.fit, name), getattr(good, name))
    # Half of the optimiser's update from there, and the whole again after the next good point:
    # that of step 10 is on trial until step 12.
    ratio = size_of_update(back.fit, states[8].fit) / size_of_update(good, states[4].fit)
    assert 0.4 < ratio < 0.6  # other jitter, hence not quite a half
    assert states[11].kept.failures == 1 and states[11].kept.scale == 0.5
    assert states[12].kept.failures == 0 and states[12].kept.scale == 1


def test_a_point_that_bears_its_ruin_is_not_kept(key, objective):
    """Moments of the optimiser that are spoilt where a point is due: the image is good as yet."""
    options = dict(every=4, guard=Guard(every=4, fall=2.0), steps=40, jitter=0.0)
    progress = next(copied(p) for p in iterate(key, objective, **options) if p.step == 8)
    large = jax.tree.map(lambda leaf: 1000 * leaf, progress.state.fit.opt_state)
    state = progress.state._replace(fit=progress.state.fit._replace(opt_state=large))
    *_, last = iterate(key, objective, state=state, **options)
    assert 1 <= last.state.kept.setbacks <= 3
    *_, unhurt = iterate(key, objective, **options)
    assert last.loss < 1.2 * unhurt.loss


@pytest.mark.parametrize("after", [1, 5, 7])
def test_ruin_that_always_comes_back_ends_the_fit(after):
    """So many steps after each return to the point, which never becomes another."""
    plan = Guard(every=4, retries=3)
    fit = FitState(jnp.int32(0), jnp.float32(0), jnp.float32(0), 0)
    kept, since = guard.init(fit, jnp.float32), 0
    for _ in range(100):
        kept = guard.keep(plan, kept, fit)
        if since == after:
            kept = guard.fell(kept, fit.step)
            fit, kept = guard.restore(kept, fit._replace(step=fit.step + 1))
            since = 0
        else:
            fit = fit._replace(step=fit.step + 1, params=fit.params + 1)
            since += 1
        if guard.failed(plan, kept):
            break
    assert guard.failed(plan, kept) and kept.point.params == 0


@pytest.mark.parametrize("floor", [0.0, 0.1, jnp.float32(0.1)])
def test_an_energy_that_is_as_good_as_none_has_not_fallen(floor):
    kept = guard.init(FitState(0, 0, 0, 0), jnp.float32)._replace(level=jnp.float32(0.01))
    good = [bool(guard.good(Guard(fall=10.0), kept, 50, loss, floor)) for loss in (0.09, 0.9, 1.1)]
    assert good == ([True, False, False] if floor == 0 else [True, True, False])


def test_sums_and_multiples_have_a_floor(key):
    y = jax.random.uniform(key, SHAPE)
    energy, plain = dipjax.risk.sure(y, 0.1), data_term(Identity(), y)
    assert plain.floor == 0 < energy.floor == (energy + plain).floor
    assert (3 * (2 * energy + plain)).floor == 6 * energy.floor


def size_of_update(before, after) -> float:
    return float(optax.tree.norm(optax.tree.sub(after.params, before.params)))


def copied(progress):
    return progress._replace(state=jax.tree.map(jnp.copy, progress.state))


def test_a_fall_of_the_data_fit_is_taken_back(key, objective):
    # A code that is constant makes a constant image, whose norm is rounding and whose gradient is
    # rounding, up to 1e16 and then infinite once all params are large: so not these.
    code = jax.random.uniform(key, OPTIONS["code"].shape)
    options = dict(every=6, optimizer=optax.sgd(1e-3), jitter=0.0, code=code)
    progress = copied(next(iterate(key, objective, **options)))
    params = progress.state.fit.params["params"]
    head = jax.tree.map(lambda theta: -30 * theta, params["head"])
    spoilt = {"params": {**params, "head": head}}
    state = progress.state._replace(fit=progress.state.fit._replace(params=spoilt))
    *_, last = iterate(key, 100 * objective, state=state, **options)
    assert last.state.kept.setbacks == 1
    *_, unhurt = iterate(key, objective, **options)
    assert last.loss < 2 * 100 * unhurt.loss
    *_, alone = iterate(key, objective, state=state, **options, guard=Guard(fall=jnp.inf))
    assert alone.state.kept.setbacks == 0


def test_what_fails_again_and_again_ends_with_its_best_image(key, objective):
    with pytest.raises(dipjax.FitError, match=r"step 11, after .* 4 bad steps") as caught:
        fit(key, objective, jitter=FROM_7)
    result = caught.value.result
    assert result.stop_reason == Reason.FAILED and result.setbacks == 4
    good = fit(key, objective, steps=7)
    np.testing.assert_allclose(result.image, good.image, atol=1e-5)
    with pytest.raises(dipjax.FitError):
        list(iterate(key, objective, jitter=FROM_7, every=5))


def test_a_watch_keeps_the_best_image_of_a_failed_fit_and_then_says_so(key, objective):
    watch = Watch(quiet=True)
    result = watch(key, objective, SHAPE, **{**OPTIONS, "jitter": FROM_7})
    assert np.isfinite(result.image).all() and watch.ended and not watch.interrupted
    assert watch.reason == str(Reason.FAILED)
    with pytest.raises(dipjax.FitError):
        watch.conclude()
    watch = Watch(quiet=True)
    watch(key, objective, SHAPE, **OPTIONS)
    watch.conclude()


def test_members_fail_alone(key):
    """One member of two has NaN in what it fits."""
    y = jnp.stack([jnp.full(SHAPE, 0.5), jnp.full(SHAPE, jnp.nan)])
    keys = jax.random.split(key, 2)
    one = lambda key, y: fit(key, dipjax.DataTerm(Identity(), y))  # noqa: E731
    both = jax.jit(jax.vmap(one))(keys, y)
    np.testing.assert_array_equal(both.stop_reason, [Reason.STEPS, Reason.FAILED])
    np.testing.assert_array_equal(both.setbacks, [0, 4])
    np.testing.assert_allclose(both.loss[0], one(keys[0], y[0]).loss, rtol=1e-3)
