# ---
# jupyter:
#   accelerator: GPU
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Super-resolution
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/dipjax/dipjax/blob/main/notebooks/super_resolution.ipynb)
#
# A picture four times smaller in both directions is the measurement, `E(x) = |A x - y|^2` with the
# down-sampling `A`. Many large pictures fit it; the network finds one that looks like a picture
# (Ulyanov et al. 2018, Fig. 5).

# %%
# !pip install -q "dipjax[demo] @ git+https://github.com/dipjax/dipjax" $(nvidia-smi > /dev/null 2>&1 && echo "jax[cuda12]")

# %%
import os

import jax
import jax.numpy as jnp
from skimage import data

import dipjax

TINY = "DIPJAX_TINY" in os.environ  # the tests run this notebook with little of everything
tiny = {"steps": 4, "generator": dipjax.Hourglass(widths=(4,), skips=2)} if TINY else {}

# %%
key = jax.random.key(0)
factor = 4
size = 32 if TINY else 256
x = jnp.asarray(data.astronaut()[:size, 100 : 100 + size] / 255, jnp.float32)
y = jnp.clip(dipjax.operators.Downsample(factor)(x), 0, 1)

large = dipjax.super_resolve(key, y, factor=factor, driver=dipjax.live(reference=x), **tiny)

# %% [markdown]
# Beside bicubic enlargement; below, the middle. Trained networks are ahead of both, on pictures of
# the kind they were trained on: `scripts/train_srresnet.py` trains one on your own.

# %%
psnr_y = dipjax.metrics.psnr_y  # of luma, as in the paper
pictures = {"bicubic": dipjax.baselines.bicubic(y, factor), "Deep Image Prior": large.image}
row = {f"{name}: {psnr_y(image, x):.2f} dB": image for name, image in pictures.items()} | {
    "true": x
}
middle = slice(size // 4, 3 * size // 4)
dipjax.show(row, {f"{name}, the middle": image[middle, middle] for name, image in row.items()})
