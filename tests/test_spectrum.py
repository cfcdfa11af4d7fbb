"""Laws: what is drawn by a spectrum has it and is seen to have it, and white noise is white."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dipjax
from dipjax import noise
from dipjax.baselines import nonlocal_bayes
from dipjax.generators import Positional
from dipjax.noise import spectrum

MIXED = jnp.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 0.7]])


def soft(key, shape, width=0.8):
    """White noise of unit level, behind a Gaussian of so many pixels."""
    f = jnp.stack(jnp.meshgrid(*map(jnp.fft.fftfreq, shape[:2]), indexing="ij"))
    response = jnp.exp(-2 * (jnp.pi * width) ** 2 * jnp.sum(f**2, 0))
    white = jax.random.normal(key, shape)
    n = jnp.fft.ifft2(jnp.fft.fft2(white, axes=(0, 1)) * response[..., None], axes=(0, 1)).real
    return n / n.std()


def slope(shape):
    """A picture that noise can be seen in: light from left to right."""
    return jnp.broadcast_to(jnp.linspace(0.3, 0.7, shape[1])[None, :, None], shape)


@pytest.fixture(scope="module")
def coloured():
    """Noise (512, 512, 3) that is alike in neighbouring pixels and in the channels."""
    n = soft(jax.random.key(0), (512, 512, 3)) @ MIXED
    return n.at[..., 2].set(jnp.roll(n[..., 2], 1, 1))  # a sensor has its colours side by side


def patches(n, side):
    """All patches (m, side * side * C), in the order of `spectrum.covariance`."""
    h, w = n.shape[0] - side + 1, n.shape[1] - side + 1
    parts = [n[i : i + h, j : j + w] for i in range(side) for j in range(side)]
    return jnp.stack(parts, 2).reshape(h * w, -1)


def covariance(n, side=3):
    p = patches(n, side)
    return p.T @ p / len(p)


def test_what_is_seen_is_what_was_drawn(coloured):
    y = slope(coloured.shape) + 0.05 * coloured
    found = spectrum.seen(y)
    level = float(jnp.sqrt(jnp.mean(found.level(y) ** 2)) / (0.05 * coloured.std()))
    assert 0.85 < level < 1.1
    assert found.ratio > 3
    sigma = spectrum.covariance(found.S, 3)
    truth = covariance(coloured) / jnp.mean(coloured**2)
    np.testing.assert_allclose(sigma, truth, atol=0.15)


def test_what_is_drawn_has_the_spectrum(coloured):
    S = spectrum.seen(slope(coloured.shape) + 0.05 * coloured).S
    drawn = spectrum.draw(jax.random.key(1), spectrum.kernel(S), coloured.shape)
    assert drawn.shape == coloured.shape
    np.testing.assert_allclose(covariance(drawn), spectrum.covariance(S, 3), atol=0.1)


def test_the_covariance_is_that_of_a_known_spectrum():
    """Of noise made of the sums of two neighbours: half as alike as the same pixel, and no more."""
    k = jnp.zeros((16, 16)).at[0, :2].set(2**-0.5)
    S = (jnp.abs(jnp.fft.fft2(k)) ** 2)[..., None, None].astype(jnp.complex64)
    sigma = spectrum.covariance(S, 2)
    row = jnp.array([[1, 0.5], [0.5, 1]])
    np.testing.assert_allclose(sigma, jax.scipy.linalg.block_diag(row, row), atol=1e-5)


@pytest.mark.parametrize("shape", [(64, 96, 3), (128, 128, 1), (256, 200, 3)])
@pytest.mark.parametrize("kind", ["gaussian", "poisson", "speckle"])
def test_white_noise_is_white(key, kind, shape):
    x = slope(shape)
    y = getattr(noise, kind)(key, x, 100.0 if kind == "poisson" else 0.1)
    assert spectrum.coloured(y) is None
    assert 0.7 < spectrum.seen(y).ratio < 1.2
    soft_noise = x + 0.1 * soft(key, shape)
    assert spectrum.coloured(soft_noise).shape == (16, 16, shape[-1], shape[-1])


def test_the_level_follows_the_light(key):
    x = jnp.where(jnp.arange(256)[None, :, None] < 128, 0.2, 0.6) * jnp.ones((256, 256, 3))
    true = 0.2 * jnp.sqrt(x) * 0.5
    y = x + true * soft(key, x.shape)
    s = spectrum.seen(y).level(y)
    for half in (slice(16, 112), slice(144, 240)):
        np.testing.assert_allclose(s[:, half].mean(), true[:, half].mean(), rtol=0.15)


def test_what_cannot_be_seen(key):
    y = jax.random.uniform(key, (15, 40, 3))
    assert spectrum.coloured(y) is None
    with pytest.raises(ValueError, match="no block of 16 x 16"):
        spectrum.seen(y)
    assert jax.jit(lambda y: jnp.float32(spectrum.coloured(y) is None))(jnp.ones((32, 32, 3))) == 1


def test_texture_is_no_noise(key):
    """Stripes in all directions, as strong at middle frequencies and as weak at high ones."""
    i, j = jnp.meshgrid(jnp.arange(256.0), jnp.arange(256.0), indexing="ij")
    angle = 0.05 * (i // 32) + 0.7 * (j // 32)
    stripes = jnp.sin(2 * jnp.pi * 0.27 * (i * jnp.sin(angle) + j * jnp.cos(angle)))
    y = noise.gaussian(key, 0.5 + 0.1 * jnp.stack(3 * [stripes], -1), 0.01)
    found = spectrum.seen(y)
    assert found.ratio > 2 and found.tail > spectrum.TAIL
    assert spectrum.coloured(y) is None


def test_grey_texture_under_weak_noise_is_no_noise(key):
    """As like noise as it may be: it is the same in all channels, and white noise is not."""
    keys, shape = jax.random.split(key), (128, 128, 3)
    fine = jnp.broadcast_to(soft(keys[0], (*shape[:2], 1)), shape)
    y = noise.gaussian(keys[1], slope(shape) + 0.08 * fine, 0.015)
    found = spectrum.seen(y)
    assert found.ratio > 2 and found.tail < 1.1
    middle, high = found.alike
    assert middle > 0.9 and high < 0.5
    assert spectrum.coloured(y) is None


@pytest.mark.parametrize("width", [0.8, 1.2, 2.0])
def test_noise_in_the_light_alone_is_noise(key, width):
    """As film or a file leaves it: high frequencies have no more than rounding, in each channel."""
    grain = jnp.broadcast_to(soft(key, (128, 128, 1), width), (128, 128, 3))
    y = jnp.round(255 * (slope(grain.shape) + 0.04 * grain)) / 255
    assert spectrum.coloured(y) is not None


def test_channels_that_err_alike(key):
    x = slope((128, 128, 3))
    own = soft(key, x.shape)
    np.testing.assert_allclose(spectrum.seen(x + 0.1 * own).alike, 0, atol=0.1)
    np.testing.assert_allclose(spectrum.seen(x + 0.1 * own[..., :1]).alike, 1, atol=0.02)
    tinted = own[..., :1] * jnp.array([[[1.0, 0.2, 0.2]]])
    np.testing.assert_allclose(spectrum.seen(x + 0.1 * tinted).alike, 1, atol=0.02)
    np.testing.assert_array_equal(spectrum.seen((x + 0.1 * own)[..., :1]).alike, 0)


def test_weak_noise_is_left_to_what_sees_it_as_white(key):
    y = slope((128, 128, 3)) + 0.005 * soft(key, (128, 128, 3))
    assert spectrum.seen(y).ratio > 2 and spectrum.coloured(y) is None


def test_a_photo_by_the_light_of_a_cave(data):
    """The noise of a real camera, of which the highest frequencies show a fifth."""
    y = dipjax.images.load(data / "demo/flash_no_flash/cave01_01_noflash.jpg")
    assert spectrum.coloured(y) is not None
    assert jnp.sqrt(jnp.mean(spectrum.seen(y).variance)) > 4 * noise.level(y)


@pytest.mark.parametrize("rows", [12, 26, 60])
def test_what_is_flat_is_not_looked_at(key, rows):
    """A white sky, or a border: there is no noise to be seen in it."""
    y = slope((128, 128, 3)) + 0.1 * soft(key, (128, 128, 3))
    y = y.at[:rows].set(1)
    assert spectrum.coloured(y) is not None
    np.testing.assert_allclose(jnp.sqrt(jnp.mean(spectrum.seen(y).variance)), 0.1, rtol=0.1)


@pytest.mark.parametrize("channel", [1.0, 0.0])
def test_a_flat_channel_hides_no_noise(key, channel):
    y = slope((128, 128, 3)) + 0.1 * soft(key, (128, 128, 3))
    opaque = jnp.concatenate([y, jnp.full((128, 128, 1), channel)], -1)
    S = spectrum.coloured(opaque)
    assert S.shape == (16, 16, 4, 4) and jnp.isfinite(S).all()
    level = jnp.sqrt(jnp.mean(spectrum.seen(opaque).level(opaque) ** 2) * S[..., 0, 0].real.mean())
    np.testing.assert_allclose(level, 0.1, rtol=0.2)


def test_a_spectrum_that_is_none_is_refused(key):
    y = noise.gaussian(key, slope((32, 32, 3)), 0.1)
    for given, words in (
        ("pink", "must be one of"),
        (jnp.ones((16, 16, 1, 1)), "must be .16, 16, 3, 3."),
    ):
        with pytest.raises(ValueError, match=words):
            dipjax.denoise(key, y, spectrum=given)
        with pytest.raises(ValueError, match=words):
            dipjax.tiled(dipjax.denoise, key, y, spectrum=given)
    with pytest.raises(ValueError, match="no noise is seen"):
        dipjax.denoise(key, jnp.full((32, 32, 3), 0.5), spectrum="coloured")


def test_a_flat_picture_has_no_noise():
    assert spectrum.coloured(jnp.full((64, 64, 3), 0.5)) is None


# --- what uses it --------------------------------------------------------------------------


@pytest.mark.slow
def test_groups_of_white_noise_are_those_of_its_spectrum(key):
    y = noise.gaussian(key, slope((40, 40, 3)), 0.1)
    flat = jnp.broadcast_to(jnp.eye(3, dtype=jnp.complex64), (16, 16, 3, 3))
    np.testing.assert_allclose(
        nonlocal_bayes(y, sigma=0.1, S=flat), nonlocal_bayes(y, sigma=0.1), atol=1e-4
    )


def test_groups_that_know_the_spectrum_are_better(key, coloured):
    x = slope((40, 40, 3)).at[12:28, 12:28].add(0.2)
    y = jnp.clip(x + 0.08 * coloured[:40, :40], 0, 1)
    S = spectrum.seen(slope(coloured.shape) + 0.05 * coloured).S
    sigma = 0.08 * coloured[:40, :40].std()
    plain, knowing = (
        dipjax.metrics.psnr(nonlocal_bayes(y, sigma=sigma, S=S), x) for S in (None, S)
    )
    assert knowing > plain + 2


def test_denoise_sees_it(key, coloured):
    """And asks for a fit that answers to no noise that is alike in neighbouring pixels."""
    x = slope((64, 64, 3))
    white, soft_noise = noise.gaussian(key, x, 0.1), x + 0.1 * coloured[:64, :64]

    def k(y, **options):
        return dipjax.tasks.asked(lambda driver: fit(driver, y, options))["k"]

    def fit(driver, y, options):
        def wrapped(key, objective, shape, **settings):
            return driver(key, objective, shape, k=objective.k)

        return dipjax.denoise(key, y, driver=wrapped, **options)

    S = spectrum.seen(soft_noise).S
    assert k(white) is None and k(soft_noise, spectrum="white") is None
    assert k(soft_noise, sigma=0.1) is None  # which says that it is known
    for options in ({}, {"spectrum": S}, {"spectrum": "coloured", "sigma": 0.1}):
        np.testing.assert_allclose(k(soft_noise, **options), spectrum.kernel(S), atol=1e-6)
    assert k(white, spectrum="coloured") is not None
    with pytest.raises(ValueError, match="spectrum must be one of"):
        dipjax.denoise(key, white, spectrum="pink")


def test_what_is_white_is_denoised_as_before(key):
    y = noise.gaussian(key, slope((32, 32, 3)), 0.1)
    settings = dict(generator=Positional(width=4, depth=1), steps=3)
    auto, white = (
        dipjax.denoise(key, y, spectrum=spectrum, **settings) for spectrum in ("auto", "white")
    )
    jax.tree.map(np.testing.assert_array_equal, auto, white)


def test_tiles_have_the_spectrum_of_the_picture(key, coloured):
    y = jnp.clip(slope((48, 80, 3)) + 0.1 * coloured[:48, :80], 0, 1)
    seen = []

    def driver(key, objective, shape, **settings):
        seen.append(objective.k)
        return dipjax.fit(key, objective, shape, **settings)

    network = Positional(width=4, depth=1)
    settings = dict(generator=network, steps=2, polish=False, driver=driver)
    dipjax.tiled(dipjax.denoise, key, y, tile=(48, 48), **settings)
    assert len(seen) == 2
    for k in seen:
        np.testing.assert_array_equal(k, spectrum.kernel(spectrum.seen(y).S))


@pytest.mark.slow
def test_a_fit_that_knows_the_spectrum_is_better(key, data, optimized):
    x = dipjax.images.load(data / "denoise/25/house_GT.png")[64:160, 64:160]
    y = jnp.clip(x + 0.08 * soft(key, x.shape), 0, 1)
    white, auto = (
        dipjax.metrics.psnr(dipjax.denoise(key, y, spectrum=s, steps=400).image, x)
        for s in ("white", "auto")
    )
    assert auto > white + 4
