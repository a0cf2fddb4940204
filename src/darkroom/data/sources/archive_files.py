"""Open zip and tar files and read what they hold in bounded steps, whatever their directories declare."""

import bz2
import copy
import gzip
import lzma
import stat
import struct
import tarfile
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from darkroom.base.errors import ImageError
from darkroom.base.files import open_regular
from darkroom.base.hooks import require_hook
from darkroom.data.formats.samples import Place
from darkroom.data.sources import entry_names, limits

DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, struct.error),
    *(ValueError, LookupError, OverflowError, NotImplementedError, RuntimeError),
)
"""Exceptions of the standard library on damaged, encrypted or unsupported archives."""
ENCRYPTED = 1  # flag of a zip entry
STEP = 2**16  # bytes read at a time
ENTRY_OF_ZIP = b"PK\x01\x02"  # begins each entry of a zip file's directory
LZMA_HEADER = struct.Struct("<xxHBI")
"""Version, size of the properties, lc, lp and pb in one byte, size of the dictionary (APPNOTE.TXT 5.8)."""
_READING = Lock()  # archive objects share one file position


@dataclass(frozen=True, slots=True)
class Entry:
    """Directory entry of a file in an archive."""

    name: str
    size: int
    plain: bool
    """A regular file, neither a link nor a device."""
    place: Place
    order: int


@dataclass(frozen=True, slots=True)
class InZip:
    """A file inside a zip file."""

    archive: zipfile.ZipFile
    info: zipfile.ZipInfo

    def read(self) -> bytes:
        """Return the content of the file; no more bytes are unpacked than the directory declares."""
        if self.info.flag_bits & ENCRYPTED:
            raise ImageError("is encrypted (pack the images without a password)")
        try:
            with _READING:
                return _unzip(self.archive, self.info)
        except DAMAGE as error:
            raise ImageError(f"cannot be unpacked ({error})") from None


@dataclass(frozen=True, slots=True)
class InTar:
    """A file inside a tar file, compressed or not."""

    stream: "TarStream"
    offset: int
    size: int
    sparse: bool
    """Stored without its zeros. Images have none to leave out."""

    def read(self) -> bytes:
        """Return the content of the file."""
        if self.sparse:
            raise ImageError("cannot be unpacked (stored as a sparse file); pack it without --sparse")
        try:
            with _READING:
                self.stream.allow(self.size)
                self.stream.seek(self.offset)
                content = self.stream.read(self.size)
        except DAMAGE as error:
            raise ImageError(f"cannot be unpacked ({error})") from None
        if len(content) != self.size:
            raise ImageError("cannot be unpacked (the archive is truncated)")
        return content


class TarStream:
    """The unpacked bytes of a tar file.

    Reads count against an allowance, so that headers of any form stay small; skipped bytes count against the limit of
    the whole archive.
    """

    def __init__(self, path: Path) -> None:
        raw = open_regular(path)
        weakref.finalize(self, raw.close)
        self._file = _decompressed(raw)
        self._most = limits.unpacked_bytes(path)
        self.allow(limits.MAXIMUM_HEADER)

    def allow(self, count: int) -> None:
        """Set how many bytes may be read until the next call."""
        self._allowed = count

    def read(self, size: int = -1) -> bytes:
        """Read up to ``size`` bytes.

        Raises:
            tarfile.ReadError: more than is allowed.
        """
        self._allowed -= size
        if size < 0 or self._allowed < 0:
            raise tarfile.ReadError(f"a header of more than {limits.MAXIMUM_HEADER:,} bytes")
        content: bytes = self._file.read(size)
        return content

    def seek(self, position: int) -> int:
        """Skip to a position.

        Raises:
            tarfile.ReadError: it is past the limit of the archive.
        """
        if not 0 <= position <= self._most:
            raise tarfile.ReadError(f"unpacks to more than {self._most:,} bytes")
        return int(self._file.seek(position))

    def tell(self) -> int:
        """Return the position."""
        return int(self._file.tell())


def entries(path: Path, encoding: str | None) -> Iterator[Entry]:
    """Iterate over the directory of an archive without reading its files.

    Args:
        path: the archive.
        encoding: see ``entry_names.of_zip``.

    Raises:
        InputError: a name is in an encoding that does not fit.
        Exception: one of ``DAMAGE``: the archive cannot be read, or has too many files.
    """
    most = limits.entries(path)
    with open_regular(path) as file:
        zipped = zipfile.is_zipfile(file)
    for count, entry in enumerate(_in_zip(path, encoding, most) if zipped else _in_tar(path, encoding)):
        if count == most:
            raise tarfile.ReadError(f"more than {most:,} files")
        yield entry


def _in_zip(path: Path, encoding: str | None, most: int) -> Iterator[Entry]:
    file = open_regular(path)
    try:
        _count_entries(file, most)
        zipped = zipfile.ZipFile(file)
    except BaseException:
        file.close()
        raise
    weakref.finalize(zipped, file.close)
    for info in zipped.infolist():
        if not (name := entry_names.of_zip(path, info, encoding)).endswith("/"):
            link = stat.S_ISLNK(info.external_attr >> 16)
            yield Entry(name, info.file_size, not link, InZip(zipped, info), 0)


def _count_entries(file: BinaryIO, most: int) -> None:
    """Check the number of entries of a zip file before zipfile makes an object of each."""
    end = require_hook(zipfile, "_EndRecData", "Python")(file)
    if end is None:
        raise zipfile.BadZipFile("no end of central directory record")
    # Size of the directory, and where the record behind it begins. That of a zip64 file lies before another one.
    size, behind = end[5], end[9]
    file.seek(max(behind - size - 76, 0))
    count, rest, kept = 0, size + 76, b""
    while rest > 0 and (block := file.read(min(rest, STEP))):
        rest -= len(block)
        count += (kept + block).count(ENTRY_OF_ZIP)
        kept = block[1 - len(ENTRY_OF_ZIP) :]
        if count > most:
            raise zipfile.BadZipFile(f"more than {most:,} files")


def _in_tar(path: Path, encoding: str | None) -> Iterator[Entry]:
    stream: Any = TarStream(path)
    tar: Any = tarfile.TarFile(fileobj=stream, encoding=encoding or "utf-8")
    while True:
        stream.allow(limits.MAXIMUM_HEADER)
        member = tar.next()
        if member is None:
            return
        tar.members = []  # tarfile would keep all
        if not member.isdir():
            place = InTar(stream, member.offset_data, member.size, member.issparse())
            name = entry_names.of_tar(path, member.name, encoding)
            yield Entry(name, member.size, member.isreg(), place, member.offset)


def _decompressed(file: BinaryIO) -> Any:
    """Return the unpacked content of a file that may be compressed, by its first bytes."""
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if start.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if start.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")):
        return lzma.LZMAFile(file)
    return file


def _unzip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.compress_type in {zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}:
        content = _unzip_whole_blocks(archive, info)
    else:
        with archive.open(info) as file:
            content = file.read(info.file_size + 1)  # one more, so that zipfile compares the checksum
    if len(content) < info.file_size:
        raise zipfile.BadZipFile(f"it holds less than the {info.file_size:,} bytes that it declares")
    return content


def _unzip_whole_blocks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Unpack bzip2 or LZMA, of which zipfile unpacks whole blocks of any size."""
    # Read the packed bytes, as if they were stored.
    packed: Any = copy.copy(info)
    packed.compress_type, packed.file_size = zipfile.ZIP_STORED, info.compress_size
    packed.CRC = None  # then zipfile does not check it
    with archive.open(packed) as file:
        if info.compress_type == zipfile.ZIP_BZIP2:
            content = _inflate(file, bz2.BZ2Decompressor(), info.file_size)
        else:
            content = _inflate(file, _lzma(file.read(LZMA_HEADER.size), info.file_size), info.file_size)
    if len(content) > info.file_size:
        raise zipfile.BadZipFile(f"it holds more than the {info.file_size:,} bytes that it declares")
    if zlib.crc32(content) != info.CRC:
        raise zipfile.BadZipFile(f"Bad CRC-32 for file {info.filename!r}")
    return content


def _lzma(header: bytes, size: int) -> lzma.LZMADecompressor:
    """Return the decompressor of a file of ``size`` bytes; its dictionary is no larger, whatever the header says."""
    length, packed, dictionary = LZMA_HEADER.unpack(header)
    if length != 5:  # noqa: PLR2004 - of LZMA1
        raise zipfile.BadZipFile("unknown LZMA properties")
    filters = {
        "id": lzma.FILTER_LZMA1,
        "dict_size": max(min(dictionary, size), 4096),
        "lc": packed % 9,
        "lp": packed // 9 % 5,
        "pb": packed // 45,
    }
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[filters])


def _inflate(file: Any, decompressor: "bz2.BZ2Decompressor | lzma.LZMADecompressor", most: int) -> bytes:
    """Unpack up to ``most`` bytes, and one more if there are more."""
    content = bytearray()
    while not decompressor.eof and len(content) <= most:
        packed = file.read(STEP) if decompressor.needs_input else b""
        if decompressor.needs_input and not packed:
            break
        content += decompressor.decompress(packed, max_length=most + 1 - len(content))
    return bytes(content)
