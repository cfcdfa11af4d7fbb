"""A blur adds light, and a picture file holds a power of it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dipjax
from dipjax import blind, images, kernels, light, metrics, tasks
from dipjax.operators import (
    Blur,
    Decode,
    Encode,
    Lambda,
    backproject,
    check_adjoint,
    has_derivative,
    in_light,
    linearized,
)
from dipjax.polish import refined
from dipjax.restoration import Restoration

DISC = kernels.disc(2.5)


@pytest.fixture(scope="module")
def view():
    """Rectangles of all shades on each other, half of them dark."""
    rng = np.random.default_rng(0)
    x = np.full((76, 70, 1), 0.3, np.float32)
    for _ in range(40):
        i, j = rng.integers(0, (70, 64))
        h, w = rng.integers(5, 25, 2)
        x[i : i + h, j : j + w] = rng.random() ** 2
    return jnp.asarray(x)


def blurred(view, kind: light.Light):
    y = light.operator(DISC, kind)(view)
    return dipjax.noise.gaussian(jax.random.key(1), y, 0.004)


def test_the_curve_of_srgb_and_back():
    values = jnp.array([0.0, 0.04045, 0.5, 1.0])
    expected = [0.0, 0.0031308, 0.21404114, 1.0]
    np.testing.assert_allclose(Decode()(values), expected, rtol=2e-5)
    x = jnp.linspace(-0.5, 1.5, 101)
    np.testing.assert_allclose(Encode()(Decode()(x)), x, atol=1e-6)
    for A, slope in ((Encode(), 12.92), (Decode(), 1 / 12.92)):
        np.testing.assert_allclose(jax.vmap(jax.grad(A))(jnp.array([-1.0, 0.0])), slope, rtol=1e-6)
        assert jnp.isfinite(jax.vmap(jax.grad(A))(x)).all()


def test_a_flat_picture_stays_what_it_is():
    x = jnp.full((12, 10, 3), 0.2)
    A = in_light(Blur(DISC))
    assert A.domain(A(x).shape) == x.shape
    np.testing.assert_allclose(A(x), 0.2, rtol=1e-5)


@jax.custom_vjp
def clipped(x):
    """Of which there is a gradient, and nothing that is pushed forward: `jax.jvp` fails."""
    return jnp.clip(x, 0.3, 0.7)


clipped.defvjp(lambda x: (clipped(x), None), lambda _, g: (g,))
CURVED = {
    "light": in_light(Blur(DISC)),
    "complex": Lambda(lambda x: jnp.exp(2j * x) * (1 + 2j)),
}


def test_what_is_linear_is_its_own_linearization(view):
    A = Blur(DISC)
    assert linearized(A, view) is A


@pytest.mark.parametrize("name", CURVED)
def test_linearized(key, view, name):
    """It touches the operator at `x`, and has an adjoint."""
    A, x = CURVED[name], 0.1 + 0.8 * view
    L, d = linearized(A, x), 5e-4 * jax.random.normal(key, x.shape)
    np.testing.assert_allclose(L(x), A(x), atol=5e-6)
    np.testing.assert_allclose(L(x + d), A(x + d), atol=5e-5)
    J = Lambda(lambda u: L(u) - L(jnp.zeros_like(u)))
    assert check_adjoint(J, x.shape) < 1e-5


def test_linearized_by_a_gradient_of_ones_own():
    x = jnp.linspace(0, 1, 9).reshape(3, 3, 1)
    L = linearized(Lambda(clipped), x)
    np.testing.assert_allclose(L(x + 1), jnp.clip(x, 0.3, 0.7) + 1, rtol=1e-6)
    assert has_derivative(Lambda(clipped), x)


def test_backprojection_by_the_derivative_is_newton_s_step():
    """Of `x^2 = y` from 3: `x - (x^2 - y) / 2 x`."""
    A, x, y = Lambda(lambda x: x**2), jnp.full((2, 2, 1), 3.0), jnp.full((2, 2, 1), 4.0)
    np.testing.assert_allclose(backproject(x, linearized(A, x), y), 3 - 5 / 6, rtol=1e-5)


@pytest.mark.slow
def test_refined_by_the_light_that_was_blurred(view):
    """What is taken for the other light is several dB worse, in either case."""
    wide = ((2, 2), (2, 2), (0, 0))
    for kind in ("stored", "linear"):
        y = blurred(view, kind)
        x = jnp.pad(y, wide, mode="edge")
        psnr = {
            other: metrics.psnr(
                refined(x, light.operator(DISC, other), y, 0.004, 30 / 255, rounds=light.ROUNDS),
                view,
            )
            for other in ("stored", "linear")
        }
        assert max(psnr, key=psnr.get) == kind and abs(psnr["stored"] - psnr["linear"]) > 2


@pytest.mark.parametrize("kind", ["stored", "linear"])
def test_the_light_is_seen(view, kind):
    y = blurred(view, kind)
    assert light.asked("auto", y, DISC) == kind


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
def test_within_jit_a_blur_that_is_known_is_looked_at(key, monkeypatch, kind):
    monkeypatch.setattr(light, "_rings", lambda y, k, s, kind: jnp.sum(y) + (kind == "stored"))
    seen = []
    y, k = kind(jnp.full((64, 64, 3), 0.5)), kind(DISC)
    jax.jit(lambda n: seen.append(tasks.seen(tasks.deblur, y, k)) or n)(1)
    assert seen == [{"light": "linear"}]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["stored", "linear"])
def test_the_light_is_seen_in_the_channel_that_varies(view, kind):
    y = blurred(view, kind)
    alone = jnp.concatenate([y, jnp.zeros((*y.shape[:2], 2))], -1)
    assert light.asked("auto", alone, DISC) == kind


def test_where_nothing_is_to_be_seen_the_values_are_meant(monkeypatch):
    monkeypatch.setattr(light, "_rings", lambda y, k, s, kind: jnp.sum(y) + (kind == "stored"))
    small, large = jnp.full((63, 80, 3), 0.5), jnp.full((64, 64, 3), 0.5)
    assert light.asked("auto", small, DISC) == "stored"
    assert light.asked("linear", large, DISC) == "linear"
    assert light.asked("auto", large, DISC) == "linear"
    seen = []
    jax.jit(lambda y, k: seen.append(light.asked("auto", y, k)))(large, DISC)
    assert seen == ["stored"]
    with pytest.raises(ValueError, match="light must be one of"):
        light.asked("gamma", large, DISC)


def noted(found: list):
    """A driver that fits nothing, and notes the kind of the operator."""

    def driver(key, objective, shape, **_):
        found.append(type(objective.operator))
        return Restoration(*[jnp.zeros(shape)] * 5, jnp.zeros(1), jnp.zeros((), int))

    return driver


def test_deblur_fits_the_light_that_is_asked_for(key, view, monkeypatch):
    found = []
    deblur = partial(dipjax.deblur, key, view, DISC, driver=noted(found), polish=False)
    deblur(light="stored")
    deblur(light="linear")
    monkeypatch.setattr(light, "seen", lambda y, k: "linear")
    deblur()
    assert found == [Blur, type(in_light(Blur(DISC))), type(in_light(Blur(DISC)))]
    with pytest.raises(ValueError, match="light must be one of"):
        deblur(light="bright")


@pytest.mark.slow
def test_an_unknown_kernel_is_looked_for_in_the_light_that_it_blurred(view, monkeypatch):
    y, side = blurred(view, "linear"), 7
    inside = blind.kernel(Decode()(jnp.clip(y, 0, 1)), side)
    for kind in ("stored", "linear"):
        expected = inside if kind == "linear" else blind.kernel(y, side)
        monkeypatch.setattr(light, "seen", lambda y, *_, kind=kind: kind)
        for wanted in (kind, "auto"):
            k, found = blind.seen(y, side, wanted)
            assert found == kind
            np.testing.assert_array_equal(k, expected)


def test_no_kernel_is_looked_for_in_vain(view, monkeypatch):
    looked = []
    monkeypatch.setattr(blind, "kernel", lambda y, side: looked.append(side))
    with pytest.raises(ValueError, match="light must be one of"):
        blind.seen(view, 7, "bright")
    assert not looked
    assert blind.seen(view[:60], 7).light == "stored" and len(looked) == 1


def test_all_tiles_are_of_one_light(key, view, monkeypatch):
    looked, found = [], []
    monkeypatch.setattr(light, "seen", lambda y, k: looked.append(y.shape) or "linear")
    task = partial(dipjax.deblur, kernel=DISC, driver=noted(found), polish=False)
    dipjax.tiled(task, key, view, tile=(64, 64))
    assert looked == [view.shape] and len(found) == 4 and Blur not in found


@pytest.mark.parametrize("place", [(30, 60), (0, 0), (60, 80), (57, 3)])
def test_the_busiest_part_of_a_picture(place):
    i, j = place
    busy = jax.random.uniform(jax.random.key(0), (30, 30, 3))
    y = jnp.full((100, 120, 3), 0.5).at[i + 5 : i + 35, j + 5 : j + 35].set(busy)
    part = images.busiest(y, 40)
    assert part.shape == (40, 40, 3)
    assert float(part.var()) > 0.8 * float(y[i : i + 40, j : j + 40].var())
    assert images.busiest(y[:30], 40).shape == (30, 40, 3)
