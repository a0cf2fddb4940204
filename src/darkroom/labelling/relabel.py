"""Merge a table that somebody has corrected into ``data/labels.csv``."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from darkroom.base import spreadsheets
from darkroom.base.errors import InputError
from darkroom.base.failures import first_line
from darkroom.base.terminal import shown
from darkroom.data.formats import corrections

CORRECT = "correct"
"""Column with the right label; rows without one are not judged."""


@dataclass(frozen=True)
class Relabelled:
    """What was merged."""

    corrected: int
    """Pictures with another label than before."""
    confirmed: int
    """Pictures whose label was found right."""
    test: int
    """Those of ``corrected`` that are test pictures."""
    images: int
    """Images of all these pictures: copies share a correction."""


def relabel(table: Path, manifest: pd.DataFrame, labels: Path, author: Mapping[str, str]) -> Relabelled:
    """Merge the filled-in rows of a table into the corrections; nothing is written if a row is refused.

    Args:
        table: CSV with ``correct`` and ``picture`` or ``name``, such as ``reports/label_audit.csv``; ``why`` is kept.
        manifest: all images; ``split`` says which are test images, if it is there.
        labels: ``data/labels.csv``.
        author: ``who``, and ``why`` for rows without one.

    Raises:
        InputError: a picture or label is not known, a picture is corrected twice, or no row is filled in.
    """
    rows = _filled_in(table)
    # Of copies, the first.
    of_first = manifest.iloc[::-1]
    places = {column: dict(zip(of_first[column], of_first["picture"], strict=True)) for column in ("picture", "name")}
    pictures = [_picture(row, number, table, places) for number, row in rows.items()]
    known = sorted(manifest["label"].unique())
    given = manifest.drop_duplicates("picture").set_index("picture")["label"]
    new: dict[str, dict[str, str]] = {}
    lines: dict[str, int] = {}
    for (number, row), picture in zip(rows.items(), pictures, strict=True):
        label = _label(row[CORRECT], number, table, known)
        if picture in new and new[picture]["label"] != label:
            raise InputError(
                f"{table}, lines {lines[picture]} and {number}: the same picture is corrected to "
                f"{new[picture]['label']!r} and to {label!r}; leave one of both empty"
            )
        lines.setdefault(picture, number)
        why = row.get("why") or author.get("why") or row.get("kind") or ""
        when = datetime.now(UTC).date().isoformat()
        new[picture] = {
            "picture": picture,
            "label": label,
            "who": _line(author["who"]),
            "when": when,
            "why": _line(why),
        }
    before = corrections.read(labels)
    merged = pd.concat([before[~before["picture"].isin(new)], pd.DataFrame(list(new.values()))], ignore_index=True)
    corrections.write(labels, merged.astype("str"))
    changed = {picture for picture, row in new.items() if row["label"] != given[picture]}
    in_test = manifest[manifest["split"] == "test"]["picture"] if "split" in manifest else pd.Series(dtype="str")
    return Relabelled(
        corrected=len(changed),
        confirmed=len(new) - len(changed),
        test=len(changed & set(in_test)),
        images=int(manifest["picture"].isin(new).sum()),
    )


def _line(text: str) -> str:
    """Return a text on one line, without characters that steer a terminal: it is kept in git and shown."""
    return shown(" ".join(text.split()))


def _filled_in(table: Path) -> dict[int, dict[str, Any]]:
    """Return the rows of a table with a corrected label, by line number."""
    try:
        read = spreadsheets.read_given(table)
    except FileNotFoundError:
        raise InputError(f"{table}: no such file; dvc repro describe writes reports/label_audit.csv") from None
    except (OSError, ValueError) as error:
        reason = first_line(error)
        raise InputError(f"{table} cannot be read ({reason}); save it as CSV in UTF-8, with commas") from None
    if CORRECT not in read or not {"picture", "name"} & set(read.columns):
        raise InputError(
            f"{table} has the columns {', '.join(map(str, read.columns))[:120]}; expected {CORRECT}, and picture or "
            "name, as in reports/label_audit.csv"
        )
    every = ({str(name): value for name, value in row.items()} for row in read.to_dict("records"))
    rows = {number: row for number, row in enumerate(every, start=2) if row[CORRECT].strip()}
    if not rows:
        raise InputError(f"{table}: no row has a value in the column {CORRECT}; fill in the right labels and run again")
    return rows


def _picture(row: Mapping[str, Any], number: int, table: Path, places: Mapping[str, Mapping[str, str]]) -> str:
    """Return the picture of a row, by ``picture`` or ``name``."""
    column = "picture" if row.get("picture") else "name"
    found = places[column].get(str(row.get(column)))
    if found is None:
        raise InputError(
            f"{table}, line {number}: the {column} {str(row.get(column))[:60]!r} is not in the data; use a table of "
            "the current data (dvc repro describe), or delete the line"
        )
    return found


def _label(text: str, number: int, table: Path, known: list[str]) -> str:
    label = text if text in known else text.strip()
    if label in known:
        return label
    near = difflib.get_close_matches(label, known, 1)
    meant = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known[:8])}{', …' if known[8:] else ''}"
    raise InputError(
        f"{table}, line {number}: {label[:60]!r} is not a class of the data ({meant}); correct it, or add images of "
        "that class to the source first"
    )
