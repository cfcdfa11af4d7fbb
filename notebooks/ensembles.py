# ---
# jupyter:
#   accelerator: GPU
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Several seeds in parallel, with uncertainty
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/dipjax/dipjax/blob/main/notebooks/ensembles.ipynb)
#
# Fits from different random params agree on what the picture says and differ where it says little.
# Their mean is a better picture than any of them, their standard deviation tells where not to
# trust it. On a GPU the members run side by side in one `vmap`, on several devices they are spread
# over them, on a CPU they take turns.

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
key, noise_key = jax.random.split(jax.random.key(0))
size = 32 if TINY else 128
x = jnp.asarray(data.chelsea()[100 : 100 + size, 150 : 150 + size] / 255, jnp.float32)
y = dipjax.noise.gaussian(noise_key, x, 25 / 255)

one = dipjax.denoise(key, y, driver=dipjax.live(reference=x), **tiny)  # a single one, to look at

# %%
members = 2 if TINY else 4
ensemble = dipjax.ensemble(dipjax.denoise, key, y, members=members, **tiny)

psnr = dipjax.metrics.psnr
print("members:", ", ".join(f"{psnr(member, x):.2f}" for member in ensemble.members), "dB")
print(f"mean: {psnr(ensemble.mean, x):.2f} dB")

# %%
error, std = jnp.abs(ensemble.mean - x).mean(-1), ensemble.std.mean(-1)
dipjax.show(
    {"noisy": y, "mean": ensemble.mean, "true": x},
    {"one member": ensemble.members[0], "std": std / std.max(), "error": error / error.max()},
)

# %% [markdown]
# The members share the noise of the one measurement: what they all have learnt of it is in none of
# their differences, so the spread tells less than the whole error. `calibration` says how much
# less; it would be 1 if the spread were the error.

# %%
print(f"spread / error: {dipjax.calibration(ensemble, x):.2f}")
