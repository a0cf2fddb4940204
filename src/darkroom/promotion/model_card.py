"""The model card: a self-contained HTML page with intended use, data, metrics with intervals, and lineage.

After M. Mitchell et al., Model cards for model reporting, 2019. Unknown values are marked as such.
"""

import csv
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from darkroom.base import spreadsheets, wording
from darkroom.base.files import is_there, read_record
from darkroom.drift.training_data import Compared
from darkroom.promotion import published
from darkroom.reporting import pages
from darkroom.reporting.results import Report

UNKNOWN = "not stated"
OUTCOMES = {
    "promote": "Promoted",
    "keep": "Not promoted",
    "champion": "Champion",
    "dry run": "Would be promoted",
    "not the candidate": "Not the candidate of this run",
}
WIDE = 1.5
"""Width of a figure, divided by its height, from which on it is scrolled in a narrow window."""
FLAGS = {"True": "yes", "False": "no"}
UNKNOWN_IMAGES = {
    "unknown_noise_caught": "noise",
    "unknown_classes_caught": "images of a class left out of the known ones",
}
"""Metrics of unknown images, and what they are of."""
PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "pillow", "albumentations", "mlflow", "dvc", "darkroom")


@dataclass(frozen=True)
class Card:
    """The content of a model card."""

    title: str
    outcome: str
    """One of ``OUTCOMES``."""
    reason: str
    use: Mapping[str, str]
    data: Mapping[str, Any]
    drift: Compared
    """Training data drift since the previous champion."""
    report: Report
    """Files written by evaluation."""
    findings: Sequence[Mapping[str, Any]]
    cost: Mapping[str, Any]
    lineage: Mapping[str, Any]
    values: Mapping[str, Any]
    """The network's parameters."""
    labels_to_check: str | None = None
    """What to do about labels that the audit doubts."""


def page(card: Card) -> str:
    """Return the page as HTML."""
    return pages.render(
        "model_card",
        title=card.title,
        sentence=_sentence(card),
        use={name: value for name, value in card.use.items() if value},
        missing=[name for name, value in card.use.items() if not value],
        decision=_decision(card),
        scores=_scores(_json(card.report.metrics), card.report),
        diagnosis=_json(card.report.diagnosis),
        labels_to_check=card.labels_to_check,
        data=card.data,
        drift=_drift(card.drift),
        pictures=[_picture(path, title) for path, title in card.report.pictures().items()],
        cost=card.cost,
        lineage=card.lineage,
        values=card.values,
        environment=environment(),
    )


def environment() -> dict[str, str]:
    """Return the Python version, the platform and the versions of the main packages."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {"Python": platform.python_version(), "system": platform.platform(), **versions}


def _sentence(card: Card) -> str:
    """Return the result in one sentence."""
    metrics, scores = _json(card.report.metrics), _rows(card.report.scores)
    if "accuracy" not in metrics:
        return "Not evaluated yet."
    found = next((row for row in scores if row["score"] == "accuracy" and not row["label"] and row["low"]), None)
    interval = (float(found["low"]), float(found["high"])) if found else None
    name = card.title.partition(",")[0]
    return wording.result(name, metrics["accuracy"], interval, metrics["images"], metrics["baseline_accuracy"])


def _decision(card: Card) -> dict[str, Any]:
    kinds = {"keep": "bad", "not the candidate": ""}
    return {
        "kind": kinds.get(card.outcome, "good"),
        "outcome": OUTCOMES[card.outcome],
        "reason": published.reason_beside(card.reason, card.findings),
        "withheld": None,
        "findings": published.rows_of(card.findings),
    }


def _scores(metrics: Mapping[str, Any], report: Report) -> dict[str, Any]:
    scores = _rows(report.scores)
    names = {"top_k_accuracy": f"top-{metrics['k']} accuracy"} if "k" in metrics else {}
    overall = [
        {**row, "score": names.get(row["score"], wording.score_name(row["score"]))}
        for row in scores
        if not row["label"]
    ]
    plain = {
        "test images": metrics.get("images"),
        "independent groups of test images": metrics.get("clusters"),
        "accuracy of always naming the largest class": _share(metrics.get("baseline_accuracy")),
        "human accuracy": _share(metrics.get("human_accuracy")),
        "test images with a near-duplicate in training or validation": metrics.get("leaked_images"),
        "accuracy without them": _share(metrics.get("leak_free_accuracy")),
    }
    if unverified := metrics.get("unverified_images"):
        plain["test images not known to be clean"] = unverified
    of_classes = [
        {
            "class": row["label"],
            "images": metrics.get("classes", {}).get(row["label"], {}).get("images", UNKNOWN),
            **{
                wording.score_name(other["score"]): _interval(other)
                for other in scores
                if other["label"] == row["label"]
            },
        }
        for row in scores
        if row["score"] == "recall"
    ]
    slices = [
        {
            "images by": row["of"].replace("_", " "),
            "slice": FLAGS.get(row["value"], row["value"]),
            "test images": row["images"],
            "accuracy": _interval(row, "accuracy"),
        }
        for row in _rows(report.slices)
    ]
    return {
        "overall": [{"score": row["score"], "value (95 % interval)": _interval(row)} for row in overall],
        "facts": plain,
        "classes": of_classes,
        "slices": slices,
        "known": _known(metrics),
    }


def _known(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of prediction sets and unknown images; see ``evaluation.known``."""
    found: dict[str, Any] = {}
    if "coverage_asked" in metrics:
        found["coverage of prediction sets, asked"] = metrics["coverage_asked"]
        found["coverage of prediction sets, measured"] = _measured(metrics, "coverage")
        found["classes in a set, mean"] = metrics["set_size"]
        found["empty sets"] = f"{metrics.get('empty_sets', 0):.4f}"
    if "unknown_false_alarms_asked" in metrics:
        found["false alarms of unknown images, asked"] = metrics["unknown_false_alarms_asked"]
        found["false alarms of unknown images, measured"] = _measured(metrics, "unknown_false_alarms")
    for name, of in UNKNOWN_IMAGES.items():
        if name in metrics:
            found[f"{of}, recognised as unknown"] = f"{metrics[name]:.4f}"
    return found


def _share(value: float | None) -> str | None:
    """Return a share with as many digits as the scores have."""
    return None if value is None else f"{value:.4f}"


def _measured(metrics: Mapping[str, Any], name: str) -> str | tuple[str, str]:
    if name not in metrics:
        return "not known: too few independent test images"
    return f"{metrics[name]:.4f}", f"({metrics[f'{name}_low']:.4f} to {metrics[f'{name}_high']:.4f})"


def _interval(row: Mapping[str, str], value: str = "value") -> str | tuple[str, str]:
    """Return a score and its interval, between which a line may end."""
    if not row[value]:
        return "not known"
    # With too few independent test images for an interval, the bounds are empty.
    interval = f"{float(row['low']):.4f} to {float(row['high']):.4f}" if row["low"] else "not known"
    return f"{float(row[value]):.4f}", f"({interval})"


def _picture(path: Path, title: str) -> dict[str, Any]:
    """Return a figure; a wide one keeps a size in which it can be read in a narrow window."""
    content = pages.embed_file(path)
    width, height = pages.size_of(path) if content else (0, 0)
    return {"title": title, "content": content, "is_wide": width > WIDE * height}


def _drift(found: Compared) -> dict[str, Any]:
    return {
        "kind": "faint" if found.skipped else "bad" if found.drifted else "good",
        "verdict": found.verdict,
        "facts": found.facts,
        "rows": [outcome.cells() for outcome in found.outcomes],
    }


def _json(path: Path) -> dict[str, Any]:
    return dict(read_record(path)) if is_there(path) else {}


def _rows(path: Path) -> list[dict[str, str]]:
    if not is_there(path):
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: spreadsheets.text_of(cell) for name, cell in row.items()} for row in csv.DictReader(file)]
