"""Read and write ``data/splits.csv``.

One line per image: picture, file and split, the first two as the first digits of their SHA-256. Lines are sorted and
never removed, so that an image that returns gets its earlier split, and git can merge the file.

In files of earlier versions, lines have file and split only. They are read as lines without a picture (``-``).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from darkroom.base.errors import InputError
from darkroom.base.files import is_there, replace_text
from darkroom.base.types import HASH_DIGITS, SplitName
from darkroom.data.formats.manifest import SPLITS
from darkroom.params import PreprocessParams

UNKNOWN = "-"
"""Stands for the picture of a file that was removed before pictures were recorded."""
RULES = r"for seed (?P<seed>\S+) and shares (?P<shares>\S+)"
FORM = re.compile(rf"# splits of images by picture and file, {RULES}")
FORM_BY_FILE = re.compile(rf"# splits of images by SHA-256, {RULES}")
HASH = re.compile(rf"[0-9a-f]{{{HASH_DIGITS}}}")


class Line(NamedTuple):
    """One image."""

    picture: str
    """First digits of the picture's hash, or ``UNKNOWN``."""
    file: str
    """First digits of the file's hash."""
    split: SplitName


class Kept(NamedTuple):
    """Earlier splits."""

    lines: frozenset[Line]
    files: Mapping[str, SplitName]
    """By the first digits of the file's SHA-256."""
    pictures: Mapping[str, SplitName]
    """By the first digits of the picture's SHA-256. Of a picture in several splits, the last of ``SPLITS``: a test
    image never becomes a training image."""
    note: str = ""
    """Why earlier splits do not count, for the user."""

    def split(self, picture: str, sha256: str) -> SplitName | None:
        """Return the earlier split of an image, given both hashes; None if it is new."""
        # By file first: a newer decoder may give other pixels, and does not move an image.
        return self.files.get(sha256[:HASH_DIGITS]) or self.pictures.get(picture[:HASH_DIGITS])


def of_lines(lines: Iterable[Line]) -> Kept:
    """Index lines by file and picture."""
    lines = frozenset(lines)
    pictures = _most_held_out((line.picture, line.split) for line in lines if line.picture != UNKNOWN)
    return Kept(lines, {line.file: line.split for line in lines}, pictures)


def _most_held_out(names: Iterable[tuple[str, SplitName]]) -> dict[str, SplitName]:
    """Return the last of ``SPLITS`` that each name comes with."""
    found: dict[str, SplitName] = {}
    for name, split in names:
        found[name] = max(split, found.get(name, split), key=SPLITS.index)
    return found


NOTHING = of_lines(())


def read(path: Path, params: PreprocessParams) -> Kept:
    """Read earlier splits; none if seed or shares have changed.

    Raises:
        InputError: the file has an unknown form, a line is malformed, or a file is in two splits.
    """
    if not is_there(path):
        return NOTHING
    head, *lines = path.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    form = FORM.fullmatch(head) or FORM_BY_FILE.fullmatch(head)
    if form is None:
        raise InputError(
            f"{path}, line 1: {head[:60]!r} is not the first line of a file of splits that this version knows; restore "
            f"it (git checkout HEAD -- {path}), update Darkroom, or delete the file to assign all splits again"
        )
    if form["seed"] != f"{params.seed}" or form["shares"] != _shares(params):
        seed, shares = form["seed"], form["shares"]
        return NOTHING._replace(note=f"{path} is for seed {seed} and shares {shares}: all splits are assigned again")
    return of_lines(_lines(path, lines, has_picture=form.re is FORM))


def _lines(path: Path, lines: Iterable[str], *, has_picture: bool) -> Iterator[Line]:
    """Parse all lines after the first."""
    files: dict[str, SplitName] = {}
    for number, text in enumerate(lines, start=2):
        line = _line(text, has_picture=has_picture)
        if line is None:
            raise InputError(
                f"{path}, line {number}: {text[:60]!r} is not {'a picture, ' * has_picture}a file and a split, "
                f"perhaps a merge conflict; restore one side: git checkout HEAD -- {path}"
            )
        if files.setdefault(line.file, line.split) != line.split:
            raise InputError(
                f"{path}, line {number}: the file {line.file} is in {line.split} here and in {files[line.file]} above, "
                f"perhaps after a merge; delete one of both lines"
            )
        yield line


def _line(text: str, *, has_picture: bool) -> Line | None:
    """Parse a line; None if it is malformed."""
    fields = text.split(",") if has_picture else [UNKNOWN, *text.split(",")]
    if len(fields) != len(Line._fields):
        return None
    picture, file, name = fields
    split = next((split for split in SPLITS if split == name), None)
    if split is None or not HASH.fullmatch(file) or not (picture == UNKNOWN or HASH.fullmatch(picture)):
        return None
    return Line(picture, file, split)


def write(path: Path, assigned: pd.DataFrame, earlier: Kept, params: PreprocessParams) -> None:
    """Write the splits of all current and earlier images.

    Args:
        path: the file.
        assigned: current images, with ``picture``, ``sha256`` and ``split``.
        earlier: what ``read`` returned. Its splits stay; lines without a picture get it.
        params: seed and shares.
    """
    columns = (assigned["picture"].str[:HASH_DIGITS], assigned["sha256"].str[:HASH_DIGITS], assigned["split"])
    rows = list(zip(*columns, strict=True))
    # A source may give copies of one file to several splits.
    files = _most_held_out((file, split) for _, file, split in rows) | dict(earlier.files)
    now = {Line(picture, file, files[file]) for picture, file, _ in rows}
    lines = (now | earlier.lines) - {line._replace(picture=UNKNOWN) for line in now}
    head = f"# splits of images by picture and file, for seed {params.seed} and shares {_shares(params)}"
    replace_text(path, "\n".join([head, *sorted(map(",".join, lines))]) + "\n")


def _shares(params: PreprocessParams) -> str:
    shares = "/".join(f"{getattr(params.split, name):g}" for name in SPLITS)
    return shares if params.split.given_validation == "validation" else f"{shares}/validation=test"
