# ---
# jupyter:
#   accelerator: GPU
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The impedance to noise
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/dipjax/dipjax/blob/main/notebooks/impedance.ipynb)
#
# The same network fitted to four targets: a photograph, the photograph with noise, its pixels
# shuffled, and noise alone. It could learn each of them. What is a picture it learns at once, what
# is not it learns slowly: this is the whole prior (Ulyanov et al. 2018, Fig. 2).

# %%
# !pip install -q "dipjax[demo] @ git+https://github.com/dipjax/dipjax" $(nvidia-smi > /dev/null 2>&1 && echo "jax[cuda12]")

# %%
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
from skimage import data

import dipjax

TINY = "DIPJAX_TINY" in os.environ  # the tests run this notebook with little of everything
tiny = {"steps": 4, "generator": dipjax.Hourglass(widths=(4,), skips=2)} if TINY else {}

# %%
key = jax.random.key(0)
size = 32 if TINY else 128
x = jnp.asarray(data.astronaut()[:size, 150 : 150 + size] / 255, jnp.float32)
noise_key, shuffle_key = jax.random.split(key)
noise = jax.random.uniform(noise_key, x.shape)
pixels = jax.random.permutation(shuffle_key, x.reshape(-1, 3))
targets = {
    "picture": x,
    "picture + noise": dipjax.noise.gaussian(noise_key, x, 25 / 255),
    "its pixels shuffled": pixels.reshape(x.shape),
    "noise": noise,
}
dipjax.show(targets)

# %%
settings = {"generator": dipjax.Hourglass(widths=(32, 64, 64, 64, 64)), "steps": 1000, **tiny}
losses, fits = {}, {}
for name, target in targets.items():
    objective = dipjax.data_term(dipjax.operators.Identity(), target)
    result = dipjax.live()(key, objective, x.shape, jitter=0.0, **settings)
    losses[name], fits[name] = result.loss / target.size, result.last

# %%
for name, loss in losses.items():
    plt.loglog(jnp.arange(1, loss.size + 1), loss, label=name)
plt.xlabel("step")
plt.ylabel("mean squared error")
plt.legend()
plt.show()
dipjax.show(fits)
