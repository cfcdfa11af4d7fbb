"""Pictures on disk and images in memory.

An image is a float32 array `(H, W, C)` with values in `[0, 1]`, channels last. A file stores
samples `s` of `b` bits; in between stand `x = s / (2^b - 1)` and `s = round((2^b - 1) x)`, and
saving what was loaded is the identity on samples for every lossless format.
"""

import os
import secrets
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from PIL import Image, UnidentifiedImageError

from dipjax.codecs import FORMATS, Format, ImageError, compression, decode, encode, encoder
from dipjax.operators import Jpeg

WHITE = {"uint8": 255, "uint16": 65535}
"""The sample that means 1.0, by integer type; other integers have no agreed white."""

LIMIT = 16.0
"""Floats beyond `[-LIMIT, LIMIT]` are on another scale. Noise may leave `[0, 1]` (single-photon
Poisson and single-look speckle reach about 12), a picture on the 0..255 scale exceeds 16."""


class Picture(NamedTuple):
    """What a file holds, taken apart so that a restoration can be saved in the same form.

    Attributes:
        colour: float32 `(H, W, 1)` or `(H, W, 3)` in `[0, 1]`: the part to restore.
        alpha: float32 `(H, W, 1)` in `[0, 1]`, or None where the file has no transparency.
        depth: bits a sample in the file: 8, 16, or 32 for floats.
        jpeg: what the file kept of the picture, where it is one of JPEG (see `operators.Jpeg`).
    """

    colour: np.ndarray
    alpha: np.ndarray | None
    depth: int
    jpeg: Jpeg | None = None


# Arrays ------------------------------------------------------------------------------------------


def check(image: ArrayLike, name: str = "image") -> jax.Array:
    """Turn an array-like into an image, or say what is wrong with it.

    Values are looked at only where there are some: under `jit`, `vmap` and `grad` the shape and the
    type are still checked, NaN and range are not.

    Args:
        image: `(H, W)` or `(H, W, C)`; floats in `[0, 1]` (noise may exceed it), uint8 or uint16.
        name: what to call it in the message.

    Returns:
        `(H, W, C)`; float32 from integers and from shorter floats, in which sums overflow; float64
        remains where JAX's x64 is on, and is float32 else.

    Raises:
        ImageError: wrong rank, no pixels, boolean or other integer type, NaN or infinity, or values
            beyond `[-LIMIT, LIMIT]`, which are on another scale.
    """
    try:
        x = image if isinstance(image, jax.Array) else np.asarray(image)
    except ValueError as error:  # a ragged list
        raise ImageError(f"{name} is not an array ({error})".replace("\n", " ")) from error
    if x.ndim not in (2, 3):
        raise ImageError(
            f"{name} has shape {x.shape}: expected (H, W) or (H, W, C), one image, channels last; "
            "use jax.vmap for several"
        )
    if x.size == 0:
        raise ImageError(f"{name} has shape {x.shape}: it has no pixels")
    _check_type(x.dtype, name)
    if not isinstance(x, Tracer):
        # NumPy, because inside a jit even a constant handed to jax.numpy becomes a tracer.
        _check_values(np.asarray(x), name)
    x = x if x.ndim == 3 else x[:, :, None]
    x = native(x)
    if x.dtype.name in WHITE:
        return jnp.asarray(x, jnp.float32) / WHITE[x.dtype.name]
    size = x.dtype.itemsize
    return jnp.asarray(x.astype("float32" if size < 4 else "float64") if size not in (4, 8) else x)


def native(x: Any) -> Any:
    """The same in this machine's order of bytes: JAX knows no other, and FITS files have one."""
    return x.astype(x.dtype.newbyteorder("="), copy=False) if isinstance(x, np.ndarray) else x


def middle(image: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """The middle (h, w) = `shape[:2]` of an image (H, W, C) that is at least as large."""
    i, j = ((n - m) // 2 for n, m in zip(image.shape[:2], shape[:2], strict=True))
    return image[i : i + shape[0], j : j + shape[1]]


def repeated(x: Any, times: int) -> Any:
    """An image (H, W, C) enlarged by repeating its pixels: (H * times, W * times, C)."""
    return x.repeat(times, 0).repeat(times, 1)


def _check_type(dtype: np.dtype, name: str) -> None:
    if dtype.name in WHITE or jnp.issubdtype(dtype, jnp.floating):
        return
    if dtype.name == "bool":
        raise ImageError(f"{name} is boolean, a mask rather than an image: use .astype('float32')")
    if jnp.issubdtype(dtype, jnp.integer):
        raise ImageError(
            f"{name} has type {dtype.name}: divide by its white level (255 for 8 bits, 65535 for "
            "16) to get floats in [0, 1], or convert to uint8 or uint16"
        )
    raise ImageError(f"{name} has type {dtype}: expected floats in [0, 1], uint8 or uint16")


def _check_values(x: np.ndarray, name: str) -> None:
    if x.dtype.name in WHITE:
        return
    bad = int(x.size - np.isfinite(x).sum())
    if bad:
        raise ImageError(
            f"{name} has {bad} NaN or infinite values of {x.size}: replace them first, "
            "for example with numpy.nan_to_num"
        )
    low, high = float(x.min()), float(x.max())
    if max(-low, high) > LIMIT:
        raise ImageError(
            f"{name} ranges from {low:.4g} to {high:.4g}, expected [0, 1]: divide by its white "
            "level (255 for 8 bits, 65535 for 16)"
        )


# Files -------------------------------------------------------------------------------------------


def load(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a picture with all its channels.

    Args:
        path: any file Pillow reads. Of an animation or a multi-page file the first frame is taken;
            EXIF orientation is applied; palettes, CMYK and YCbCr become RGB; colour profiles are
            ignored. More than 8 bits of colour need `dipjax[io]` in PNG and TIFF, and are lost
            in the rarer formats (PPM, JPEG 2000, AVIF), of which Pillow gives 8.

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
    save("out.png", restore(picture.colour), alpha=picture.alpha, depth=picture.depth)
    ```

    Args:
        path: as in `load`.

    Returns:
        The `Picture`.

    Raises:
        ImageError: as in `load`.
    """
    name = repr(os.fspath(path))
    samples, jpeg = _read(path, name)
    if samples.size == 0:
        raise ImageError(f"{name}: has no pixels")
    _check_values(samples, name)
    x = samples.astype(np.float32) / np.float32(WHITE.get(samples.dtype.name, 1))
    depth = {"uint8": 8, "uint16": 16}.get(samples.dtype.name, 32)
    if x.shape[-1] % 2:
        return Picture(x, None, depth, jpeg)
    return Picture(x[..., :-1], x[..., -1:], depth)


def _read(path: str | os.PathLike[str], name: str) -> tuple[np.ndarray, Jpeg | None]:
    """The samples `(H, W, C)` of a file and its JPEG; every failure is one readable line."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"{name}: cannot be read ({error.strerror}); check the path") from error
    if not data:
        raise ImageError(f"{name}: the file is empty; get a new copy")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return decode(data), compression(data)
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
        overwrite: whether a file of that name may be replaced.

    Raises:
        ImageError: unknown suffix, a depth or an alpha plane that the format cannot hold, a missing
            or unwritable folder, NaN or infinity, a wrong shape, or `dipjax[io]` missing.
    """
    path, name = Path(path), repr(os.fspath(path))
    try:
        x = _join(image, alpha)
        format = _format(path, depth, alpha=x.shape[-1] % 2 == 0)
        _check_target(path, overwrite)
        write_bytes(path, encode(quantised(x, depth), format))
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    except Exception as error:  # the system's refusals and the encoders' own limits
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ImageError(f"{name}: cannot be written ({reason})") from error


def check_target(
    path: str | os.PathLike[str], *, overwrite: bool = True, picture: Picture | None = None
) -> None:
    """Raise the ImageError that `save` would raise for this file name, before there is an image.

    Args:
        path: of the file to be written.
        overwrite: whether a file of that name may be replaced.
        picture: whose depth and alpha the format has to hold; None for a file of another kind.
    """
    path = Path(path)
    try:
        _check_target(path, overwrite)
        if picture is not None:
            alpha = picture.alpha is not None
            format = _format(path, picture.depth, alpha)
            encoder(format, picture.colour.shape[-1] + alpha, picture.depth)
    except ImageError as error:
        raise ImageError(f"{str(path)!r}: {error}") from error


def _format(path: Path, depth: int, alpha: bool) -> Format:
    format = FORMATS.get(path.suffix.lower())
    if format is None:
        raise ImageError(f"unknown suffix {path.suffix!r}; use one of {', '.join(FORMATS)}")
    if depth not in format.depths:
        choices = " or ".join(str(bits) for bits in format.depths)
        raise ImageError(
            f"{format.name} cannot hold depth {depth}; use depth {choices}, or .png for 16, "
            ".tif for 16 and 32 (floats)"
        )
    if alpha and not format.alpha:
        raise ImageError(f"{format.name} cannot hold transparency; use .png or drop alpha")
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


def quantised(x: np.ndarray, depth: int = 8) -> np.ndarray:
    """The samples of an image, held in [0, 1] and rounded to nearest; of 32 bits the floats."""
    x = x.astype(np.float32).clip(0, 1)
    return x if depth == 32 else np.rint(x * (2**depth - 1)).astype(f"uint{depth}")


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
