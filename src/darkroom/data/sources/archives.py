"""Zip or tar file of an image folder. Nothing is extracted to disk: files are read into memory one at a time."""

import stat
import tarfile
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import NamedTuple

from darkroom.base.errors import ImageError, InputError
from darkroom.data.formats.samples import LeftOut, Place, Sample
from darkroom.data.sources import entry_names
from darkroom.data.sources.layout import group_by_folder, is_hidden, read_layout
from darkroom.data.sources.tree import LayoutName

MAXIMUM_BYTES = 2**28  # limit for one file
MAXIMUM_GROWTH = 100  # limit of the total size, as a multiple of the archive's size
ALWAYS_ACCEPTED = 2**30  # total bytes that are accepted at any compression ratio
ENCRYPTED = 1  # flag of a zip entry
_READING = Lock()  # archive objects share one file position


@dataclass(frozen=True, slots=True)
class InZip:
    """A file inside a zip file."""

    archive: zipfile.ZipFile
    entry: zipfile.ZipInfo

    def read(self) -> bytes:
        """Return the content of the file; zipfile reads no more bytes than the directory declares."""
        if self.entry.flag_bits & ENCRYPTED:
            raise ImageError("is encrypted (pack the images without a password)")
        try:
            with _READING:
                return self.archive.read(self.entry)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
            raise ImageError(f"cannot be unpacked ({error})") from None


@dataclass(frozen=True, slots=True)
class InTar:
    """A file inside a tar file, compressed or not."""

    archive: tarfile.TarFile
    member: tarfile.TarInfo

    def read(self) -> bytes:
        """Return the content of the file."""
        try:
            with _READING:
                file = self.archive.extractfile(self.member)
                content = b"" if file is None else file.read()
        except (tarfile.TarError, zlib.error, OSError, EOFError) as error:
            raise ImageError(f"cannot be unpacked ({error})") from None
        if len(content) != self.member.size:
            raise ImageError("cannot be unpacked (the archive is truncated)")
        return content


@dataclass(frozen=True, slots=True)
class Entry:
    """Directory entry of a file in an archive."""

    name: str
    size: int
    plain: bool
    """A regular file, neither a link nor a device."""
    place: Place
    order: int


class Contents(NamedTuple):
    """The visible files of an archive."""

    entries: dict[str, Entry]
    """By path, with forward slashes."""
    replaced: list[LeftOut]
    """Entries that a later one of the same name replaces, as when an archive is unpacked."""


def find(
    path: Path, rule: LayoutName = "auto", encoding: str | None = None
) -> tuple[list[Sample], list[LeftOut], tuple[str, ...]]:
    """List the images in an archive, its other visible files, and what was taken for what.

    Args:
        path: the archive.
        rule: see ``read_layout``.
        encoding: see ``entry_names.of_zip``.

    Raises:
        InputError: not an archive, an unsafe one (paths outside it, links, devices or a decompression bomb), or its
            names or layout are ambiguous.
    """
    entries, replaced = contents(path, encoding)
    layout = read_layout(group_by_folder(entries), rule)
    found = [
        Sample(below + name, label, entry.place, split, order=entry.order)
        for (below, inside), label, split in layout.images
        for name, entry in inside.items()
    ]
    return found, [*layout.left_out, *replaced], layout.notes


def contents(path: Path, encoding: str | None = None) -> Contents:
    """Return the visible files of an archive.

    Raises:
        InputError: not an archive, or an unsafe one; see ``find``.
    """
    found: dict[str, Entry] = {}
    replaced: list[LeftOut] = []
    total = 0
    for number, entry in enumerate(_entries(path, encoding), start=1):
        total += entry.size
        _reject_unsafe(path, entry, total)
        below = PurePosixPath(entry.name)
        if any(map(is_hidden, below.parts)):
            continue
        name = below.as_posix()
        if name in found:
            again = f"entry {number} of the archive has the same name"
            replaced.append(LeftOut(f"{name} ({len(replaced) + 1})", again, "rename it, or pack the images again"))
        found[name] = entry
    return Contents(found, replaced)


def _entries(path: Path, encoding: str | None) -> Iterator[Entry]:
    """Iterate over the directory of an archive without reading its files."""
    try:
        if zipfile.is_zipfile(path):
            zipped = zipfile.ZipFile(path)
            for info in zipped.infolist():
                if not (name := entry_names.of_zip(path, info, encoding)).endswith("/"):
                    link = stat.S_ISLNK(info.external_attr >> 16)
                    yield Entry(name, info.file_size, not link, InZip(zipped, info), 0)
        else:
            tar = tarfile.open(path, encoding=encoding or "utf-8")  # noqa: SIM115 - stays open while images are read
            weakref.finalize(tar, tar.fileobj.close)
            for member in tar:
                if not member.isdir():
                    name = entry_names.of_tar(path, member.name, encoding)
                    yield Entry(name, member.size, member.isreg(), InTar(tar, member), member.offset)
    except UnicodeDecodeError:
        raise InputError(f"{path}: a name is marked as UTF-8 and is not; pack the images again") from None
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(":")
        what = "a folder" if path.is_dir() else f"not a zip or tar file that can be read ({reason})"
        raise InputError(f"{path} is {what}; expected an archive with one folder for each class") from None


def _reject_unsafe(path: Path, entry: Entry, total: int) -> None:
    below = PurePosixPath(entry.name.replace("\\", "/"))
    if not below.parts:
        what = "is no name of a file"
    elif below.is_absolute() or ".." in below.parts or ":" in below.parts[0]:
        what = "points outside the archive"
    elif not entry.plain:
        what = "is a link or a device"
    elif entry.size > MAXIMUM_BYTES:
        what = f"unpacks to {entry.size:,} bytes; at most {MAXIMUM_BYTES:,} per file are accepted"
    elif total > max(ALWAYS_ACCEPTED, MAXIMUM_GROWTH * path.stat().st_size):
        what = f"brings the total to {total:,} bytes, over {MAXIMUM_GROWTH} times the size of the archive"
    else:
        return
    raise InputError(
        f"{path}: {entry.name[:200]!r} {what}; the archive is not read: check where it came from, and pack "
        "the images again"
    )
