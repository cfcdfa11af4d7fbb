"""Weights of pretrained networks: arrays by name, from files, without running anything in them.

    .safetensors            by the safetensors library
    .npz                    by NumPy, without pickle
    .pth, .pt               PyTorch's zip format, by an unpickler that can rebuild tensors, no more

Kernels come as the file has them: `name.weight` in PyTorch's and Caffe's order (O, I, H, W),
`name_w` in that of TensorFlow and JAX (H, W, I, O). A `.caffemodel` has to be converted once,
because no parser of it is kept up; with OpenCV 4:

    net = cv2.dnn.readNetFromCaffe("deploy.prototxt", "net.caffemodel")
    blobs = {f"{n}.{kind}": net.getParam(n, i) for n in ("conv1", "conv2", "fc6")  # each layer
             for i, kind in enumerate(("weight", "bias"))}
    numpy.savez("net.npz", **{name: b.ravel() if name.endswith("bias") else b
                              for name, b in blobs.items()})
"""

import hashlib
import io
import os
import re
import secrets
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import platformdirs

from dipjax import images, torch_files

Arrays = dict[str, np.ndarray]

VARIABLE = "DIPJAX_WEIGHTS"
OFFICIAL = "https://download.pytorch.org/models/"


class WeightsError(ValueError):
    """A file of weights that cannot be used: one line that says why and what to do."""


def load(path: str | os.PathLike[str], *, sha256: str | None = None) -> Arrays:
    """The arrays of a file by name; nothing that the file may contain is run.

    Args:
        path: of a `.safetensors`, `.npz`, `.pth` or `.pt` file.
        sha256: the hash that the file must have, or how it begins. A name such as
            `alexnet-owt-7be5be79.pth` promises one, and is held to it.

    Returns:
        Name -> array, as they are in the file; half precision becomes float32.

    Raises:
        WeightsError: for a file that is missing, truncated, damaged, of another hash or format,
            or that holds anything other than arrays.
    """
    path = Path(path)
    name = repr(str(path))
    if not path.is_file():
        raise WeightsError(f"{name}: there is no such file of weights; check the path")
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise WeightsError(f"{name}: {_advice(path.suffix.lower())}")
    check_hash(path, sha256)
    try:
        arrays = read(path)
    except (WeightsError, MemoryError):
        raise
    except Exception as error:  # the readers raise anything, from KeyError up, on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise WeightsError(f"{name}: not a readable file of weights ({reason})") from error
    return {key: _floats(array, f"{name}: {key}") for key, array in arrays.items()}


def save(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name into an `.npz` file: all of it or nothing.

    Raises:
        WeightsError: for another suffix.
    """
    path = Path(path)
    if path.suffix.lower() != ".npz":
        raise WeightsError(f"{str(path)!r}: weights are written as .npz, choose that suffix")
    data = io.BytesIO()
    np.savez(data, **arrays)  # pyright: ignore[reportArgumentType]
    images.write_bytes(path, data.getvalue())


def check_hash(path: Path, sha256: str | None = None) -> None:
    """Raise WeightsError where a file has not the hash that it should have (see `load`)."""
    promised = re.search(r"-([0-9a-f]{8,64})\.(pth|pt)$", path.name)
    wanted = [h.lower() for h in (sha256, promised and promised[1]) if h]
    if not wanted:
        return
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    for start in wanted:
        if not re.fullmatch("[0-9a-f]{8,64}", start):
            raise WeightsError(f"sha256 {start!r}: must be 8 to 64 hexadecimal digits")
        if not found.startswith(start):
            raise WeightsError(
                f"{str(path)!r}: its SHA-256 begins with {found[: len(start)]}, not with {start}: "
                "damaged, incomplete or another file; get a new copy"
            )


# --- formats -------------------------------------------------------------------------------


def _npz(path: Path) -> Arrays:
    with open(path, "rb") as file:
        archive = np.load(file, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("a single array, not an archive of arrays by name")
        with archive:
            return {name: archive[name] for name in archive.files}


def _safetensors(path: Path) -> Arrays:
    try:
        from safetensors.numpy import load_file
    except ImportError as error:
        raise WeightsError(
            f'{str(path)!r}: needs safetensors: pip install "dipjax[weights]"'
        ) from error
    return load_file(path)


def _torch(path: Path) -> Arrays:
    if not zipfile.is_zipfile(path):
        raise WeightsError(
            f"{str(path)!r}: not a complete file of PyTorch's zip format: damaged, truncated, or "
            "older than PyTorch 1.6; get a new copy, or save it again with a new torch.save"
        )
    return torch_files.load(path)


READERS: dict[str, Callable[[Path], Arrays]] = {
    ".safetensors": _safetensors,
    ".npz": _npz,
    ".pth": _torch,
    ".pt": _torch,
}


def _advice(suffix: str) -> str:
    if suffix == ".caffemodel":
        return (
            "no maintained parser of Caffe's format exists: convert it once to .npz "
            "(help(dipjax.weights) shows how)"
        )
    return f"unknown format {suffix!r}; convert it to one of {', '.join(READERS)}"


def _floats(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype.kind not in "fiu":
        raise WeightsError(f"{name} is of type {array.dtype}, not numbers")
    if array.dtype.kind != "f":
        return array  # counters, which the networks have no place for
    if not np.isfinite(array).all():
        raise WeightsError(f"{name} has NaN or infinite values: get a new copy of the file")
    return array.astype(np.float32)


# --- the official files --------------------------------------------------------------------


def folder() -> Path:
    """Where downloaded weights are kept: `$DIPJAX_WEIGHTS`, or a folder in the user's cache."""
    chosen = os.environ.get(VARIABLE)
    return Path(chosen or Path(platformdirs.user_cache_dir("dipjax", appauthor=False), "weights"))


def official(file: str) -> Path:
    """One of torchvision's files of weights: downloaded once, with a progress bar, and checked.

    Args:
        file: its name, such as `alexnet-owt-7be5be79.pth`, which holds the start of its SHA-256
            (all that is published of it).

    Returns:
        The path in `folder()`.

    Raises:
        WeightsError: when it can neither be found nor downloaded: which file to put where.
    """
    path = folder() / file
    if not path.exists():
        try:
            _download(OFFICIAL + file, path)
        except WeightsError:
            raise
        except Exception as error:  # of the network, in all its variety
            raise WeightsError(
                f"{OFFICIAL}{file} cannot be downloaded ({_reason(error)}): put the file into "
                f"{str(folder())!r}, or give weights=PATH (--weights PATH)"
            ) from error
    return path


def _reason(error: BaseException) -> str:
    """The first of a chain of errors, as the system puts it; libraries wrap it in long ones."""
    while below := error.__cause__ or error.__context__:
        error = below
    said = getattr(error, "strerror", None) or " ".join(str(error).split())
    return said[:80] or type(error).__name__


def _download(url: str, path: Path) -> None:
    """Fetch into a file beside the target, check it, and only then give it its name."""
    try:
        import pooch
    except ImportError as error:
        raise ImportError('a download needs pooch: pip install "dipjax[weights]"') from error
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a failed download warns too; its error is enough
        temporary = path.parent / secrets.token_hex(8)
        target = temporary / path.name
        try:
            temporary.mkdir()
            pooch.HTTPDownloader(progressbar=True)(url, str(target), None)
            check_hash(target)
            os.replace(target, path)
        finally:
            target.unlink(missing_ok=True)
            temporary.rmdir()
