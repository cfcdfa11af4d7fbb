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
# Blocks and ripples are no more natural than noise: the network learns them late, and need not be
# told how the picture was compressed (Ulyanov et al. 2018, Fig. 3). But a file says how coarse its
# steps were. What it has kept is then a measurement like any other: the fit is polished by it.

# %%
# !pip install -q "dipjax[demo] @ git+https://github.com/dipjax/dipjax" $(nvidia-smi > /dev/null 2>&1 && echo "jax[cuda12]")

# %%
import os
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
from PIL import Image
from skimage import data

import dipjax

TINY = "DIPJAX_TINY" in os.environ  # the tests run this notebook with little of everything
tiny = {"steps": 4, "generator": dipjax.Hourglass(widths=(4,), skips=2)} if TINY else {}

# %%
key = jax.random.key(0)
size = 32 if TINY else 192
picture = data.chelsea()[40 : 40 + size, 120 : 120 + size]
x = jnp.asarray(picture / 255, jnp.float32)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "blocky.jpg")
    Image.fromarray(picture).save(path, quality=10)
    print(f"{path.stat().st_size} bytes")
    file = dipjax.images.load_picture(path)  # the pixels, and how they were compressed
y = file.colour

blind = dipjax.remove_jpeg_artifacts(key, y, jpeg=None, driver=dipjax.live(reference=x), **tiny)
result = dipjax.remove_jpeg_artifacts(key, y, jpeg=file.jpeg, **tiny)

# %%
psnr = dipjax.metrics.psnr
middle = slice(size // 4, size // 2)
pictures = {
    f"JPEG: {psnr(y, x):.2f} dB": y,
    f"blind: {psnr(blind.image, x):.2f} dB": blind.image,
    f"by the file: {psnr(result.image, x):.2f} dB": result.image,
    "true": x,
}
dipjax.show(
    pictures, {f"{name}, a part": image[middle, middle] for name, image in pictures.items()}
)
