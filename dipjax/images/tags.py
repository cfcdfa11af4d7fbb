"""What a picture file says beside its samples: the profile of its colours and its resolution.

They are handed on as they are: a restoration has the colours and the size on paper of its input.
"""

import io
import struct
import zlib
from typing import Any, NamedTuple

from PIL import Image, UnidentifiedImageError

from dipjax.operators.orientation import UPRIGHT

ORIENTATION = 0x0112  # the EXIF and TIFF tag
_RESOLUTION, _UNIT, _PROFILE = (282, 283), 296, 34675  # tags of TIFF
_INCHES = {2: 1.0, 3: 2.54}  # by the unit of a TIFF: inches, centimetres
_SPACES = {b"GRAY": (1, 2), b"RGB ": (3, 4)}  # of a profile -> the channels that it is for
MOST = 65535  # dots an inch, of a JPEG file
_HEADER = 33  # bytes of a PNG, behind which its other chunks begin


class Tags(NamedTuple):
    """What is kept of a file beside its samples.

    Attributes:
        profile: the bytes of an ICC profile, or None.
        dpi: pixels an inch, across and down, or None.
    """

    profile: bytes | None = None
    dpi: tuple[float, float] | None = None

    def of(self, channels: int) -> "Tags":
        """Without a profile that is for another number of channels."""
        space = (self.profile or b"")[16:20]
        return self if channels in _SPACES.get(space, ()) else self._replace(profile=None)

    def enlarged(self, factor: int) -> "Tags":
        """Of a picture of so many times the pixels along a side, of the same size on paper."""
        return self._replace(dpi=self.dpi and (factor * self.dpi[0], factor * self.dpi[1]))


NONE = Tags()


def read_tags(data: bytes) -> tuple[Tags, int]:
    """The tags of a file, upright, and how many frames it has."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            dpi = image.info.get("dpi")
            dpi = _upright(dpi, image.getexif().get(ORIENTATION)) if dpi else None
            return Tags(image.info.get("icc_profile"), dpi), _frames(image)
    except UnidentifiedImageError:
        return _of_deep_tiff(data)


def _frames(image: Image.Image) -> int:
    if image.format == "MPO":  # of a camera: one picture, with others that are made of it
        return 1
    try:
        return getattr(image, "n_frames", 1)
    except Exception:  # what is damaged behind the first frame is not asked for
        return 1


def _of_deep_tiff(data: bytes) -> tuple[Tags, int]:
    """Of a TIFF that Pillow does not know; `decode` has said what is missing to read it."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page: Any = file.pages[0]
        values = {tag.code: tag.value for tag in page.tags}
        turned = values.get(ORIENTATION)
        dpi, inches = None, _INCHES.get(values.get(_UNIT, 2))
        if inches and all(code in values for code in _RESOLUTION):
            fractions = (values[code] for code in _RESOLUTION)
            dpi = _upright([inches * a / b if b else 0 for a, b in fractions], turned)
        return Tags(values.get(_PROFILE), dpi), len(file.pages)


def _upright(dpi: Any, orientation: int | None) -> tuple[float, float] | None:
    """A resolution as two numbers, where it is one, of a picture that is turned upright."""
    try:
        x, y = (float(value) for value in dpi)
    except (TypeError, ValueError):  # a tag of another type, which is no reason to read nothing
        return None
    if not (1 < x <= MOST and 1 < y <= MOST):  # 1 is what Pillow says of a TIFF without
        return None
    return (y, x) if (orientation or UPRIGHT) > 4 else (x, y)  # columns stand for rows


def for_pillow(tags: Tags) -> dict[str, Any]:
    """The settings by which Pillow writes them; a format that holds none leaves them out."""
    return ({"icc_profile": tags.profile} if tags.profile else {}) | (
        {"dpi": tags.dpi} if tags.dpi else {}
    )


def for_tifffile(tags: Tags) -> dict[str, Any]:
    """The settings by which tifffile writes them."""
    dpi = {"resolution": tags.dpi, "resolutionunit": "inch"} if tags.dpi else {}
    return ({"iccprofile": tags.profile} if tags.profile else {}) | dpi


def into_png(data: bytes, tags: Tags) -> bytes:
    """The bytes of a PNG with its tags, of a library that writes none."""
    chunks = b""
    if tags.profile:
        chunks += _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(tags.profile))
    if tags.dpi:
        across, down = (round(value / 0.0254) for value in tags.dpi)
        chunks += _chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    return data[:_HEADER] + chunks + data[_HEADER:]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
