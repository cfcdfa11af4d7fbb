"""The level of noise, read off a picture."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dipjax import images, kernels, light, noise, tasks
from dipjax.noise import levels, outliers, spectrum
from dipjax.operators import Blur, in_light

ROWS, COLUMNS = np.meshgrid(np.arange(96), np.arange(64), indexing="ij")
TILES = jnp.asarray(
    ((ROWS // 16 + COLUMNS // 12) % 2 * 0.4 + 0.2 + 0.1 * np.sin(ROWS * COLUMNS / 300))[..., None]
)


@pytest.fixture
def coloured(key):
    """Noise that is alike in neighbours (64, 64, 3)."""
    return 0.5 + 0.1 * images.local_mean(jax.random.normal(key, (64, 64, 3)))


@pytest.fixture
def blurred():
    """A picture whose light was blurred, and the kernel."""
    k = kernels.disc(3.0)
    return in_light(Blur(k))(jnp.pad(TILES, ((0, 0), (0, 32), (0, 0)), mode="wrap")), k


@pytest.mark.parametrize("sigma", [0.03, 0.1, 0.2])
def test_the_noise_level_is_seen_through_a_picture(key, sigma):
    y = TILES + sigma * jax.random.normal(key, TILES.shape)
    assert noise.level(y) == pytest.approx(sigma, rel=0.2)
    assert noise.level(TILES) < 0.03


def test_white_noise_is_the_same_in_light_and_dark(key):
    s = noise.level_by_brightness(noise.gaussian(key, TILES, 0.06))
    np.testing.assert_allclose(s, 0.06, rtol=0.2)


@pytest.mark.parametrize("peak", [40, 60])
def test_photon_noise_grows_with_the_root_of_the_light(key, peak):
    ramp = jnp.broadcast_to(jnp.linspace(0.2, 0.9, 96)[:, None, None], (96, 64, 3))
    s = noise.level_by_brightness(noise.poisson(key, ramp, peak))
    np.testing.assert_allclose(s, jnp.sqrt(ramp / peak), rtol=0.2)


def test_what_salt_and_pepper_has_taken(key):
    x = jnp.broadcast_to(jnp.linspace(0.2, 0.8, 64)[:, None, None], (64, 64, 3))
    assert noise.lost(x) == 0
    y = noise.impulse(key, x, 0.1)
    np.testing.assert_allclose(noise.lost(y), jnp.mean(y != x), atol=0.02)
    for other in (noise.gaussian(key, x, 50 / 255), noise.poisson(key, x, 30)):
        assert noise.lost(other) < 0.01


def test_all_or_nothing_may_be_lost(key):
    x = jnp.full((4, 4, 1), 0.5)
    np.testing.assert_array_equal(noise.impulse(key, x, 0), x)
    assert set(np.unique(noise.impulse(key, x, 1))) == {0, 1}


def test_saturated_areas_are_not_lost():
    x = jnp.zeros((32, 32, 1)).at[:16].set(1.0)
    assert noise.lost(x) == 0


@pytest.mark.parametrize(
    "corrupt, level", [(noise.gaussian, 0.2), (noise.poisson, 30.0), (noise.speckle, 0.2)]
)
def test_level_by_brightness_knows_the_energy_of_the_noise(key, corrupt, level):
    """On a picture from black to white, at whose ends clipping takes of the noise."""
    x = jnp.broadcast_to(jnp.linspace(0, 1, 128)[None, :, None], (128, 128, 3))
    y = corrupt(key, x, level)
    s = noise.level_by_brightness(y)
    true = jnp.sqrt(jnp.mean((y - x) ** 2))
    assert s.shape == y.shape and abs(jnp.sqrt(jnp.mean(s**2)) / true - 1) < 0.06


def test_level_by_brightness_of_small_pictures(key):
    y = 0.5 + 0.1 * jax.random.normal(key, (4, 6, 1))
    np.testing.assert_array_equal(noise.level_by_brightness(y), noise.level(y))
    assert noise.level_by_brightness(jnp.full((5, 5, 1), 0.5)).shape == (5, 5, 1)


@pytest.mark.parametrize("look", [noise.level, noise.lost])
def test_pictures_of_integers(key, look):
    y = noise.impulse(key, noise.gaussian(key, jnp.full((16, 16, 3), 0.5), 0.1), 0.1)
    integers = np.round(255 * np.asarray(y)).astype(np.uint8)
    np.testing.assert_allclose(look(integers), look(integers / np.float32(255)), rtol=1e-5)
    assert noise.fidelity(integers) == "l1"


def test_the_level_of_integers_is_on_the_scale_of_floats(key):
    y = noise.gaussian(key, jnp.full((32, 32, 1), 0.5), 0.1)
    integers = np.round(255 * np.asarray(y)).astype(np.uint8)
    np.testing.assert_allclose(noise.level_by_brightness(integers), 0.1, rtol=0.3)
    assert noise.unclipped_level(integers) == pytest.approx(0.1, rel=0.1)


def test_within_jit_a_picture_that_is_known_is_looked_at(key, blurred, coloured):
    """All that looks at a constant within a user's own `jit`, where operations trace it."""
    salt = noise.impulse(key, jnp.full((16, 16, 1), 0.5), 0.3)
    looks = [
        lambda: noise.fidelity(salt),
        lambda: spectrum.coloured(coloured) is not None,
        lambda: spectrum.asked("coloured", coloured, known=False).shape,
        lambda: light.seen(*blurred),
    ]
    expected = [look() for look in looks]
    assert expected[:2] == ["l1", True]
    seen = []
    jax.jit(lambda k: seen.extend(look() for look in looks) or k)(1)
    assert seen == expected


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray, lambda y: np.asarray(y)[..., 0]])
def test_within_jit_a_known_picture_of_any_kind_is_looked_at(key, kind):
    salt = kind(noise.impulse(key, jnp.full((16, 16, 1), 0.5), 0.3))
    integers = np.uint8(np.round(255 * np.asarray(salt)))
    seen = []
    for y in (salt, integers):
        jax.jit(lambda k, y=y: seen.append(tasks.seen(tasks.denoise, y)["fidelity"]) or k)(1)
    assert seen == ["l1", "l1"]


def test_within_jit_nothing_is_seen_of_a_picture(key):
    y = noise.impulse(key, jnp.full((16, 16, 1), 0.5), 0.3)
    assert noise.fidelity(y) == "l1"
    seen = []
    jax.jit(lambda y: seen.append(noise.fidelity(y)) or y)(y)
    assert seen == ["l2"]


@pytest.mark.parametrize("part, seen", [(0.0, "l2"), (0.01, "l2"), (0.1, "l1")])
def test_salt_and_pepper_is_seen_in_strips(key, part, seen, monkeypatch):
    """Of a picture that is too large to be looked at as a whole."""
    y = jnp.broadcast_to(jnp.linspace(0.2, 0.8, 50)[:, None, None], (50, 40, 3))
    y = noise.impulse(key, noise.gaussian(key, y, 0.02), part) if part else y
    monkeypatch.setattr(outliers, "STRIP", 16 * 40 * 3)  # the last strip is of two rows
    assert noise.fidelity(y) == seen


def test_texture_is_not_taken_for_noise(key):
    """Of which a third of a picture is full: the noise was found to be of 7, not of 5."""
    y = 0.5 + 5 / 255 * jax.random.normal(key, (64, 96, 1))
    texture = y.at[:, 64:].add(0.2 * jax.random.normal(jax.random.key(1), (64, 32, 1)))
    assert noise.level(texture) == pytest.approx(5 / 255, rel=0.15)
    s = noise.level_by_brightness(texture)[:, :64]
    np.testing.assert_allclose(jnp.median(s), 5 / 255, rtol=0.25)


def test_colours_tell_noise_from_texture(key):
    """Texture all over, alike in the channels, in which nothing is quiet."""
    texture = 0.5 + 0.1 * jax.random.normal(jax.random.key(1), (64, 64, 1))
    texture = jnp.repeat(texture.clip(0.1, 0.9), 3, -1)
    y = texture + 5 / 255 * jax.random.normal(key, texture.shape)
    assert noise.level(y) > 0.09
    assert noise.level_by_colour(y) == pytest.approx(5 / 255, rel=0.1)
    with pytest.raises(ValueError, match="has not 3 channels"):
        noise.level_by_colour(y[..., :1])
    np.testing.assert_allclose(noise.level_by_colour(texture), 0, atol=1e-6)


def test_noise_all_over_is_noise(key):
    """Of which nothing is quieter than the rest."""
    y = 0.5 + 0.1 * jax.random.normal(key, (64, 64, 1))
    assert noise.level(y) == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("corrupt", [noise.gaussian, noise.poisson, noise.speckle, noise.impulse])
def test_noise_for_pictures_of_integers_and_what_is_none(key, corrupt):
    x = np.full((16, 16, 1), 51, np.uint8)
    floats = jnp.asarray(x, jnp.float32) / 255
    np.testing.assert_array_equal(corrupt(key, x, 0.5), corrupt(key, floats, 0.5))
    for none in (-0.5, np.nan, np.inf):
        with pytest.raises(ValueError, match="must be from"):
            corrupt(key, x, none)
    with pytest.raises(ValueError, match="NaN"):
        corrupt(key, np.full((4, 4, 1), np.nan, np.float32), 0.5)


@pytest.mark.parametrize("sigma", ["a", "0.1", None, [0.1], np.ones(2), -1, 11, np.nan])
def test_what_is_no_level_is_told(sigma):
    with pytest.raises(ValueError, match="must be positive"):
        noise.told(sigma)
    assert noise.told(np.float32(0.5)) == noise.told(jnp.float32(0.5)) == 0.5
    assert noise.told(0, none=True) == 0


LOOKS = [noise.level, noise.lost, noise.level_by_brightness, noise.level_by_colour, spectrum.seen]


@pytest.mark.parametrize("look", LOOKS)
def test_no_noise_is_seen_in_what_is_no_picture(look):
    for none in (np.full((16, 16, 3), np.nan), np.full((16, 16, 3), 200.0)):
        with pytest.raises(ValueError, match="image"):
            look(none)


def test_a_chequered_corner_is_no_noise(key):
    """It has no slopes, and is all that the level is looked for in."""
    rows, columns = np.indices((64, 64))
    y = 0.5 + 0.1 * np.sin(rows / 2)[..., None] + 0.1 * np.sin(columns / 2)[..., None]
    y[:, 58:] = 0.4 + 0.2 * ((rows + columns) % 2)[:, 58:, None]
    y = jnp.asarray(y) + 2 / 255 * jax.random.normal(key, (64, 64, 1))
    assert noise.level(y) < 4 / 255
    assert jnp.median(noise.level_by_brightness(y)) < 4 / 255


def test_of_a_large_picture_strips_tell_the_level(key, monkeypatch):
    y = 0.5 + 0.1 * jax.random.normal(key, (200, 64, 1))
    whole = float(noise.level(y))
    monkeypatch.setattr(levels, "STRIP", 64 * 64)
    jax.clear_caches()
    assert levels._strips(y).shape == (2, 32, 64, 1)
    assert noise.level(y) == pytest.approx(whole, rel=0.05)
    assert noise.level_by_brightness(y).shape == y.shape
    jax.clear_caches()
