"""The promotion gate's inputs and outputs: contenders, comparison, findings, decision."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from darkroom.base.types import Flags, Integers

Outcome = Literal["promote", "keep"]


@dataclass(frozen=True)
class Contender:
    """A candidate or champion with its metrics."""

    network: str
    run_id: str
    test_accuracy: float | None
    """On the compared images; None for a champion without predictions on them."""
    test_images: int | None
    """Number of compared images."""
    validation_accuracy: float | None = None
    """None for a champion: it may have been selected on other validation images."""
    validation_loss: float | None = None
    calibration_error: float | None = None
    latency_ms: float | None = None
    """95th percentile of the inference time for one image, in milliseconds."""
    size_mb: float | None = None
    """File size in 10^6 bytes."""
    memory_mb: float | None = None
    """Peak memory of the process that evaluated it, in 10^6 bytes."""


@dataclass(frozen=True)
class Finding:
    """The result of one rule."""

    rule: str
    passed: bool
    text: str


@dataclass(frozen=True)
class Decision:
    """Whether the candidate becomes the champion, and why."""

    outcome: Outcome
    reason: str
    candidate: Contender
    champion: Contender | None
    findings: tuple[Finding, ...] = ()

    @property
    def confirms_champion(self) -> bool:
        """Whether the candidate is already the champion."""
        return self.champion is not None and self.champion.run_id == self.candidate.run_id

    def champion_after(self, *, dry_run: bool) -> str | None:
        """Return the run id of the champion after the decision, whether carried out or a dry run; None for none."""
        before = self.champion.run_id if self.champion else None
        return self.candidate.run_id if self.outcome == "promote" and not dry_run else before

    def as_json(self, dry_run_reason: str | None = None) -> dict[str, Any]:
        """Return the decision as written to promotion.json.

        Args:
            dry_run_reason: why the decision is a dry run; None if it is carried out. Its key is ``withheld``.
        """
        champion = self.champion_after(dry_run=dry_run_reason is not None)
        after = {"withheld": dry_run_reason, "champion_run_id": champion}
        return {"outcome": self.outcome, "reason": self.reason, **after, **asdict(self)}


@dataclass(frozen=True)
class Comparison:
    """Which of the same test images candidate and champion classify correctly."""

    classes: Integers
    """Class number of each image."""
    labels: tuple[str, ...]
    """Class names by number."""
    candidate: Flags
    champion: Flags
    clusters: Integers
    """Number of each image's group of dependent images."""
    data_changed: bool = False
    """Whether candidate and champion were trained on different data."""
    notes: tuple[str, ...] = ()
    """Remarks for the decision's reason."""

    @property
    def independent(self) -> bool:
        """Whether all images are independent: no two are in one group."""
        return len(np.unique(self.clusters)) == len(self.clusters)
