"""The problems of the time to quality: published settings, and crops of pictures.

The crops are centred at the given pixel, or in the middle, of pictures in ../shared/data (see
its README) that no setting was tuned on (tuned were kodim03, lena, peppers, bird, woman, boat,
peppers256).
"""

from pathlib import Path
from typing import Any

import numpy as np

from dipjax import images

ROOT = Path(__file__).resolve().parents[1]
# Beside the checkout, or in it: only that travels to another machine.
DATA = next((p for p in (ROOT.parent / "shared/data", ROOT / "shared/data") if p.is_dir()), None)

# The published settings (the notebooks of its authors).
PUBLISHED: dict[str, dict[str, Any]] = {
    "denoise": {"steps": 1800, "jitter": 1 / 30, "rate": 0.01},
    "super_resolve": {"steps": 2000, "jitter": 0.03, "rate": 0.01},
    "inpaint": {"steps": 11000, "jitter": 0.03, "rate": 0.001},
}

CROPS: dict[str, dict[str, tuple[int, int] | None]] = {
    "denoise": {
        "F16": (214, 294),
        "kodim12": (364, 164),
        "kodim01": None,
        "kodim02": None,
        "house": None,
    },
    "super_resolve": {
        "Set5/butterfly": None,
        "Set5/baby": None,
        "Set14/zebra": None,
        "Set14/comic": None,
        "Set14/barbara": None,
    },
    "inpaint": {"house": None, "Cameraman256": None, "barbara": None, "hill": None, "man": None},
}


def crop(path: str, centre: tuple[int, int] | None, size: int) -> np.ndarray:
    """A square of a picture in the folder, around this pixel or in the middle."""
    assert DATA is not None  # whoever asks has looked
    image = np.asarray(images.load(DATA / path))[..., :3]
    i, j = (c - size // 2 for c in centre or (image.shape[0] // 2, image.shape[1] // 2))
    return image[i : i + size, j : j + size]
