"""Laws: same key, same bits; vmap = loop; resume = uninterrupted; chunked = single-stepped."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dipjax
from dipjax import codes, fitting, report, stopping
from dipjax.generators import Hourglass, Positional
from dipjax.objectives import TotalVariation, data_term
from dipjax.operators import Downsample, Identity, Mask

SHAPE = (8, 6, 3)
TINY = Positional(width=4, depth=1)
SGD = optax.sgd(1e-3)  # Adam amplifies rounding, which is not what is tested here
OPTIONS = dict(generator=TINY, code=jnp.ones((8, 6, 2)), optimizer=SGD, steps=6)


@pytest.fixture
def objective(key):
    return data_term(Identity(), jax.random.uniform(key, SHAPE))


def fit(key, objective, **options):
    return dipjax.fit(key, objective, SHAPE, **{**OPTIONS, **options})


def iterate(key, objective, **options):
    return dipjax.iterate(key, objective, SHAPE, **{**OPTIONS, **options})


def assert_close(a, b, atol=1e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=atol), a, b)


def test_same_key_same_bits(key, objective):
    first, second = (fit(key, objective) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, first, second)
    other = fit(jax.random.key(1), objective)
    assert not np.array_equal(first.image, other.image)


def test_the_loss_falls_and_the_result_is_in_order(key, objective):
    result = fit(key, objective, steps=60, optimizer=fitting.ADAM)
    assert result.loss.shape == (60,) and result.stopped_at == 60
    assert result.loss[-10:].mean() < 0.97 * result.loss[0]
    for image in (result.image, result.last, result.average, result.best, result.std):
        assert image.shape == SHAPE
    np.testing.assert_allclose(objective(result.best), result.loss.min(), rtol=1e-5)
    np.testing.assert_allclose(objective(result.last), result.loss[-1], rtol=1e-5)


def test_iterate_is_fit(key, objective):
    *_, last = iterate(key, objective, every=2)
    assert last.step == 6
    assert_close(dipjax.finish(last.state), fit(key, objective))


@pytest.mark.parametrize("every", [1, 4, 100])
def test_chunked_is_single_stepped(key, objective, every):
    *_, progress = iterate(key, objective, every=every)
    assert_close(dipjax.finish(progress.state), fit(key, objective))


def test_a_fit_starts_where_another_ended(key, objective):
    end = next(iterate(key, objective, every=6, optimizer=fitting.ADAM)).state.fit
    code = jax.random.uniform(key, (8, 6, 2))  # norms amplify the rounding of a constant code
    options = dict(start=end, jitter=0, code=code, optimizer=fitting.ADAM)
    for _ in range(2):  # the start is still there after a fit from it
        progress = next(iterate(key, objective, every=1, **options))
        assert_close(progress.image, jax.jit(TINY.apply)(end.params, code))
    assert progress.step == 1
    assert optax.tree.get(progress.state.fit.opt_state, "count") == 7
    result = fit(key, objective, **options | {"steps": 1})
    assert_close(result.image, progress.image)


def test_resumed_is_uninterrupted(key, objective):
    progress = next(iterate(key, objective, every=2))
    assert progress.step == 2
    *_, last = iterate(key, objective, every=2, state=progress.state)
    *_, uninterrupted = iterate(key, objective, every=2)
    jax.tree.map(np.testing.assert_array_equal, last, uninterrupted)


def test_resumed_for_more_steps_is_uninterrupted(key, objective):
    *_, half = iterate(key, objective, every=2, steps=4)
    *_, last = iterate(key, objective, every=2, state=half.state)
    *_, uninterrupted = iterate(key, objective, every=2)
    jax.tree.map(np.testing.assert_array_equal, last, uninterrupted)
    with pytest.raises(ValueError, match="has made 6 steps already"):
        next(iterate(key, objective, steps=5, state=last.state))


def test_a_fit_that_has_all_its_steps_makes_no_more(key, objective):
    """Also where it was to make more once."""
    middle = next(iterate(key, objective, every=2))
    (again,) = iterate(key, objective, every=2, steps=2, state=middle.state)
    assert (again.step, again.loss) == (2, middle.loss)
    np.testing.assert_array_equal(again.average, middle.average)


def test_other_numbers_of_steps_share_a_program(key, objective):
    """Of which the curves are as long as asked for."""
    fit(key, objective, steps=60)
    before = fitting._fit.program()._cache_size()
    for steps in (52, 75):
        result = fit(key, objective, steps=steps)
        assert result.loss.shape == result.error.shape == (steps,) == (result.stopped_at,)
        *_, last = iterate(key, objective, steps=steps, every=10)
        assert_close(dipjax.finish(last.state), result)
    assert fitting._fit.program()._cache_size() == before
    progress = next(iterate(key, objective, steps=52, every=26))
    *_, longer = iterate(key, objective, steps=75, every=26, state=progress.state)
    jax.tree.map(np.testing.assert_array_equal, longer.state, last.state)
    many = jax.vmap(lambda key: fit(key, objective, steps=52))(jax.random.split(key))
    assert many.loss.shape == (2, 52) and jnp.isfinite(many.loss).all()


def test_results_outlive_the_next_chunk(key, objective):
    results = [dipjax.finish(progress.state) for progress in iterate(key, objective, every=2)]
    assert [int(result.stopped_at) for result in results] == [2, 4, 6]


def test_the_default_generator_has_the_channels_of_the_image(key):
    y = jnp.ones((8, 8, 1)) / 2
    assert jax.eval_shape(
        lambda: dipjax.fit(key, data_term(Identity(), y), y.shape, steps=1)
    ).image.shape == (8, 8, 1)


def test_progress_images_outlive_the_next_chunk(key, objective):
    images = [(progress.image, progress.average) for progress in iterate(key, objective, every=2)]
    assert all(np.isfinite(image).all() for pair in images for image in pair)


def test_equal_rates_are_one_optimiser():
    """By which a compiled fit is found again; a rate that is traced makes one of its own."""
    adam = dipjax.optimizers.adam
    assert adam(0.01) is adam(0.01) is dipjax.step.ADAM is not adam(0.02)
    assert adam(np.float32(0.5)) is adam(jnp.float32(0.5)) is adam(0.5)
    assert adam(jnp.asarray([0.5])) is not adam(jnp.asarray([0.5]))
    params = jnp.ones(2)
    step = jax.jit(lambda rate: adam(rate).update(params, adam(1.0).init(params))[0])
    np.testing.assert_allclose(step(0.5), -0.5, rtol=1e-4)


def test_an_optimiser_has_a_name_in_a_record():
    adam, named = dipjax.optimizers.adam, dipjax.optimizers.named
    fading = named("adam, fading", adam(optax.cosine_decay_schedule(0.01, 10)))
    settings = {"a": adam(0.003), "b": fading, "c": optax.chain(fading, optax.sgd(1.0))}
    names = report.describe(settings)
    assert (names["a"], names["b"], names["c"][:8]) == ("adam(0.003)", "adam, fading", "Gradient")
    assert [repr(optimizer) for optimizer in settings.values()][:2] == [names["a"], names["b"]]
    assert repr(jax.tree.map(lambda fn: fn, adam(0.003)))  # another, of which no name is known


def test_a_named_optimiser_gets_what_it_asks_for(key, objective):
    """A line search, the value and its function."""
    named = dipjax.optimizers.named("a line search", optax.lbfgs())
    jax.tree.map(
        np.testing.assert_array_equal,
        fit(key, objective, optimizer=named),
        fit(key, objective, optimizer=optax.lbfgs()),
    )


def test_own_loop_is_fit(key, objective):
    _, params_key, fit_key = jax.random.split(key, 3)
    init, step = dipjax.fitter(objective, TINY, SGD)
    step = jax.jit(step)
    state = init(params_key, OPTIONS["code"])
    for i in range(6):
        state, info = step(jax.random.fold_in(fit_key, i), state)
    assert_close(info.image, fit(key, objective).last)


def test_vmap_over_keys_measurements_and_masks_is_the_loop(x64):
    keys = jax.random.split(jax.random.key(3), 2)
    ys = jax.random.uniform(keys[0], (2, *SHAPE), jnp.float64)
    masks = jax.random.bernoulli(keys[1], 0.5, (2, 8, 6, 1))

    def one(key, y, mask):
        energy = data_term(Mask(mask), y * mask) + 1e-3 * TotalVariation()
        return fit(key, energy, generator=TINY.clone(dtype=jnp.float64))

    many = jax.vmap(one)(keys, ys, masks)
    loop = [one(*member) for member in zip(keys, ys, masks, strict=True)]
    assert_close(many, jax.tree.map(lambda *leaves: jnp.stack(leaves), *loop), 1e-6)


class Countdown(NamedTuple):
    left: jax.Array
    stop: jax.Array


STOP_AT_3 = stopping.Tracker(
    lambda image: Countdown(jnp.array(3), jnp.array(False)),
    lambda state, info: Countdown(state.left - 1, state.left <= 1),
)


def test_a_stop_rule_ends_the_fit(key, objective):
    result = fit(key, objective, stop=STOP_AT_3)
    assert result.stopped_at == 3
    assert np.isfinite(result.loss[:3]).all() and np.isnan(result.loss[3:]).all()
    assert_close(result.image, fit(key, objective, steps=3).image)
    assert [p.step for p in iterate(key, objective, every=2, stop=STOP_AT_3)] == [2, 3]


def test_a_finished_member_waits_for_the_others(key, objective):
    """One key stops at once, the other never: the first is frozen as it was."""
    stop = stopping.Tracker(
        lambda image: stopping.Never(jnp.array(False)),
        lambda state, info: stopping.Never(info.loss > 20),
    )
    objectives = data_term(Identity(), jnp.stack([jnp.full(SHAPE, 9.0), objective.y]))
    run = lambda objective: fit(key, objective, stop=stop)  # noqa: E731
    results = jax.vmap(run)(objectives)
    np.testing.assert_array_equal(results.stopped_at, [1, 6])


def test_another_image_of_the_same_shape_compiles_nothing(key, objective, compilations):
    other = data_term(Identity(), objective.y + 0.1)
    fit(key, objective)
    compilations.clear()
    fit(jax.random.key(7), other, generator=TINY.clone())
    assert not compilations


def test_any_energy_generator_and_optimizer(key):
    class Constant:
        """A generator that is no Flax module: one colour."""

        def init(self, key, z):
            return jnp.zeros(3)

        def apply(self, params, z):
            return jnp.broadcast_to(params[None, None], SHAPE)

    energy = lambda x: jnp.sum((x - 0.5) ** 2)  # noqa: E731
    result = fit(key, energy, generator=Constant(), optimizer=optax.lbfgs(), steps=3, jitter=0.0)
    np.testing.assert_allclose(result.last, 0.5, atol=1e-3)


def test_the_average_is_free_of_bias(key, objective):
    *_, first = iterate(key, objective, steps=1, every=1)
    np.testing.assert_allclose(first.average, first.image, rtol=1e-6)


def test_a_researchers_problem():
    """A colour picture seen through 2 x down-sampling and a random mask, with total variation."""
    key = jax.random.key(0)
    x = codes.meshgrid(key, (16, 16)) @ jnp.array([[0.2, 0.5, 0.3], [0.4, 0.1, 0.6]])

    mask = jax.random.bernoulli(key, 0.7, (8, 8, 1))
    A = dipjax.operators.Mask(mask) @ dipjax.operators.Downsample(2)
    y = A(x)

    objective = dipjax.data_term(A, y) + 1e-3 * dipjax.TotalVariation()
    result = dipjax.fit(
        key, objective, x.shape, generator=dipjax.Hourglass(widths=(8, 8)), steps=400, jitter=0.0
    )
    assert dipjax.metrics.psnr(result.image, x) > 25
    assert dipjax.metrics.psnr(result.image, x) > dipjax.metrics.psnr(A.T(y), x) + 10


# --- bad input, before any step ------------------------------------------------------------


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(steps=0), "steps must be at least 1"),
        (dict(generator=TINY.clone(channels=1)), "the generator makes images of shape"),
        (dict(code=jnp.ones((4, 4, 2))), "the generator makes images of shape"),
        (dict(code=jnp.ones((8, 6))), r"code of shape \(8, 6\): must be \(H, W, channels\)"),
    ],
)
def test_bad_options(key, objective, options, message):
    for run in (fit, lambda *args, **kwargs: next(iterate(*args, **kwargs))):
        with pytest.raises(ValueError, match=message):
            run(key, objective, **options)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(stop="held_out"), "stop 'held_out'.*for the tasks"),
        (dict(stop=stopping.windowed_variance), "stop <function"),
        (dict(optimizer=0.01), "optimizer 0.01.*optax.adam"),
        (dict(generator=Hourglass), "generator <class.*Hourglass()"),
        (dict(generator=Hourglass(widths=[4])), "has no hash.*tuples"),
        (dict(steps=3.0), "steps 3.0"),
    ],
)
def test_what_is_of_another_kind_is_named(key, objective, options, message):
    for run in (fit, lambda *args, **kwargs: next(iterate(*args, **kwargs))):
        with pytest.raises(TypeError, match=message):
            run(key, objective, **options)


def test_keys_that_are_none_or_several(key, objective):
    for none in (0, None, jnp.uint32(3), jnp.ones(2)):
        with pytest.raises(TypeError, match=r"jax\.random\.key"):
            fit(none, objective)
    with pytest.raises(TypeError, match=r"key of float32 \(8, 6\): must be"):  # not all its values
        fit(jnp.ones((8, 6)), objective)
    for several in (jax.random.split(key), jnp.zeros((3, 2), jnp.uint32)):
        with pytest.raises(ValueError, match="one key"):
            fit(several, objective)
    jax.tree.map(
        np.testing.assert_array_equal, fit(jax.random.PRNGKey(0), objective), fit(key, objective)
    )


def test_values_that_no_fit_can_have(key, objective):
    with pytest.raises(ValueError, match="jitter -1"):
        fit(key, objective, jitter=-1)
    with pytest.raises(ValueError, match="code"):
        fit(key, objective, code=jnp.full((8, 6, 2), jnp.nan))


def test_an_energy_is_real(key, objective):
    with pytest.raises(ValueError, match="real number"):
        fit(key, lambda x: jnp.sum(jnp.fft.fft(x) ** 2))


def test_bad_objective_shape_and_every(key, objective):
    for energy in (lambda x: x.sum(-1), lambda x: (x.sum(), x.sum()), lambda x: None):
        with pytest.raises(ValueError, match="must give a scalar"):
            fit(key, energy)
    with pytest.raises(ValueError, match="measurements of shape"):
        fit(key, data_term(Downsample(2), objective.y))
    with pytest.raises(ValueError, match="shape must be"):
        dipjax.fit(key, objective, (8, 8), steps=1)
    with pytest.raises(ValueError, match="every must be at least 1"):
        next(iterate(key, objective, every=0))
