"""Looks at test images: which decisions have seen them, dry runs included.

A look is recorded as a tag of the candidate's run, so that a dry run leaves the registry unchanged.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import pandas as pd
from mlflow.entities import Run as StoredRun

from darkroom.promotion.champions import RULE
from darkroom.promotion.predictions import digest_of
from darkroom.registry import queries, versions
from darkroom.tracking import store

PREFIX = "look."
KEPT = 256
"""Hashes of test images kept per look, as a tag has limited length: the smallest, which are a random sample."""
DIGITS = 8  # hex digits of a hash


@dataclass(frozen=True)
class Look:
    """One decision's use of test images."""

    name: str
    """The registered model: decisions on others do not count."""
    pair: str
    """Digest of candidate, champion and test images; the same decision made again is no new look."""
    rule: str
    """The rule that applied: ``better`` or ``not_worse``."""
    life: str
    """Run of the champion that the model's life began with, see ``life``."""
    images: int
    sample: str
    """The smallest hashes of the test images, joined."""
    look: float = 1.0
    attempt: int = 1
    decision: int = 1
    """The numbers of the decision, see ``contenders.Life``."""

    def share_of(self, hashes: Iterable[str]) -> float:
        """Return the share of test images that this decision has seen.

        Args:
            hashes: of the test images.
        """
        known = {self.sample[start : start + DIGITS] for start in range(0, len(self.sample), DIGITS)}
        compared = shortened(hashes)
        if self.images > KEPT:
            # Below the largest kept hash, all hashes of that decision are known.
            largest = max(known)
            compared = [each for each in compared if each <= largest]
        return sum(each in known for each in compared) / len(compared) if compared else 0.0


def shortened(hashes: Iterable[str]) -> list[str]:
    """Return the prefixes of hashes that are compared, sorted and distinct."""
    return sorted({each[:DIGITS] for each in hashes})


def new_look(name: str, pair: tuple[str, str], test: pd.DataFrame, rule: str, life: str) -> Look:
    """Return the look of a decision, not numbered yet.

    Args:
        name: the registered model.
        pair: run ids of candidate and champion.
        test: manifest of the compared test images.
        rule: that applies.
        life: see ``Look``.
    """
    lines = sorted(f"{picture} {label}" for picture, label in zip(test["picture"], test["label"], strict=True))
    digest = hashlib.sha256("\n".join([name, *pair, *lines]).encode()).hexdigest()[:16]
    short = shortened(test["picture"])
    return Look(name, digest, rule, life, len(short), "".join(short[:KEPT]))


def numbered(look: Look, earlier: Iterable[Look], test: pd.DataFrame) -> Look:
    """Return a look with its numbers: those of the first time if the same decision was made before.

    Args:
        look: of this decision.
        earlier: all recorded looks.
        test: manifest of the compared test images.
    """
    others = list(earlier)
    for other in others:
        if other.pair == look.pair:
            return other
    number = 1 + sum(other.share_of(test["picture"]) for other in others)
    attempt = 1 + sum(other.rule == look.rule == "not_worse" and other.life == look.life for other in others)
    return Look(**{**asdict(look), "look": round(number, 3), "attempt": attempt, "decision": 1 + len(others)})


def recorded(name: str, test: pd.DataFrame) -> list[Look]:
    """Return the looks at test images for a registered model.

    Decisions by earlier versions of Darkroom on exactly these test images count too; of others nothing is known.

    Args:
        name: the registered model.
        test: manifest of the test images.
    """
    found = [look for run in store.training_runs() for look in _of(run) if look.name == name]
    earlier = [
        new_look(name, (versions.run_of(version), ""), test, "better", "")
        for version in versions.versions(name)
        if version.tags.get(versions.TEST_IMAGES) == digest_of(test) and RULE not in version.tags
    ]
    return [*found, *earlier]


def _of(run: StoredRun) -> list[Look]:
    return [Look(**json.loads(value)) for key, value in run.data.tags.items() if key.startswith(PREFIX)]


def record(run_id: str, look: Look) -> None:
    """Record a look with the candidate's run."""
    queries.annotate_run(run_id, {f"{PREFIX}{look.pair}": json.dumps(asdict(look))}, keep=True)
