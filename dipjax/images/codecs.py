"""Picture formats: bytes to samples and back, without losing a bit.

Pillow reads and writes 8 bits of everything and 16 bits of grey, but it silently drops the low
byte of 16-bit *colour*. Such files go through imagecodecs (PNG) and tifffile (TIFF), the optional
extra `dipjax[io]`; without it they are refused, never rounded.
"""

import importlib
import io
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from PIL import Image, UnidentifiedImageError

from dipjax.images import tags
from dipjax.images.arrays import ImageError
from dipjax.images.tags import NONE, ORIENTATION, Tags
from dipjax.operators import Jpeg
from dipjax.operators.orientation import UPRIGHT, upright


class Format(NamedTuple):
    """What one file format can hold.

    Attributes:
        name: Pillow's name of the format.
        depths: bits a sample that it can store; 32 stands for floats.
        alpha: whether it stores transparency.
        side: pixels along a side that it can store at most, where that is few.
        options: Pillow's settings for writing it: no loss, or for JPEG as little as possible.
    """

    name: str
    depths: tuple[int, ...]
    alpha: bool
    side: float = math.inf
    options: Mapping[str, Any] = MappingProxyType({})


_PNG = Format("PNG", (8, 16), alpha=True)
_TIFF = Format("TIFF", (8, 16, 32), alpha=True)
_JPEG = Format("JPEG", (8,), alpha=False, side=65500, options={"quality": 95, "subsampling": 0})
_WEBP = Format("WEBP", (8,), alpha=True, side=16383, options={"lossless": True, "exact": True})
_BMP = Format("BMP", (8,), alpha=False)

FORMATS = {
    ".png": _PNG,
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": _WEBP,
    ".bmp": _BMP,
}
"""The formats that `save` writes, by suffix."""


def decode(data: bytes) -> np.ndarray:
    """The samples of the first frame, upright, as `(H, W, C)` of uint8, uint16 or floats."""
    if _is_deep_tiff(data):
        return _decode_deep_tiff(data)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        depth, colour_type = data[24:25], data[25:26]  # where PNG has them
        plain_grey = colour_type == b"\0" and not image.has_transparency_data
        deep = image.format == "PNG" and depth == b"\x10" and not plain_grey
        x = _optional("imagecodecs").png_decode(data) if deep else _samples(image)
        # Asked after load(): PNG may store EXIF behind the pixels, TIFF has been turned by then.
        return upright(x, image.getexif().get(ORIENTATION, UPRIGHT))


def compression(data: bytes) -> Jpeg | None:
    """How a JPEG file was compressed.

    None for other files, for other planes than JFIF's, and where its steps are not in its header.
    """
    if data[:2] != b"\xff\xd8":
        return None
    with Image.open(io.BytesIO(data)) as image:
        orientation = image.getexif().get(ORIENTATION, UPRIGHT)
        header: Any = image  # of a class that Pillow keeps to itself
        names, across, down, tables = zip(*header.layer, strict=True)
        stored_as_rgb = header.info.get("adobe_transform") == 0 or bytes(names) == b"RGB"
        if image.mode not in ("L", "RGB") or (image.mode == "RGB" and stored_as_rgb):
            return None
        shares = {(down[0] / v, across[0] / h) for v, h in zip(down[1:], across[1:], strict=True)}
        (rows, columns), *others = shares or {(1, 1)}
        if others or rows % 1 or columns % 1:
            return None
        if not all(np.all(header.quantization.get(table, 0)) for table in tables):
            return None
        steps = np.stack([np.reshape(header.quantization[table], (8, 8)) for table in tables])
        sampling = int(rows), int(columns)
        return Jpeg(jnp.asarray(steps / 255, jnp.float32), sampling, orientation)


def _samples(image: Image.Image) -> np.ndarray:
    mode = image.mode
    if mode == "F":
        return np.asarray(image)[..., None]
    if mode.startswith("I;16") or (mode == "I" and image.format in ("PNG", "PPM")):
        return np.asarray(image).astype(np.uint16)[..., None]
    if mode == "I":
        raise ImageError("holds 32-bit or signed integers; convert it to 8 or 16 bits")
    grey = mode in ("1", "L", "LA", "La")
    target = ("L" if grey else "RGB") + ("A" if image.has_transparency_data else "")
    x = np.asarray(image.convert(target))
    return x.reshape(*x.shape[:2], -1)


def _is_deep_tiff(data: bytes) -> bool:
    """Whether this is a TIFF of which Pillow would lose bits, or that it cannot read at all."""
    if data[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return False
    try:
        with Image.open(io.BytesIO(data)) as image:
            tags: Any = getattr(image, "tag_v2", {})
            bits, black_is_zero = tags.get(258, (1,)), tags.get(262) == 1
            plain_grey = image.mode in ("I;16", "I;16B", "F") and black_is_zero and bits != (12,)
            return max(bits) > 8 and not plain_grey
    except UnidentifiedImageError:
        return True


def _decode_deep_tiff(data: bytes) -> np.ndarray:
    with _optional("tifffile").TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        if page.imagewidth * page.imagelength > (Image.MAX_IMAGE_PIXELS or float("inf")):
            raise Image.DecompressionBombError
        kind = (page.dtype.name, page.bitspersample)
        known = (("uint8", 8), ("uint16", 16), ("float16", 16), ("float32", 32), ("float64", 64))
        premultiplied = 1 in page.extrasamples
        if (
            kind not in known
            or page.photometric.name not in ("MINISBLACK", "RGB")
            or page.samplesperpixel > 4
            or premultiplied
        ):
            raise ImageError(
                f"TIFF with {page.samplesperpixel} channels of {kind[1]}-bit {kind[0]}, "
                f"{page.photometric.name}{', premultiplied alpha' * premultiplied}, is not "
                "supported; convert it to plain grey or RGB of 8 or 16 bits"
            )
        x = page.asarray()
        x = np.moveaxis(x, 0, -1) if page.axes == "SYX" else x
        orientation = page.tags.get(ORIENTATION)
        x = x.reshape(page.imagelength, page.imagewidth, -1)
    return upright(x, UPRIGHT if orientation is None else orientation.value)


def encode(samples: np.ndarray, format: Format, kept: Tags = NONE) -> bytes:
    """The bytes of a file of samples `(H, W, C)`: uint8, uint16, or floats where it holds them."""
    file, kept = io.BytesIO(), kept.of(samples.shape[-1])
    grey = samples.shape[-1] == 1
    library = encoder(format, samples.shape[-1], 8 * samples.itemsize)
    if library is None:
        Image.fromarray(samples[..., 0] if grey else samples).save(
            file, format.name, **format.options, **tags.for_pillow(kept)
        )
    elif format is _PNG:
        return tags.into_png(library.png_encode(samples), kept)
    else:
        library.imwrite(
            file,
            samples,
            photometric="rgb" if samples.shape[-1] > 2 else "minisblack",
            planarconfig="contig",
            extrasamples=None if samples.shape[-1] == 3 else ["unassalpha"],
            **tags.for_tifffile(kept),
        )
    return file.getvalue()


def encoder(format: Format, channels: int, depth: int) -> Any:
    """The library that writes such samples, or None where Pillow does.

    Raises:
        ImageError: where it is not installed.
    """
    if depth == 8 or channels == 1:
        return None
    return _optional("imagecodecs" if format is _PNG else "tifffile")


def _optional(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImageError(
            f'more than 8 bits of colour need {module}: pip install "dipjax[io]"'
        ) from error
