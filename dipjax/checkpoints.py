"""Checkpoints: a fit that was cut off goes on where it was.

    restored = dipjax.denoise(key, y, driver=dipjax.resumable("fits"))

A checkpoint is one file, MessagePack of the arrays of a pytree under their paths, which is written
in whole or not at all. In a folder of them each fit knows its own by what is fitted and how.
"""

import os
import time
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.serialization import msgpack_restore, msgpack_serialize

from dipjax import fitting, identity, images
from dipjax.fitting import Progress

Array = jax.Array

SECONDS = 60.0  # of work that a power cut may cost; writing takes a part of a second


def save(path: str | os.PathLike[str], state: Any) -> None:
    """Write the arrays of a pytree, such as a `FitState`, or the `.state` of a `Progress`.

    Args:
        path: of the file, which is replaced where it exists: in whole, or not at all.
        state: any pytree of arrays, keys of `jax.random` of the default kind among them.
    """
    arrays = {name: np.asarray(_plain(leaf)) for name, leaf in _by_path(state).items()}
    images.write_bytes(path, msgpack_serialize(arrays))


def load(path: str | os.PathLike[str], like: Any) -> Any:
    """Read a pytree that `save` has written.

    Args:
        path: of the file.
        like: a pytree of the same structure, of arrays or of their shapes (`jax.eval_shape`).

    Returns:
        That pytree with the arrays of the file, bit for bit.

    Raises:
        ValueError: for a file that is no checkpoint, or that of another pytree.
        OSError: for one that cannot be read.
    """
    arrays, leaves = _read(path), _by_path(like)
    plain = _by_path(jax.eval_shape(partial(jax.tree.map, _plain), like))
    for name in {**plain, **arrays}:
        there, here = _words(arrays.get(name)), _words(plain.get(name))
        if there != here:
            raise ValueError(
                f"{str(path)!r}: is of something else, {name} is {there} there and {here} here"
            )
    found = [_like(jnp.asarray(arrays[name]), leaf) for name, leaf in leaves.items()]
    return jax.tree.unflatten(jax.tree.structure(like), found)


def iterate(
    key: Array,
    objective: fitting.Energy,
    shape: tuple[int, int, int],
    *,
    folder: str | os.PathLike[str] | None,
    seconds: float = SECONDS,
    **settings: Any,
) -> Generator[Progress]:
    """`fitting.iterate` that goes on where the same fit was left, and keeps where it is.

    Args:
        key, objective, shape: see `fit`.
        folder: of the checkpoints, made where there is none. A fit has a file of its own, whose
            name follows from the key, the objective, the shape and the settings; it stays when the
            fit is done, which is then not made again. None keeps nothing.
        seconds: between two checkpoints, beside those at the end and where the loop is left.
        **settings: of `fitting.iterate`.

    Yields:
        `Progress`, of a fit that was left first the next after that.

    Raises:
        ValueError: before any step, for a file that another version has left.
    """
    if folder is None:
        yield from fitting.iterate(key, objective, shape, **settings)
        return
    path = _file(Path(folder), key, objective, shape, settings)
    if path.exists():
        settings["state"] = partial(load, path)
    written = time.monotonic()
    for progress in fitting.iterate(key, objective, shape, **settings):
        try:
            yield progress
        except GeneratorExit:  # who is interrupted leaves here, where the state is a whole one
            save(path, progress.state)
            raise
        if progress.state.reason or time.monotonic() - written >= seconds:
            save(path, progress.state)
            written = time.monotonic()


def _file(folder: Path, key: Array, objective, shape, settings: dict[str, Any]) -> Path:
    """Of this fit; how often it says where it is makes no other fit of it."""
    folder.mkdir(parents=True, exist_ok=True)
    how = {name: value for name, value in settings.items() if name != "every"}
    return folder / f"{identity.digest(key, objective, tuple(shape), how)[:16]}.msgpack"


def _read(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    data = Path(path).read_bytes()
    try:
        kept: Any = msgpack_restore(data)
        return {name: np.asarray(array) for name, array in kept.items()}
    except Exception as error:  # those of msgpack have nothing else in common
        raise ValueError(f"{str(path)!r}: is no checkpoint, or not a whole one") from error


def _by_path(tree: Any) -> dict[str, Any]:
    """The leaves of a pytree, by where they are in it."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves}


def _is_key(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _plain(leaf: Any) -> Array:
    return jax.random.key_data(leaf) if _is_key(leaf) else jnp.asarray(leaf)


def _like(array: Array, leaf: Any) -> Array:
    return jax.random.wrap_key_data(array) if _is_key(leaf) else array


def _words(array: Any) -> str:
    return "nothing" if array is None else f"{array.dtype} {array.shape}"
