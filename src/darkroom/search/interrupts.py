"""Ctrl-C during a search, wherever it arrives."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def kept_interrupts() -> Iterator[Callable[[], None]]:
    """Within the block, yield a function that raises KeyboardInterrupt if an earlier one was lost.

    Python prints and ignores an exception in a finalizer, such as those of database connections, of which a search runs
    many; a KeyboardInterrupt too. Only Python's own handler is replaced, and only in the main thread.
    """
    asked = threading.Event()

    def check() -> None:
        if asked.is_set():
            raise KeyboardInterrupt

    def keep(*_: Any) -> None:
        asked.set()
        raise KeyboardInterrupt

    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield check
        return
    signal.signal(signal.SIGINT, keep)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
