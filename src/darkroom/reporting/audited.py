"""What the label audit found, in the words of pages and terminal."""

from collections.abc import Mapping
from typing import Any

from darkroom.base.wording import counted


def line(found: Mapping[str, Any]) -> str:
    """Return the result of the audit in one line.

    Args:
        found: content of ``label_audit.json``.
    """
    errors = counted(found["label_errors"], "likely label error")
    if found["silent"]:
        errors = f"no label errors are suggested, because {found['silent']}"
    parts = [
        errors,
        f"{counted(found['two_labels'], 'image')} with a near-duplicate of another label",
        f"{found['odd_ones']:,} unlike their class",
    ]
    if found.get("judged"):
        parts.append(f"{found['judged']:,} judged by people")
    return ", ".join(parts)


def next_step(found: Mapping[str, Any]) -> str | None:
    """Return what to do about the labels; None if the audit doubts none."""
    doubts = []
    if found["label_errors"]:
        doubts.append(counted(found["label_errors"], "likely label error"))
    if found["two_labels"]:
        doubts.append(f"{counted(found['two_labels'], 'image')} with a near-duplicate of another label")
    if not doubts:
        return None
    return (
        f"look at the {' and the '.join(doubts)} in reports/label_audit.html, fill in the column correct of "
        "reports/label_audit.csv where you are sure, and run darkroom relabel reports/label_audit.csv"
    )
