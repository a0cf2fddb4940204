"""Corrected labels: ``data/labels.csv``, a row per picture, kept in git.

``picture`` is the hash of the decoded picture (see ``pictures.picture_hash``), so that a correction holds for all
lossless copies, wherever they lie. ``who``, ``when`` and ``why`` are for people. A row whose label is the one that the
source gives says that somebody has looked and agrees.
"""

import os
import re
from pathlib import Path

import pandas as pd

from darkroom.base import spreadsheets
from darkroom.base.errors import InputError
from darkroom.base.failures import first_line
from darkroom.base.wording import counted
from darkroom.data.formats.manifest import labels_of

COLUMNS = ("picture", "label", "who", "when", "why")
HASH = re.compile(r"[0-9a-f]{64}")


def empty() -> pd.DataFrame:
    """Return a table without corrections."""
    return pd.DataFrame({name: pd.Series(dtype="str") for name in COLUMNS})


def read(path: Path) -> pd.DataFrame:
    """Read the corrections; a missing file has none.

    Returns:
        Table with ``COLUMNS``, all text.

    Raises:
        InputError: the file has other columns, a picture is malformed or stands twice, or a label is empty.
    """
    if not os.path.lexists(path):
        return empty()
    try:
        table = spreadsheets.read_given(path)
    except (OSError, ValueError) as error:
        reason = first_line(error)
        raise InputError(f"{path} cannot be read ({reason}); restore it: git checkout HEAD -- {path}") from None
    if tuple(table.columns) != COLUMNS:
        raise InputError(
            f"{path}: its columns are {', '.join(map(str, table.columns))[:80]}, expected {', '.join(COLUMNS)}: it is "
            "for corrections by darkroom relabel; restore it (git checkout), and keep other tables elsewhere"
        )
    for number, (picture, label) in enumerate(zip(table["picture"], table["label"], strict=True), start=2):
        if not HASH.fullmatch(picture):
            raise InputError(
                f"{path}, line {number}: {picture[:60]!r} is not the hash of a picture, perhaps after a merge; restore "
                f"one side (git checkout HEAD -- {path}) and use darkroom relabel"
            )
        if not label:
            raise InputError(f"{path}, line {number}: the label is empty; fill it in or delete the line")
    twice = table["picture"].duplicated()
    if twice.any():
        picture = table["picture"][twice].iloc[0]
        rows = table["label"][table["picture"] == picture]
        raise InputError(
            f"{path}: the picture {picture[:16]}… stands twice, as {rows.iloc[0]} and {rows.iloc[1]}; delete one line"
        )
    return table


def write(path: Path, corrections: pd.DataFrame) -> None:
    """Write corrections, sorted by picture, so that git can merge them."""
    spreadsheets.write(path, corrections[list(COLUMNS)].sort_values("picture", kind="stable"))


def require_known_labels(rows: pd.DataFrame, corrections: pd.DataFrame, path: Path) -> None:
    """Check that the corrected labels of the pictures in a manifest are classes of it.

    Raises:
        InputError: a label is no class.
    """
    labels = labels_of(rows)
    other = corrections[corrections["picture"].isin(rows["picture"]) & ~corrections["label"].isin(labels)]
    if len(other):
        some = ", ".join(labels[:8]) + (", …" if labels[8:] else "")
        raise InputError(
            f"{path}: the label {other['label'].iloc[0]!r} of picture {other['picture'].iloc[0][:16]}… is not a class "
            f"of the data ({some}); correct its spelling, or add images of that class to the source"
        )


def apply(rows: pd.DataFrame, corrections: pd.DataFrame) -> pd.DataFrame:
    """Return a manifest with corrected labels; ``source_label`` is what the source said where that differs.

    Args:
        rows: the manifest as the source gives it.
        corrections: what ``read`` returned; those of other pictures have no effect.
    """
    corrected = rows["picture"].map(corrections.set_index("picture")["label"]).astype("str")
    differs = corrected.notna() & (corrected != rows["label"])
    return rows.assign(
        label=rows["label"].where(~differs, corrected), source_label=rows["label"].where(differs, "")
    ).astype({"label": "str", "source_label": "str"})


def report(rows: pd.DataFrame, corrections: pd.DataFrame, path: Path) -> list[str]:
    """Return lines on what was corrected, and on corrections of pictures that are gone.

    Args:
        rows: what ``apply`` returned.
        corrections: what ``read`` returned.
        path: the file, for the text.
    """
    if corrections.empty:
        return []
    changed = int((rows["source_label"] != "").sum())
    gone = int((~corrections["picture"].isin(rows["picture"])).sum())
    others = len(corrections) - gone
    corrected = counted(changed, "image with a corrected label", "images with a corrected label")
    lines = [f"{path}: {corrected}; {counted(others, 'picture')} judged by people"]
    if gone:
        lines.append(
            f"{path}: {gone} corrected pictures are not in the data; their lines have no effect: delete them, or keep "
            "them for when the pictures return"
        )
    return lines
