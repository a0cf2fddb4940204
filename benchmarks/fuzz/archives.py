"""Mutated zip and tar files through the source ``archive``, ingestion and the reading of ``darkroom drift``."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from benchmarks.fuzz.core import Input, Tally
from benchmarks.fuzz.mutations import mutate
from benchmarks.fuzz.sources import image, ingest_all
from darkroom.base.errors import InputError
from darkroom.drift import arrivals
from darkroom.params import DataParams

PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": lambda content: content,
    ".gz": lambda content: gzip.compress(content, 1, mtime=0),
    ".bz2": lambda content: bz2.compress(content, 1),
    ".xz": lambda content: lzma.compress(content, preset=0),
}
ZIP_WORDS = (
    b"PK\x01\x02",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"PK\x06\x07",
    b"\x01\0",
    b"\x0c\0",
    b"\x0e\0",
    b"../",
)
TAR_WORDS = (
    *(bytes([kind]) for kind in b"0123457LKSxgVD"),
    b"ustar\0",
    b"ustar  ",
    b"\x80\0\0\0\0",
    b"77777777777",
    b"GNU.sparse",
    b"../",
)


def family(folder: Path) -> "Archives":
    """Return the family; ``folder`` is for its files."""
    return Archives(folder)


class Archives:
    """Zip files of each compression and tar files of each format, with images in two classes and another file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        files = {f"{label}/{number}.png": image(number) for label in "ab" for number in range(3)}
        files["readme.txt"] = b"text"
        self._zips = [
            _zip(files, kind)
            for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
        ]
        self._tars = [_tar(files, form) for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]

    def make(self, generator: np.random.Generator) -> Input:
        """Mutate an archive, a compressed one before it is compressed or afterwards."""
        if generator.random() < 0.5:  # noqa: PLR2004
            return Input("raw.zip", mutate(self._zips[generator.integers(len(self._zips))], generator, ZIP_WORDS))
        content = self._tars[generator.integers(len(self._tars))]
        ending = [*PACKED][generator.integers(len(PACKED))]
        if generator.random() < 0.7:  # noqa: PLR2004
            content = mutate(content, generator, TAR_WORDS)
            if generator.random() < 0.7:  # noqa: PLR2004
                content = _with_checksums(content)
            return Input(f"raw.tar{ending}", PACKED[ending](content))
        return Input(f"raw.tar{ending}", mutate(PACKED[ending](content), generator))

    def attempt(self, given: Input) -> Tally:
        """Read an archive as ingest does, and list it as drift does."""
        path = self._folder / given.name
        path.write_bytes(given.content)
        with suppress(InputError):
            arrivals.find(str(path))
        return ingest_all(DataParams(source="archive", path=str(path)), self._folder)


def _zip(files: dict[str, bytes], kind: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", kind) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, kind)
    return packed.getvalue()


def _tar(files: dict[str, bytes], form: int) -> bytes:
    """Pack files; one has a long name, which GNU and PAX write in an entry of its own."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(
                name if form == tarfile.USTAR_FORMAT or name != "a/0.png" else f"a/{'long' * 60}.png"
            )
            entry.size = len(content)
            if form == tarfile.PAX_FORMAT:
                entry.pax_headers = {"comment": "text"}
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _with_checksums(content: bytes) -> bytes:
    """Correct the checksum of each block that looks like a header."""
    blocks = bytearray(content)
    for start in range(0, len(blocks) - 511, 512):
        if blocks[start + 257 : start + 262] == b"ustar":
            total = sum(blocks[start : start + 148]) + 8 * 32 + sum(blocks[start + 156 : start + 512])
            blocks[start + 148 : start + 156] = b"%06o\0 " % total
    return bytes(blocks)
