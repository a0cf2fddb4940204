"""The page that says what a retraining has changed."""

import csv
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from darkroom.files import read_json, write_text
from darkroom.offering import PROMOTION
from darkroom.params import read_params
from darkroom.repository import ask_dvc

TITLE = "# Retraining"
SHORT = 12
PICTURES = ("curves.png", "confusion_matrix.png")


def without_decision(notes: Iterable[str]) -> str:
    """Return the page of a retraining that came to no decision."""
    return _joined(TITLE, "No decision was made.", *_quoted(notes))


def unchanged(notes: Iterable[str]) -> str:
    """Return the page of a retraining that had nothing to do."""
    return _joined(
        TITLE, "Nothing has changed: data, parameters and code are those of the results in git.", *_quoted(notes)
    )


def changed(base: str, notes: Iterable[str]) -> str:
    """Return the page of new results, as far as it can be shown wherever Markdown can.

    Args:
        base: revision to compare with.
        notes: what else there is to say.
    """
    decision = read_json(PROMOTION)
    return _joined(
        TITLE,
        f"**{decision['outcome'].capitalize()}**: {decision['reason']}",
        *_quoted(notes),
        f"Compared with `{_shown(base)}`:",
        "## Metrics",
        _difference("metrics", base, sorted(Path().glob("runs/*/test.json"))),
        "## Parameters",
        _difference("params", base, [Path("params.yaml")]),
        "## Training",
        _curves(),
    )


def write(folder: Path, page: str) -> None:
    """Write a page into a folder as summary.md, with pictures beside it, and show it where GitHub shows such pages."""
    write_text(folder / "summary.md", page + _pictures(folder))
    if step := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(step).open("a", encoding="utf-8") as file:
            file.write(page)


def _quoted(notes: Iterable[str]) -> list[str]:
    return [f"> {note}" for note in notes]


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _shown(revision: str) -> str:
    """Shorten a commit; a branch stays what it is."""
    return revision[:SHORT] if re.fullmatch("[0-9a-f]{40}", revision) else revision


def _difference(what: str, base: str, targets: Iterable[Path]) -> str:
    """Return DVC's table of what has changed since a revision."""
    table = ask_dvc(what, "diff", base, "--md", "--targets", *map(str, targets)).strip()
    rows = table.splitlines()[2:]  # below the head and its line
    return table.replace(base, _shown(base)) if rows else "Nothing has changed."


def _curves() -> str:
    """Draw the validation accuracy of each network as Mermaid, which GitHub shows where no picture can be stored."""
    charts = []
    for network in read_params().models:
        history = Path("reports") / network / "history.csv"
        if not history.is_file():
            continue
        with history.open(encoding="utf-8") as file:
            accuracies = [f"{float(row['val_accuracy']):.4f}" for row in csv.DictReader(file)]
        charts.append(
            f'```mermaid\nxychart-beta\n  title "{network}"\n  x-axis "epoch" 1 --> {max(2, len(accuracies))}\n'
            f'  y-axis "validation accuracy" 0 --> 1\n  line [{", ".join(accuracies)}]\n```'
        )
    return "\n\n".join(charts)


def _pictures(folder: Path) -> str:
    """Copy the pictures of all networks beside the summary, and show them."""
    shown = []
    for network in read_params().models:
        for name in PICTURES:
            picture = Path("reports") / network / name
            if picture.is_file():
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(picture, folder / f"{network}-{name}")
                shown.append(f"![{network}, {picture.stem.replace('_', ' ')}]({network}-{name})")
    return "\n## Pictures\n\n" + "\n\n".join(shown) + "\n" if shown else ""
