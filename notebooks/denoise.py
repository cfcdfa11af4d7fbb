# ---
# jupyter:
#   accelerator: GPU
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Denoising, and why it stops
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/dipjax/dipjax/blob/main/notebooks/denoise.ipynb)
#
# The network learns the picture first and its noise later. The quality of the iterates rises, has a
# peak, and falls (Ulyanov et al. 2018, Fig. 4). `denoise` ends about there, where noise begins to be
# learnt, by an estimate of its own error.

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
key, noise_key = jax.random.split(jax.random.key(0))
size = 32 if TINY else 128
x = jnp.asarray(data.coffee()[100 : 100 + size, 220 : 220 + size] / 255, jnp.float32)
y = dipjax.noise.gaussian(noise_key, x, 25 / 255)

restored = dipjax.denoise(key, y, driver=dipjax.live(reference=x), **tiny)

# %% [markdown]
# ## Beside other methods
# `dipjax compare noisy.png --reference true.png -o figure.png` does this on the command line.

# %%
psnr = dipjax.metrics.psnr
pictures = {
    "noisy": y,
    "total variation": dipjax.baselines.total_variation(y),
    "non-local means": dipjax.baselines.non_local_means(y),
    "Deep Image Prior": restored.image,
    "true": x,
}
dipjax.show({f"{name}: {psnr(image, x):.2f} dB": image for name, image in pictures.items()})

# %% [markdown]
# ## Without a stop
# As published: a random code, the energy `|x - y|^2`, and more steps than are good. `iterate` is the
# fit driven from Python; it yields every 50 steps.

# %%
network = dipjax.tasks.PRESETS["denoise"]["fast"]["generator"]
settings = {"generator": network, "steps": 3000, **tiny}
objective = dipjax.data_term(dipjax.operators.Identity(), y)
curve = [
    (progress.step, psnr(progress.image, x), psnr(progress.average, x))
    for progress in dipjax.iterate(key, objective, x.shape, every=50, **settings)
]

steps, last, average = zip(*curve, strict=True)
plt.plot(steps, last, label="iterate")
plt.plot(steps, average, label="average of the iterates")
plt.xlabel("step")
plt.ylabel("PSNR in dB")
plt.legend()
plt.show()

# %% [markdown]
# ## The noise of a photo
# A camera takes colours from neighbouring pixels, smooths and compresses, so neighbours err alike.
# Taken for independent such noise is thought weak, and stays. `denoise` looks at the quiet parts of
# the picture for what it is (`dipjax.noise.spectrum`).

# %%
n = 40 / 255 * jax.random.normal(noise_key, x.shape)
n = dipjax.operators.Blur(dipjax.kernels.gaussian(0.7), border="wrap")(n)
photo = jnp.clip(x + n, 0, 1)
looked = dipjax.denoise(key, photo, **tiny)
white = dipjax.denoise(key, photo, spectrum="white", **tiny)
pictures = {"photo": photo, "taken for white": white.image, "looked at": looked.image}
dipjax.show({f"{name}: {psnr(image, x):.2f} dB": image for name, image in pictures.items()})
