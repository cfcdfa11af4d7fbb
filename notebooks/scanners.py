# ---
# jupyter:
#   accelerator: GPU
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Scanners
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/dipjax/dipjax/blob/main/notebooks/scanners.ipynb)
#
# A scanner measures no picture: line integrals in computed tomography, frequencies in magnetic
# resonance. Fewer of them are quicker, and mean less dose. What is missing is for the prior to say:
# `min_theta |A f_theta(z) - y|^2`, with another `A`, and nothing else is new.

# %%
# !pip install -q "dipjax[demo] @ git+https://github.com/dipjax/dipjax" $(nvidia-smi > /dev/null 2>&1 && echo "jax[cuda12]")

# %%
import os

import jax
import jax.numpy as jnp
from skimage.data import shepp_logan_phantom
from skimage.transform import resize

import dipjax
from dipjax.operators import Fourier, Radon

TINY = "DIPJAX_TINY" in os.environ  # the tests run this notebook with little of everything
tiny = {"steps": 4, "generator": dipjax.Hourglass(1, widths=(4,), skips=2)} if TINY else {}

# %% [markdown]
# ## Computed tomography
#
# Forty views of a phantom, with noise.

# %%
key, noise_key, mask_key = jax.random.split(jax.random.key(0), 3)
size = 32 if TINY else 128
x = jnp.asarray(resize(shepp_logan_phantom(), (size, size), anti_aliasing=True), jnp.float32)
x = x[..., None]

A = Radon(jnp.linspace(0, 180, 40, endpoint=False))
y = A(x)
y += 0.3 * jax.random.normal(noise_key, y.shape)
result = dipjax.reconstruct(key, y, A, driver=dipjax.live(reference=x), **tiny)

# %%
psnr = dipjax.metrics.psnr
back = dipjax.baselines.filtered_back_projection(y, A)
dipjax.show(
    {
        f"filtered back-projection: {psnr(back, x):.2f} dB": back,
        f"reconstructed: {psnr(result.image, x):.2f} dB": result.image,
        "true": x,
    }
)

# %% [markdown]
# ## Magnetic resonance
#
# A fifth of the frequencies, the lower the more. `Fourier(mask, coils)` knows several coils, too,
# and `operators.coil_maps(y)` finds what each of them sees.

# %%
i = jnp.arange(size) - size // 2
distance = jnp.hypot(i[:, None], i[None]) / size
chance = 1.9 * jnp.clip(1 - distance / 0.71, 0, 1) ** 3
mask = (jax.random.uniform(mask_key, (size, size)) < chance) | (distance < 0.05)
A = Fourier(mask)
y = A(x)
y += 0.02 * A.mask[..., None] * jax.random.normal(noise_key, y.shape, y.dtype)
print(f"{mask.mean():.0%} of the frequencies")
result = dipjax.reconstruct(key, y, A, driver=dipjax.live(reference=x), **tiny)

# %%
back = jnp.clip(A.T(y), 0, 1)
dipjax.show(
    {
        f"what is missing as 0: {psnr(back, x):.2f} dB": back,
        f"reconstructed: {psnr(result.image, x):.2f} dB": result.image,
        "true": x,
    }
)
