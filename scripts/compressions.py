"""How often the steps of a JPEG file are seen in a copy of its picture (`dipjax.compression.seen`).

    python scripts/compressions.py

Printed is the number of pictures of which all steps and the sampling of colour are found, by the
quality with which Pillow writes them, in copies and in files saved once more in finer steps; and of
how many others any are seen. They are the middle 128 x 128 pixels of the authors' pictures; of F16,
kodim12, house, kodim01 and baboon the levels of the errors were read off. Two minutes on a core.
"""

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from experiments import rules, tables
from experiments.compressing import compressed
from experiments.lab import middles
from experiments.rules import Array
from PIL import Image

from dipjax import cache, compression, images, noise
from dipjax.operators import Jpeg

PICTURES = ("denoise/25/*_GT.png", "sr/Set5/x4/*_GT.png", "sr/Set14/x4/*_GT.png")
SIDE = 128
QUALITIES = (10, 20, 30, 50, 75, 90, 95)
SAMPLINGS = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}
AGAIN = 10  # of quality above the first, at least 85


def right(y: Array, jpeg: Jpeg, last: Jpeg | None = None) -> bool:
    """Whether all that the file says is seen in the picture, of which this was the last file."""
    found = compression.kept(y, last)
    if found is None or found.sampling != jpeg.sampling:
        return False
    return bool(jnp.allclose(found.steps, jpeg.steps, atol=1e-6))


def others(x: Array, y: Array) -> dict[str, Array]:
    """A picture that was not compressed, and one that was, after what hides it."""
    noisy = noise.gaussian(jax.random.key(0), y, 5 / 255)
    small = Image.fromarray(np.uint8(np.round(255 * np.asarray(y)))).resize((100, 100))
    return {
        "not compressed": x,
        "with noise of 5": rules.eight_bits(noisy),
        "another size": images.check(np.asarray(small)),
        "cut at its left": y[:, 3:],
    }


def main() -> None:
    """Count."""
    cache.enable()
    views = [view for view in middles(PICTURES, SIDE) if view.shape[-1] == 3]
    found: dict[str, Counter[str]] = {f"quality {q}": Counter() for q in QUALITIES}
    wrong: Counter[str] = Counter()
    for x in views:
        for q in QUALITIES:
            for word, sampling in SAMPLINGS.items():
                y, jpeg = compressed(x, q, subsampling=sampling)
                found[f"quality {q}"][f"{word}, of {len(views)}"] += right(y, jpeg)
            again = max(q + AGAIN, 85)
            if again <= 95:
                again_y, last = compressed(y, again)
                word = f"4:2:0, saved once more, of {len(views)}"
                found[f"quality {q}"][word] += right(again_y, jpeg, last)
        for word, y in others(x, compressed(x, 50)[0]).items():
            wrong[word] += compression.seen(y) is not None
    print(tables.markdown({quality: dict(row) for quality, row in found.items()}))
    print(tables.markdown({word: {f"seen, of {len(views)}": n} for word, n in wrong.items()}))


if __name__ == "__main__":
    tyro.cli(main)
