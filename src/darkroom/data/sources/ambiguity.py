"""Refuse layouts that the names of splits do not settle, because folders at two depths may be the classes."""

from collections.abc import Collection, Sequence
from typing import TypeVar

from darkroom.base.errors import InputError
from darkroom.data.sources.split_names import split_of
from darkroom.data.sources.tree import Folder, Labelled, named, plain

FileT = TypeVar("FileT")
OF_IMAGES = frozenset({"image", "images", "img", "imgs", "jpegimages", "jpgimages", "pngimages"})
"""Names of folders that say what their files are, as ``images/`` beside ``masks/``, in the form of ``plain``."""


def reject_in_classes(folders: Sequence[Folder[FileT]]) -> None:
    """Refuse class folders that all hold the same folders, or whose inner folders are called after splits.

    Splits in any language, rounds and sites hold the same classes: ``tr/cat``, ``tr/dog``, ``te/cat``, ``te/dog``.

    Raises:
        InputError: both kinds of folders may be the classes.
    """
    if deep := ["/".join(folder.path) for folder in folders if any(map(split_of, folder.path[2:]))]:
        raise InputError(
            f"data.path: {named(deep)} {_are(deep)} called after splits, but neither the top folders nor all folders "
            "in them are; set data.layout: class to ignore these names, or lay the images out as train/<class>/<image>"
        )
    below: dict[str, dict[str, str]] = {}
    for folder in folders:
        inside = below.setdefault(folder.path[0], {})
        name = folder.path[1] if len(folder.path) > 1 else ""
        inside[plain(name)] = name
    shared = set.intersection(*map(set, below.values())) if len(below) > 1 else set()
    if len(shared) > 1 and not any("" in inside for inside in below.values()):
        tops, inner = named(below), named(name for key, name in next(iter(below.values())).items() if key in shared)
        raise InputError(
            f"data.path: {tops} hold the same folders {inner}: either may be the classes; set data.layout: class if "
            f"{tops} are; if they are splits, rename them to train, val and test; otherwise set data.path to one of "
            "them, or put the images of each class into one folder"
        )


def reject_in_splits(folders: Sequence[Folder[FileT]]) -> None:
    """Refuse ``<top>/<split>/`` with the same folders in several tops: these may be the classes as well.

    Raises:
        InputError: both may be.
    """
    tops: dict[str, set[str]] = {}
    for folder in folders:
        for name in folder.path[2:3]:
            tops.setdefault(name, set()).add(folder.path[0])
    shared = [name for name, holders in tops.items() if len(holders) > 1]
    if shared and len(tops) > 1:
        outer = named(folder.path[0] for folder in folders)
        raise InputError(
            f"data.path: {outer} hold folders of splits, and these hold {named(shared)}: either may be the classes; "
            f"set data.layout: class/split if {outer} are, otherwise set data.path to one of them"
        )


def reject_kinds_of_files(found: Sequence[Labelled[FileT]]) -> None:
    """Refuse a class such as ``images`` beside ``masks``: its name says what its files are, not what they show.

    Raises:
        InputError: there is one.
    """
    labels = list(dict.fromkeys(label for _, label, _ in found))
    kinds = [label for label in labels if plain(label) in OF_IMAGES]
    if kinds and len(labels) > len(kinds):
        others = named(label for label in labels if label not in kinds)
        raise InputError(
            f"data.path: {named(kinds)}, beside {others}, {_are(kinds)} called after a kind of file, not a class; "
            "move what is no class elsewhere, or set data.layout if it is one (class, or split/class with splits)"
        )


def _are(names: Collection[str]) -> str:
    return "is" if len(names) == 1 else "are"
