"""Derive splits and classes from the paths of a folder or archive.

What the folders stand for is read from their names and depths. Names that allow two readings are refused, with the
value of ``data.layout`` that settles them; what was taken for what is told in notes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Generic, NamedTuple, TypeVar

from darkroom.base import terminal
from darkroom.data.formats.samples import LeftOut
from darkroom.data.sources.readings import read
from darkroom.data.sources.split_names import as_split, part_within
from darkroom.data.sources.tree import (
    NO_CLASS,
    NO_IMAGE,
    Folder,
    FolderFiles,
    Labelled,
    LayoutName,
    shared_depth,
)
from darkroom.inference import images

FileT = TypeVar("FileT")
LITTER = frozenset(
    (
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),
        *("__macosx", "icon\r", "lost+found", "@eadir", "#recycle", "#snapshot"),
    )
)
"""Files and folders that systems and network drives create, in lower case; ``@eaDir`` of Synology holds thumbnails."""


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is hidden, or created by an operating system."""
    return name[:1] == "." or name.lower() in LITTER


class Layout(NamedTuple, Generic[FileT]):
    """Classes and splits of the files of a source."""

    images: list[Labelled[FileT]]
    """Sorted by path components."""
    left_out: list[LeftOut]
    """All other files, sorted by name."""
    notes: tuple[str, ...]
    """What was taken for what."""


def group_by_folder(files: Mapping[str, FileT]) -> Iterator[FolderFiles[FileT]]:
    """Sort files by path components and group them by folder."""
    in_order = sorted(files, key=lambda path: path.split("/"))
    for below, together in groupby(in_order, lambda path: path[: path.rfind("/") + 1]):
        yield FolderFiles(below, {path[len(below) :]: files[path] for path in together})


def read_layout(folders: Iterable[FolderFiles[FileT]], rule: LayoutName = "auto") -> Layout[FileT]:
    """Derive classes, and splits if there are any, from the paths of images.

    Folders that hold all images are skipped. The rest is ``<split>/<class>/<image>`` if all top folders are called
    after splits, ``<class>/<split>/<image>`` if all folders below the top ones are, and otherwise ``<class>/<image>``,
    at any depth below the class.

    Args:
        folders: files sorted by path components.
        rule: the layout, or ``auto``.

    Raises:
        InputError: the names fit no layout or several; the text says which value of ``data.layout`` settles it.
    """
    found: list[FolderFiles[FileT]] = []
    others: list[str] = []
    for below, files in folders:
        shown = {name: file for name, file in files.items() if name.lower().endswith(images.ENDINGS)}
        if shown:
            found.append(FolderFiles(below, shown))
        if len(shown) < len(files):
            others += [below + name for name in files.keys() - shown.keys()]
    paths = [tuple(below.split("/")[:-1]) for below, _ in found]
    depth = shared_depth(paths)
    around = next((path for path in paths if len(path) > depth), ())[:depth]
    if rule == "split/class":
        depth = next((level for level, name in enumerate(around) if as_split(part_within([name]))), depth)
    outer = "".join(f"{name}/" for name in around[:depth])
    beside = [each.below + name for each, path in zip(found, paths, strict=True) if len(path) <= depth
              for name in each.files]  # fmt: skip
    within = [(each, path[depth:]) for each, path in zip(found, paths, strict=True) if len(path) > depth]
    dropped = "" if _collide([*others, *beside], [each for each, _ in within], outer) else outer
    inside = [Folder(FolderFiles(each.below.removeprefix(dropped), each.files), path) for each, path in within]
    labelled, unlabelled, notes = read(inside, rule, tuple(others))
    named = _shortened([*others, *beside], dropped)
    left_out = [LeftOut(named[name], *NO_IMAGE) for name in others]
    left_out += [LeftOut(named[name], *NO_CLASS) for name in beside]
    skipped = (f"{terminal.shown(outer)} holds all images: taken for neither class nor split",) if outer else ()
    return Layout(labelled, sorted(left_out + unlabelled), skipped + notes)


def _collide(beside: list[str], within: list[FolderFiles[FileT]], outer: str) -> bool:
    """Return whether a file would be called as another one if the names below the outer folders were shortened."""
    called = {*beside, *(name.removeprefix(outer) for name in beside)} if outer else set()
    return bool(called) and any(
        each.below.removeprefix(outer) + name in called for each in within for name in each.files
    )


def _shortened(names: list[str], outer: str) -> dict[str, str]:
    """Return names without the outer folders, by name; in full where two would be equal."""
    short = {name: name.removeprefix(outer) for name in names}
    count = Counter(short.values())
    return {name: brief if count[brief] == 1 else name for name, brief in short.items()}
