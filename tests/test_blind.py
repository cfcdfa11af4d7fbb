"""A kernel that nobody knows is seen in the blurred picture."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dipjax
from dipjax import blind, kernels
from dipjax.operators import Blur, backproject

SIDE = 9


def bent() -> np.ndarray:
    """A camera that moved down, then to the right."""
    k = np.zeros((7, 7), np.float32)
    k[1:6, 2] = k[5, 2:6] = 1
    return k / k.sum()


KERNELS = {"bent": bent(), "aslant": kernels.motion(7, 30), "disc": kernels.disc(2.5)}


@pytest.fixture(scope="module")
def view():
    """Rectangles of all shades and sizes, on each other."""
    rng = np.random.default_rng(0)
    x = np.full((90, 100, 3), 0.5, np.float32)
    for _ in range(40):
        i, j = rng.integers(0, (85, 95))
        h, w = rng.integers(5, 30, 2)
        x[i : i + h, j : j + w] = rng.random(3)
    return jnp.asarray(x)


def blurred(view, k, sigma=0.005):
    """The middle (80, 90, 3) of the view."""
    y = dipjax.images.middle(Blur(jnp.asarray(k))(view), (80, 90, 3))
    return dipjax.noise.gaussian(jax.random.key(1), y, sigma)


def alike(k, true) -> float:
    """The cosine of the angle between two kernels, wherever they lie."""
    size = np.add(k.shape, true.shape)
    a, b = (np.fft.rfft2(np.asarray(v, float), size) for v in (k, true))
    return np.fft.irfft2(a * b.conj(), size).max() / np.linalg.norm(k) / np.linalg.norm(true)


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_is_seen(view, name):
    k = blind.kernel(blurred(view, KERNELS[name]), SIDE)
    others = [alike(k, other) for n, other in KERNELS.items() if n != name]
    assert alike(k, KERNELS[name]) > max(0.85, *others)


def test_it_moves_light_and_makes_none(view):
    k = np.asarray(blind.kernel(blurred(view, bent()), SIDE))
    assert k.shape == (SIDE, SIDE) and (k >= 0).all()
    np.testing.assert_allclose(k.sum(), 1, rtol=1e-5)
    middle = [(p * np.arange(SIDE)).sum() for p in (k.sum(0), k.sum(1))]
    np.testing.assert_allclose(middle, SIDE // 2, atol=0.5)


def test_what_is_sharp_is_seen_as_such(view):
    k = np.asarray(blind.kernel(blurred(view, np.ones((1, 1), np.float32)), SIDE))
    assert k[SIDE // 2 - 1 : SIDE // 2 + 2, SIDE // 2 - 1 : SIDE // 2 + 2].sum() > 0.75


def test_the_picture_becomes_sharper(view):
    """By least squares alone, near the blurred picture."""
    y = blurred(view, bent())
    A = Blur(blind.kernel(y, SIDE))
    wide = jnp.pad(y, ((SIDE // 2,) * 2, (SIDE // 2,) * 2, (0, 0)), mode="edge")
    x = backproject(wide, A, y, ridge=0.01)

    def error(x):
        """At the best of nine places."""
        true = dipjax.images.middle(view, (70, 80, 3))
        places = [jnp.roll(x, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        return min(
            float(jnp.mean((dipjax.images.middle(v, true.shape) - true) ** 2)) for v in places
        )

    assert error(x) < 0.6 * error(y)


def test_shades_of_grey_and_bytes(view):
    """The mean of the channels is looked at, and bytes are what their floats are."""
    y = jnp.round(blurred(view, bent()).clip(0, 1) * 255) / 255
    k = blind.kernel(y, SIDE)
    np.testing.assert_allclose(blind.kernel(y.mean(-1), SIDE), k, atol=1e-5)
    np.testing.assert_allclose(blind.kernel(np.uint8(np.round(y * 255)), SIDE), k, atol=1e-5)
    np.testing.assert_array_equal(blind.kernel(y, SIDE - 1), k)  # an even side is made odd


@pytest.mark.slow
def test_several_at_once(view):
    ys = jnp.stack([blurred(view, bent()), blurred(view, bent().T)])
    ks = jax.jit(jax.vmap(lambda y: blind.kernel(y, SIDE)))(ys)
    assert ks.shape == (2, SIDE, SIDE)
    for k, true, other in ((ks[0], bent(), bent().T), (ks[1], bent().T, bent())):
        assert alike(k, true) > max(0.85, alike(k, other))


def test_a_dark_picture_with_little_contrast(view):
    """Noise of half a level is a twelfth of the picture's."""
    y = 0.1 + 0.15 * blurred(view, bent())
    k = blind.kernel(dipjax.noise.gaussian(jax.random.key(2), y, 0.002), SIDE)
    assert alike(k, bent()) > max(0.85, alike(k, bent()[::-1, ::-1]))


@pytest.mark.slow
def test_floats_of_every_length(view, x64):
    y = np.asarray(blurred(view, bent()))[:40, :40]
    for dtype in (np.float16, np.float32, np.float64):
        k = blind.kernel(y.astype(dtype), 5)
        assert k.dtype == max(np.dtype(dtype), np.dtype(np.float32))
        np.testing.assert_allclose(k.sum(), 1, rtol=1e-5)


def test_what_is_moved_to_the_middle_stays_whole():
    k = np.zeros((5, 5), np.float32)
    k[1, 1:3] = 0.5
    np.testing.assert_array_equal(blind._centred(jnp.asarray(k)), np.roll(k, (1, 0), (0, 1)))
    k[:] = 0
    k[0, 0], k[4, 4] = 0.8, 0.2
    np.testing.assert_array_equal(blind._centred(jnp.asarray(k)), k)


@pytest.mark.parametrize("level", [0, 0.5, 1])
def test_where_no_edge_is_no_blur_is_seen(level):
    k = blind.kernel(jnp.full((40, 40, 1), float(level)), 7)
    np.testing.assert_array_equal(k, np.pad([[1.0]], 3))


@pytest.mark.parametrize(
    ("shape", "side", "message"),
    [
        ((40, 40, 3), 2, "a kernel of 2 pixels: must be a whole number, at least 3"),
        ((40, 40, 3), 4.5, "a kernel of 4.5 pixels: must be a whole number"),
        ((40, 40, 3), "5", "a kernel of 5 pixels: must be a whole number"),
        ((30, 40, 3), 16, "a kernel of 17 pixels: in 40 x 30 none is seen that is larger than 15"),
        ((900, 900, 3), 301, "a kernel of 301 pixels: .* larger than 256"),
        ((2, 30, 40, 3), 5, "expected .H, W. or .H, W, C."),
    ],
)
def test_what_cannot_be_seen(shape, side, message):
    with pytest.raises(ValueError, match=message):
        blind.kernel(np.zeros(shape, np.float32), side)
