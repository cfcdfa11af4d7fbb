"""Pictures on disk: read and written in the form that they have, or refused.

A file stores samples `s` of `b` bits, an image values `x` in `[0, 1]`; in between stand
`x = s / (2^b - 1)` and `s = round((2^b - 1) x)`, and saving what was loaded is the identity on
samples for every lossless format.
"""

import os
import secrets
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from PIL import Image, UnidentifiedImageError

from dipjax.images.arrays import WHITE, ImageError, check, check_values, quantised
from dipjax.images.codecs import FORMATS, Format, compression, decode, encode, encoder
from dipjax.images.tags import NONE, Tags, read_tags
from dipjax.operators import Jpeg


class Picture(NamedTuple):
    """What a file holds, taken apart so that a restoration can be saved in the same form.

    Attributes:
        colour: float32 `(H, W, 1)` or `(H, W, 3)` in `[0, 1]`: the part to restore.
        alpha: float32 `(H, W, 1)` in `[0, 1]`, or None where the file has no transparency.
        depth: bits a sample in the file: 8, 16, or 32 for floats.
        jpeg: what the file kept of the picture, where it is one of JPEG (see `operators.Jpeg`).
        tags: the profile of its colours and its resolution, as far as the file has them.
        frames: of the file, of an animation or of several pages; this is the first.
    """

    colour: np.ndarray
    alpha: np.ndarray | None
    depth: int
    jpeg: Jpeg | None = None
    tags: Tags = NONE
    frames: int = 1


def load(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a picture with all its channels.

    Args:
        path: any file Pillow reads. Of an animation or a multi-page file the first frame is taken;
            EXIF orientation is applied; palettes, CMYK and YCbCr become RGB; samples are not
            converted by a colour profile. More than 8 bits of colour need `dipjax[io]` in PNG and
            TIFF, and are lost in the rarer formats (PPM, JPEG 2000, AVIF), of which Pillow gives 8.

    Returns:
        float32 `(H, W, C)` in `[0, 1]`; C is 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha. A
        float TIFF is returned as it is.

    Raises:
        ImageError: missing, empty, damaged, truncated, too large or not an image; one line.
    """
    colour, alpha, *_ = load_picture(path)
    return colour if alpha is None else np.concatenate([colour, alpha], axis=-1)


def load_picture(path: str | os.PathLike[str]) -> Picture:
    """Read a picture with colour and alpha apart, its depth, and how JPEG compressed it.

    ```python
    picture = load_picture("in.png")
    form = {"alpha": picture.alpha, "depth": picture.depth, "tags": picture.tags}
    save("out.png", restore(picture.colour), **form)
    ```

    Args:
        path: as in `load`.

    Returns:
        The `Picture`.

    Raises:
        ImageError: as in `load`.
    """
    name = repr(os.fspath(path))
    samples, jpeg, tags, frames = _read(path, name)
    if samples.size == 0:
        raise ImageError(f"{name}: has no pixels")
    check_values(samples, name)
    x = samples.astype(np.float32) / np.float32(WHITE.get(samples.dtype.name, 1))
    depth = {"uint8": 8, "uint16": 16}.get(samples.dtype.name, 32)
    if x.shape[-1] % 2:
        return Picture(x, None, depth, jpeg, tags, frames)
    return Picture(x[..., :-1], x[..., -1:], depth, None, tags, frames)


def _read(path: str | os.PathLike[str], name: str) -> tuple[np.ndarray, Jpeg | None, Tags, int]:
    """The samples `(H, W, C)` of a file, its JPEG, tags and frames; a failure is one clear line."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"{name}: cannot be read ({error.strerror}); check the path") from error
    if not data:
        raise ImageError(f"{name}: the file is empty; get a new copy")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return decode(data), compression(data), *read_tags(data)
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ImageError(
            f"{name}: has more than {Image.MAX_IMAGE_PIXELS} pixels, perhaps a decompression bomb; "
            "shrink it, or raise PIL.Image.MAX_IMAGE_PIXELS if you trust it"
        ) from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{name}: not an image in a known format; convert it to PNG") from error
    except MemoryError:
        raise
    except Exception as error:  # on damaged files decoders raise anything, from struct.error up
        reason = " ".join(str(error).split())
        raise ImageError(f"{name}: damaged or truncated ({reason}); get a new copy") from error


def save(
    path: str | os.PathLike[str],
    image: ArrayLike,
    *,
    alpha: ArrayLike | None = None,
    depth: int = 8,
    tags: Tags = NONE,
    overwrite: bool = True,
) -> None:
    """Write an image: clipped to `[0, 1]`, rounded to nearest, all of it or nothing.

    Rounding matters: the truncation in the paper's code darkens by half a level. The file is
    written beside its target and moved over it, so a failure leaves an old file as it was.

    Args:
        path: the suffix chooses the format, see `FORMATS`.
        image: `(H, W)` or `(H, W, C)` with C = 1, 2 (grey and alpha), 3 or 4 (RGB and alpha).
        alpha: `(H, W)` or `(H, W, 1)`, joined to an image of one or three channels.
        depth: bits a sample: 8, 16 (PNG, TIFF), or 32 for floats (TIFF).
        tags: of the picture that was restored (see `Picture`); those that the format or the number
            of channels has no place for are left out.
        overwrite: whether a file of that name may be replaced.

    Raises:
        ImageError: unknown suffix, a depth or an alpha plane that the format cannot hold, a missing
            or unwritable folder, NaN or infinity, a wrong shape, or `dipjax[io]` missing.
    """
    path, name = Path(path), repr(os.fspath(path))
    try:
        x = _join(image, alpha)
        format = _format(path, depth, x.shape[-1] % 2 == 0, x.shape[:2])
        _check_target(path, overwrite)
        write_bytes(path, encode(quantised(x, depth), format, tags))
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    except Exception as error:  # the system's refusals and the encoders' own limits
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ImageError(f"{name}: cannot be written ({reason})") from error


def check_target(
    path: str | os.PathLike[str],
    *,
    overwrite: bool = True,
    picture: Picture | None = None,
    factor: int = 1,
) -> None:
    """Raise the ImageError that `save` would raise for this file name, before there is an image.

    Args:
        path: of the file to be written.
        overwrite: whether a file of that name may be replaced.
        picture: whose size, depth and alpha the format has to hold; None for another kind of file.
        factor: by how much larger it will be, along each side.
    """
    path = Path(path)
    try:
        _check_target(path, overwrite)
        if picture is not None:
            alpha = picture.alpha is not None
            h, w, _ = picture.colour.shape
            format = _format(path, picture.depth, alpha, (factor * h, factor * w))
            encoder(format, picture.colour.shape[-1] + alpha, picture.depth)
    except ImageError as error:
        raise ImageError(f"{str(path)!r}: {error}") from error


def _format(path: Path, depth: int, alpha: bool, size: tuple[int, int]) -> Format:
    """The format of a suffix, where it holds such a picture; the message says which do."""
    h, w = size
    if depth not in (8, 16, 32):
        raise ImageError(f"no format holds a depth of {depth} bits; it must be 8, 16 or 32")
    format = FORMATS.get(path.suffix.lower())
    fitting = [
        suffix
        for suffix, f in FORMATS.items()
        if depth in f.depths and f.alpha >= alpha and f.side >= max(size)
    ]
    advice = f"save as {', '.join(fitting[:-1])} or {fitting[-1]}"
    if format is None:
        raise ImageError(f"unknown suffix {path.suffix!r}: {advice}")
    bits = "floats" if depth == 32 else f"{depth} bits"
    held = {
        bits: depth in format.depths,
        "transparency": format.alpha >= alpha,
        f"{w} x {h} pixels": format.side >= max(size),
    }
    missing = [what for what, holds in held.items() if not holds]
    if missing:
        raise ImageError(f"{format.name} cannot hold {' and '.join(missing)}: {advice}")
    return format


def _join(image: ArrayLike, alpha: ArrayLike | None) -> np.ndarray:
    x = np.asarray(check(image))
    if x.shape[-1] not in (1, 2, 3, 4):
        raise ImageError(f"image has shape {x.shape}; a file holds 1 to 4 channels, channels last")
    if alpha is None:
        return x
    a = np.asarray(check(alpha, "alpha"))
    if a.shape != (*x.shape[:2], 1) or x.shape[-1] not in (1, 3):
        raise ImageError(
            f"alpha of shape {a.shape} does not fit an image of shape {x.shape}; "
            "it needs the same height and width, and an image of 1 or 3 channels"
        )
    return np.concatenate([x, a], axis=-1)


def _check_target(path: Path, overwrite: bool) -> None:
    path = Path(os.path.realpath(path))
    if not path.parent.is_dir():
        raise ImageError(f"there is no folder {str(path.parent)!r}; create it first")
    if not os.access(path.parent, os.W_OK):
        raise ImageError(f"the folder {str(path.parent)!r} cannot be written to")
    if path.is_dir():
        raise ImageError("is a folder; give a file name")
    if path.exists() and not overwrite:
        raise ImageError("exists already; choose another name, or allow overwriting (--force)")


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file beside its target and move it there: all of it or nothing."""
    target = Path(os.path.realpath(path))  # through a link, rather than in place of it
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:  # not tempfile, whose files are private (0600)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
