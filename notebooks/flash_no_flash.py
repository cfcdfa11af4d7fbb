# ---
# jupyter:
#   accelerator: GPU
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Flash and no flash
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/dipjax/dipjax/blob/main/notebooks/flash_no_flash.ipynb)
#
# A picture taken in the dark has the light of the place, and noise. One with flash has every detail,
# and the wrong light. Here the flash picture is the code `z` of the network, and the dark one the
# measurement (Ulyanov et al. 2018, Fig. 10).

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

# %% [markdown]
# The pair is made from one photograph: a warm lamp at the left and noise, and a cold flash in front.
# Your own: two aligned pictures of the same size, by `dipjax.images.load`.

# %%
key, noise_key = jax.random.split(jax.random.key(0))
size = 32 if TINY else 192
x = jnp.asarray(data.coffee()[100 : 100 + size, 200 : 200 + size] / 255, jnp.float32)
across = jnp.linspace(-1, 1, size)
lamp = 0.35 + 0.45 * jnp.exp(-2 * (across + 0.7) ** 2)[None, :, None]
front = jnp.exp(-(across[:, None] ** 2 + across[None] ** 2))[..., None]
still = x * lamp * jnp.array([[[1.0, 0.8, 0.55]]])
flash = jnp.clip(x * front * jnp.array([[[0.9, 1.0, 1.1]]]), 0, 1)
dark = dipjax.noise.gaussian(noise_key, still, 0.08)

result = dipjax.flash_no_flash(key, dark, flash, driver=dipjax.live(reference=still), **tiny)

# %%
psnr = dipjax.metrics.psnr
alone = dipjax.baselines.non_local_means(dark)
dipjax.show(
    {"flash": flash, f"no flash: {psnr(dark, still):.2f} dB": dark, "true light": still},
    {
        f"non-local means: {psnr(alone, still):.2f} dB": alone,
        f"with the flash as code: {psnr(result.image, still):.2f} dB": result.image,
    },
)
