"""The masks that `dipjax inpaint` is given: a picture, what is transparent, or a colour."""

import re
from pathlib import Path

import numpy as np
from PIL import ImageColor
from scipy.ndimage import binary_dilation

from dipjax import images
from dipjax.cli.options import check_size
from dipjax.images import Picture

# JPEG mixes a mark with its surroundings. Of pure colours, in lines of 3 pixels and in blocks, on
# parts of a photograph, in files of 75 to 95, this and the neighbours of what it finds are 95 to
# 100 % of the mark, where equal colours are none of a line.
TOLERANCE = 60 / 255


def known_pixels(
    picture: Picture, path: Path | None, alpha: bool, colour: str | None, *, inverted: bool
) -> np.ndarray:
    """1 where the picture is known and 0 where it is missing, (H, W, 1).

    Raises:
        ValueError: for no mask or several, one that does not fit, and one that knows no pixel.
    """
    if (path is not None) + alpha + (colour is not None) != 1:
        raise ValueError("give one of --mask FILE, --mask-alpha and --mask-color '#rrggbb'")
    if alpha:
        if picture.alpha is None:
            raise ValueError("--mask-alpha: the input has no alpha channel; use another mask")
        known = picture.alpha > 0.5
    elif path is None:
        known = ~_of_colour(picture, colour or "")
    else:
        known = _of_file(path, picture, inverted)
    if np.all(known == inverted):
        option = "--mask-alpha" if alpha else f"--mask-color {colour}"
        raise ValueError(f"{option}: no pixel is known, there is nothing to start from")
    return (known ^ inverted).astype(np.float32)


def _of_file(path: Path, picture: Picture, inverted: bool) -> np.ndarray:
    """Where a mask is bright; of dark paint on a transparent layer, where there is no paint."""
    mask = images.load_picture(path)
    check_size(path, "the mask", mask.colour, picture)
    light = mask.colour.mean(-1, keepdims=True)
    known = light > 0.5
    if mask.alpha is not None and not known.any():
        known = mask.alpha <= 0.5
    if np.all(known == inverted):
        end, value = ("darkest", light.min()) if inverted else ("brightest", light.max())
        rule = (
            "white is missing, black is known" if inverted else "white is known, black is missing"
        )
        turn = "without --invert-mask it is" if inverted else "--invert-mask turns it"
        raise ValueError(
            f"{str(path)!r}: no pixel is known: {rule}; "
            f"its {end} value is {255 * value:.0f} of 255; {turn} round"
        )
    return known


def _of_colour(picture: Picture, text: str) -> np.ndarray:
    """Where a picture has a colour; in a JPEG file about that colour, or beside it."""
    distance = np.abs(picture.colour - _rgb(text)).max(-1)
    if picture.jpeg is None:
        found = distance <= 0.5 / 255
    else:
        found = binary_dilation(distance <= TOLERANCE, np.ones((3, 3)))
    if not found.any():
        raise ValueError(f"--mask-color {text}: no pixel has this colour")
    return found[..., None]


def _rgb(text: str) -> np.ndarray:
    bare = re.fullmatch(r"[0-9a-fA-F]{6}", text)
    try:
        rgb = ImageColor.getrgb(f"#{text}" if bare else text)
    except ValueError:
        rgb = ()
    if len(rgb) != 3:  # or it is one with transparency
        raise ValueError(f"--mask-color {text}: must be such as '#ff00ff', '#f0f' or magenta")
    return np.array(rgb, np.float32) / 255
