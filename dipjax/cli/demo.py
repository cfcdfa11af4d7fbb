"""The demonstration: one public-domain picture, degraded in three ways and restored."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp

from dipjax import figures, images, noise, tasks
from dipjax.drivers.watch import Watch
from dipjax.metrics import psnr
from dipjax.operators import Downsample

Array = jax.Array

SIDE = 144  # and steps fewer than the presets': two minutes in all on two cores


def picture() -> Array:
    """Eileen Collins, photographed by NASA: public domain, in scikit-image's wheel.

    Returns:
        A part of the picture, (144, 144, 3) in [0, 1].

    Raises:
        ValueError: where scikit-image is not installed.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise ValueError('the demo needs scikit-image: pip install "dipjax[demo]"') from error
    top, left = 20, 146
    return jnp.asarray(data.astronaut()[top : top + SIDE, left : left + SIDE] / 255, jnp.float32)


def degradations(key: Array, x: Array) -> dict[str, tuple[Array, Array, partial]]:
    """name -> (measurement, how it looks, the task that mends it), of the picture `x`."""
    noise_key, mask_key = jax.random.split(key)
    noisy = noise.gaussian(noise_key, x, 25 / 255)
    mask = jax.random.bernoulli(mask_key, 0.5, (*x.shape[:2], 1)).astype(x.dtype)
    small = jnp.clip(Downsample(4, "cubic")(x), 0, 1)
    large = images.repeated(small, 4)
    return {
        "noise of 25 / 255": (noisy, noisy, partial(tasks.denoise, steps=800)),
        "half of the pixels missing": (
            x * mask,
            x * mask,
            partial(tasks.inpaint, mask=mask, steps=600),
        ),
        "4 times smaller": (small, large, partial(tasks.super_resolve, steps=600)),
    }


def run(output: Path, *, seed: int = 0, quiet: bool = False) -> None:
    """Restore the picture from each degradation, print the PSNR, and draw all into `output`."""
    figures.check(output)
    x = picture()
    key, data_key = jax.random.split(jax.random.key(seed))
    watch, rows = Watch(x, quiet), []
    for name, (y, view, task) in degradations(data_key, x).items():
        restored = task(key, y, driver=watch).image
        before, after = (float(psnr(image, x)) for image in (view, restored))
        titles = f"{name}: {before:.1f} dB", f"restored: {after:.1f} dB", "true"
        rows.append(list(zip(titles, (view, restored, x), strict=True)))
        if not quiet:
            print(f"{name}: PSNR {before:.2f} -> {after:.2f} dB in {watch.seconds['run']:.0f} s")
        if watch.ended:
            break
    figures.save(output, figures.grid(rows))
    if not quiet:
        print(f"before and after: {output}")
    watch.conclude()
