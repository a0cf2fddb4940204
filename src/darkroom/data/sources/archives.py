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

from darkroom.base.errors import ImageError, InputError
from darkroom.data.formats.samples import Place, Sample
from darkroom.data.sources.layout import group_by_folder, is_hidden, is_image, read_layout

MAXIMUM_BYTES = 2**28  # limit for one file
MAXIMUM_GROWTH = 100  # limit of the total size, as a multiple of the archive's size
ALWAYS_ACCEPTED = 2**30  # total bytes that are accepted at any compression ratio
_READING = Lock()  # archive objects share one file position


@dataclass(frozen=True, slots=True)
class InZip:
    """A file inside a zip file."""

    archive: zipfile.ZipFile
    name: str

    def read(self) -> bytes:
        """Return the content of the file; zipfile reads no more bytes than the directory declares."""
        try:
            with _READING:
                return self.archive.read(self.name)
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


def find(path: Path) -> tuple[list[Sample], list[str]]:
    """List the images in an archive, and its other visible files.

    Folders that contain all images are not classes and are skipped.

    Raises:
        InputError: not an archive, or an unsafe one: paths outside it, links, devices or a decompression bomb.
    """
    inside = files(path)
    shared = _shared_folders(inside)
    places = {below.split("/", shared)[-1]: entry for below, entry in inside.items()}
    layout = read_layout(group_by_folder(places))
    found = [
        Sample(below + name, label, entry.place, split, order=entry.order)
        for (below, entries), label, split in layout.images
        for name, entry in entries.items()
    ]
    return found, layout.others


def files(path: Path) -> dict[str, Entry]:
    """Return the visible files of an archive by path, with forward slashes.

    Raises:
        InputError: not an archive, or an unsafe one; see ``find``.
    """
    found: dict[str, Entry] = {}
    total = 0
    for entry in _entries(path):
        total += entry.size
        _reject_unsafe(path, entry, total)
        below = PurePosixPath(entry.name)
        if not any(map(is_hidden, below.parts)):
            found[below.as_posix()] = entry
    return found


def _entries(path: Path) -> Iterator[Entry]:
    """Iterate over the directory of an archive without reading its files."""
    try:
        if zipfile.is_zipfile(path):
            zipped = zipfile.ZipFile(path)
            for info in zipped.infolist():
                if not info.is_dir():
                    link = stat.S_ISLNK(info.external_attr >> 16)
                    yield Entry(info.filename, info.file_size, not link, InZip(zipped, info.filename), 0)
        else:
            tar = tarfile.open(path)  # noqa: SIM115 - stays open while its images are read
            weakref.finalize(tar, tar.fileobj.close)
            for member in tar:
                if not member.isdir():
                    yield Entry(member.name, member.size, member.isreg(), InTar(tar, member), member.offset)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(":")
        what = "a folder" if path.is_dir() else f"not a zip or tar file that can be read ({reason})"
        raise InputError(f"{path} is {what}; expected an archive with one folder for each class") from None


def _reject_unsafe(path: Path, entry: Entry, total: int) -> None:
    below = PurePosixPath(entry.name.replace("\\", "/"))
    if below.is_absolute() or ".." in below.parts or ":" in below.parts[0]:
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


def _shared_folders(entries: dict[str, Entry]) -> int:
    """Count the leading folders that all images share, above their class folders."""
    above = [below.split("/")[:-2] for below in entries if is_image(below)]
    apart = (depth for depth, names in enumerate(zip(*above, strict=False)) if len(set(names)) > 1)
    return next(apart, min(map(len, above), default=0))
