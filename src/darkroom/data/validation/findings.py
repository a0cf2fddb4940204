"""Findings about the images, and how rules about single images and about the data follow each other."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from darkroom.base import terminal
from darkroom.data.formats import manifest
from darkroom.data.formats.usable import commonest_of
from darkroom.data.validation.rules import Rule, is_image_rule

FAULTS = {
    "label": "it has no label",
    "width": "it is {:g} px wide",
    "height": "it is {:g} px high",
    "mode": "its colour mode is {}",
    "pixel_deviation": "it is blank: the contrast is {:.2g}",
    "labels_of_content": "the same picture is there with {:g} labels",
}
"""What is wrong with an image that breaks a rule on a column, with the column's value."""
QUARANTINED = "quarantined"
"""Column of the rule on the share of quarantined files."""
NONE_MISSING = "none is missing"
"""Found by a rule that certain values must be there."""
SHOWN = 5  # offending images listed in a message; the Data Docs list all


@dataclass(frozen=True)
class Finding:
    """The outcome of one expectation."""

    expectation: str
    column: str
    of: str
    """``image``: offending images are quarantined; ``data``: a failure stops the pipeline."""
    success: bool
    observed: str
    offending: tuple[str, ...]
    """Names of the offending images or classes."""
    meaning: str
    """What was expected, and how to fix it."""

    def line(self) -> str:
        """Return one line: which expectation failed, why, and how to fix it."""
        named = f" ({terminal.named(self.offending[:SHOWN])})" if self.offending else ""
        return f"{self.expectation} on {self.column}: {self.observed}{named}; {self.meaning}"

    def as_json(self) -> dict[str, Any]:
        """Return the finding for a report."""
        return {**asdict(self), "offending": self.offending[:SHOWN]}


@dataclass(frozen=True)
class Validation:
    """The outcome of all expectations."""

    findings: list[Finding]
    quarantine: pd.DataFrame
    """All quarantined files, see ``manifest.QUARANTINE_COLUMNS``."""

    def failed(self) -> list[Finding]:
        """Return the failed expectations that stop the pipeline."""
        return [finding for finding in self.findings if finding.of == "data" and not finding.success]


Engine = Callable[[str, pd.DataFrame, Sequence[Rule]], list[Finding]]
"""Checks a frame against rules; the first argument names the suite."""


def validate(rows: pd.DataFrame, unread: pd.DataFrame, rules: Sequence[Rule], engine: Engine) -> Validation:
    """Check rules about single images, then rules about the data without the offending images.

    Args:
        rows: manifest.
        unread: files that ingestion quarantined, see ``manifest.QUARANTINE_COLUMNS``.
        rules: see ``rules``.
        engine: checks a suite of rules.
    """
    everything = _all(rows, unread)
    alone = engine("images", everything, [rule for rule in rules if is_image_rule(rule)])
    broken = [(offender, finding) for finding in alone for offender in finding.offending]
    quarantine = _quarantine(everything[everything["refusal"].isna()], unread, broken)
    of_data = [rule for rule in rules if not is_image_rule(rule)]
    together = engine("data", _together(everything, quarantine), of_data)
    return Validation([*alone, *(_with_reasons(finding, quarantine) for finding in together)], quarantine)


def _with_reasons(finding: Finding, quarantine: pd.DataFrame) -> Finding:
    """Add to a broken rule on the share of quarantined files which files these are, and why."""
    counted = quarantine[quarantine["reason"] != manifest.UNLABELLED]
    if finding.success or finding.column != QUARANTINED or counted.empty:
        return finding
    return replace(finding, observed=f"{finding.observed}: {commonest_of(counted)}")


def _all(rows: pd.DataFrame, unread: pd.DataFrame) -> pd.DataFrame:
    """Combine all files in one table; unreadable ones have only name, label and reason.

    Hashes of pictures are replaced by numbers, because only their equality matters and Great Expectations hashes every
    value, which is slow for long texts.
    """
    refusal = pd.Series(None, rows.index, dtype="str")
    used = rows.assign(refusal=refusal, content=pd.factorize(rows["picture"])[0], labels_of_content=1)
    copies = used[used["content"].duplicated(keep=False)]
    used.loc[copies.index, "labels_of_content"] = copies.groupby("content")["label"].transform("nunique")
    refused = unread[["name", "label"]].assign(refusal=unread["reason"])
    return pd.concat([used, refused], ignore_index=True)


def _quarantine(rows: pd.DataFrame, unread: pd.DataFrame, broken: list[tuple[str, Finding]]) -> pd.DataFrame:
    """Add the images that break a rule, each with the first rule that it breaks.

    Args:
        rows: the images that were read, with the columns that rules are about.
        unread: files that ingestion quarantined.
        broken: names of images, with the rule that each breaks.
    """
    first: dict[str, Finding] = {}
    for name, finding in broken:
        first.setdefault(name, finding)
    known = rows[rows["name"].isin(first)]
    added = (
        (row["name"], row["label"], _fault(first[row["name"]], row), first[row["name"]].meaning)
        for row in known.to_dict("records")
    )
    return pd.concat([unread, manifest.quarantine_from_rows(added)], ignore_index=True)


def _fault(finding: Finding, row: Mapping[Hashable, Any]) -> str:
    """Return what is wrong with an image, in words; rules that a user wrote have none but their own."""
    value = row.get(finding.column)
    if (words := FAULTS.get(finding.column)) is None:
        return f"{finding.column} is {value}: {finding.expectation}"
    return words.format(value)


def _together(everything: pd.DataFrame, quarantine: pd.DataFrame) -> pd.DataFrame:
    """Blank quarantined images, and add columns computed over all images.

    Images that the source gives no label are not damaged, and do not count in the share of quarantined files.
    """
    unused = everything["name"].isin(quarantine["name"])
    used = everything.assign(**{column: everything[column].mask(unused) for column in everything.columns.drop("name")})
    class_size = used.groupby("label")["name"].transform("size")
    ratio = class_size.max() / class_size
    quarantined = unused.astype("float64").mask(everything["refusal"] == manifest.UNLABELLED)
    return used.assign(**{QUARANTINED: quarantined}, class_size=class_size, class_ratio=ratio)
