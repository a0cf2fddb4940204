"""Separate an image file from its metadata, so that metadata never decide whether a picture can be used.

Colour profiles, comments, resolutions, thumbnails and Exif blocks may be damaged, of unexpected types, or larger than
Pillow accepts. They are removed before Pillow sees the file. Only the orientation is read from them; if it cannot be
read, the picture is upright.
"""

import re
import struct
from collections.abc import Sequence
from typing import NamedTuple

UPRIGHT = 1
DAMAGE = (struct.error, IndexError, OverflowError)
"""What reading numbers from cut content, or positions beyond it, raises."""
ORIENTATION = 274  # tag in TIFF and Exif
NUMBERS = {1: "B", 3: "H", 4: "I"}
"""Types of tags that hold whole numbers: BYTE, SHORT, LONG (TIFF 6.0)."""
PIXEL_TAGS = frozenset(
    {
        *(254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 280, 281, 284, 292, 293, 317, 320, 322, 323, 324),
        *(325, 332, 334, 338, 339, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532, 0xBC01),
    }
)
"""TIFF tags that determine pixels: size, layout, compression, palette, meaning of the samples."""
FILL, START_OF_SCAN, COMMENT, FIRST_APPLICATION, LAST_APPLICATION = 0xFF, 0xDA, 0xFE, 0xE0, 0xEF
"""Markers of JPEG files."""
COLOUR_SEGMENTS = {0xE0: 16, 0xEE: 14}
"""Markers of JFIF and Adobe, which determine the colour space, and the least length that decoders heed."""
EXIF_START = b"Exif\0\0"
XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')


class Stripped(NamedTuple):
    """An image file without metadata."""

    content: bytes
    orientation: int
    """Exif orientation, 1 to 8; 1 is upright."""


class _Directory(NamedTuple):
    """The first directory of a TIFF file or Exif block."""

    start: int
    """Position of the number of entries."""
    number: str
    """Formats of the number of entries and of positions in the file, in the notation of ``struct``."""
    offset: str
    entries: list[bytes]

    def orientation(self) -> int:
        """Return the orientation; 0 if there is none."""
        order = self.offset[0]
        for entry in self.entries:
            tag, kind, count = struct.unpack_from(f"{order}HH{self.offset[1]}", entry)
            if tag == ORIENTATION and kind in NUMBERS and count == 1:
                return int(struct.unpack_from(order + NUMBERS[kind], entry, 4 + struct.calcsize(self.offset))[0])
        return 0


def strip(content: bytes) -> Stripped:
    """Remove the metadata of a PNG, JPEG, TIFF or WebP file; other content is returned unchanged.

    The pixels of the first picture stay the same. Damaged content is returned as it is from the damage on.
    """
    for start, reader in _READERS.items():
        if content.startswith(start):
            try:
                return reader(content)
            except DAMAGE:
                break  # the decoder says what is damaged
    return Stripped(content, UPRIGHT)


def of_exif(block: bytes) -> int:
    """Return the orientation of an Exif block; upright if it has none or is damaged."""
    return _orientation([block], [])


def _png(content: bytes) -> Stripped:
    """Keep critical chunks and transparency (PNG, third edition), and thereby the first image of an animation."""
    view, exif, xmp = memoryview(content), list[bytes](), list[bytes]()
    kept, place = [view[:8]], 8
    while place + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        end = place + 12 + length
        if end > len(content):
            break
        if name[0] & 0x20 and name != b"tRNS":  # a small first letter: ancillary
            (exif if name == b"eXIf" else xmp).append(content[place + 8 : end - 4])
        else:
            kept.append(view[place:end])
        place = end
    return _joined(content, [*kept, view[place:]], exif, xmp)


def _jpeg(content: bytes) -> Stripped:
    """Keep all segments but application data and comments, and thereby the first of several pictures."""
    view, exif, xmp = memoryview(content), list[bytes](), list[bytes]()
    kept, place = [view[:2]], 2
    while content[place] == FILL:
        marker = content[place + 1]
        if marker == FILL:  # any number of fill bytes may precede a marker
            place += 1
            continue
        (length,) = struct.unpack_from(">H", content, place + 2)
        end = place + 2 + length
        if marker == START_OF_SCAN or length < struct.calcsize("H") or end > len(content):
            break
        is_application = FIRST_APPLICATION <= marker <= LAST_APPLICATION
        if marker == COMMENT or (is_application and length < COLOUR_SEGMENTS.get(marker, length + 1)):
            segment = content[place + 4 : end]
            (exif if segment.startswith(EXIF_START) else xmp).append(segment)
        else:
            kept.append(view[place:end])
        place = end
    return _joined(content, [*kept, view[place:]], exif, xmp)


def _webp(content: bytes) -> Stripped:
    """Read the orientation only; the decoder ignores metadata."""
    exif, xmp, place = list[bytes](), list[bytes](), 12
    while place + 8 <= len(content):
        name, length = struct.unpack_from("<4sI", content, place)
        if name in {b"EXIF", b"XMP "}:
            (exif if name == b"EXIF" else xmp).append(content[place + 8 : place + 8 + length])
        place += 8 + length + length % 2
    return Stripped(content, _orientation(exif, xmp))


def _tiff(content: bytes) -> Stripped:
    """Keep the first directory, and of it the tags that determine pixels."""
    directory = _directory(content)
    order = directory.offset[0]
    kept = [entry for entry in directory.entries if struct.unpack_from(f"{order}H", entry)[0] in PIXEL_TAGS]
    no_next = struct.pack(directory.offset, 0)
    written = b"".join([struct.pack(directory.number, len(kept)), *kept, no_next])
    end = directory.start + len(written)
    content = b"".join([content[: directory.start], written, content[end:]])
    return Stripped(content, _upright_unless(directory.orientation()))


def _directory(block: bytes) -> _Directory:
    """Read the first directory of a TIFF or BigTIFF file, or of an Exif block.

    Raises:
        struct.error: there is none, or it is cut.
        OverflowError: it should be at a position that no file has.
    """
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        raise struct.error("no byte order")
    is_big = struct.unpack_from(f"{order}H", block, 2)[0] == 43  # noqa: PLR2004 - BigTIFF's version
    number, offset, size = (f"{order}Q", f"{order}Q", 20) if is_big else (f"{order}H", f"{order}I", 12)
    (start,) = struct.unpack_from(offset, block, 8 if is_big else 4)
    (count,) = struct.unpack_from(number, block, start)
    first = start + struct.calcsize(number)
    if first + size * count > len(block):
        raise struct.error("a directory is cut")
    return _Directory(start, number, offset, [block[at : at + size] for at in range(first, first + size * count, size)])


def _joined(content: bytes, kept: Sequence[memoryview], exif: Sequence[bytes], xmp: Sequence[bytes]) -> Stripped:
    """Join the parts to keep; copy nothing if that is all."""
    is_changed = sum(map(len, kept)) != len(content)
    return Stripped(b"".join(kept) if is_changed else content, _orientation(exif, xmp))


def _orientation(exif: Sequence[bytes], xmp: Sequence[bytes]) -> int:
    """Return the orientation of the first Exif block that has one, else of the XMP text."""
    for block in exif:
        try:
            found = _directory(block.removeprefix(EXIF_START)).orientation()
        except DAMAGE:
            continue
        if found:
            return _upright_unless(found)
    match = next(filter(None, map(XMP_ORIENTATION.search, xmp)), None)
    return int(match[1]) if match else UPRIGHT


def _upright_unless(orientation: int) -> int:
    return orientation if orientation in range(1, 9) else UPRIGHT


_READERS = {
    b"\x89PNG\r\n\x1a\n": _png,
    b"\xff\xd8\xff": _jpeg,
    b"RIFF": _webp,
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _tiff),
}
