"""Read ``reports/promotion.json``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from darkroom.base import wording
from darkroom.base.errors import InputError
from darkroom.base.files import read_mapping


@dataclass(frozen=True)
class Promotion:
    """The content of promotion.json; see ``contenders.Decision`` and ``history.history``."""

    outcome: str
    reason: str
    withheld: str | None
    champion_run_id: str | None
    candidate: dict[str, Any]
    champion: dict[str, Any] | None
    findings: list[dict[str, Any]]
    candidate_version: str | None
    champion_since: dict[str, str] | None
    previous_champion: dict[str, str] | None
    no_previous_champion: str | None

    @classmethod
    def read(cls, path: Path) -> "Promotion":
        """Read the file.

        Raises:
            InputError: keys are missing, as in a file of an earlier version of Darkroom.
        """
        found = read_mapping(path)
        names = [field.name for field in fields(cls)]
        if missing := [name for name in names if name not in found]:
            raise InputError(
                f"{path} has no {missing[0]}; promotion was interrupted, or an earlier version of Darkroom wrote the "
                "file; run dvc repro --force --single-item promote"
            )
        return cls(**{name: found[name] for name in names})

    def is_candidate(self, run_id: str) -> bool:
        """Return whether this run's model is the candidate."""
        return bool(self.candidate["run_id"] == run_id)

    def version_of(self, run_id: str) -> str | None:
        """Return the version number of a run's model if it is the candidate or the previous champion."""
        if self.is_candidate(run_id):
            return self.candidate_version
        previous = self.previous_champion
        return previous["version"] if previous and previous["run_id"] == run_id else None


def rows_of(findings: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return a row for each rule, as pages show them."""
    names = [finding["rule"].replace("_", " ") for finding in findings]
    return [
        {
            "rule": name,
            "passed": "yes" if finding["passed"] else "no",
            "finding": wording.short_runs(finding["text"]).removeprefix(f"{name}: "),
        }
        for name, finding in zip(names, findings, strict=True)
    ]


def reason_beside(reason: str, findings: Sequence[Mapping[str, Any]]) -> str:
    """Return a decision's reason without what the rules found, for pages that show it in a table."""
    for finding in findings:
        reason = reason.replace(f"; {finding['text']}", "")
    return wording.short_runs(reason)
