"""The front page: the data, the networks compared, the decision, what to do next, and where to read on."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from darkroom.base import wording
from darkroom.base.files import read_record
from darkroom.overview import data_page
from darkroom.overview.pictures import Pictures
from darkroom.promotion import published
from darkroom.promotion.published import Promotion
from darkroom.reporting import audited, pages
from darkroom.tracking.record import RunRecord

CLASSES_SHOWN = 12
PICTURES = 12
"""Most pictures below the title, each of another class."""
OUTCOMES = {"promote": "Promoted", "keep": "Not promoted"}


@dataclass(frozen=True)
class Trained:
    """The results of one network that the page compares."""

    network: str
    record: RunRecord
    test: Mapping[str, Any]
    """Content of ``test.json``."""
    cost: Mapping[str, Any]

    @classmethod
    def read(cls, network: str, folder: Path) -> "Trained":
        """Read the results of a network from its folder in ``runs``."""
        record = RunRecord.read(folder / "run.json")
        return cls(network, record, read_record(folder / "test.json"), read_record(folder / "cost.json"))

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the accuracy; None if there is none."""
        found = self.test.get("interval")
        return (found[0], found[1]) if found else None

    def sentence(self) -> str:
        """Return the result in one sentence."""
        reached = self.test
        return wording.result(
            self.network, reached["accuracy"], self.interval, reached["images"], reached.get("baseline_accuracy")
        )


@dataclass(frozen=True)
class Project:
    """What the page is about."""

    title: str
    divided: pd.DataFrame
    quarantine: pd.DataFrame
    pairs: pd.DataFrame
    audit: Mapping[str, Any]
    """Counts of the label audit."""
    trained: Sequence[Trained]
    decided: Promotion


def page(project: Project, pictures: Pictures, more: Mapping[str, str]) -> str:
    """Return the page as HTML.

    Args:
        project: what earlier stages found.
        pictures: of the ingested images.
        more: further pages, by their path below the page's folder: what they are.
    """
    every = data_page.classes(project.divided)
    by_size = sorted(every, key=lambda one: (-one["total"], one["label"]))
    candidate = _candidate(project)
    return pages.render(
        "front",
        title=project.title,
        sentence=candidate.sentence(),
        decision=decision(project),
        strip=_strip(project.divided, pictures),
        summary=data_page.summary(project.divided, project.quarantine, project.pairs),
        classes=by_size[:CLASSES_SHOWN],
        all_classes=len(every),
        audit=audited.line(project.audit),
        labels_to_check=audited.next_step(project.audit),
        networks=list(_networks(project)),
        scale=scale(project.trained),
        next_steps=_next_steps(project, candidate),
        more=more,
    )


def _candidate(project: Project) -> Trained:
    best = max(project.trained, key=lambda one: one.record.validation_accuracy)
    return next((one for one in project.trained if project.decided.is_candidate(one.record.run_id)), best)


def decision(project: Project) -> dict[str, Any]:
    """Return the decision as the macro ``decided`` shows it."""
    decided = project.decided
    outcome = OUTCOMES.get(decided.outcome, decided.outcome)
    if decided.champion is not None and decided.is_candidate(decided.champion["run_id"]):
        outcome = "Champion"
    elif decided.withheld is not None and decided.outcome == "promote":
        outcome = "Would be promoted"
    return {
        "kind": "bad" if outcome == OUTCOMES["keep"] else "good",
        "outcome": outcome,
        "reason": published.reason_beside(decided.reason, decided.findings),
        "withheld": decided.withheld,
        "findings": published.rows_of(decided.findings),
    }


def _strip(divided: pd.DataFrame, pictures: Pictures) -> list[dict[str, str]]:
    """Return a training image of each of the first classes."""
    first = divided[divided["split"] == "train"].drop_duplicates("label").sort_values("label").head(PICTURES)
    return [{"label": str(label), "picture": pictures.embedded(int(str(row)))} for row, label in first["label"].items()]


def scale(trained: Sequence[Trained]) -> tuple[float, float]:
    """Return the accuracies at both ends of the chart, whole percents with all intervals between them."""
    ends = [end for one in trained for end in (one.interval or (one.test["accuracy"],))]
    # Rounded first: 0.57 times 100 is a little more than 57.
    low, high = (round(100 * end, 6) for end in (min(ends), max(ends)))
    return max(0, math.ceil(low) - 1) / 100, min(100, math.floor(high) + 1) / 100


def _networks(project: Project) -> Iterator[dict[str, Any]]:
    """Yield a row for each network, the best on validation images first, as the candidate is chosen."""
    low, high = scale(project.trained)

    def at(accuracy: float) -> float:
        return round(100 * (accuracy - low) / (high - low), 2)

    for one in sorted(project.trained, key=lambda one: -one.record.validation_accuracy):
        record, accuracy, cost = one.record, one.test["accuracy"], one.cost
        bar = {"left": at(one.interval[0]), "right": 100 - at(one.interval[1])} if one.interval else None
        yield {
            "network": one.network,
            "run": record.run_id[: wording.SHORT],
            "role": _role(project.decided, record.run_id),
            "accuracy": wording.percent(accuracy),
            "interval": " to ".join(map(wording.percent, one.interval)) if one.interval else "not known",
            "bar": bar,
            "dot": at(accuracy),
            "validation": wording.percent(record.validation_accuracy),
            "milliseconds": cost.get("latency_ms"),
            "megabytes": cost.get("size_mb"),
            "minutes": None if record.seconds is None else wording.minutes(record.seconds),
            "parameters": record.parameters,
            "verdict": one.test.get("diagnosis", {}).get("verdict", ""),
        }


def _role(decided: Promotion, run_id: str) -> str:
    if decided.champion_run_id == run_id:
        return "champion"
    return "candidate" if decided.is_candidate(run_id) else ""


def _next_steps(project: Project, candidate: Trained) -> list[dict[str, Any]]:
    """Return the diagnosis and the next steps of each network, the candidate first."""
    rest = [one for one in project.trained if one is not candidate]
    found = [(one.network, one.test.get("diagnosis")) for one in (candidate, *rest)]
    return [
        {
            "network": network,
            "verdict": diagnosis["verdict"],
            "reason": diagnosis["reason"],
            "steps": diagnosis.get("next_steps") or [diagnosis["advice"]],
        }
        for network, diagnosis in found
        if diagnosis
    ]
