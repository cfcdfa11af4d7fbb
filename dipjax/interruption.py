"""Ctrl-C, or the button that stops the cell of a notebook, between two steps and not within one."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def collected(caught: list[int], say: Callable[[str], None]) -> Iterator[None]:
    """Within it Ctrl-C becomes an entry of `caught`, and only a second one KeyboardInterrupt.

    A fit that is interrupted where it happens to be has given its state away (see
    `fitting.iterate`); one that looks at `caught` between two chunks has a result.
    """

    def handler(number, frame):
        if caught:
            raise KeyboardInterrupt
        caught.append(number)
        say("stopping, to save what there is; again to give up")

    try:
        before = signal.signal(signal.SIGINT, handler)
    except ValueError:  # not in the main thread: nobody sends it here
        yield
        return
    try:
        yield
    finally:
        # None stands for a handler that Python did not install, and cannot put back.
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
