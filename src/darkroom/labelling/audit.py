"""The label audit: likely label errors, near-duplicates with two labels, and images unlike their class."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from darkroom.base.types import Flags, Floats, Integers, Numbers
from darkroom.labelling import out_of_fold, outliers, suspects
from darkroom.labelling.suspects import Suspects

TWO_LABELS, ERROR, ODD = "two labels", "label error", "odd one out"
COLUMNS = {
    "kind": "str",
    "sure": "float64",  # probability that the given label is wrong, by the model; of odd ones, see ``distance``
    "name": "str",
    "split": "str",
    "label": "str",
    "suggested": "str",
    "correct": "str",  # to be filled in, for darkroom relabel
    "other": "str",  # the near-duplicate with another label
    "distance": "float64",  # from its neighbours, in multiples of its class's median
    "picture": "str",
}


class Images(NamedTuple):
    """What is audited; rows of the training images come first."""

    table: pd.DataFrame
    """See ``described.COLUMNS``, with ``cluster``."""
    features: Floats
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Audit:
    """Result of an audit."""

    table: pd.DataFrame
    """``COLUMNS``, each kind by how sure it is."""
    rows: Integers
    """Row of each line's image among the audited ones."""
    found: Suspects
    judged: int
    """Images left out because people have judged them already."""
    labels: tuple[str, ...]

    def summary(self) -> dict[str, Any]:
        """Return the counts and what is not told, as JSON."""
        counts = self.table["kind"].value_counts()
        return {
            "label_errors": int(counts.get(ERROR, 0)),
            "two_labels": int(counts.get(TWO_LABELS, 0)),
            "odd_ones": int(counts.get(ODD, 0)),
            "agreement": round(self.found.agreement, 4),
            "estimated_rate": round(self.found.rate, 4),
            "silent": self.found.silent,
            "weak_classes": [self.labels[number] for number in self.found.weak],
            "judged": self.judged,
        }


def audit(images: Images, pairs: pd.DataFrame, judged: Iterable[str]) -> Audit:
    """Audit the labels of training and validation images.

    Args:
        images: the images with their features.
        pairs: near-duplicates, see ``pairs.PAIR_COLUMNS``.
        judged: pictures whose labels people have confirmed or corrected.
    """
    numbers = images.table["label"].map({label: at for at, label in enumerate(images.labels)})
    classes = np.asarray(numbers, dtype=np.int64)
    families = np.asarray(pd.factorize(images.table["cluster"])[0], dtype=np.int64)
    parts = out_of_fold.folds(families, classes, list(images.table["picture"]))
    scaled = out_of_fold.scaled(images.features)
    probabilities = out_of_fold.probabilities(scaled, classes, parts, len(images.labels))
    found = suspects.likely_errors(probabilities, classes)
    done = images.table["picture"].isin(set(judged)).to_numpy()
    two = _two_labels(images, pairs, probabilities, done)
    errors = found.rows[~done[found.rows] & ~np.isin(found.rows, two["row"])]
    odd, times = outliers.odd_ones(outliers.distances(images.features, classes, families), classes)
    left = ~done[odd] & ~np.isin(odd, [*errors, *two["row"]])
    suggested = np.array(images.labels)[probabilities[errors].argmax(axis=1)]
    lines = pd.concat(
        [
            two.assign(kind=TWO_LABELS),
            pd.DataFrame({"row": errors, "suggested": suggested, "kind": ERROR}),
            pd.DataFrame({"row": odd[left], "distance": times[left].round(3), "kind": ODD}),
        ]
    )
    rows = lines["row"].to_numpy(dtype=np.int64)
    sure = np.where(lines["kind"] == ODD, np.nan, 1 - probabilities[rows, classes[rows]]).round(4)
    table = images.table.iloc[rows].reset_index(drop=True)
    own = lines[["kind", "suggested", "other", "distance"]].reset_index(drop=True)
    table = pd.concat([table, own.fillna({"suggested": "", "other": ""})], axis=1).assign(sure=sure, correct="")
    return Audit(table[list(COLUMNS)].astype(COLUMNS), rows, found, int(done.sum()), images.labels)


def _two_labels(images: Images, pairs: pd.DataFrame, probabilities: Numbers, done: Flags) -> pd.DataFrame:
    """Return the images whose near-duplicate has another label, the surest pairs first.

    Returns:
        ``row``, ``suggested`` (the more probable of both labels; empty if both fit) and ``other``; a row per image.
    """
    conflicts = pairs[pairs["what"] == TWO_LABELS]
    table = images.table
    at = pd.Series(np.arange(len(table)), index=table["name"])
    known = conflicts[conflicts["image"].isin(at.index) & conflicts["other"].isin(at.index)]
    number = {label: index for index, label in enumerate(images.labels)}
    lines = []
    for first, second in zip(at[known["image"]].tolist(), at[known["other"]].tolist(), strict=True):
        if done[first] and done[second]:
            continue
        labels = [number[table["label"].iloc[row]] for row in (first, second)]
        mean = probabilities[[first, second]].mean(axis=0)
        preferred = images.labels[max(labels, key=lambda label: mean[label])]
        # Where the model finds both labels right, the pictures may only look alike, such as one turned by 90°.
        both = probabilities[[first, second]].argmax(axis=1).tolist() == labels
        sure = abs(mean[labels[0]] - mean[labels[1]])
        for row, other in ((first, second), (second, first)):
            lines.append((both, -sure, row, "" if both else preferred, table["name"].iloc[other]))
    found = pd.DataFrame(lines, columns=["both", "order", "row", "suggested", "other"])
    found = found.sort_values(["both", "order"], kind="stable").drop_duplicates("row")
    return found[["row", "suggested", "other"]].reset_index(drop=True)
