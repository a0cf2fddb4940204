"""Drift within groups: the new images with each value of a column of one's own, such as one site or one camera.

Each group is compared with the training images of the same value, so that a change of the groups' sizes is none within
them; it has a test of its own. All p-values, of all images and of all groups, are corrected together (Holm, 1979).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from darkroom.base import wording
from darkroom.base.errors import InputError
from darkroom.base.terminal import shown
from darkroom.base.types import Integers
from darkroom.data.prepared import own_columns
from darkroom.drift import permutation
from darkroom.drift.distances import Labels
from darkroom.drift.permutation import MEASURED_AT_LEAST, Outcome
from darkroom.drift.samples import Embeddings, Sample

MOST_VALUES = 20
"""Distinct values of a column that is compared."""


@dataclass(frozen=True)
class Told:
    """What people say of the new images."""

    of_new: Mapping[str, Labels] = field(default_factory=dict)
    """Values of each column, of shape (new images,)."""
    many: Sequence[str] = ()
    """Columns that are not compared, because they have too many values."""

    def of_known(self, names: Sequence[str]) -> dict[str, Labels]:
        """Return the same columns of images of the project, those that it has."""
        if not self.of_new:
            return {}
        known = own_columns.join(pd.DataFrame({own_columns.NAME: list(names)}))
        return {column: known[column].to_numpy(dtype=np.str_) for column in self.of_new if column in known}

    def notes(self, known: Mapping[str, Labels]) -> list[str]:
        """Say which columns are not compared, or not with the same values."""
        many = [f"{shown(column)}: more than {MOST_VALUES} values, not compared" for column in self.many]
        lacking = [column for column in self.of_new if column not in known]
        return many + [
            f"the training images have no column {shown(column)}: each group is compared with all of them"
            for column in lacking
        ]


def read(path: Path, names: Sequence[str]) -> Told:
    """Read the columns of new images.

    Args:
        path: CSV file with ``name`` and the columns, as ``data/columns.csv``.
        names: the new images.

    Raises:
        InputError: the file does not exist, cannot be read, or lacks an image.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file; name a CSV file with name and the columns of the new images")
    rows = pd.DataFrame({own_columns.NAME: list(names)})
    table = own_columns.with_table(rows, own_columns.read(path), path).drop(columns=own_columns.NAME)
    values = {str(column): table[column].to_numpy(dtype=np.str_) for column in table}
    many = [column for column, of_one in values.items() if len(np.unique(of_one)) > MOST_VALUES]
    return Told({column: of_one for column, of_one in values.items() if column not in many}, many)


@dataclass(frozen=True)
class Group:
    """The new images with one value of a column."""

    column: str
    value: str
    images: int
    """New images, near-duplicates and groups counted once."""
    known: int
    """Training images that they are compared with, counted in the same way."""
    alike: bool
    """Whether these have the same value; all are taken if there are too few of those."""
    outcomes: Sequence[Outcome] = ()
    """Empty if there are too few new images."""
    lack: str = ""
    """What cannot be compared, and why."""

    @property
    def name(self) -> str:
        """Column and value."""
        return f"{self.column}={self.value}"

    @property
    def drifted(self) -> list[str]:
        """Names of the tests that found drift."""
        return [outcome.test for outcome in self.outcomes if outcome.drift]

    def cells(self) -> dict[str, str]:
        """Return the group as a table row of text."""
        cells = {"group": shown(self.name), "images": f"{self.images:,}"}
        if not self.outcomes:
            return {**cells, "compared with": "–", "corrected p": "–", "drift": "too few images"}
        return {
            **cells,
            "compared with": f"{self.known:,} of the same value" if self.alike else f"all {self.known:,}",
            "corrected p": wording.probability(min(outcome.corrected_p for outcome in self.outcomes)),
            "drift": ", ".join(self.drifted) or "no",
        }


def compare(training: Sample, new: Sample, level: float, seed: int) -> tuple[list[Outcome], list[Group]]:
    """Test all new images, and those of each group.

    Args:
        training: sample of the training data, its embeddings of validation images.
        new: sample of new images.
        level: probability of any false alarm over all tests.
        seed: of the permutations.
    """
    found = list(_pairs(training, new))
    tested = [pair for _, pair in found if pair is not None]
    of_all, *outcomes = permutation.compare_several([(training, new), *tested], level, seed)
    in_turn = iter(outcomes)
    return of_all, [group if pair is None else replace(group, outcomes=next(in_turn)) for group, pair in found]


def _pairs(training: Sample, new: Sample) -> Iterator[tuple[Group, tuple[Sample, Sample] | None]]:
    """Yield each group with the samples to compare; None if it has too few images."""
    for column, values in new.columns.items():
        for value in np.unique(values).tolist():
            rows = np.flatnonzero(values == value)
            same = _rows(training.columns, column, value)
            alike = _count(training.blocks[same]) >= MEASURED_AT_LEAST
            known = training.take(same) if alike else replace(training, columns={}, embeddings=None)
            group = Group(column, value, _count(new.blocks[rows]), _count(known.blocks), alike)
            if group.images < MEASURED_AT_LEAST:
                few = f"{group.images} different images are too few, {MEASURED_AT_LEAST} are needed"
                yield replace(group, lack=f"{shown(group.name)}: {few}; not compared"), None
                continue
            pair = known, new.take(rows)
            if training.embeddings is not None and new.embeddings is not None:
                validation = _embeddings(training.embeddings, column, value, alike=alike)
                if validation is None:
                    few = f"fewer than {MEASURED_AT_LEAST} validation images of this value"
                    group = replace(group, lack=f"{shown(group.name)}: {few}; predictions and features not compared")
                else:
                    seen = replace(pair[1], embeddings=new.embeddings.take(rows))
                    pair = replace(known, embeddings=validation), seen
            yield group, pair


def _rows(columns: Mapping[str, Labels], column: str, value: str) -> Integers:
    return np.flatnonzero(columns[column] == value) if column in columns else np.zeros(0, np.int64)


def _count(blocks: Integers) -> int:
    return len(np.unique(blocks))


def _embeddings(known: Embeddings, column: str, value: str, *, alike: bool) -> Embeddings | None:
    """Return the validation images to compare a group with; None if there are too few of its value."""
    if not alike:
        return known
    same = _rows(known.columns, column, value)
    return known.take(same) if _count(known.blocks[same]) >= MEASURED_AT_LEAST else None
