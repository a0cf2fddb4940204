"""Labelled images of a source, read on demand."""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from darkroom.base.errors import ImageError
from darkroom.base.files import read_limited
from darkroom.base.types import SplitName
from darkroom.inference import images

MAXIMUM_FILE_BYTES = 2**28
"""Limit of one encoded image, in a folder, an archive or a table."""


class Place(Protocol):
    """Location of an image: a file, or an entry of a larger file."""

    def read(self) -> bytes | images.Pixels:
        """Return the encoded file or uint8 pixels.

        Raises:
            ImageError: the image cannot be read.
        """


class File(NamedTuple):
    """An image file."""

    path: str
    inode: int
    """Inode number; detects two files of equal size and time that were swapped."""

    def read(self) -> bytes:
        """Return the content of the file."""
        try:
            return read_limited(self.path, MAXIMUM_FILE_BYTES)
        except OSError as error:
            raise ImageError(f"cannot be read ({error.strerror})") from None


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that is not read, such as a link out of the folder."""

    reason: str

    def read(self) -> bytes:
        """Raise ImageError with the reason."""
        raise ImageError(self.reason)


@dataclass(frozen=True, slots=True)
class InMemory:
    """Pixels already in memory."""

    pixels: images.Pixels

    def read(self) -> images.Pixels:
        """Return the pixels."""
        return self.pixels


class Sample(NamedTuple):
    """One labelled image."""

    name: str
    """Unique within the source; in a folder or archive the relative path, with forward slashes."""
    label: str
    place: Place
    split: SplitName | None = None
    """Split assigned by the source. If it lacks validation or test images, ``train`` is divided further."""
    group: str = ""
    """Images of one group, such as a patient or video, stay in one split; empty if ungrouped."""
    order: int = 0
    """Position in a larger file, so that images are read sequentially."""

    def content(self) -> bytes | images.Pixels:
        """Return the encoded file or uint8 pixels.

        Raises:
            ImageError: the image cannot be read; the message starts with its name.
        """
        try:
            return self.place.read()
        except ImageError as error:
            raise ImageError(f"{self.name}: {error}") from None


class LeftOut(NamedTuple):
    """A file of the source that is not used."""

    name: str
    """As in ``Sample``."""
    reason: str
    remedy: str


def printable(name: str) -> str:
    """Return a file name with its bytes that are not UTF-8 as escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def content_hash(content: bytes | images.Pixels) -> str:
    """Return the SHA-256 of an encoded file, or of the shape and values of pixels.

    Encoded files are hashed as stored, not decoded: with the hash of the picture, it keeps an image in its split even
    if a newer decoder gives other pixels.
    """
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha256(repr(content.shape).encode() + np.ascontiguousarray(content).tobytes()).hexdigest()


def open_image(content: bytes | images.Pixels, least: int | None) -> images.Decoded:
    """Decode the content of a sample.

    Args:
        content: see ``Sample.content``.
        least: see ``images.decode_for``.

    Raises:
        ImageError: the image cannot be decoded.
    """
    if isinstance(content, bytes):
        return images.decode_for(content, least)
    image = images.from_array(content)
    return images.Decoded(image, *image.size, mode=image.mode)
