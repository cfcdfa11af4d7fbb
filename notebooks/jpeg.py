# ---
# jupyter:
#   accelerator: GPU
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # JPEG artefacts
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/dipjax/dipjax/blob/main/notebooks/jpeg.ipynb)
#
# Blocks and ripples are no more natural than noise: the network learns them late. Nothing is told
# about the compression (Ulyanov et al. 2018, Fig. 3).

# %%
# !pip install -q "dipjax[demo] @ git+https://github.com/dipjax/dipjax" $(nvidia-smi > /dev/null 2>&1 && echo "jax[cuda12]")

# %%
import io
import os

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
from skimage import data

import dipjax

TINY = "DIPJAX_TINY" in os.environ  # the tests run this notebook with little of everything
tiny = {"steps": 4, "generator": dipjax.Hourglass(widths=(4,), skips=2)} if TINY else {}

# %%
key = jax.random.key(0)
size = 32 if TINY else 192
picture = data.chelsea()[40 : 40 + size, 120 : 120 + size]
file = io.BytesIO()
Image.fromarray(picture).save(file, "JPEG", quality=10)
print(f"{len(file.getvalue())} bytes")
x = jnp.asarray(picture / 255, jnp.float32)
y = jnp.asarray(np.asarray(Image.open(file)) / 255, jnp.float32)

result = dipjax.remove_jpeg_artifacts(key, y, driver=dipjax.live(reference=x), **tiny)

# %%
psnr = dipjax.metrics.psnr
middle = slice(size // 4, size // 2)
pictures = {
    f"JPEG: {psnr(y, x):.2f} dB": y,
    f"restored: {psnr(result.image, x):.2f} dB": result.image,
    "true": x,
}
dipjax.show(pictures, {f"{i}": image[middle, middle] for i, image in enumerate(pictures.values())})
