"""Laws of the metrics, scikit-image as oracle, and the paper's own table."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dipjax import images, metrics

SR = Path(__file__).resolve().parents[2] / "shared" / "data" / "sr" / "Set5" / "x4"
METRICS = [metrics.psnr, metrics.psnr_y, metrics.ssim]


def pair(shape=(20, 17, 3), sigma=0.05, seed=0, dtype=np.float32):
    """A smooth picture with noise, and the picture: what a metric meets in practice."""
    rng = np.random.default_rng(seed)
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])
    y = 0.5 + 0.4 * np.sin(rows / 3) * np.cos(columns / 4)
    y = y if len(shape) == 2 else np.repeat(y[..., None], shape[2], axis=2)
    return (y + sigma * rng.normal(size=shape)).astype(dtype), y.astype(dtype)


def test_psnr_is_its_formula():
    y = np.zeros((4, 4, 3), np.float32)
    np.testing.assert_allclose(metrics.psnr(y + 0.1, y), 20.0, rtol=1e-6)
    assert metrics.psnr(y, y) == np.inf


@pytest.mark.parametrize("shape", [(20, 17), (20, 17, 1), (20, 17, 3), (11, 11, 4)])
def test_psnr_agrees_with_scikit_image(shape):
    oracle = pytest.importorskip("skimage.metrics").peak_signal_noise_ratio
    x, y = pair(shape)
    np.testing.assert_allclose(metrics.psnr(x, y), oracle(y, x, data_range=1.0), rtol=1e-5)


@pytest.mark.parametrize("shape", [(20, 17), (20, 17, 1), (20, 17, 3), (11, 12, 4)])
@pytest.mark.parametrize("sigma", [0.001, 0.1])
def test_ssim_agrees_with_scikit_image(shape, sigma):
    oracle = pytest.importorskip("skimage.metrics").structural_similarity
    x, y = pair(shape, sigma)
    expected = oracle(
        x.astype(np.float64),
        y.astype(np.float64),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1.0,
        channel_axis=-1 if len(shape) == 3 else None,
    )
    np.testing.assert_allclose(metrics.ssim(x, y), expected, atol=1e-6, rtol=0)


def test_ssim_keeps_its_digits_on_a_flat_bright_picture():
    """Where the textbook's mean(x^2) - mean(x)^2 has nothing left in float32."""
    oracle = pytest.importorskip("skimage.metrics").structural_similarity
    y = np.full((16, 16), 0.99, np.float32)
    x = y + np.float32(1e-3) * np.random.default_rng(0).normal(size=y.shape).astype(np.float32)
    options = dict(sigma=1.5, use_sample_covariance=False, data_range=1.0)
    expected = oracle(x.astype(float), y.astype(float), gaussian_weights=True, **options)
    np.testing.assert_allclose(metrics.ssim(x, y), expected, atol=3e-7, rtol=0)


@pytest.mark.parametrize("metric", METRICS)
def test_metrics_are_symmetric_and_fall_with_noise(metric):
    x, y = pair(sigma=0.02)
    worse, _ = pair(sigma=0.1)
    np.testing.assert_allclose(metric(x, y), metric(y, x), rtol=1e-6)
    assert metric(y, y) > metric(x, y) > metric(worse, y)


def test_ssim_of_equal_images_is_one():
    x, _ = pair()
    assert metrics.ssim(x, x) == 1


@pytest.mark.parametrize("metric", METRICS)
def test_vmap_and_jit_equal_a_loop(metric):
    pairs = [pair(seed=seed) for seed in range(2)]
    xs, ys = (np.stack(arrays) for arrays in zip(*pairs, strict=True))
    looped = [metric(x, y) for x, y in pairs]
    np.testing.assert_allclose(jax.jit(jax.vmap(metric))(xs, ys), looped, rtol=1e-5)


@pytest.mark.parametrize("metric", METRICS)
def test_gradient_ascends(metric):
    x, y = pair()
    gradient = jax.grad(metric)(jnp.asarray(x), jnp.asarray(y))
    step = 1e-3 * gradient / jnp.abs(gradient).max()
    assert metric(x + step, y) > metric(x, y)


def test_luma_of_white_and_black_is_video_range():
    white, black = np.ones((9, 9, 3), np.float32), np.zeros((9, 9, 3), np.float32)
    np.testing.assert_allclose(metrics.psnr_y(white, black), -20 * np.log10(219 / 255), rtol=1e-5)


def test_luma_of_grey_is_its_channel():
    x, y = pair((20, 17, 1))
    assert metrics.psnr_y(x, y, border=0) == metrics.psnr(x, y)


def test_psnr_y_leaves_the_border_out():
    x, y = pair()
    spoiled = x.copy()
    spoiled[:4], spoiled[-4:], spoiled[:, :4], spoiled[:, -4:] = 0, 1, 0, 1
    assert metrics.psnr_y(spoiled, y) == metrics.psnr_y(x, y)
    assert metrics.psnr_y(spoiled, y, border=3) < metrics.psnr_y(x, y, border=3)


@pytest.mark.parametrize("metric", METRICS)
def test_wrong_input_is_refused(metric):
    x, y = pair()
    with pytest.raises(ValueError, match="differ in shape"):
        metric(x, y[:-1])
    with pytest.raises(ValueError, match="differ in shape"):
        metric(x, y[..., :1])  # which would broadcast
    with pytest.raises(ValueError, match=r"\(H, W, C\)"):
        metric(x[None], y[None])
    with pytest.raises(ValueError, match="uint8"):
        metric(np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint8))


def test_too_small_is_refused():
    x, y = pair((20, 10))
    with pytest.raises(ValueError, match="11 x 11"):
        metrics.ssim(x, y)
    x, y = pair((20, 8))
    with pytest.raises(ValueError, match="border=4"):
        metrics.psnr_y(x, y)
    with pytest.raises(ValueError, match="border=-1"):
        metrics.psnr_y(x, y, border=-1)
    with pytest.raises(ValueError, match="1 or 3 channels"):
        metrics.psnr_y(*pair((20, 20, 4)))


TABLE = {  # x4, luma, bicubic and deep image prior
    "baby": (31.78, 31.49),
    "bird": (30.20, 31.80),
    "butterfly": (22.13, 26.23),
    "head": (31.34, 31.04),
    "woman": (26.75, 28.93),
}


@pytest.mark.skipif(not SR.is_dir(), reason=f"the authors' pictures are not at {SR}")
@pytest.mark.parametrize("name", TABLE)
def test_the_published_super_resolution_table(name):
    truth, bicubic, dip = (
        images.load(SR / f"{name}_{kind}.png")[..., :3] for kind in ("GT", "bicubic", "deep_prior")
    )
    # The authors' box: where their result is not black, and the last row and column left out.
    rows, columns = (np.flatnonzero(dip.any(axis=(2, 1 - axis))) for axis in (0, 1))
    box = (slice(rows[0], rows[-1]), slice(columns[0], columns[-1]))
    measured = [metrics.psnr_y(x[box], truth[box]) for x in (bicubic, dip)]
    np.testing.assert_allclose(measured, TABLE[name], atol=0.01)
