"""Non-local Bayes behind a fit: where it says something, and where the fit stands."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import dipjax
from dipjax import images, noise, risk
from dipjax.baselines import nonlocal_bayes
from dipjax.metrics import psnr
from dipjax.operators import Downsample, Lambda, Mask, backproject
from dipjax.polish import EXACT, polished, refined
from dipjax.restoration import Restoration
from dipjax.tiles.coarse import COARSE, corrected

S = 0.1


@pytest.fixture
def stripes():
    """(24, 28, 3), half of it flat."""
    i, j = np.mgrid[:24, :28]
    x = np.stack([i % 6 < 3, i % 6 < 2, i % 4 < 2], -1) * np.where(j < 14, 0.6, 0.0)[..., None]
    return jnp.asarray(x + 0.2, jnp.float32)


def level(x):
    return jnp.full(x.shape, S)


def blurred(x):
    """As a fit is that has not learnt all of the texture."""
    return 0.7 * x + 0.3 * images.local_mean(x)


def test_a_fit_that_has_blurred_gets_its_texture_back(key, stripes):
    y = noise.gaussian(key, stripes, S)
    x = blurred(stripes)
    better = polished(x, y, level(x))
    assert psnr(better, stripes) > psnr(x, stripes) + 3
    assert psnr(better, stripes) > psnr(y, stripes) + 3


def test_where_the_fit_is_flat_and_right_it_stands(key, stripes):
    """Nearly: what it is off by on average, non-local Bayes tells up to a stain."""
    all_flat = jnp.full_like(stripes, 0.2)
    y = noise.gaussian(key, stripes, S)
    np.testing.assert_array_equal(polished(all_flat, y, level(y)), all_flat)
    y, flat = noise.gaussian(key, stripes, S), np.s_[:, 17:]  # five pixels see no stripe
    error = polished(stripes, y, level(y))[flat] - stripes[flat]
    stains = nonlocal_bayes(y, sigma=S, pilot=stripes)[flat] - stripes[flat]
    assert error.std() < 0.05 * stains.std()


def test_where_the_fit_is_flat_and_wrong_it_does_not_stand(key, stripes):
    """As one that is far from its end, and has no texture yet, or not the colour."""
    weak = 0.25 * stripes
    y, flat = noise.gaussian(key, weak, 0.03), jnp.full_like(weak, 0.05)
    better = polished(flat, y, jnp.full_like(y, 0.03))
    assert psnr(better, weak) > psnr(flat, weak) + 8


def test_a_wrong_colour_is_corrected_and_noise_is_not_let_in(key):
    truth = jnp.full((256, 250, 3), 0.5)
    cast = truth + jnp.array([[[0.2, -0.1, 0]]])
    back = corrected(cast, noise.gaussian(key, truth, 0.1), level(truth)) - truth
    assert abs(back).max() < 0.025 and back.std() < 0.1 / 20


def test_what_is_coarse_in_coloured_noise_is_not_let_in(key):
    """The Gaussian is wider, as the square root of the power that such noise has there."""
    truth, w = jnp.full((256, 256, 3), 0.5), jax.random.normal(key, (258, 258, 3))
    n = sum(w[i : i + 256, j : j + 256] for i in range(3) for j in range(3)) / 3
    y = truth + 0.1 * n
    k = jnp.eye(3)[None, None] * jnp.ones((3, 3, 1, 1)) / 3  # of 3 x 3 pixels
    power = risk.Risk(y, level(y), k).power
    assert abs(power - 9) < 1e-4 and risk.Risk(y, level(y)).power == 1
    white, coloured = (corrected(truth, y, level(y), p) - truth for p in (1.0, power))
    assert coloured.std() < 0.1 / 20 < white.std()
    cast = corrected(truth + 0.1, y, level(y), power) - truth
    assert abs(cast.mean()) < 0.01


def test_the_coarse_part_is_that_of_scipy(key):
    x, y = jax.random.uniform(key, (2, 40, 33, 3))
    expected = x + gaussian_filter(y - x, (COARSE, COARSE, 0), truncate=6)
    np.testing.assert_allclose(corrected(x, y, 0 * y), np.clip(expected, 0, 1), atol=1e-4)


def test_noise_that_differs_from_place_to_place_is_made_white(key, stripes):
    """Ten times the noise on the right: the left half does not suffer."""
    s = jnp.where(jnp.arange(28) < 14, 0.02, 0.2)[None, :, None] * jnp.ones(stripes.shape)
    y = stripes + s * jax.random.normal(key, stripes.shape)
    x = 0.7 * stripes + 0.3 * blurred(stripes)  # a tenth, or it is beyond so little noise
    quiet = slice(0, 12)
    better = polished(x, y, s)[:, quiet]
    assert psnr(better, stripes[:, quiet]) > psnr(x[:, quiet], stripes[:, quiet]) + 5


def test_outliers_are_no_noise_of_this_level(key, stripes):
    y = noise.impulse(key, stripes, 0.2)
    np.testing.assert_array_equal(polished(stripes, y, level(y)), stripes)


@pytest.mark.parametrize("size", [(4, 90), (11, 90), (16, 16)])
def test_a_picture_of_fewer_patches_than_a_group_is_left_alone(key, size):
    x = jax.random.uniform(key, (*size, 1))
    np.testing.assert_array_equal(polished(x, 1 - x, level(x)), x)


@pytest.mark.parametrize(
    ("settings", "ends_with_it"),
    [
        ({}, True),
        ({"sigma": S}, True),
        ({"stop": "held_out"}, True),
        ({"polish": False}, False),
        ({"preset": "paper"}, False),
        ({"fidelity": "l1"}, False),
    ],
)
def test_denoise_ends_with_it(key, stripes, settings, ends_with_it):
    y, x = noise.gaussian(key, stripes, S), blurred(stripes)
    image = dipjax.denoise(key, y, driver=partial(_fitted, x), clipped=False, **settings).image
    assert (psnr(image, stripes) > psnr(x, stripes) + 2) == ends_with_it
    if not ends_with_it:
        np.testing.assert_array_equal(image, x)


@pytest.mark.parametrize("over", [pytest.param(jax.vmap, marks=pytest.mark.slow), dipjax.spread])
def test_it_maps(key, stripes, over):
    """Over devices, too, that share fewer cores, where LAPACK would wait for ever."""
    ys = jnp.stack([noise.gaussian(k, stripes, S) for k in jax.random.split(key, 4)])
    xs = jax.vmap(images.local_mean)(ys)
    both = over(polished)(xs, ys, jnp.full(ys.shape, S))
    for x, y, image in zip(xs, ys, both, strict=True):
        np.testing.assert_allclose(image, polished(x, y, level(y)), atol=1e-4)


# --- fits of a measurement that leaves something out ---------------------------------------


@pytest.fixture(params=["half", "small"])
def A(request, key):
    """Half of the pixels of (24, 28), or a picture of (12, 14)."""
    return {"half": Mask(jax.random.bernoulli(key, 0.5, (24, 28))), "small": Downsample(2)}[
        request.param
    ]


def test_a_fit_is_refined_by_what_is_alike_in_it(A, stripes):
    x, y = blurred(stripes), A(stripes)
    better = refined(x, A, y)
    assert psnr(better, stripes) > psnr(x, stripes) + 5
    assert jnp.abs(A(better) - y).max() < 20 * EXACT < jnp.abs(A(x) - y).max()


def test_what_is_small_and_noisy_is_polished_by_its_noise(key, stripes):
    y = noise.gaussian(key, Downsample(2)(stripes), 0.08)

    def enlarged(sigma):
        fit = lambda *_, **__: Restoration(*[blurred(stripes)] * 5, jnp.zeros(1), jnp.zeros(()))  # noqa: E731
        return dipjax.super_resolve(key, y, factor=2, sigma=sigma, driver=fit).image

    for sigma in (0.08, None):
        assert psnr(enlarged(sigma), stripes) > psnr(enlarged(0), stripes) + 2


def test_an_operator_of_your_own(stripes):
    """A blur, undone as far as rounding allows."""
    A = Lambda(images.local_mean)
    y = jnp.round(255 * A(stripes)) / 255
    assert psnr(refined(y, A, y), stripes) > psnr(y, stripes) + 10


def test_a_measurement_without_any_noise(A, stripes):
    better = refined(blurred(stripes), A, A(stripes), s=0)
    assert psnr(better, stripes) > psnr(blurred(stripes), stripes) + 5


def test_what_is_flat_and_measured_so_stays(A):
    flat = jnp.full((24, 28, 3), 0.4)
    np.testing.assert_allclose(refined(flat, A, A(flat), rounds=4), flat, atol=1e-5)


@pytest.mark.parametrize("size", [(3, 90), (4, 90), (8, 10)])
def test_pictures_of_fewer_patches_than_a_group_are_not_refined(key, size):
    x = jax.random.uniform(key, (*size, 1))
    np.testing.assert_array_equal(refined(x, Mask(jnp.ones(size)), 1 - x), x)


@pytest.mark.parametrize(("settings", "ends_with_it"), [
    ({}, True),
    pytest.param({"preset": "best"}, True, marks=pytest.mark.slow),
    ({"polish": False}, False),
    ({"preset": "paper"}, False),
])  # fmt: skip
def test_tasks_with_an_operator_end_with_it(key, stripes, settings, ends_with_it):
    x = blurred(stripes)
    mask = jax.random.bernoulli(key, 0.5, (24, 28))
    driver = partial(_fitted, x)
    small = dipjax.super_resolve(
        key, Downsample(2)(stripes), factor=2, driver=driver, **settings
    ).image
    half = dipjax.inpaint(key, stripes, mask, driver=driver, **settings).image
    for image, left in ((small, x), (half, jnp.where(mask[..., None], stripes, x))):
        assert (psnr(image, stripes) > psnr(left, stripes) + 2) == ends_with_it
        assert np.array_equal(image, left) != ends_with_it


def _fitted(x, key, objective, shape, **_):
    """A driver whose fit is `x`."""
    return dipjax.Restoration(*[x] * 5, jnp.zeros(1), jnp.int32(1), x, None, jnp.int32(0))


@pytest.mark.slow
@pytest.mark.parametrize("over", [jax.vmap, dipjax.spread])
def test_refined_maps_with_masks_of_their_own(key, stripes, over):
    truths = stripes[None] + 0.05 * jax.random.normal(key, (4, *stripes.shape))  # no two alike
    masks = jax.random.bernoulli(key, 0.5, (4, 24, 28, 1)).astype(jnp.float32)
    xs, ys = jax.vmap(blurred)(truths), truths * masks
    many = over(lambda x, m, y: refined(x, Mask(m), y))(xs, masks, ys)
    for x, m, y, image in zip(xs, masks, ys, many, strict=True):
        gap = jnp.abs(image - refined(x, Mask(m), y))
        # By another rounding a group may take another of two equally distant patches.
        assert jnp.quantile(gap, 0.9) < 1e-4 and gap.max() < 0.01


@pytest.mark.parametrize(
    "A", ["half", pytest.param("small", marks=pytest.mark.slow)], indirect=True
)
def test_refined_takes_any_precision(A, stripes, x64):
    x, y = blurred(stripes), A(stripes)
    expected = refined(x, A, y, rounds=2)
    assert expected.dtype == jnp.float32
    for dtype in (jnp.float16, jnp.float64):
        image = refined(x.astype(dtype), A, y.astype(dtype), rounds=2)
        assert image.dtype == jnp.promote_types(dtype, jnp.float32)
        np.testing.assert_allclose(image, expected, atol=0.01)


@pytest.mark.slow
def test_polished_takes_any_precision(stripes, key, x64):
    x, y = blurred(stripes), noise.gaussian(key, stripes, S)
    doubles = [v.astype(jnp.float64) for v in (y, level(y))]
    image = polished(x, *doubles)
    assert image.dtype == jnp.float64
    np.testing.assert_allclose(image, polished(x.astype(jnp.float64), *doubles), atol=1e-6)


def test_a_level_of_more_digits_than_the_measurement(stripes, x64):
    A, x = Downsample(2), blurred(stripes)
    image = backproject(x, A, A(stripes), ridge=jnp.float64(0.01))
    assert image.dtype == jnp.float32
    np.testing.assert_allclose(image, backproject(x, A, A(stripes), ridge=0.01), atol=1e-6)


def test_a_fit_cut_short_is_not_polished(key, stripes):
    class Ended:
        ended = True
        __call__ = staticmethod(partial(_fitted, blurred(stripes)))

    y = Downsample(2)(stripes)
    image = dipjax.super_resolve(key, y, factor=2, driver=Ended()).image
    np.testing.assert_array_equal(image, blurred(stripes))


def test_a_fit_that_is_off_where_there_is_little_noise_is_polished(key, stripes):
    """By more than the noise, but by less than what is lost: it stood, below its input."""
    s = jnp.full_like(stripes, 1 / 255)
    y = stripes + s * jax.random.normal(key, stripes.shape)
    x = 0.7 * stripes + 0.3 * blurred(stripes)
    assert jnp.mean(jnp.abs(y - x) > 4 * s) > 0.2
    assert psnr(polished(x, y, s), stripes) > psnr(x, stripes) + 10
