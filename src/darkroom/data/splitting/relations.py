"""Which images belong together: families of near-duplicates, and the bridges that would join two of them."""

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from darkroom.base.types import Flags, Integers

Links = npt.NDArray[np.int64]
"""Row numbers of linked images, of shape (2, links)."""


class Related(NamedTuple):
    """Families of near-duplicates."""

    families: Integers
    """Number of each image's family."""
    bridges: Flags
    """Whether an image resembles pictures of several splits that do not resemble each other; see ``families``."""


def connected(count: int, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Number the connected components of a graph; return the component of each of ``count`` rows."""
    graph = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def linked(names: pd.Series) -> Links:
    """Link each named row to the first one of that name; empty names link nothing."""
    named = np.flatnonzero(names.to_numpy(dtype=object) != "")
    _, start, number = np.unique(names.to_numpy(dtype=object)[named], return_index=True, return_inverse=True)
    return np.stack([named, named[start[number]]])


def families(links: Links, split: Integers, joining: Flags) -> Related:
    """Divide images into families of near-duplicates.

    Images that joined later may link families that were apart: a *bridge* between a training picture and test pictures,
    such as a collage. If it made one family of them, all these test pictures would count as leaked, although training
    knows them as little as before. Therefore a bridge that is not itself in an earlier split than a family (``SPLITS``)
    only belongs to the families with the earliest split.

    Args:
        links: row numbers of near-duplicates and equal pictures, of shape (2, links).
        split: split of each image, as index of ``SPLITS``.
        joining: images that are new, or were a bridge when they joined.

    Returns:
        The families; and the bridges, which are among ``joining``.
    """
    count = len(split)
    first, second = links
    inside = joining[first] == joining[second]
    parts = connected(count, first[inside], second[inside])
    earliest = np.full(count, len(split), dtype=np.int64)
    np.minimum.at(earliest, parts, split)
    touched = _touched(parts, first[~inside], second[~inside], joining)
    bridging: list[int] = []
    kept: list[tuple[int, int]] = []
    for part, others in touched.items():
        lowest = min(earliest[list(others)])
        stays = {other for other in others if earliest[other] == lowest or earliest[part] < earliest[other]}
        kept += [(part, other) for other in stays]
        if stays != others:
            bridging.append(part)
    joined = np.array(kept, dtype=np.int64).reshape(-1, 2).T
    return Related(connected(count, *joined)[parts], np.isin(parts, bridging))


def _touched(
    parts: Integers, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64], joining: Flags
) -> Mapping[int, set[int]]:
    """Return for each part of joining images the parts of other images that it is linked to."""
    found: dict[int, set[int]] = defaultdict(set)
    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        new, old = (one, other) if joining[one] else (other, one)
        found[int(parts[new])].add(int(parts[old]))
    return found


def leaked(families: Integers, groups: pd.Series, split: Integers, current: Flags) -> Flags:
    """Return which images have their picture or group in an earlier split: validation in training, test in either.

    Args:
        families: see ``Related``; numbers below the number of images.
        groups: group of each image; empty if it has none.
        split: split of each image, as index of ``SPLITS``.
        current: which images are in the data now; others are not in any split of it.
    """
    found = np.zeros(len(split), dtype=bool)
    for names, named in ((families, current), (pd.factorize(groups)[0], current & (groups != "").to_numpy())):
        earliest = np.full(len(split), len(split), dtype=np.int64)
        np.minimum.at(earliest, names[named], split[named])
        found |= named & (earliest[names] < split)
    return found
