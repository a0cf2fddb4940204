"""Count what is left out by reason, and refuse data of which too little is left."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd

from darkroom.base.errors import InputError
from darkroom.base.terminal import shown
from darkroom.data.formats.manifest import labels_of, quarantine_from_rows

REASONS_SHOWN = 3


class Reason(NamedTuple):
    """Why files are left out."""

    files: int
    text: str
    """The reason of the first file."""
    example: str
    """Name of the first file."""
    remedy: str
    rows: tuple[int, ...]
    """Positions of the files in the table."""

    def __str__(self) -> str:
        example = shown(self.example)
        return f"{self.files} ({example if self.files == 1 else f'such as {example}'}): {shown(self.text)}"


def reasons(quarantine: pd.DataFrame) -> list[Reason]:
    """Count the quarantined files by reason, the commonest first; names and numbers in a reason do not count."""
    first: dict[str, Reason] = {}
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, (name, _, text, remedy) in enumerate(quarantine.itertuples(index=False, name=None)):
        text = " ".join(text.replace(name, "it").split())  # noqa: PLW2901
        kind = re.sub(r"\d[\d,.]*", "#", text)
        first.setdefault(kind, Reason(0, text, name, remedy, ()))
        rows[kind].append(row)
    found = [reason._replace(files=len(rows[kind]), rows=tuple(rows[kind])) for kind, reason in first.items()]
    return sorted(found, key=lambda reason: -reason.files)


def commonest(unreadable: Iterable[tuple[str, str]]) -> str:
    """Return the commonest reason of files that cannot be read, given each one's name and reason."""
    return str(reasons(quarantine_from_rows((name, "", reason, "") for name, reason in unreadable))[0])


def others_line(names: Sequence[str]) -> list[str]:
    """Return a line on the files in a folder or archive that are not read as images; none without such files."""
    if not names:
        return []
    if len(names) == 1:
        return [f"one other file is not read: {shown(names[0])} has no extension of an image"]
    first = shown(names[0])
    return [f"{len(names):,} other files are not read, such as {first}: they have no extension of an image"]


def commonest_of(quarantine: pd.DataFrame) -> str:
    """Return the commonest reasons why files are left out, with their numbers."""
    every = reasons(quarantine)
    more = f"; {sum(reason.files for reason in every[REASONS_SHOWN:])} for others" if every[REASONS_SHOWN:] else ""
    return f"{'; '.join(map(str, every[:REASONS_SHOWN]))}{more}"


def left_out_line(rows: pd.DataFrame, quarantine: pd.DataFrame) -> str:
    """Return a line that says how many of the files are left out, and why."""
    total = len(rows) + len(quarantine)
    return f"left out: {len(quarantine)} of {total} files: {commonest_of(quarantine)}"


def require_classes(rows: pd.DataFrame, quarantine: pd.DataFrame) -> None:
    """Check that images of at least two classes can be used.

    Args:
        rows: manifest of the usable images.
        quarantine: all other files.

    Raises:
        InputError: no image or only one class is left; the text names the commonest reason.
    """
    labels = labels_of(rows)
    if len(labels) > 1:
        return
    total = len(rows) + len(quarantine)
    left = f"only the class {labels[0]!r} is left: {len(rows)}" if labels else "none"
    why = reasons(quarantine)
    because = f"; {why[0]}; {why[0].remedy}" if why else "; add images of another class"
    raise InputError(f"{left} of {total} files can be used{because}")
