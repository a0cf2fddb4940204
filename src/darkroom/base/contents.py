"""What a file is by its first bytes, for the error of a program that wanted something else."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from darkroom.base.files import open_regular

LOOKED_AT = 512
"""First bytes of a file that say what it is."""
POINTER = b"version https://git-lfs.github.com/spec/"


class Content(NamedTuple):
    """What a file is instead of what was wanted."""

    name: str
    remedy: str

    def __str__(self) -> str:
        return f"is {self.name}; {self.remedy}"


_AGAIN = "download it again, after logging in if its place asks for that"
_UNPACK = "unpack it"
_PACK = "unpack it, and pack its files as zip or tar"
_STARTS: tuple[tuple[bytes, Content], ...] = (
    (POINTER, Content("a pointer of Git LFS instead of the file", "fetch the file with git lfs pull")),
    (b"Rar!", Content("a RAR archive", _PACK)),
    (b"7z\xbc\xaf\x27\x1c", Content("a 7z archive", _PACK)),
    (b"PK\x03\x04", Content("a zip file, as an Excel workbook (.xlsx) is", "save the table in it as CSV in UTF-8")),
    (b"\xd0\xcf\x11\xe0", Content("an old Excel workbook (.xls)", "save the table in it as CSV in UTF-8")),
    (b"PAR1\x15", Content("a Parquet file", "rename it, so that its name ends in .parquet")),
    (b"\x1f\x8b", Content("compressed (gzip)", _UNPACK)),
    (b"BZh91AY&SY", Content("compressed (bzip2)", _UNPACK)),
    (b"\xfd7zXZ", Content("compressed (xz)", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", Content("compressed (zstd)", _UNPACK)),
)
_TEXTS: tuple[tuple[bytes, Content], ...] = (
    (b"<!doctype html", Content("a web page instead of the file", _AGAIN)),
    (b"<html", Content("a web page instead of the file", _AGAIN)),
    (b"{", Content("JSON", "write its labels as CSV, a row for each image")),
    (b"[", Content("JSON", "write its labels as CSV, a row for each image")),
)
"""Texts begin with white space or a byte order mark, too."""
NO_ARCHIVE = (POINTER, b"Rar!", b"7z\xbc\xaf\x27\x1c", b"PAR1\x15")
"""Beginnings of what is no zip or tar file, however damaged."""


def of_table(start: bytes) -> Content | None:
    """Return what a file is that was taken for a CSV file; None if it may be one."""
    return _starting(start, _STARTS) or _of_text(start)


def of_parquet(start: bytes) -> Content | None:
    """Return what a file is that was taken for a Parquet file; None if it begins like one, or is not known."""
    return None if start.startswith(b"PAR1") else of_table(start)


def of_archive(start: bytes) -> Content | None:
    """Return what a file is that was taken for a zip or tar file; None if it may be one, perhaps a damaged one."""
    return _starting(start, [each for each in _STARTS if each[0] in NO_ARCHIVE]) or _of_text(start)


def _of_text(start: bytes) -> Content | None:
    return _starting(start.removeprefix(b"\xef\xbb\xbf").lstrip().lower(), _TEXTS)


def start_of(path: Path) -> bytes:
    """Return the first bytes of a file; none if it cannot be read."""
    with suppress(OSError), open_regular(path) as file:
        return file.read(LOOKED_AT)
    return b""


def _starting(start: bytes, known: Sequence[tuple[bytes, Content]]) -> Content | None:
    return next((content for beginning, content in known if start.startswith(beginning)), None)
