"""One labelled image as its source holds it, read when it is needed."""

import hashlib
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np

from darkroom import images
from darkroom.errors import ImageError

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


class Place(Protocol):
    """Where an image lies: in a file of its own, or in a part of one."""

    def read(self) -> bytes | images.Pixels:
        """Return a file's bytes, or uint8 pixels.

        Raises:
            ImageError: it cannot be read.
        """


class File(NamedTuple):
    """A file of its own."""

    path: str
    inode: int
    """Its number in the file system: two files that change places can be told from it, if from nothing else."""

    def read(self) -> bytes:
        """Return the file's bytes."""
        try:
            with open(self.path, "rb") as file:  # noqa: PTH123 - a Path for each image would take longer
                return file.read()
        except OSError as error:
            raise ImageError(f"cannot be read ({error.strerror})") from None


@dataclass(frozen=True, slots=True)
class Held:
    """Pixels that are in memory already."""

    pixels: images.Pixels

    def read(self) -> images.Pixels:
        """Return the pixels."""
        return self.pixels


class Sample(NamedTuple):
    """One labelled image."""

    name: str
    """Unique within the source; for a folder or an archive the path below it, with forward slashes."""
    label: str
    place: Place
    split: SplitName | None = None
    """The split that the source itself gives; of one without validation or test images, ``train`` is divided."""
    group: str = ""
    """Images of one group, such as a patient or a video, never straddle splits; empty for an image by itself."""
    order: int = 0
    """Where in its file it lies, so that a packed one is read from front to back."""

    def content(self) -> bytes | images.Pixels:
        """Read the image: a file's bytes, or uint8 pixels.

        Raises:
            ImageError: it cannot be read; the text names it.
        """
        try:
            return self.place.read()
        except ImageError as error:
            raise ImageError(f"{self.name}: {error}") from None


def content_hash(content: bytes | images.Pixels) -> str:
    """Return the SHA-256 of a file's bytes, or of pixels together with their shape.

    It is taken over bytes as they are stored, not over decoded pixels: a newer decoder must not move an image to
    another split.
    """
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha256(repr(content.shape).encode() + np.ascontiguousarray(content).tobytes()).hexdigest()


def open_image(content: bytes | images.Pixels, least: int | None) -> images.Decoded:
    """Decode what a sample holds.

    Args:
        content: see ``Sample.content``.
        least: see ``images.decode_for``.

    Raises:
        ImageError: it cannot be decoded.
    """
    if isinstance(content, bytes):
        return images.decode_for(content, least)
    image = images.from_array(content)
    return images.Decoded(image, *image.size)
