"""Ctrl-C, or the button that stops the cell of a notebook, between two steps and not within one."""

import signal
import threading
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

    held = signal.getsignal(signal.SIGINT)
    elsewhere = threading.current_thread() is not threading.main_thread()
    if elsewhere or held in (None, signal.SIG_IGN):
        # To another thread nobody sends it. None is the handler of a program around Python, which
        # could not be put back, and a script that runs us in the background has it ignored.
        yield
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, held)
