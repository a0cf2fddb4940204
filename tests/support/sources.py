"""Sources of images in tests, and how much it may cost to read them."""

import time
from contextlib import contextmanager
from pathlib import Path

from darkroom.params import DataParams


def of(source, path, **more):
    return DataParams(source=source, path=str(path), **more)


@contextmanager
def cheap(megabytes=300, seconds=8):
    """Check what the block needs: resident memory beside what the process has, and seconds of CPU."""
    Path("/proc/self/clear_refs").write_text("5")  # sets the peak to what is used now
    before, started = resident("VmRSS"), time.process_time()
    yield
    assert time.process_time() - started < seconds
    assert resident("VmHWM") - before < megabytes * 10**6


def resident(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
