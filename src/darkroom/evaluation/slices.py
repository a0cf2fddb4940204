"""Scores of slices of the test images."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from darkroom.base import wording
from darkroom.base.types import Integers
from darkroom.evaluation import scores
from darkroom.evaluation.scored import accuracy_intervals

MOST_KINDS = 20  # most distinct values of a column to slice by
NO_KINDS = {
    *("name", "sha256", "picture", "width", "height", "pixel_mean", "pixel_deviation", "red", "green", "blue"),
    *("label", "split", "cluster", "group"),
}
"""Manifest columns that identify an image, are numeric, or are reported elsewhere."""
NONE = "none"
"""Value of an image without one."""
SLICE_COLUMNS = ("of", "value", "images", "accuracy", "low", "high")


class Slice(NamedTuple):
    """Images with a common property."""

    of: str
    """The property: a manifest column, or one derived from several."""
    value: str
    members: npt.NDArray[np.bool_]
    """Whether each image is in the slice, of shape (images,)."""


def find_slices(manifest: pd.DataFrame) -> list[Slice]:
    """Slice images into thirds by size, brightness and contrast, and by the values of all other columns.

    Columns with more than ``MOST_KINDS`` values yield thirds if they are numbers, and no slices otherwise.
    """
    numbers = {
        "pixels": manifest["width"] * manifest["height"],
        "brightness": manifest["pixel_mean"],
        "contrast": manifest["pixel_deviation"],
    }
    found = [one for of, column in numbers.items() for one in _thirds(of, column.to_numpy(dtype=np.float64))]
    for of in sorted(set(manifest.columns) - NO_KINDS):
        values = manifest[of].astype("str").to_numpy(dtype=np.str_)
        kinds = np.unique(values)
        if 1 < len(kinds) <= MOST_KINDS:
            found += [Slice(of, str(kind) or NONE, values == kind) for kind in kinds]
        elif len(kinds) > MOST_KINDS:
            found += _of_numbers(of, values)
    return found


def _of_numbers(of: str, values: npt.NDArray[np.str_]) -> list[Slice]:
    """Slice images by a column of many numbers, such as the age, and those without one; no slices of other texts."""
    known = (values != "") & (values != NONE)
    numbers = pd.to_numeric(pd.Series(values).where(known), errors="coerce").to_numpy(dtype=np.float64)
    if not np.isfinite(numbers[known]).all():
        return []
    without = [Slice(of, NONE, ~known)] if not known.all() else []
    return _thirds(of, numbers) + without


def _thirds(of: str, values: npt.NDArray[np.float64]) -> list[Slice]:
    """Slice images into the lowest, middle and highest third of a number; constants yield no slices, NaN is in none."""
    low, high = np.nanquantile(values, [1 / 3, 2 / 3])
    thirds = {
        f"up to {wording.number(low)}": values <= low,
        f"{wording.number(low)} to {wording.number(high)}": (values > low) & (values <= high),
        f"above {wording.number(high)}": values > high,
    }
    return [Slice(of, name, members) for name, members in thirds.items() if members.any() and not members.all()]


def slices_table(predictions: scores.Predictions, found: Sequence[Slice], groups: Integers) -> pd.DataFrame:
    """Return a table of the accuracy on each slice, with its confidence interval; bounds not known are NaN."""
    if not found:
        return pd.DataFrame(columns=list(SLICE_COLUMNS))
    members = np.stack([one.members for one in found], axis=1)
    intervals = accuracy_intervals(predictions.right, members, groups)
    rows = [
        (one.of, one.value, int(one.members.sum()), float(predictions.right[one.members].mean()), *interval)
        for one, interval in zip(found, intervals, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(SLICE_COLUMNS))
