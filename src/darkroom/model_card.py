"""The page of a model: what it is for, what it was made of, what it can do and how sure that is. One file, in itself.

After M. Mitchell et al., Model cards for model reporting, 2019. What is not known is said to be so.
"""

import base64
import csv
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import metadata
from pathlib import Path
from typing import Any

from darkroom.training_drift import Compared

UNKNOWN = "not stated"
OUTCOMES = {
    "promote": "Promoted",
    "keep": "Not promoted",
    "champion": "Champion",
    "withheld": "Would be promoted",
}
PICTURES = {
    "curves.png": "The course of the training",
    "confusion_matrix.png": "Which classes are taken for which",
    "calibration.png": "How far its certainty can be trusted",
    "mistakes.png": "Its most certain mistakes",
    "explanations.png": "What decided, in a few test images",
}
PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "pillow", "albumentations", "mlflow", "dvc", "darkroom")

STYLE = """
:root { color-scheme: light dark; --page: #fff; --text: #1f2328; --faint: #59636e; --line: #d1d9e0; --lack: #c2410c;
  --good: #1a7f37; }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --text: #e6edf3; --faint: #9198a1; --line: #3d444d;
  --lack: #ff9a57; --good: #4ac26b; } }
body { background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; }
h2 { border-top: 1px solid var(--line); font-size: 1.2rem; margin-top: 2rem; padding-top: 1rem; }
h3 { font-size: 1rem; }
.faint { color: var(--faint); }
.lack { color: var(--lack); }
.good { color: var(--good); }
.scroll { overflow-x: auto; }
.scroll + .scroll { margin-top: 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem 1.2rem .25rem 0; text-align: left; vertical-align: top; }
td { overflow-wrap: break-word; }
figure { margin: 1rem 0; }
img { background: #fff; border: 1px solid var(--line); height: auto; max-width: 100%; }
nav { display: flex; flex-wrap: wrap; gap: 0 1rem; }
nav a { color: inherit; }
"""


@dataclass(frozen=True)
class Card:
    """What the page of a model is made of."""

    title: str
    outcome: str
    """One of ``OUTCOMES``."""
    reason: str
    use: Mapping[str, str]
    data: Mapping[str, Any]
    drift: Compared
    """Of the training data since the champion before."""
    report: Path
    """Folder of what evaluation wrote."""
    findings: Sequence[Mapping[str, Any]]
    cost: Mapping[str, Any]
    lineage: Mapping[str, Any]
    values: Mapping[str, Any]
    """The network's parameters."""


def page(card: Card) -> str:
    """Write the page."""
    metrics = _json(card.report / "metrics.json")
    sections = {
        "Use": _facts(card.use),
        "Decision": _decision(card),
        "Scores": _scores(metrics, card.report),
        "Diagnosis": _diagnosis(card.report / "diagnosis.json"),
        "Data": _facts(card.data) + _drift(card.drift),
        "Pictures": "".join(_picture(card.report / name, words) for name, words in PICTURES.items()),
        "Cost": _facts(card.cost),
        "Lineage": _facts(card.lineage),
        "Parameters": _facts(card.values),
        "Environment": _facts(environment()),
    }
    links = "".join(f'<a href="#{name.lower()}">{name}</a>' for name in sections)
    body = "".join(f'<h2 id="{name.lower()}">{name}</h2>{content}' for name, content in sections.items())
    title = escape(card.title)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>"
        f"<nav class=faint>{links}</nav>{body}</body></html>\n"
    )


def environment() -> dict[str, str]:
    """Say what this was computed with."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {"Python": platform.python_version(), "system": platform.platform(), **versions}


def _decision(card: Card) -> str:
    kind = "lack" if card.outcome == "keep" else "good"
    rows = [
        {
            "rule": finding["rule"].replace("_", " "),
            "held": "yes" if finding["passed"] else "no",
            "what": finding["text"],
        }
        for finding in card.findings
    ]
    said = f"<p><strong class={kind}>{OUTCOMES[card.outcome]}</strong>: {escape(card.reason)}</p>"
    return said + (_table(rows) if rows else "")


def _scores(metrics: Mapping[str, Any], report: Path) -> str:
    scores = _rows(report / "scores.csv")
    overall = [{**row, "score": row["score"].replace("_", " ")} for row in scores if not row["label"]]
    plain = {
        "test images": metrics.get("images"),
        "independent findings among them": metrics.get("clusters"),
        "accuracy of always the largest class": metrics.get("baseline_accuracy"),
        "accuracy of people": metrics.get("human_accuracy"),
        "test images with a near-duplicate in training": metrics.get("leaked_images"),
        "accuracy without them": metrics.get("leak_free_accuracy"),
    }
    of_classes = [
        {
            "class": row["label"],
            "images": metrics.get("classes", {}).get(row["label"], {}).get("images", UNKNOWN),
            **{other["score"]: _interval(other) for other in scores if other["label"] == row["label"]},
        }
        for row in scores
        if row["score"] == "recall"
    ]
    slices = [
        {"of": row["of"], "part": row["value"], "images": row["images"], "accuracy": _interval(row, "accuracy")}
        for row in _rows(report / "slices.csv")
    ]
    return (
        _table([{"score": row["score"], "value (95 % interval)": _interval(row)} for row in overall])
        + _facts(plain)
        + f"<h3>Classes</h3>{_table(of_classes)}<h3>Parts of the images</h3>{_table(slices)}"
    )


def _interval(row: Mapping[str, str], value: str = "value") -> str:
    return f"{float(row[value]):.4f} ({float(row['low']):.4f} to {float(row['high']):.4f})"


def _diagnosis(path: Path) -> str:
    found = _json(path)
    if not found:
        return _lack("no diagnosis was made")
    said = f"<p><strong>{escape(found['verdict'].capitalize())}</strong>: {escape(found['reason'])}.</p>"
    return f"{said}<p>What may help: {escape(found['advice'])}.</p>"


def _drift(found: Compared) -> str:
    kind = "lack" if found.lack or found.drifted else "good"
    rows = [{**outcome.row(), "drift": "yes" if outcome.drift else "no"} for outcome in found.outcomes]
    said = f"<h3>Drift of the training data</h3><p class={kind}>{escape(found.verdict)}</p>"
    return said + (_facts(found.facts) if found.facts else "") + (_table(rows) if rows else "")


def _picture(path: Path, words: str) -> str:
    if not path.is_file():
        return _lack(f"{words}: no picture")
    encoded = base64.b64encode(path.read_bytes()).decode()
    return f'<figure><h3>{escape(words)}</h3><img alt="{escape(words)}" src="data:image/png;base64,{encoded}"></figure>'


def _facts(facts: Mapping[str, Any]) -> str:
    rows = "".join(f"<tr><th>{escape(name)}<td>{_value(value)}" for name, value in facts.items())
    return f"<div class=scroll><table>{rows}</table></div>"


def _value(value: Any) -> str:
    if value is None or value in ("", UNKNOWN):
        return f"<span class=lack>{UNKNOWN}</span>"
    if isinstance(value, Mapping):
        return escape(", ".join(f"{name}: {of_name}" for name, of_name in value.items()))
    return escape(f"{value:.4g}" if isinstance(value, float) else str(value))


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return _lack("not measured")
    head = "".join(f"<th>{escape(name)}" for name in rows[0])
    body = "".join(f"<tr>{''.join(f'<td>{_value(value)}' for value in row.values())}" for row in rows)
    return f"<div class=scroll><table><thead><tr>{head}</thead><tbody>{body}</tbody></table></div>"


def _lack(words: str) -> str:
    return f"<p class=lack>{escape(words)}</p>"


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
