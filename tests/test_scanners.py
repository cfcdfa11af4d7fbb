"""Operators of scanners: laws of complex measurements, the Fourier matrix, scikit-image's Radon."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dipjax.baselines import filtered_back_projection
from dipjax.objectives import data_term, huber, l1, l2
from dipjax.operators import Fourier, Lambda, Radon, backproject, check_adjoint, coil_maps

SHAPE = (12, 10, 1)
MASK = jnp.asarray(np.random.default_rng(0).random(SHAPE[:2]) > 0.4, jnp.float32)


@pytest.fixture
def coils(key):
    maps = jax.random.normal(key, (*SHAPE[:2], 3), jnp.complex64)
    return maps / jnp.linalg.norm(maps, axis=-1, keepdims=True)


def test_the_adjoint_through_coils(coils):
    assert check_adjoint(Fourier(MASK, coils), SHAPE) < 1e-6


def test_fourier_is_the_matrix_of_its_definition(key):
    """Frequencies and places are counted from the middle, and nothing is gained or lost."""
    x = jax.random.uniform(key, SHAPE)
    u, v, i, j = (np.arange(n) - n // 2 for n in (*SHAPE[:2], *SHAPE[:2]))
    rows, columns = (np.exp(-2j * np.pi * np.outer(f, q) / len(f)) for f, q in ((u, i), (v, j)))
    oracle = rows @ np.asarray(x[..., 0]) @ columns.T / np.sqrt(x.size)
    np.testing.assert_allclose(Fourier(MASK)(x)[..., 0], MASK * oracle, atol=1e-5)


def test_all_frequencies_of_all_coils_give_the_image_back(key, coils):
    x, A = jax.random.uniform(key, SHAPE), Fourier(jnp.ones(SHAPE[:2]), coils)
    np.testing.assert_allclose(A.T(A(x)), x, atol=1e-6)


def test_an_image_is_brought_back_to_its_complex_measurement(key, coils):
    """Half of the frequencies of three coils tell a real image."""
    x, A = jax.random.uniform(key, SHAPE), Fourier(MASK, coils)
    np.testing.assert_allclose(backproject(jnp.zeros(SHAPE), A, A(x)), x, atol=1e-3)


def test_coil_maps_see_the_magnitude(key):
    """Of smooth coils and a smooth image with a phase they are the coils with that phase."""
    i, j = jnp.mgrid[:32, :24] / 32
    image = jnp.exp(-8 * ((i - 0.5) ** 2 + (j - 0.375) ** 2))
    phase = jnp.exp(1j * (2 * i + j))
    coils = jnp.stack([1 + i, 2 - j + 1j * i], -1)
    coils /= jnp.linalg.norm(coils, axis=-1, keepdims=True)
    whole = jnp.ones(image.shape)
    y = Fourier(whole, phase[..., None] * coils)(image[..., None])
    maps = coil_maps(y, 16)
    np.testing.assert_allclose(jnp.linalg.norm(maps, axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(maps[8:24, 6:18], (phase[..., None] * coils)[8:24, 6:18], atol=0.05)
    seen = Fourier(whole, maps).T(y)[..., 0]
    np.testing.assert_allclose(seen[8:24, 6:18], image[8:24, 6:18], atol=0.02)


@pytest.mark.parametrize("y", [jnp.ones((30, 30, 2)), jnp.ones((30, 20, 2), complex)])
def test_coil_maps_need_complex_data_with_a_middle(y):
    with pytest.raises(ValueError, match="must be complex and"):
        coil_maps(y)


def test_what_does_not_fit_a_scanner(coils):
    with pytest.raises(ValueError, match="mask of shape"):
        Fourier(MASK)(jnp.ones((12, 12, 1)))
    with pytest.raises(ValueError, match="does not fit an image"):
        Fourier(jnp.ones((8, 8)))(jnp.ones((8, 8)))
    with pytest.raises(ValueError, match="coils of shape"):
        Fourier(MASK, coils)(jnp.ones((12, 10, 3)))
    for angles, shape in ((30.0, SHAPE), (jnp.ones((2, 3)), SHAPE), (jnp.ones(3), (8, 8))):
        with pytest.raises(ValueError, match=r"angles must be \(views,\)"):
            Radon(angles)(jnp.ones(shape))
    for detectors in (0, -3, 34.0):
        with pytest.raises(ValueError, match="detectors must be an integer"):
            Radon(jnp.ones(3), detectors)


def test_a_mask_may_have_a_channel(key):
    x = jax.random.uniform(key, SHAPE)
    np.testing.assert_array_equal(Fourier(MASK[..., None])(x), Fourier(MASK)(x))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32, jnp.complex64])
def test_the_adjoint_takes_what_is_like_a_measurement(key, dtype):
    """What an operator cannot have measured, an imaginary part, is not seen."""
    x = jax.random.uniform(key, SHAPE)
    for A in (Fourier(MASK), Radon(jnp.asarray([0.0, 50.0]))):
        y = A(x)
        u = y.real.astype(dtype)
        np.testing.assert_allclose(A.T(u), A.T(y.real), rtol=0.02, atol=0.1)
        if dtype == jnp.complex64 and not jnp.iscomplexobj(y):
            np.testing.assert_array_equal(A.T(u + 3j), A.T(y))


def test_what_divides_is_not_linear():
    A = Lambda(lambda x: x / (1 + x))
    y = A(jnp.ones(SHAPE))
    with pytest.raises(TypeError, match="is not linear"):
        A.T(y)


@jax.jit
def power(angle, x):
    return jnp.sum(Radon(angle[None])(x) ** 2)


@pytest.mark.parametrize("angle", [0.0, 1e-4, 20.0, 45.0, 90.0, 180.0, 270.0, -100.0])
def test_the_gradient_in_the_angle(key, angle):
    x, angle, step = jax.random.uniform(key, (9, 7, 2)), jnp.asarray(angle), 0.25
    change = (power(angle + step, x) - power(angle - step, x)) / (2 * step)
    np.testing.assert_allclose(jax.grad(power)(angle, x), change, rtol=0.05, atol=0.05)


def test_turning_further(key):
    """Half a turn mirrors a view, a whole one repeats it."""
    x = jax.random.uniform(key, (8, 11, 1))
    once, half, whole, back = Radon(jnp.asarray([30.0, 210.0, 390.0, -330.0]))(x)
    np.testing.assert_allclose(half[::-1], once, atol=1e-4)
    np.testing.assert_allclose(whole, once, atol=1e-4)
    np.testing.assert_allclose(back, once, atol=1e-4)


def test_over_angles_and_coils(key, coils):
    """`vmap` is a loop."""
    x = jax.random.uniform(key, SHAPE)
    angles = jnp.asarray([[0.0, 30.0], [45.0, 100.0]])
    many = jax.vmap(lambda t: Radon(t)(x))(angles)
    np.testing.assert_allclose(many[1], Radon(angles[1])(x), atol=1e-5)
    sets = jnp.stack([coils, coils[..., ::-1]])
    many = jax.vmap(lambda s: Fourier(MASK, s)(x))(sets)
    np.testing.assert_allclose(many[1], Fourier(MASK, sets[1])(x), atol=1e-5)


def test_filtered_back_projection():
    """Of a smooth disc, from many views: what it was made of."""
    i, j = (jnp.mgrid[:32, :32] - 15.5) / 32
    x = jax.nn.sigmoid(60 * (0.3 - jnp.hypot(i - 0.05, j + 0.08)))[..., None]
    A = Radon(jnp.linspace(0, 180, 90, endpoint=False))
    back = filtered_back_projection(A(x), A)
    seen = (jnp.hypot(i, j) < 0.45)[..., None]  # of the corners most views see nothing
    np.testing.assert_allclose(seen * back, seen * x, atol=0.06)
    assert float(jnp.abs(seen * (back - x)).mean()) < 0.01


@pytest.mark.parametrize("side", [32, 33])
def test_radon_is_that_of_scikit_image(side):
    """Of a smooth picture, for which it does not matter how one interpolates."""
    radon = pytest.importorskip("skimage.transform").radon
    i, j = (np.mgrid[:side, :side] - side // 2) / side
    x = np.exp(-60 * ((i - 0.1) ** 2 + 2 * (j + 0.1) ** 2)) + np.exp(-80 * ((i + 0.15) ** 2 + j**2))
    x = np.where(i**2 + j**2 < 0.2, x, 0)
    angles = np.array([0.0, 17.0, 45.0, 80.0, 90.0, 130.0, 179.0])
    oracle = radon(x, angles, circle=True).T
    # Its middle is a pixel; that of an even side lies between two here.
    x = np.pad(x, ((0, 1 - side % 2), (0, 1 - side % 2)))
    y = Radon(jnp.asarray(angles))(jnp.asarray(x, jnp.float32)[..., None])[:, :side, 0]
    np.testing.assert_allclose(y, oracle, atol=0.02 * oracle.max())


def test_every_view_sees_all_there_is(key):
    x = jnp.zeros((20, 15, 2)).at[6:14, 4:11].set(jax.random.uniform(key, (8, 7, 2)))
    y = Radon(jnp.linspace(0, 180, 9))(x)
    assert y.shape == (9, 20, 2)
    np.testing.assert_allclose(y.sum(1), jnp.broadcast_to(x.sum((0, 1)), (9, 2)), rtol=5e-3)


def test_views_along_the_axes_are_sums():
    x = jnp.zeros((24, 24, 1)).at[4:20, 10:15].set(1)
    columns, rows = Radon(jnp.asarray([0.0, 90.0]))(x)[..., 0]
    np.testing.assert_allclose(columns, x.sum((0, 2)), atol=0.25 * 16)  # of an edge most
    np.testing.assert_allclose(columns[11:14], 16, rtol=0.05)
    np.testing.assert_allclose(rows[::-1], x.sum((1, 2)), atol=0.25 * 5)


def test_more_detectors_see_more_of_the_same(key):
    x, angles = jax.random.uniform(key, (12, 12, 1)), jnp.asarray([10.0, 45.0])
    few, many = Radon(angles)(x), Radon(angles, np.int64(20))(x)
    np.testing.assert_allclose(many[:, 4:16], few, atol=0.15)
    np.testing.assert_allclose(many.sum(1)[:, 0], x.sum(), rtol=0.01)


def test_energies_of_complex_measurements_are_real(key):
    """And those of their real and imaginary parts together, where squares are added."""
    y, z = jax.random.normal(key, (2, 5, 4, 1), jnp.complex64)
    parts = [jnp.stack([u.real, u.imag]) for u in (y, z)]
    np.testing.assert_allclose(l2(y, z), l2(*parts), rtol=1e-6)
    np.testing.assert_allclose(l1(y, z), jnp.abs(y - z).sum(), rtol=1e-6)
    np.testing.assert_allclose(huber(y, z, 100.0), l2(y, z) / 2, rtol=1e-5)


@pytest.mark.parametrize("fidelity", ["l2", "l1", "huber"])
def test_gradients_through_a_scanner(key, coils, fidelity):
    x, direction = jax.random.uniform(key, (2, *SHAPE))
    E = data_term(Fourier(MASK, coils), Fourier(MASK, coils)(x[::-1]), fidelity)
    slope = jnp.vdot(jax.grad(E)(x), direction)
    change = (E(x + 1e-2 * direction) - E(x - 1e-2 * direction)) / 2e-2
    np.testing.assert_allclose(slope, change, rtol=2e-2)
    assert jnp.isfinite(jax.grad(E)(x[::-1])).all()
