# ---
# jupyter:
#   accelerator: GPU
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Start here
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/dipjax/dipjax/blob/main/notebooks/start_here.ipynb)
#
# Restore a picture without any training data: an untrained network is fitted to the one picture
# that you have. It takes to what pictures are made of, edges and texture, sooner than to noise, and
# is stopped in between. This is the Deep Image Prior (Ulyanov, Vedaldi, Lempitsky, CVPR 2018).

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
print(jax.devices())  # an accelerator is used where there is one

# %% [markdown]
# ## Noise
# A photograph (Eileen Collins, NASA, public domain) and the same with noise.

# %%
key, noise_key, mask_key = jax.random.split(jax.random.key(0), 3)
size = 32 if TINY else 256
x = jnp.asarray(data.astronaut()[:size, 100 : 100 + size] / 255, jnp.float32)
y = dipjax.noise.gaussian(noise_key, x, 25 / 255)

restored = dipjax.denoise(key, y, driver=dipjax.live(reference=x), **tiny)

# %%
dipjax.show({"noisy": y, "restored": restored.image, "true": x})

# %% [markdown]
# `driver=dipjax.live()` draws while it runs; without it the fit is one compiled function. Your own
# picture: upload it, take `y = dipjax.images.load("mine.png")` above, and leave out `reference=x` and
# `"true": x`, which are not known of it.
#
# ## Any other problem
# `min_x E(x)` becomes `min_theta E(f_theta(z))`. You write the energy `E`, here for a picture that
# is seen at half the resolution and with a third of those pixels missing; the rest stays as it is.

# %%
mask = jax.random.bernoulli(mask_key, 2 / 3, (size // 2, size // 2, 1)).astype(x.dtype)
A = dipjax.operators.Mask(mask) @ dipjax.operators.Downsample(2)
y = A(x)

objective = dipjax.data_term(A, y) + 1e-3 * dipjax.TotalVariation()
settings = {"generator": dipjax.Hourglass(widths=(16, 32, 64, 64, 64)), "steps": 1000, **tiny}
result = dipjax.live(reference=x)(key, objective, x.shape, **settings)

# %%
dipjax.show({"measured": y, "restored": result.image, "true": x})
