"""Folders with their files, and words about them, shared by the readings of a layout."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Generic, Literal, NamedTuple, TypeVar

from darkroom.base import terminal
from darkroom.base.types import SplitName

LayoutName = Literal["auto", "class", "split/class", "class/split"]
FileT = TypeVar("FileT")
SHOWN = 5
"""Maximum number of folders in a message."""
NO_IMAGE = ("its extension is not that of an image", "rename or remove it")
NO_CLASS = ("it lies beside the class folders", "move it into the folder of its class, or remove it")


INVISIBLE = {"Cc", "Cf"}
"""Unicode categories of characters that show nothing, such as a zero-width space."""
NUMBER = re.compile(r"(?P<sign>-?)0*(?P<digits>[0-9]+)(\.0*)?")
"""A whole number, however it is written."""


class FolderFiles(NamedTuple, Generic[FileT]):
    """The files of one folder."""

    below: str
    """Path of the folder relative to the source, with a trailing slash; empty for the source itself."""
    files: dict[str, FileT]
    """Files by name, sorted."""


class Folder(NamedTuple, Generic[FileT]):
    """A folder's images, and where it lies in the layout."""

    content: FolderFiles[FileT]
    path: tuple[str, ...]
    """Folders from the outermost one that says something."""


Labelled = tuple[FolderFiles[FileT], str, SplitName | None]
"""Images of a folder with class and split."""


def shared_depth(paths: Iterable[tuple[str, ...]]) -> int:
    """Count the leading folders that hold all others with images; images beside the next folder do not count."""
    paths, depth = set(paths), 0
    while True:
        deeper = {path for path in paths if len(path) > depth}
        if len({path[depth] for path in deeper}) != 1 or not any(len(path) > depth + 1 for path in deeper):
            return depth
        depth += 1


def named(folders: Iterable[str]) -> str:
    """Return the names of folders for a message: the first few, and how many more."""
    listed = list(dict.fromkeys(folders))
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return terminal.named(listed[:SHOWN]) + more


def plain(label: str) -> str:
    """Return a label in the form that it shares with those that look alike.

    Without case, spaces, invisible characters, Unicode form and final dots, which Windows removes; numbers without
    leading and decimal zeros, which tables add: ``1.0``, ``01``.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold())
    text = "".join(sign for sign in folded if not sign.isspace() and unicodedata.category(sign) not in INVISIBLE)
    if number := NUMBER.fullmatch(text):
        return number["sign"] + number["digits"]
    return text.rstrip(".") or text
