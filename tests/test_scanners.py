"""Operators of scanners: laws of complex measurements, the Fourier matrix, scikit-image's Radon."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dipjax.objectives import data_term, huber, l1, l2
from dipjax.operators import Fourier, Radon, backproject, check_adjoint, coil_maps

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
    with pytest.raises(ValueError, match="coils of shape"):
        Fourier(MASK, coils)(jnp.ones((12, 10, 3)))


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
    np.testing.assert_allclose(columns[11:14], 16, rtol=0.05)
    np.testing.assert_allclose(rows[::-1][5:19], 5, rtol=0.05)
    np.testing.assert_allclose(columns[:8], 0, atol=0.5)


def test_more_detectors_see_more_of_the_same(key):
    x, angles = jax.random.uniform(key, (12, 12, 1)), jnp.asarray([10.0, 45.0])
    few, many = Radon(angles)(x), Radon(angles, 20)(x)
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
