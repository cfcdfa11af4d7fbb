# ---
# jupyter:
#   accelerator: GPU
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What a layer of a network has kept
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/dipjax/dipjax/blob/main/notebooks/inversion.ipynb)
#
# A picture goes through a trained network; from the activations of one layer alone a picture with the
# same activations is found, `E(x) = |Phi(x) - Phi_0|^2 / |Phi_0|^2`. Without a prior there are many
# that look like nothing (Ulyanov et al. 2018, Fig. 9).

# %%
# !pip install -q "dipjax[demo,weights] @ git+https://github.com/dipjax/dipjax" $(nvidia-smi > /dev/null 2>&1 && echo "jax[cuda12]")

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
size = 64 if TINY else 128
x = jnp.asarray(data.chelsea()[:256, 100:356] / 255, jnp.float32)
x = dipjax.features.centred(x, size)
# The weights are torchvision's, downloaded once and checked.
phi = dipjax.features.squeezenet(jax.random.key(0) if TINY else "auto")
print(phi.classify(x))

# %%
layers = ["fire2"] if TINY else ["fire2", "fire5", "fire9"]
found = {
    layer: dipjax.invert_features(key, x, phi, layer, driver=dipjax.live(), **tiny).image
    for layer in layers
}

# %%
dipjax.show({"picture": x, **found})
for layer, image in found.items():
    print(layer, phi.classify(image)[:2])
