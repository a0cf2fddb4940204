"""Zip or tar file of an image folder. Nothing is extracted to disk: files are read into memory one at a time."""

from pathlib import Path, PurePosixPath

from darkroom.base.errors import InputError
from darkroom.data.formats.samples import MAXIMUM_FILE_BYTES, Sample
from darkroom.data.sources import limits
from darkroom.data.sources.archive_files import DAMAGE, Entry, entries
from darkroom.data.sources.layout import group_by_folder, is_hidden, is_image, read_layout


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
    try:
        most = limits.unpacked_bytes(path)
        for entry in entries(path):
            total += entry.size
            _reject_unsafe(path, entry, total, most)
            below = PurePosixPath(entry.name)
            if not any(map(is_hidden, below.parts)):
                found[below.as_posix()] = entry
    except InputError:
        raise
    except DAMAGE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")
        what = "a folder" if path.is_dir() else f"not a zip or tar file that can be read ({reason})"
        raise InputError(f"{path} is {what}; expected an archive with one folder for each class") from None
    return found


def _reject_unsafe(path: Path, entry: Entry, total: int, most: int) -> None:
    below = PurePosixPath(entry.name.replace("\\", "/"))
    if below.is_absolute() or ".." in below.parts or ":" in below.parts[0]:
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


def _shared_folders(entries: dict[str, Entry]) -> int:
    """Count the leading folders that all images share, above their class folders."""
    above = [below.split("/")[:-2] for below in entries if is_image(below)]
    apart = (depth for depth, names in enumerate(zip(*above, strict=False)) if len(set(names)) > 1)
    return next(apart, min(map(len, above), default=0))
