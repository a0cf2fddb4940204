"""Splits of Parquet files by their paths, as Hugging Face lays them out, and files without labels."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from darkroom.base.errors import InputError
from darkroom.base.types import SplitName
from darkroom.data.sources.split_names import as_split, part_within
from darkroom.data.sources.tree import LayoutName, named

SHOWN = 6
"""Maximum number of files to list."""
PART = re.compile(r"(?P<name>.+)-(?P<number>\d{5})-of-(?P<all>\d{5}).*")
"""Name of a part of a split, as Hugging Face writes it."""
MISSING = -1
"""Class number of Hugging Face for an image without a label."""


class FileSplits(NamedTuple):
    """Split of each file, and what was taken for what."""

    splits: dict[Path, SplitName | None]
    notes: tuple[str, ...]


def of_files(files: Sequence[Path], root: Path, rule: LayoutName) -> FileSplits:
    """Return the splits of files by their names: ``data/test-00000-of-00001``, ``default/test/0000``, ``test``.

    Args:
        files: Parquet files.
        root: the source, a folder or the only file.
        rule: ``class`` ignores the names.

    Raises:
        InputError: some files are called after one split, and others are not.
    """
    parts = {file: part_within(_names(file, root)) for file in files}
    found = set(parts.values())
    unclear = [file for file, part in parts.items() if part in {None, "unclear", "unlabelled"}]
    if rule == "class" or found == {None}:
        ignored = "data.layout: class ignores names of files" if rule == "class" else "no file is called after a split"
        return FileSplits(dict.fromkeys(files), (ignored,) if len(files) > 1 else ())
    if len(found) == 1 and not unclear:
        # A single split name assigns nothing: the images would all be in one split.
        return FileSplits(dict.fromkeys(files), (f"all files are called {found.pop()}: taken for no split",))
    if unclear:
        rest = [file for file in files if file not in unclear]
        beside = f"; {named(_of(rest, root))} {'is' if len(rest) == 1 else 'are'}" if rest else ""
        raise InputError(
            f"data.path: {named(_of(unclear, root))} {'is' if len(unclear) == 1 else 'are'} not called after one "
            f"split{beside}; rename them, leave them out of {root}, or set data.layout: class to ignore the names"
        )
    if "train" not in found:
        raise InputError(
            f"data.path: {named(_of(files, root))}: no file is called train; add it, or set data.layout: class "
            "to ignore the names"
        )
    splits = {file: as_split(part) for file, part in parts.items()}
    taken = ", ".join(f"{file} as {splits[path]}" for path, file in zip(files, _of(files, root), strict=True))
    return FileSplits(splits, (f"files taken for splits: {taken}" if len(files) <= SHOWN else _counted(splits),))


def _counted(splits: dict[Path, SplitName | None]) -> str:
    counts = [f"{sum(one == split for one in splits.values())} as {split}" for split in dict.fromkeys(splits.values())]
    return f"files taken for splits: {', '.join(counts)}"


def _names(file: Path, root: Path) -> list[str]:
    """Return the folders of a file below the source, and its stem."""
    inside = file.relative_to(root) if file != root else Path(file.name)
    return [*inside.parts[:-1], inside.name.partition(".")[0]]


def _of(files: Sequence[Path], root: Path) -> list[str]:
    return [file.name if file == root else file.relative_to(root).as_posix() for file in files]


def missing_parts(files: Sequence[Path]) -> tuple[str, ...]:
    """Return a note on parts that are not there: of ``train-00000-of-00002`` alone, the second."""
    there: dict[tuple[Path, str, int], set[int]] = {}
    for file in files:
        if match := PART.fullmatch(file.stem):
            there.setdefault((file.parent, match["name"], int(match["all"])), set()).add(int(match["number"]))
    gaps = [
        f"{len(found)} of {total} parts of {named([name])}"
        for (_, name, total), found in there.items()
        if len(found) < total
    ]
    return (f"not all parts are here: {', '.join(gaps)}; the others may not have been downloaded",) if gaps else ()


def require_same_classes(classes: Mapping[Path, frozenset[str] | None], root: Path) -> None:
    """Check that files with numbered classes mean the same by them.

    Args:
        classes: the names of each file's classes: none if it names none; None if its labels are texts.
        root: the source.

    Raises:
        InputError: they have other names, as files of two data sets have, or only some have names.
    """
    numbered = [(file, names) for file, names in classes.items() if names is not None]
    for file, names in numbered:
        first, expected = numbered[0]
        if names != expected:
            one, other = _of([first, file], root)
            raise InputError(
                f"data.path: the numbered classes of {named([one])} are {_classes(expected)}, those of "
                f"{named([other])} {_classes(names)}; set data.path to the files of one data set, or name all classes"
            )


def _classes(names: frozenset[str]) -> str:
    return named(sorted(names)) if names else "without names"


def has_no_labels(labels: Sequence[Any], *, numbered: bool) -> bool:
    """Return whether a file has rows, and none of them a label.

    Args:
        labels: the column of labels.
        numbered: whether -1 stands for no label, and is no class of its own.
    """
    missing = {None, "", MISSING} if numbered else {None, ""}
    return bool(labels) and set(labels) <= missing
