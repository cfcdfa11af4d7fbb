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
# ## Light
# Above the values of a file were blurred, as an image editor does it. A lens blurs light, of which a
# file holds a power. Taken for the other one, edges ring; `deblur` looks by which the picture rings
# less, or is told.

# %%
y = dipjax.noise.gaussian(noise_key, dipjax.operators.in_light(Blur(k))(view), 1.4 / 255)
print(f"{dipjax.light.seen(y, k)} light was blurred, as it seems")

stored = dipjax.deblur(key, y, k, light="stored", driver=dipjax.live(), **tiny)
linear = dipjax.deblur(key, y, k, light="linear", driver=dipjax.live(), **tiny)

# %%
pictures = {"blurred": y, "taken for stored": stored.image, "light": linear.image, "true": x}
dipjax.show({f"{name}: {psnr(image, x):.2f} dB": image for name, image in pictures.items()})

# %% [markdown]
# ## Nobody knows how
# A hand that trembles draws a curve of every point of light, and nobody has seen it. Edges tell:
# `blind.seen` looks for it, within more pixels than it may need, in all of the picture, of which
# then a part is fitted.

# %%
shake = jnp.zeros((13, 13)).at[2:10, 4].set(1.0).at[9, 5:11].set(1.0)  # down, then to the right
shake = jnp.ones((1, 3)) / 3 if TINY else shake / shake.sum()
coffee = jnp.asarray(data.coffee()[: 60 if TINY else 400, : 60 if TINY else 400] / 255, jnp.float32)
y = dipjax.noise.gaussian(noise_key, Blur(shake)(coffee), 2.55 / 255)
seen, light = dipjax.blind.seen(y, 3 if TINY else 19)

part = dipjax.images.middle(y, (size, size))
sharp = dipjax.deblur(key, part, seen, light=light, driver=dipjax.live(), **tiny)

# %%
dipjax.show(
    {"kernel": shake[..., None] / shake.max(), "as it was seen": seen[..., None] / seen.max()}
)
dipjax.show({"blurred": part, "sharpened": sharp.image})

# %% [markdown]
# A picture without edges tells nothing, and one that moved within itself, as a running child, has
# no one kernel.

# %% [markdown]
# `kernels.gaussian` and `kernels.motion` are a soft lens and a camera that moved, and any array of
# two dimensions is a kernel, as a crop of a photo in which a lamp is a point. On the command line:
# `dipjax deblur soft.png --disc 3 -o sharp.png`, or `--blind 19`.
