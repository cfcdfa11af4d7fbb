# ---
# jupyter:
#   accelerator: GPU
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What a network likes best to see
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/dipjax/dipjax/blob/main/notebooks/activation.ipynb)
#
# The energy is how little a trained network is sure of a class, "black swan" or any other, in several
# views of the picture at once. With a network as the prior the result looks like a picture, though
# not like a photograph (Ulyanov et al. 2020, IJCV).

# %%
# !pip install -q "dipjax[demo,weights] @ git+https://github.com/dipjax/dipjax" $(nvidia-smi > /dev/null 2>&1 && echo "jax[cuda12]")

# %%
import os

import jax

import dipjax

TINY = "DIPJAX_TINY" in os.environ  # the tests run this notebook with little of everything
tiny = {"steps": 4, "generator": dipjax.Hourglass(widths=(4,), skips=2)} if TINY else {}

# %%
key = jax.random.key(0)
size = 64 if TINY else 128
# The weights are torchvision's, downloaded once and checked.
phi = dipjax.features.squeezenet(jax.random.key(0) if TINY else "auto")

pictures = {}
for name in ["black swan"] if TINY else ["black swan", "goldfish", "cheeseburger"]:
    result = dipjax.maximize_activation(
        key, phi, None, name, shape=(size, size), driver=dipjax.live(), **tiny
    )
    pictures[name] = result.image
    print(phi.classify(result.image)[:3])

# %%
dipjax.show(pictures)
