"""PyTorch's zip format, read without PyTorch and without running what a pickle may ask for.

A `.pth` file is a zip of `data.pkl`, a pickle of the names and shapes, and one file of raw
numbers for each storage. A pickle is a program: it may name any function of any module and have
it called. The unpickler here knows three names, all of which are made in this file, and refuses
a file that asks for any other before it calls anything.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TYPES = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
}
LIMIT = 64 * 2**20  # bytes of a pickle: names and shapes of the largest networks take 1 MB


def load(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a saved state dict by name.

    Raises:
        ValueError: for a file that holds anything else, or asks for any other function.
    """
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("it has no data.pkl, so torch.save did not write it")
        if archive.getinfo(pickles[0]).file_size > LIMIT:
            raise ValueError("its data.pkl is too large to be the names of tensors")
        folder = pickles[0].removesuffix("data.pkl")
        _check_byte_order(archive, folder)
        with archive.open(pickles[0]) as file:
            state = _Unpickler(file, lambda key: _stored(archive, f"{folder}data/{key}")).load()
    return _arrays(state)


class _Unpickler(pickle.Unpickler):
    """Rebuilds ordered dicts and tensors; every other name is refused."""

    def __init__(self, file, read: Callable[[str], bytes]):
        super().__init__(file)
        self.read = read
        self.storages: dict[str, np.ndarray] = {}

    def find_class(self, module: str, name: str) -> Any:
        # Values without state: a pickle may also set the attributes of what it was given.
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Call(_tensor)
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _Call(_parameter)
        if module == "torch" and name in TYPES:
            return TYPES[name]
        raise ValueError(
            f"it asks for {module}.{name}, which is no tensor and may be harmful: refused; "
            "it must hold a state dict, torch.save(network.state_dict(), file)"
        )

    def persistent_load(self, pid: Any) -> np.ndarray:
        """The storage behind ("storage", type, key, device, size)."""
        kind, dtype, key, _, size = pid
        if kind != "storage" or dtype not in TYPES.values() or not str(key).isalnum():
            raise ValueError("it refers to something that is no storage")
        if key not in self.storages:
            self.storages[key] = np.frombuffer(self.read(key), "<" + dtype)
        if self.storages[key].size < size:
            raise ValueError(f"storage {key} is too short: the file is truncated")
        return self.storages[key]


class _Call:
    """A function of which a pickle cannot change anything."""

    __slots__ = ("__call",)

    def __init__(self, function: Callable):
        object.__setattr__(self, "_Call__call", function)

    def __call__(self, *args: Any) -> Any:
        return self.__call(*args)

    def __setattr__(self, name: str, value: Any) -> None:
        raise ValueError("it tries to change the reader: refused")


def _tensor(storage, offset: int, shape: tuple, strides: tuple, *_: Any) -> np.ndarray:
    """A copy of the part of a storage that a tensor looks at, checked to lie inside of it."""
    sizes = (offset, *shape, *strides)
    if not isinstance(storage, np.ndarray) or len(shape) != len(strides):
        raise ValueError("a tensor of it is damaged")
    if not all(isinstance(n, int) and n >= 0 for n in sizes):
        raise ValueError("a tensor of it has a negative size")
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    # A stride of 0 would let a small file ask for any amount of memory.
    if 0 not in shape and (last >= storage.size or np.prod(shape, dtype=float) > storage.size):
        raise ValueError("a tensor of it reaches beyond its storage")
    item = storage.itemsize
    view = np.lib.stride_tricks.as_strided(storage[offset:], shape, [s * item for s in strides])
    return view.copy()


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _stored(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of a storage, which PyTorch never compresses: a bomb would be."""
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise ValueError("its numbers are compressed, so torch.save did not write it")
    return archive.read(name)


def _check_byte_order(archive: zipfile.ZipFile, folder: str) -> None:
    name = f"{folder}byteorder"
    if name in archive.namelist() and archive.read(name) != b"little":
        raise ValueError("it was written on a big-endian machine")


def _arrays(state: Any) -> dict[str, np.ndarray]:
    """The state dict, also where a training script saved it as one of several things."""
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not state:
        raise ValueError("it holds no state dict")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, np.ndarray):
            raise ValueError(f"{name!r} of it is no tensor: save network.state_dict() alone")
    return dict(state)
