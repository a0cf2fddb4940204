"""Limit the scans of a JPEG file: each takes a pass over all of its pixels, however few bytes it has."""

import re

from ..base.errors import ImageError

MAXIMUM_SCANS = 100
"""Programs write about ten, for a picture that gets sharper while it loads. As libtiff's limit."""
START, SCAN, END = b"\xff\xd8\xff", 0xDA, 0xD9
"""The file's first bytes, and the markers before a scan and at the end."""
MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
"""The next marker; in a scan, 0 after 255 stands for 255, and markers of restarts belong to it."""


def check(content: bytes) -> None:
    """Check that a JPEG file has few scans; other files pass.

    Raises:
        ImageError: it has more than ``MAXIMUM_SCANS``.
    """
    if not content.startswith(START):
        return
    count, place = 0, 2
    while (found := MARKER.search(content, place)) is not None and found[1][0] != END:
        count += found[1][0] == SCAN
        if count > MAXIMUM_SCANS:
            raise ImageError(f"it has more than {MAXIMUM_SCANS} scans; save the image again")
        place = found.end() + int.from_bytes(content[found.end() : found.end() + 2], "big")
