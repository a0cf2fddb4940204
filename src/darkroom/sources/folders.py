"""Image folders: ``<path>/<class>/<image>``, or ``<path>/<split>/<class>/<image>``."""

import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from darkroom.errors import InputError
from darkroom.samples import File, Sample
from darkroom.sources.layout import Listed, is_hidden, read_layout


def find(root: Path) -> tuple[list[Sample], list[str]]:
    """List the images of a folder, and the other files in it that are not hidden.

    Raises:
        InputError: it is no folder, or one inside it cannot be listed.
    """
    if not root.is_dir():
        raise InputError(f"data.path: {root} is not a folder; give the folder that holds one folder for each class")
    layout = read_layout(listed(root))
    found = [
        Sample(below + name, label, file, split)
        for (below, files), label, split in layout.images
        for name, file in files.items()
    ]
    return found, layout.others


def listed(root: Path) -> Iterator[Listed[File]]:
    """Walk through a folder, in the order of the parts of paths; links are followed, but into no folder twice.

    Raises:
        InputError: a folder cannot be listed.
    """
    return _listed(str(root), "", set())


def _listed(folder: str, below: str, seen: set[str]) -> Iterator[Listed[File]]:
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    try:
        with os.scandir(folder) as entries:
            found = {entry.name: entry for entry in entries if not is_hidden(entry.name)}
    except OSError as error:
        raise InputError(f"{folder} cannot be listed ({error.strerror}); make it readable, or remove it") from None
    inside = {name for name, entry in found.items() if _is_folder(entry)}
    for are_folders, together in groupby(sorted(found), inside.__contains__):
        if are_folders:
            for name in together:
                yield from _listed(f"{folder}/{name}", f"{below}{name}/", seen)
        else:
            yield Listed(below, {name: File(f"{folder}/{name}", _inode(found[name])) for name in together})


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself, or the like
        return False


def _inode(entry: os.DirEntry[str]) -> int:
    """Return the number of a file, or of what a link leads to; 0 where it leads nowhere."""
    try:
        return entry.stat().st_ino if entry.is_symlink() else entry.inode()
    except OSError:
        return 0
