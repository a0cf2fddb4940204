"""Temporary files in memory: SQLite waits for the disk after each commit, and a test makes hundreds of them."""

import os
import tempfile
from pathlib import Path

PLACE = Path("/dev/shm")
LEAST = 8 * 2**30
"""Bytes that must be free."""


def keep_temporary_files():
    """Let ``tempfile`` and pytest use a file system in memory if there is a large one that can hold programs.

    ``TMPDIR`` decides if it is set; processes that the tests start inherit it.
    """
    if "TMPDIR" in os.environ or not PLACE.is_dir() or not os.access(PLACE, os.W_OK):
        return
    found = os.statvfs(PLACE)
    if found.f_bavail * found.f_frsize >= LEAST and not found.f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = tempfile.tempdir = str(PLACE)
