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
from dipjax.tasks.impedance import targets

TINY = "DIPJAX_TINY" in os.environ  # the tests run this notebook with little of everything
tiny = {"steps": 4, "generator": dipjax.Hourglass(widths=(4,), skips=2)} if TINY else {}

# %%
key = jax.random.key(0)
size = 32 if TINY else 128
x = jnp.asarray(data.astronaut()[:size, 150 : 150 + size] / 255, jnp.float32)
dipjax.show(targets(key, x))

# %%
fits = dipjax.noise_impedance(key, x, driver=dipjax.live(), **tiny)

# %%
for kind, fit in fits.items():
    plt.semilogx(jnp.arange(1, fit.loss.size + 1), fit.loss / x.size, label=kind)
plt.xlabel("step")
plt.ylabel("mean squared error")
plt.legend()
plt.show()
dipjax.show({kind: fit.last for kind, fit in fits.items()})
