"""What every command looks at before anything is computed; a mistake is a ValueError."""

import os
from collections.abc import Sequence
from pathlib import Path

from dipjax import images
from dipjax.images import Picture


def files(
    read: Sequence[Path],
    written: Sequence[tuple[Path, Picture | None]],
    *,
    overwrite: bool,
    factor: int = 1,
) -> None:
    """All that will be written can be, each to a place of its own, and is nothing that is read.

    Args:
        read: the files that the run reads.
        written: those that it writes, with the picture that a file has to hold, or None.
        overwrite: replace what exists already; never what is read.
        factor: by how much larger the pictures will be than those that have to be held.
    """
    for path, picture in written:
        if any(path.exists() and other.exists() and path.samefile(other) for other in read):
            raise ValueError(f"{str(path)!r}: is an input; choose another file to write to")
        if sum(path.resolve() == other.resolve() for other, _ in written) > 1:
            raise ValueError(f"{str(path)!r}: is given twice; choose different files to write to")
        images.check_target(path, overwrite=overwrite, picture=picture, factor=factor)


def folder(option: str, path: Path) -> None:
    """What an option names is a folder that can be written into, or can be made; none is left."""
    made: list[Path] = []
    try:
        for place in reversed([path, *path.parents]):
            if not place.is_dir():
                place.mkdir()
                made.append(place)
        if not os.access(path, os.W_OK):
            raise ValueError(f"{option} {path}: cannot be written to")
    except OSError as error:
        reason = error.strerror
        raise ValueError(f"{option} {path}: cannot be made a folder ({reason})") from error
    finally:
        for place in reversed(made):
            place.rmdir()


def sigma(value: float | None) -> None:
    """A level of noise, where one is given, is on the scale of the image."""
    if value is not None and not 0 < value <= 1:
        raise ValueError(f"--sigma {value}: must be in (0, 1], on the scale where white is 1")


def factor(value: int, side: int) -> None:
    """By how much to enlarge a picture whose smaller side has so many pixels."""
    if side < 2:
        raise ValueError("the input is a single line of pixels, which cannot be enlarged")
    if not 2 <= value <= side:
        raise ValueError(
            f"--factor {value}: must be from 2 to {side}, the smaller side of the input"
        )


def settings(*, steps: int | None, seed: int) -> None:
    """The settings that every fit has are in their ranges."""
    if steps is not None and not 1 <= steps <= 10**7:
        raise ValueError(f"--steps {steps}: must be from 1 to {10**7}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"--seed {seed}: must be from 0 to {2**32 - 1}")
