"""How often noise is taken for coloured, by what it is (`dipjax.noise.spectrum.coloured`).

    python scripts/coloured.py                   on the pictures that lie in ../shared/data
    python scripts/coloured.py --folder photos   on others

Weak white noise on texture should not be, the noise of a camera always. Printed is the number of
crops (three of each picture, of 128 x 128 and of 256 x 256 pixels), in colour and in grey. The
thresholds were chosen on the pictures for denoising, on Set14 and on those of scikit-image, which
are left out.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from experiments import tables
from experiments.compressing import compressed
from experiments.photographing import photograph
from experiments.pictures import DATA
from scipy.ndimage import gaussian_filter

from dipjax import images, noise
from dipjax.images import ImageError
from dipjax.noise import spectrum

Array = jax.Array

# Of the authors' pictures those that nothing was chosen on.
OTHERS = ("demo/**/*", "sr/Set5/x4/*_GT.png", "inpaint50/*_GT.png")
WIDTH = 0.7  # pixels, of noise that is blurred


def soft(key: Array, x: Array) -> Array:
    """Noise of 8 behind a Gaussian."""
    n = gaussian_filter(np.asarray(jax.random.normal(key, x.shape)), (WIDTH, WIDTH, 0))
    return x + 8 / 255 * n / n.std()


def grain(key: Array, x: Array) -> Array:
    """The same in all channels, of a pixel."""
    n = gaussian_filter(np.asarray(jax.random.normal(key, x.shape[:2])), 1.0)[..., None]
    return x + 8 / 255 * n / n.std()


def camera(key: Array, x: Array) -> Array:
    return photograph(np.random.default_rng(np.asarray(jax.random.key_data(key))), x)[0]


KINDS: dict[str, Callable[[Array, Array], Array]] = {
    "none that was added": lambda key, x: x,
    **{f"white, {s}": partial(noise.gaussian, sigma=s / 255) for s in (3, 5, 15)},
    "Poisson, 200": partial(noise.poisson, peak=200.0),
    "speckle, 0.05": partial(noise.speckle, sigma=0.05),
    f"white, 8, blurred by {WIDTH}": soft,
    "white, 8, in all channels alike, blurred by 1": grain,
    "of a camera": camera,
    "of a camera, JPEG 75": lambda key, x: compressed(camera(key, x), 75)[0],
}


def main(folder: Path | None = DATA) -> None:
    """Print the table.

    Args:
        folder: of the pictures, with all folders in it.
    """
    seen, all_of = Counter(), Counter()
    for i, x in enumerate(all_crops(folder)):
        of = "colour" if x.shape[-1] == 3 else "grey"
        for kind, degrade in KINDS.items():
            if of == "colour" or "camera" not in kind:
                y = jnp.round(255 * jnp.clip(degrade(jax.random.key(i), x), 0, 1)) / 255
                seen[kind, of] += spectrum.coloured(y) is not None
                all_of[kind, of] += 1
    cells = {k: f"{seen[k]} of {n}" for k, n in all_of.items()}
    print(
        tables.markdown({k: {of: cells.get((k, of)) for of in ("colour", "grey")} for k in KINDS})
    )


def all_crops(folder: Path | None) -> Iterator[Array]:
    """Those of all pictures of a folder; of ours, where no threshold of the spectrum was chosen."""
    if folder is None or not folder.is_dir():
        print("there is no folder of pictures: give --folder", file=sys.stderr)
        raise SystemExit(2)
    patterns = OTHERS if folder == DATA else ("**/*",)
    for path in (path for pattern in patterns for path in sorted(folder.glob(pattern))):
        yield from crops(path)


def crops(path: Path) -> Iterator[Array]:
    """Six of a picture that is large enough, and none of what is no picture, or a mask."""
    if path.is_dir() or "mask" in path.name:
        return
    try:
        x = images.load(path)
    except ImageError:
        return
    x = jnp.asarray(x[..., :3] if x.shape[-1] > 2 else x[..., :1])
    for side in (128, 256):
        for part in (0, 0.5, 1) if min(x.shape[:2]) >= side else ():
            i, j = (round(part * (n - side)) for n in x.shape[:2])
            yield x[i : i + side, j : j + side]


if __name__ == "__main__":
    tyro.cli(main)
