"""The promotion gate's inputs and outputs: contenders, comparison, findings, decision."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from darkroom.base.types import Flags, Integers, Texts
from darkroom.promotion.statistics import grouped

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
    accept: str = ""
    """The class that a person may accept where too few test images can judge it; empty otherwise."""


@dataclass(frozen=True)
class Evidence:
    """What a decision rests on, beside the findings."""

    rule: str = ""
    """``first``, ``better`` or ``not_worse``; ``best`` if it is better than every champion that counts; empty without a
    comparison."""
    level: float | None = None
    """Significance level of the comparison with the champion."""
    look: float = 1.0
    """Number of the decision among those on the same test images, see ``Life``."""
    attempt: int = 1
    left_out: int = 0
    """Test images left out of the comparison, because one of the models had seen them or near-duplicates."""
    groups: int | None = None
    """Independent groups of test images."""
    disagreement: float | None = None
    """Share of the images that only one of the models classifies correctly."""
    detectable_gain: float | None = None
    """Gain in accuracy that is found in 80 % of cases."""
    new_classes: dict[str, float] = field(default_factory=dict)
    """The candidate's recall of the classes that the champion does not know."""
    anchors: tuple[str, ...] = ()
    """Versions of the earlier champions with which the candidate was compared as well."""


@dataclass(frozen=True)
class Decision:
    """Whether the candidate becomes the champion, and why."""

    outcome: Outcome
    reason: str
    candidate: Contender
    champion: Contender | None
    findings: tuple[Finding, ...] = ()
    evidence: Evidence = Evidence()

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The classes that a person must accept; empty if nothing or something else speaks against promotion."""
        failed = [finding for finding in self.findings if not finding.passed]
        return tuple(finding.accept for finding in failed) if all(finding.accept for finding in failed) else ()

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
    new_classes: frozenset[int] = frozenset()
    """Numbers of the classes that the champion was not trained on."""
    left_out: int = 0
    """Test images left out before, see ``Evidence.left_out``."""
    columns: Mapping[str, Texts] = field(default_factory=dict)
    """The columns in ``promote.groups``: the value of each image, of shape (images,)."""

    @property
    def independent(self) -> bool:
        """Whether all images are independent: no two are in one group."""
        return self.groups == len(self.clusters)

    @property
    def groups(self) -> int:
        """Number of groups of dependent images."""
        return len(np.unique(self.clusters))

    @property
    def won(self) -> int:
        """Number of images that only the candidate classifies correctly."""
        return int((self.candidate & ~self.champion).sum())

    @property
    def lost(self) -> int:
        """Number of images that only the champion classifies correctly."""
        return int((self.champion & ~self.candidate).sum())

    @property
    def disagreement(self) -> float:
        """Share of the images that only one of the models classifies correctly."""
        return (self.won + self.lost) / len(self.candidate)

    @property
    def effective_images(self) -> int:
        """Number of independent images that would tell as much, if the images of a group were copies."""
        sizes = np.unique(self.clusters, return_counts=True)[1].astype(np.int64)
        return int(len(self.clusters) / grouped.design_effect(sizes)) if len(sizes) else 0

    def of_class(self, number: int) -> "Comparison":
        """Return the comparison on the images of one class."""
        return self._on(self.classes == number)

    def of_value(self, column: str, value: str) -> "Comparison":
        """Return the comparison on the images with this value in a column."""
        return self._on(self.columns[column] == value)

    def on_champions_right(self) -> "Comparison":
        """Return the comparison on the images that the champion classifies correctly."""
        return self._on(self.champion)

    def on_shared_classes(self) -> "Comparison":
        """Return the comparison on the classes that the champion knows."""
        return self._on(~np.isin(self.classes, sorted(self.new_classes)))

    def _on(self, chosen: Flags) -> "Comparison":
        of_images = ("classes", "candidate", "champion", "clusters")
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return replace(self, columns=columns, **{name: getattr(self, name)[chosen] for name in of_images})


@dataclass(frozen=True)
class Anchor:
    """An earlier champion that the candidate must not fall behind either."""

    version: str
    compared: Comparison | None
    """None if it cannot be compared."""
    why: str = ""
    """Why it cannot be compared."""


@dataclass(frozen=True)
class Life:
    """The decisions and champions before a decision."""

    look: float = 1.0
    """1, plus the share of the current test images that each earlier decision has seen."""
    attempt: int = 1
    """Number of the decision among those by ``not_worse`` since a champion was better than all before."""
    decision: int = 1
    """Number of the decision among all about models of this name."""
    anchors: tuple[Anchor, ...] = ()
    """The other champions since then."""
