"""The summary page of a retraining."""

import csv
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from darkroom.base.files import read_mapping, write_text
from darkroom.base.markdown import plain
from darkroom.maintenance.offering import PROMOTION
from darkroom.params import read_params
from darkroom.reporting.results import Results
from darkroom.repository import ask_dvc

TITLE = "# Retraining"
SHORT = 12


def without_decision(notes: Iterable[str]) -> str:
    """Return the page of a retraining without a decision."""
    return _joined(TITLE, "No decision was made.", *_quoted(notes))


def unchanged(notes: Iterable[str]) -> str:
    """Return the page of a retraining without changes."""
    return _joined(
        TITLE, "Nothing has changed: data, parameters and code are those of the results in git.", *_quoted(notes)
    )


def changed(base: str, notes: Iterable[str]) -> str:
    """Return the page of new results as Markdown, without pictures.

    Args:
        base: revision to compare with.
        notes: further notes.
    """
    decision = read_mapping(PROMOTION)
    return _joined(
        TITLE,
        f"**{decision['outcome'].capitalize()}**: {plain(decision['reason'])}",
        *_quoted(notes),
        f"Compared with `{_shown(base)}`:",
        "## Metrics",
        # Unchanged ones too: an accuracy that stays is worth knowing.
        _difference("metrics", base, _summaries(), "--all"),
        "## Parameters",
        _difference("params", base, [Path("params.yaml")]),
        "## Training",
        _curves(),
    )


def write(folder: Path, page: str) -> None:
    """Write summary.md and its pictures to a folder, and add the page to GitHub's step summary."""
    write_text(folder / "summary.md", page + _pictures(folder))
    if step := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(step).open("a", encoding="utf-8") as file:
            file.write(page)


def _quoted(notes: Iterable[str]) -> list[str]:
    return [f"> {plain(note)}" for note in notes]


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _shown(revision: str) -> str:
    """Shorten a commit id; return other names unchanged."""
    return revision[:SHORT] if re.fullmatch("[0-9a-f]{40}", revision) else revision


def _difference(what: str, base: str, targets: Iterable[Path], *options: str) -> str:
    """Return DVC's table of changes since a revision."""
    table = ask_dvc(what, "diff", base, *options, "--md", "--targets", *map(str, targets)).strip()
    rows = table.splitlines()[2:]  # below the header
    return table.replace(base, _shown(base)) if rows else "Nothing has changed."


def _summaries() -> list[Path]:
    """Return the files with the few values that DVC shows; of the other ones, which are lists, it shows nothing."""
    return [one.report.summary for one in Results.all_of(Path()) if one.report.summary.is_file()]


def _curves() -> str:
    """Return Mermaid charts of each network's validation accuracy, which GitHub renders without picture files."""
    charts = []
    for network in read_params().models:
        history = Results(Path(), network).report.history
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
    """Copy the pictures of all networks to the folder; return their Markdown."""
    shown = []
    for network in read_params().models:
        report = Results(Path(), network).report
        for picture in (report.curves, report.confusion_matrix):
            if picture.is_file():
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(picture, folder / f"{network}-{picture.name}")
                shown.append(f"![{network}, {picture.stem.replace('_', ' ')}]({network}-{picture.name})")
    return "\n## Pictures\n\n" + "\n\n".join(shown) + "\n" if shown else ""
