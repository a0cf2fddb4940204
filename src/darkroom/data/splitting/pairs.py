"""Pairs of near-duplicate images."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

CONFLICTS = ("two labels", "two splits", "")
PAIR_COLUMNS = ("image", "label", "split", "other", "other_label", "other_split", "similarity", "what")


class Pairs(NamedTuple):
    """Near-duplicate pairs as sorted row numbers of a manifest, ``first`` < ``second``."""

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    similarity: npt.NDArray[np.float32]
    """0 to 1; 1 for equal files."""


NO_PAIRS = Pairs(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32))


def restrict(pairs: Pairs, kept: pd.Index) -> Pairs:
    """Restrict pairs to some rows, and renumber them.

    Args:
        pairs: pairs among all rows.
        kept: numbers of the rows to keep, ascending.
    """
    numbers = np.asarray(kept)
    chosen = np.isin(pairs.first, numbers) & np.isin(pairs.second, numbers)
    first, second = (np.searchsorted(numbers, side[chosen]) for side in (pairs.first, pairs.second))
    return Pairs(first, second, pairs.similarity[chosen])


def union(one: Pairs, other: Pairs) -> Pairs:
    """Return the pairs of both, sorted; of a pair in both, the first counts."""
    first, second = (np.concatenate(sides) for sides in zip(one[:2], other[:2], strict=True))
    _, kept = np.unique(np.stack([first, second]), axis=1, return_index=True)
    return Pairs(first[kept], second[kept], np.concatenate([one.similarity, other.similarity])[kept])


def pairs_table(assigned: pd.DataFrame, pairs: Pairs) -> pd.DataFrame:
    """Return a table of near-duplicates: first those with two labels, then those in two splits, then the others."""
    one, other = assigned.iloc[pairs.first], assigned.iloc[pairs.second]
    conflict = one["label"].to_numpy() != other["label"].to_numpy()
    apart = one["split"].to_numpy() != other["split"].to_numpy()
    two_labels, two_splits, none = CONFLICTS
    columns = [
        *(one[column].to_numpy() for column in ("name", "label", "split")),
        *(other[column].to_numpy() for column in ("name", "label", "split")),
        pairs.similarity.round(4),
        np.where(conflict, two_labels, np.where(apart, two_splits, none)),
    ]
    table = pd.DataFrame(dict(zip(PAIR_COLUMNS, columns, strict=True)))
    rank = table["what"].map(CONFLICTS.index)
    return table.assign(rank=rank).sort_values(["rank", "image", "other"], kind="stable").drop(columns="rank")
