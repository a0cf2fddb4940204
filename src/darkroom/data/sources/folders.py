"""Image folders: ``<path>/<class>/<image>`` or ``<path>/<split>/<class>/<image>``, see ``layout``."""

import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from darkroom.base.errors import InputError
from darkroom.data.formats.samples import File, LeftOut, Sample
from darkroom.data.sources.layout import is_hidden, read_layout
from darkroom.data.sources.tree import FolderFiles, LayoutName


def find(root: Path, rule: LayoutName) -> tuple[list[Sample], list[LeftOut], tuple[str, ...]]:
    """List the images of a folder, its other visible files, and what was taken for what.

    Raises:
        InputError: not a folder, a folder inside it cannot be listed, or its layout is ambiguous.
    """
    if not root.is_dir():
        raise InputError(f"data.path: {root} is not a folder; set it to the folder with one folder for each class")
    layout = read_layout(walk(root), rule)
    found = [
        Sample(below + name, label, file, split)
        for (below, files), label, split in layout.images
        for name, file in files.items()
    ]
    return found, layout.left_out, layout.notes


def walk(root: Path) -> Iterator[FolderFiles[File]]:
    """Walk through a folder, sorted by path components. Links are followed; each folder is visited once.

    Raises:
        InputError: a folder cannot be listed.
    """
    return _walk(str(root), "", set())


def _walk(folder: str, below: str, seen: set[str]) -> Iterator[FolderFiles[File]]:
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
                yield from _walk(f"{folder}/{name}", f"{below}{name}/", seen)
        else:
            yield FolderFiles(below, {name: File(f"{folder}/{name}", _inode(found[name])) for name in together})


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # for example a link to itself
        return False


def _inode(entry: os.DirEntry[str]) -> int:
    """Return the inode number of a file or link target; 0 for a broken link."""
    try:
        return entry.stat().st_ino if entry.is_symlink() else entry.inode()
    except OSError:
        return 0
