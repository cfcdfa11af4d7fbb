"""The pictures of the paper, which are no part of the project, and free ones in their place.

The paper's lie in ../shared/data (see its README) and stay there. Where they are not, or not
wanted, public-domain pictures stand in, which come with scikit-image (`pip install
"dipjax[demo]"`): everything runs, with other numbers.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from dipjax import images

Array = jax.Array

ROOT = Path(__file__).resolve().parents[2]
DATA = next((p for p in (ROOT.parent / "shared/data", ROOT / "shared/data") if p.is_dir()), None)

COLOUR = ("astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field")
GREY = ("camera", "brick", "grass", "gravel")


class Missing(Exception):
    """A file that the folder of the paper's pictures lacks; it may hold a part of them."""


def present(file: Path) -> Path:
    """The file; raises Missing where it is not there."""
    if not file.exists():
        raise Missing(f"there is no {file}")
    return file


def load(file: Path) -> Array:
    return jnp.asarray(images.load(present(file)))


class Pictures:
    """Loads pictures, from a folder with the paper's or from scikit-image.

    Attributes:
        data: the folder, or None.
    """

    def __init__(self, data: Path | None = DATA):
        self.data = data if data is not None and data.is_dir() else None

    @property
    def source(self) -> str:
        return "published" if self.data else "public domain"

    def colour(self, path: str, instead: str) -> Array:
        """(H, W, 3) of a file in the folder, or a free picture."""
        return self._load(path)[..., :3] if self.data else public(instead)

    def grey(self, path: str, instead: str) -> Array:
        """(H, W, 1), likewise."""
        return self._load(path)[..., :1] if self.data else public(instead)[..., :1]

    def mask(self, path: str, instead: str, shape: tuple[int, int]) -> Array:
        """(H, W, 1), 1 where the picture is known; instead a drawing, "text" or "hole"."""
        if self.data:
            return (self._load(path)[..., :1] > 0.5).astype(jnp.float32)
        return DRAWINGS[instead](shape)

    def _load(self, path: str) -> Array:
        assert self.data is not None
        return load(self.data / path)


def public(name: str) -> Array:
    """A free picture of scikit-image's wheel, (H, W, 3) or (H, W, 1).

    Raises:
        SystemExit: where scikit-image is not installed.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise SystemExit('no pictures: pip install "dipjax[demo]"') from error
    return images.check(np.asarray(getattr(data, name)()))


def _text(shape: tuple[int, int]) -> Array:
    """Lines of text over the picture, 0 where they are."""
    from PIL import ImageDraw, ImageFont

    h, w = shape
    size = max(8, h // 14)
    mask = Image.new("L", (w, h), 255)
    pen, font = ImageDraw.Draw(mask), ImageFont.load_default(size)
    for i, line in enumerate(
        ("the structure of a", "generator network", "is enough", "of a prior")
    ):
        pen.text((w // 20, h * (2 * i + 1) // 9), line, fill=0, font=font)
    return jnp.asarray(np.asarray(mask) > 127, jnp.float32)[..., None]


def _hole(shape: tuple[int, int]) -> Array:
    """An ellipse that is missing, an eighth of the width and a fifth of the height across."""
    i, j = jnp.meshgrid(*(jnp.linspace(-1, 1, n) for n in shape), indexing="ij")
    outside = (i / 0.2) ** 2 + ((j - 0.1) / 0.14) ** 2 > 1
    return outside.astype(jnp.float32)[..., None]


def _strips(shape: tuple[int, int]) -> Array:
    """Irregular strips that are missing, from the bottom up and across."""
    i, j = jnp.meshgrid(*(jnp.linspace(0, 1, n) for n in shape), indexing="ij")
    first = jnp.abs(j - 0.33 - 0.02 * jnp.sin(9 * i)) < 0.03
    second = (jnp.abs(j - 0.66 - 0.03 * jnp.sin(5 * i)) < 0.035) & (i < 0.6)
    third = (jnp.abs(i - 0.5 - 0.03 * jnp.sin(9 * j)) < 0.04) & (j > 0.55)
    return 1 - (first | second | third).astype(jnp.float32)[..., None]


DRAWINGS = {"text": _text, "hole": _hole, "strips": _strips}
