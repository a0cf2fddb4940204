"""Progress messages on the terminal."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

from darkroom.base.terminal import shown

PATIENCE = 0.5  # seconds; quick commands print nothing


@contextmanager
def step(text: str, patience: float = PATIENCE) -> Iterator[None]:
    """Print what a command is doing to standard error, if that is a terminal and the step takes long.

    Args:
        text: what the command is doing.
        patience: seconds before printing; 0 for steps that import TensorFlow, during which no other thread runs.
    """
    if not sys.stderr.isatty():
        yield
        return
    # A duplicate, since standard error is suppressed while TensorFlow is imported.
    terminal = os.dup(sys.stderr.fileno())
    timer = Timer(patience, os.write, (terminal, f"{shown(text)} …\n".encode()))
    timer.daemon = True
    timer.start()
    if not patience:
        timer.join()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        os.close(terminal)
