"""What the default preset reaches on real pictures: minutes each, run with `-m slow`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import dipjax
from dipjax import images, metrics

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("optimized")]


def restored(task, key, *args, **kwargs):
    return jnp.clip(task(key, *args, preset="fast", **kwargs).image, 0, 1)


def test_denoises_a_crop_of_f16(data, key):
    noisy, true = (
        images.load(data / f"denoise/25/F16_{kind}.png")[150:278, 230:358]
        for kind in ("noisy", "GT")
    )
    assert metrics.psnr(restored(dipjax.denoise, key, noisy), true) >= 32.3


def test_enlarges_the_butterfly(data, key):
    with Image.open(data / "sr/Set5/x4/butterfly_GT.png") as image:
        true = images.check(np.asarray(image.convert("RGB")))
        size = image.width // 4, image.height // 4
        small = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BICUBIC))
    large = restored(dipjax.super_resolve, key, small, factor=4)
    assert metrics.psnr_y(large, true) >= 25.5


def test_fills_in_the_house(data, key):
    masked, true = (
        images.load(data / f"inpaint50/house_{kind}.png")[..., :1] for kind in ("masked", "GT")
    )
    assert metrics.psnr(restored(dipjax.inpaint, key, masked, masked > 0), true) >= 36


def test_several_seeds_agree(data):
    """No seed collapses: all are within 1 dB of their median."""
    noisy, true = (
        images.load(data / f"denoise/25/F16_{kind}.png")[150:214, 230:294]
        for kind in ("noisy", "GT")
    )
    scores = [
        float(metrics.psnr(restored(dipjax.denoise, jax.random.key(seed), noisy), true))
        for seed in range(5)
    ]
    assert min(scores) > np.median(scores) - 1
