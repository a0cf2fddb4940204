"""A zip or tar file of an image folder. Nothing is ever extracted: files are read into memory, one at a time."""

import stat
import tarfile
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock

from darkroom.errors import ImageError, InputError
from darkroom.samples import Place, Sample
from darkroom.sources.layout import is_hidden, is_image, read_layout, side_by_side

MAXIMUM_BYTES = 2**28  # of one file
MAXIMUM_GROWTH = 100  # times the size of the archive, of all files together
ALWAYS_ACCEPTED = 2**30  # bytes of all files together

_READING = Lock()  # an archive has one place at which it is read


@dataclass(frozen=True, slots=True)
class InZip:
    """A file inside a zip file."""

    archive: zipfile.ZipFile
    name: str

    def read(self) -> bytes:
        """Return the file's bytes: no more than the archive says that it has, whatever the packed bytes would give."""
        try:
            with _READING:
                return self.archive.read(self.name)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
            raise ImageError(f"cannot be unpacked ({error})") from None


@dataclass(frozen=True, slots=True)
class InTar:
    """A file inside a tar file, packed as a whole or not."""

    archive: tarfile.TarFile
    member: tarfile.TarInfo

    def read(self) -> bytes:
        """Return the file's bytes."""
        try:
            with _READING:
                file = self.archive.extractfile(self.member)
                content = b"" if file is None else file.read()
        except (tarfile.TarError, zlib.error, OSError, EOFError) as error:
            raise ImageError(f"cannot be unpacked ({error})") from None
        if len(content) != self.member.size:
            raise ImageError("cannot be unpacked (the archive ends before)")
        return content


@dataclass(frozen=True, slots=True)
class Entry:
    """What an archive says of one of its files."""

    name: str
    size: int
    plain: bool
    """Neither a link nor a device."""
    place: Place
    order: int


def find(path: Path) -> tuple[list[Sample], list[str]]:
    """List the images in an archive, and the other files in it that are not hidden.

    Folders that all images are in are no classes.

    Raises:
        InputError: it is no archive, or one that wants to write elsewhere or to fill the memory.
    """
    inside = files(path)
    shared = _shared_folders(inside)
    places = {below.split("/", shared)[-1]: entry for below, entry in inside.items()}
    layout = read_layout(side_by_side(places))
    found = [
        Sample(below + name, label, entry.place, split, order=entry.order)
        for (below, entries), label, split in layout.images
        for name, entry in entries.items()
    ]
    return found, layout.others


def files(path: Path) -> dict[str, Entry]:
    """Return the files of an archive that are not hidden, by their names with forward slashes.

    Raises:
        InputError: it is no archive, or one that wants to write elsewhere or to fill the memory.
    """
    found: dict[str, Entry] = {}
    total = 0
    for entry in _entries(path):
        total += entry.size
        _refuse_hostile(path, entry, total)
        below = PurePosixPath(entry.name)
        if not any(map(is_hidden, below.parts)):
            found[below.as_posix()] = entry
    return found


def _entries(path: Path) -> Iterator[Entry]:
    """Go through an archive's files, each known by what the archive says of it alone."""
    try:
        if zipfile.is_zipfile(path):
            zipped = zipfile.ZipFile(path)
            for info in zipped.infolist():
                if not info.is_dir():
                    link = stat.S_ISLNK(info.external_attr >> 16)
                    yield Entry(info.filename, info.file_size, not link, InZip(zipped, info.filename), 0)
        else:
            tar = tarfile.open(path)  # noqa: SIM115 - it stays open as long as its images are read
            weakref.finalize(tar, tar.fileobj.close)
            for member in tar:
                if not member.isdir():
                    yield Entry(member.name, member.size, member.isreg(), InTar(tar, member), member.offset)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(":")
        what = "a folder" if path.is_dir() else f"not a zip or tar file that can be read ({reason})"
        raise InputError(f"{path} is {what}; give one that holds one folder for each class") from None


def _refuse_hostile(path: Path, entry: Entry, total: int) -> None:
    below = PurePosixPath(entry.name.replace("\\", "/"))
    if below.is_absolute() or ".." in below.parts or ":" in below.parts[0]:
        what = "leads out of the archive"
    elif not entry.plain:
        what = "is a link or a device"
    elif entry.size > MAXIMUM_BYTES:
        what = f"unpacks to {entry.size:,} bytes, and at most {MAXIMUM_BYTES:,} are read of one file"
    elif total > max(ALWAYS_ACCEPTED, MAXIMUM_GROWTH * path.stat().st_size):
        what = f"brings all files to {total:,} bytes, over {MAXIMUM_GROWTH} times the archive's own"
    else:
        return
    raise InputError(
        f"{path}: {entry.name[:200]!r} {what}; nothing of such an archive is used: "
        "look where it came from, and pack the images anew"
    )


def _shared_folders(entries: dict[str, Entry]) -> int:
    """Count the folders at the top that all images lie in, above their classes."""
    above = [below.split("/")[:-2] for below in entries if is_image(below)]
    apart = (depth for depth, names in enumerate(zip(*above, strict=False)) if len(set(names)) > 1)
    return next(apart, min(map(len, above), default=0))
