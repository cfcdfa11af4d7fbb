# ---
# jupyter:
#   accelerator: GPU
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Inpainting: text, scattered pixels, a hole
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/dipjax/dipjax/blob/main/notebooks/inpainting.ipynb)
#
# The energy looks at known pixels only, `E(x) = |m * x - m * y|^2`; what the network says elsewhere is
# the restoration. What is missing chooses the settings: half of the pixels, text, nearly all of
# them, or a large hole (Ulyanov et al. 2018, Figs. 6 and 7).

# %%
# !pip install -q "dipjax[demo] @ git+https://github.com/dipjax/dipjax" $(nvidia-smi > /dev/null 2>&1 && echo "jax[cuda12]")

# %%
import os

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image, ImageDraw
from skimage import data

import dipjax

TINY = "DIPJAX_TINY" in os.environ  # the tests run this notebook with little of everything
tiny = {"steps": 4, "generator": dipjax.Hourglass(widths=(4,), skips=2)} if TINY else {}

# %%
key, mask_key = jax.random.split(jax.random.key(0))
size = 32 if TINY else 192
x = jnp.asarray(data.coffee()[100 : 100 + size, 200 : 200 + size] / 255, jnp.float32)


def restore(mask, missing):
    live = dipjax.live(reference=x)
    result = dipjax.inpaint(key, x * mask, mask, missing=missing, driver=live, **tiny)
    dipjax.show({"known": x * mask, "restored": result.image, "true": x})


# %% [markdown]
# ## Text over the picture

# %%
page = Image.new("L", (size, size), 255)
for row in range(4, size, 24):
    ImageDraw.Draw(page).text((4, row), "the untrained network fills in what is behind", fill=0)
restore(jnp.asarray(np.asarray(page) > 128, jnp.float32)[..., None], "text")

# %% [markdown]
# ## Half of the pixels

# %%
restore(jax.random.bernoulli(mask_key, 0.5, (size, size, 1)).astype(jnp.float32), "half")

# %% [markdown]
# ## A hole
# Nothing near it tells what is inside: the code is a smooth grid of coordinates, and the network has
# no skips, so that it continues what is around on a large scale.

# %%
hole = slice(3 * size // 8, 5 * size // 8)
restore(jnp.ones((size, size, 1)).at[hole, hole].set(0), "hole")
