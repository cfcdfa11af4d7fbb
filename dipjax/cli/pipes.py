"""A pipe that its reader has closed, as `| head -1` does, must not end a fit."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO


class Lenient:
    """A stream whose writes never fail: what its reader does not want goes nowhere."""

    def __init__(self, stream: TextIO):
        self.stream = stream

    def write(self, text: str) -> int:
        return self._try(lambda: self.stream.write(text), len(text))

    def flush(self) -> None:
        self._try(self.stream.flush, None)

    def _try(self, work: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return work()
        except OSError:  # of a closed pipe, or a disk that is full
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())  # what is still buffered goes there, too
            os.close(nowhere)
            return otherwise

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def lenient() -> Iterator[None]:
    """All that is printed meanwhile is printed if it can be."""
    streams: Any = sys.stdout, sys.stderr
    outer = [None if stream is None else Lenient(stream) for stream in streams]
    sys.stdout, sys.stderr = outer  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        for stream in outer:
            if stream is not None:  # None where there is no such stream at all
                stream.flush()  # or Python does it at its exit, and fails there
        sys.stdout, sys.stderr = streams
