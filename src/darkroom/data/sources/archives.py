"""Zip or tar file of an image folder. Nothing is extracted to disk: files are read into memory one at a time."""

from pathlib import Path, PurePosixPath
from typing import NamedTuple

from darkroom.base.contents import of_archive, start_of
from darkroom.base.errors import InputError
from darkroom.base.failures import first_line
from darkroom.data.formats.samples import MAXIMUM_FILE_BYTES, LeftOut, Sample
from darkroom.data.sources import limits
from darkroom.data.sources.archive_files import DAMAGE, Entry, entries
from darkroom.data.sources.layout import group_by_folder, is_hidden, read_layout
from darkroom.data.sources.tree import LayoutName


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
    listed, replaced = contents(path, encoding)
    layout = read_layout(group_by_folder(listed), rule)
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
    try:
        most = limits.unpacked_bytes(path)
        for number, entry in enumerate(entries(path, encoding), start=1):
            total += entry.size
            _reject_unsafe(path, entry, total, most)
            below = PurePosixPath(entry.name)
            if any(map(is_hidden, below.parts)):
                continue
            name = below.as_posix()
            if name in found:
                again = f"entry {number} of the archive has the same name"
                replaced.append(LeftOut(f"{name} ({len(replaced) + 1})", again, "rename it, or pack the images again"))
            found[name] = entry
    except InputError:
        raise
    except UnicodeDecodeError:
        raise InputError(f"{path}: a name is marked as UTF-8 and is not; pack the images again") from None
    except DAMAGE as error:
        reason = first_line(error).rstrip(":")
        if other := of_archive(start_of(path)):
            raise InputError(f"{path} {other}") from None
        what = "a folder" if path.is_dir() else f"not a zip or tar file that can be read ({reason})"
        raise InputError(f"{path} is {what}; expected an archive with one folder for each class") from None
    return Contents(found, replaced)


def _reject_unsafe(path: Path, entry: Entry, total: int, most: int) -> None:
    below = PurePosixPath(entry.name.replace("\\", "/"))
    if not below.parts:
        what = "is no name of a file"
    elif below.is_absolute() or ".." in below.parts or ":" in below.parts[0]:
        what = "points outside the archive"
    elif not entry.plain:
        what = "is a link or a device"
    elif not 0 <= entry.size <= MAXIMUM_FILE_BYTES:
        what = f"unpacks to {entry.size:,} bytes; at most {MAXIMUM_FILE_BYTES:,} per file are accepted"
    elif total > most:
        what = f"brings the total to {total:,} bytes, over {limits.MAXIMUM_GROWTH} times the size of the archive"
    else:
        return
    raise InputError(
        f"{path}: {entry.name[:200]!r} {what}; the archive is not read: check where it came from, and pack "
        "the images again"
    )
