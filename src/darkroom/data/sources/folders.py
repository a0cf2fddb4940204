"""Image folders: ``<path>/<class>/<image>`` or ``<path>/<split>/<class>/<image>``, see ``layout``."""

import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from darkroom.base.errors import InputError
from darkroom.base.files import leads_out
from darkroom.data.formats.samples import File, LeftOut, Sample
from darkroom.data.sources.layout import is_hidden, read_layout
from darkroom.data.sources.tree import FolderFiles, LayoutName

LEADS_OUT = ("it is a link out of the folder", "copy its target into the folder, or set data.follow_links: true")
READ_ALREADY = ("it is a link to a folder that is read at its own place", "remove it")


def find(root: Path, rule: LayoutName, *, follow: bool = False) -> tuple[list[Sample], list[LeftOut], tuple[str, ...]]:
    """List the images of a folder, its other visible files, and what was taken for what.

    Args:
        root: the folder.
        rule: see ``read_layout``.
        follow: whether to follow links that lead out of the folder.

    Raises:
        InputError: not a folder, a folder inside it cannot be listed, or its layout is ambiguous.
    """
    if not root.is_dir():
        raise InputError(f"data.path: {root} is not a folder; set it to the folder with one folder for each class")
    walk = Walk(root, follow=follow)
    layout = read_layout(walk.folders(), rule)
    found = [
        Sample(below + name, label, file, split)
        for (below, files), label, split in layout.images
        for name, file in files.items()
    ]
    return found, [*layout.left_out, *walk.left_out], layout.notes


class Walk:
    """A walk through a folder, sorted by path components; each folder in it is visited once, at its own place."""

    def __init__(self, root: Path, *, follow: bool = False) -> None:
        self._root = root
        self._real = os.path.realpath(root)
        self._follow = follow
        self._seen: set[str] = set()
        self.left_out: list[LeftOut] = []
        """Links that are not followed; complete after the walk."""

    def folders(self) -> Iterator[FolderFiles[File]]:
        """Yield the folders with their files.

        Raises:
            InputError: a folder cannot be listed.
        """
        return self._in(str(self._root), "")

    def _in(self, folder: str, below: str) -> Iterator[FolderFiles[File]]:
        self._seen.add(os.path.realpath(folder))
        try:
            with os.scandir(folder) as entries:
                found = {entry.name: entry for entry in entries if not is_hidden(entry.name)}
        except OSError as error:
            raise InputError(f"{folder} cannot be listed ({error.strerror}); make it readable, or remove it") from None
        inside = {name for name, entry in found.items() if _is_folder(entry)}
        names = [name for name in sorted(found) if not self._is_left_out(found[name], below, is_folder=name in inside)]
        for are_folders, together in groupby(names, inside.__contains__):
            if are_folders:
                for name in together:
                    if os.path.realpath(f"{folder}/{name}") in self._seen:
                        self.left_out.append(LeftOut(below + name, *READ_ALREADY))
                    else:
                        yield from self._in(f"{folder}/{name}", f"{below}{name}/")
            else:
                yield FolderFiles(below, {name: File(f"{folder}/{name}", _inode(found[name])) for name in together})

    def _is_left_out(self, entry: os.DirEntry[str], below: str, *, is_folder: bool) -> bool:
        """Return whether a link is not followed, and remember it then."""
        if not entry.is_symlink():
            return False
        if leads_out(entry.path, self._real):
            if not self._follow:
                self.left_out.append(LeftOut(below + entry.name, *LEADS_OUT))
            return not self._follow
        target = Path(os.path.relpath(os.path.realpath(entry.path), self._real))
        if is_folder and not any(map(is_hidden, target.parts)):
            self.left_out.append(LeftOut(below + entry.name, *READ_ALREADY))
            return True
        return False


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
