"""Compare the candidate's predictions with those of a champion on the test images that neither has seen."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from mlflow.entities.model_registry import ModelVersion

from darkroom.base.types import Flags
from darkroom.base.wording import counted
from darkroom.data.prepared.datasets import Description
from darkroom.evaluation.groups import group_numbers
from darkroom.params import DataParams
from darkroom.promotion import leaks, predictions
from darkroom.promotion.contenders import Comparison
from darkroom.promotion.leaks import Relations, leaked
from darkroom.registry.versions import run_of
from darkroom.tracking import seen_images
from darkroom.tracking.seen_images import SeenImages


@dataclass(frozen=True)
class TestImages:
    """The current test images."""

    __test__ = False  # not a test, whatever pytest thinks of the name

    manifest: pd.DataFrame
    description: Description
    related: Relations
    data: DataParams
    groups: tuple[str, ...] = ()
    """Columns of the manifest that divide it into groups, see ``promote.groups``."""


@dataclass(frozen=True)
class Own:
    """The candidate's part."""

    predicted: pd.Series
    """A label for each test image."""
    seen: SeenImages
    seen_test: Flags
    """Test images that it has seen, or near-duplicates of which."""

    @classmethod
    def of(cls, run_id: str, predicted: pd.Series, test: TestImages) -> "Own":
        """Return the part of the candidate with this run."""
        seen = seen_images.read(run_id)
        now = test.manifest["leaked"].to_numpy(dtype=bool)
        return cls(predicted, seen, now | leaked(test.manifest, seen, test.related))


def with_largest_class(own: Own, test: TestImages) -> Comparison:
    """Compare the candidate with always predicting the largest class of the training images."""
    counts = test.description.training_counts
    largest = max(test.description.labels, key=lambda label: counts[label])
    return _compare(own, pd.Series(largest, index=test.manifest.index), own.seen_test, test)


def with_champion(own: Own, version: ModelVersion, test: TestImages) -> Comparison | str:
    """Compare the candidate with a current or earlier champion.

    Returns:
        The comparison, or the reason why there is none.

    Raises:
        InputError: test images are not in the source.
    """
    seen = seen_images.read(run_of(version))
    out = leaked(test.manifest, seen, test.related)
    left_out = own.seen_test | out
    if left_out.all():
        return "it or the candidate has seen all current test images, or near-duplicates of them"
    known = test.manifest[~left_out]
    predicted = predictions.champion_predictions(version, run_of(version), known, test.data, test.description)
    if isinstance(predicted, str):
        return predicted
    labels = version.tags.get("labels")
    lacking = set() if labels is None else set(test.description.labels) - set(json.loads(labels))
    new = frozenset(test.description.labels.index(label) for label in lacking)
    changed = leaks.training_changed(own.seen, seen)
    notes = tuple(_notes(own, seen, out, test))
    return _compare(own, predicted, left_out, test, data_changed=changed, notes=notes, new_classes=new)


def _compare(own: Own, other: pd.Series, left_out: Flags, test: TestImages, **more: object) -> Comparison:
    rows = test.manifest[~left_out]
    number = {label: index for index, label in enumerate(test.description.labels)}
    return Comparison(
        classes=np.array([number[label] for label in rows["label"]], dtype=np.int64),
        labels=test.description.labels,
        candidate=(own.predicted[~left_out] == rows["label"]).to_numpy(dtype=bool),
        champion=(other.loc[rows.index] == rows["label"]).to_numpy(dtype=bool),
        clusters=group_numbers(rows["cluster"]),
        left_out=int(left_out.sum()),
        columns={name: rows[name].to_numpy(dtype=object) for name in test.groups},
        **more,  # type: ignore[arg-type]
    )


def _notes(own: Own, seen: SeenImages, seen_test: Flags, test: TestImages) -> Iterator[str]:
    """Yield remarks on images that were left out or may have to be."""
    if left_out := int((own.seen_test | seen_test).sum()):
        yield (
            f"{counted(left_out, 'test image is', 'test images are')} left out, because a model has seen them or "
            "near-duplicates "
            f"(champion {int(seen_test.sum())}, candidate {int(own.seen_test.sum())})"
        )
    unknown = {"the candidate": own.seen.unknown, "the champion": seen.unknown}
    if own.seen.unknown == seen.unknown:
        unknown = {"candidate or champion": seen.unknown}
    for name, through in unknown.items():
        if through:
            yield f"not known whether {name} has seen test images through {through}"
    if "source_label" in test.manifest and (count := int((test.manifest["source_label"] != "").sum())):
        corrected = counted(count, "test image has a corrected label", "test images have corrected labels")
        yield f"{corrected} (data/labels.csv), for champion and candidate alike"
    if "unverified" in test.manifest and (count := int(test.manifest["unverified"].sum())):
        yield f"{counted(count, 'test image is', 'test images are')} not known to be without near-duplicates"
