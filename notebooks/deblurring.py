# ---
# jupyter:
#   accelerator: GPU
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Deblurring
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/dipjax/dipjax/blob/main/notebooks/deblurring.ipynb)
#
# A lens out of focus makes a disc of every point of light, a camera that moved a line. With `k` the
# picture of a point the prior says what was there: `min_theta |k * f_theta(z) - y|^2`.

# %%
# !pip install -q "dipjax[demo] @ git+https://github.com/dipjax/dipjax" $(nvidia-smi > /dev/null 2>&1 && echo "jax[cuda12]")

# %%
import os

import jax
import jax.numpy as jnp
from skimage import data

import dipjax
from dipjax.operators import Blur

TINY = "DIPJAX_TINY" in os.environ  # the tests run this notebook with little of everything
tiny = {"steps": 4, "generator": dipjax.Hourglass(widths=(4,), skips=2)} if TINY else {}

# %% [markdown]
# ## Out of focus
# By three pixels, and with the noise of 8 bits and a good sensor. A part of a larger view is seen,
# whose light came from beyond its border, too: `Blur` makes the picture smaller by the kernel.

# %%
key, noise_key = jax.random.split(jax.random.key(0))
size, radius = (40, 1.0) if TINY else (160, 3.0)
view = jnp.asarray(data.coffee()[80 : 80 + size, 220 : 220 + size] / 255, jnp.float32)
k = dipjax.kernels.disc(radius)
y = dipjax.noise.gaussian(noise_key, Blur(k)(view), 1.4 / 255)
x = dipjax.images.middle(view, y.shape)

sharp = dipjax.deblur(key, y, k, driver=dipjax.live(reference=x), **tiny)

# %%
psnr = dipjax.metrics.psnr
pictures = {"blurred": y, "sharpened": sharp.image, "true": x}
dipjax.show({f"{name}: {psnr(image, x):.2f} dB": image for name, image in pictures.items()})

# %% [markdown]
# ## How far out of focus?
# Of a photo of yours nobody knows. Try: what is taken for too little stays soft, what is taken for
# too much gets rings around its edges. Short fits tell, since what comes behind them does the most.

# %%
radii = (0.8, 1.0) if TINY else (2.0, 3.0, 4.0)
tried = {
    f"radius {r}": dipjax.deblur(key, y, dipjax.kernels.disc(r), **{"steps": 200, **tiny}).image
    for r in radii
}
dipjax.show(tried)

# %% [markdown]
# `kernels.gaussian` and `kernels.motion` are a soft lens and a camera that moved, and any array of
# two dimensions is a kernel, as a crop of a photo in which a lamp is a point. On the command line:
# `dipjax deblur soft.png --disc 3 -o sharp.png`.
