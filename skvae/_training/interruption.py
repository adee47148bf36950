"""SIGTERM while training runs: an interruption like Ctrl-C, where nobody else takes care of it."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def termination_interrupts() -> Iterator[None]:
    """Turn the first SIGTERM inside the block into KeyboardInterrupt; a second one kills.

    A process that handles or ignores SIGTERM is left to its ways, and so is a worker: its pool
    waits for it to end.
    """
    if not _dies_of_termination():
        yield
        return

    def interrupt(number, frame):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _dies_of_termination() -> bool:
    return (
        threading.current_thread() is threading.main_thread()
        and multiprocessing.parent_process() is None
        and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    )
