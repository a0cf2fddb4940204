"""Find pairs of images with similar descriptions."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from darkroom.base.types import Flags, Floats, Integers, Pixels
from darkroom.data.splitting.descriptions import CROPS, EVEN, SHIFTED, TURNED, WHOLE, describe, in_threads, portions

QUERIES = 8192  # images whose views are described and compared at a time
AREA = 1 << 18  # elements of one matrix product
MOST = 16  # candidates per image, of each kind
# Turned and cropped views are compared only within cells, if there are many images.
EXHAUSTIVE = 4096  # images, up to which there is one cell
CELLS, CELLS_OF_EACH = 512, 8


class Least(NamedTuple):
    """Minimum correlations of two descriptions."""

    plain: float
    mirrored: float


VIEWS = (WHOLE, *TURNED, *SHIFTED, *CROPS)
KINDS = (
    (0, 1, Least(0.72, 0.75)),
    (1, 4, Least(0.85, 0.85)),
    (4, 8, Least(0.78, 0.85)),
    (8, len(VIEWS), Least(0.80, 0.85)),
)
"""Ranges of ``VIEWS``: whole, turned, shifted, cropped."""
_LEAST = np.repeat(
    np.array([least for *_, least in KINDS], np.float32).T, [last - first for first, last, _ in KINDS], 1
)
_KIND = np.repeat(np.arange(len(KINDS)), [last - first for first, last, _ in KINDS])


class Candidates(NamedTuple):
    """Pairs that may be near-duplicates: a view of the first resembles the second."""

    first: Integers
    second: Integers
    view: Integers
    """Index of ``VIEWS``."""
    mirrored: Integers
    """1 if the view resembles the mirrored second, otherwise 0."""
    correlation: Floats

    def at(self, chosen: npt.NDArray[np.generic]) -> "Candidates":
        """Return some of the candidates."""
        return Candidates(*(column[chosen] for column in self))


_NONE = np.empty(0, np.int64)
NO_CANDIDATES = Candidates(_NONE, _NONE, _NONE, _NONE, np.empty(0, np.float32))


def concatenated(parts: Iterable[Candidates]) -> Candidates:
    """Concatenate lists of candidates."""
    return Candidates(*(np.concatenate(columns) for columns in zip(NO_CANDIDATES, *parts, strict=True)))


class Search:
    """Descriptions of whole images, to which views of them are compared.

    They are grouped into cells, so that similar images share one. Centres are random, so that cells do not depend on
    the data.
    """

    def __init__(self, thumbnails: Pixels) -> None:
        """Describe images, uint8 of shape (images, SIDE, SIDE), and group them."""
        self._thumbnails = thumbnails
        blocks = in_threads(
            lambda portion: describe(thumbnails[portion], (WHOLE,))[0],
            portions(len(thumbnails)),
            desc="describing",
            unit=" portions",
        )
        self._whole = np.concatenate(blocks)
        count = CELLS if len(thumbnails) > EXHAUSTIVE else 1
        self._centres = np.random.default_rng(0).normal(size=(count, self._whole.shape[1])).astype(np.float32)
        self._centres[:, EVEN:] = np.abs(self._centres[:, EVEN:])
        self._centres /= np.linalg.norm(self._centres, axis=1, keepdims=True)
        each = min(CELLS_OF_EACH, count)
        near = in_threads(
            lambda portion: np.argpartition(-self._near(self._whole[portion]), each - 1, axis=1)[:, :each],
            portions(len(thumbnails)),
            desc="grouping",
            unit=" portions",
        )
        self._members = _grouped(np.concatenate(near), count)

    def candidates(self, queries: Integers, family: Integers) -> tuple[Candidates, Flags]:
        """Find the candidates of some images, without those inside a family.

        Args:
            queries: rows to compare with all.
            family: number of each image's family.

        Returns:
            At most ``MOST`` candidates of each kind per query, the most correlated; and which images had more.
        """

        def compared(start: int) -> Candidates:
            return self._similar(queries[start : start + QUERIES], family)

        found = concatenated(in_threads(compared, range(0, len(queries), QUERIES), desc="comparing", unit=" portions"))
        found = found.at(np.lexsort((-found.correlation, _KIND[found.view], found.first)))
        kept = _rank(found.first * len(KINDS) + _KIND[found.view]) < MOST
        more = np.zeros(len(self._thumbnails), bool)
        more[found.first[~kept]] = True
        return found.at(kept), more

    def _similar(self, rows: Integers, family: Integers) -> Candidates:
        """Return the candidates that views of some images give; the ``MOST`` + 1 best of each kind per image."""
        vectors = describe(self._thumbnails[rows], VIEWS).reshape(-1, self._whole.shape[1])
        view, query = np.divmod(np.arange(len(vectors), dtype=np.int64), len(rows))
        cell = np.concatenate([self._near(part).argmax(axis=1) for part in np.array_split(vectors, len(VIEWS))])
        # An image's own family may take the first places.
        most = MOST + 1 + int(np.bincount(family)[family[rows]].max(initial=0))
        parts = []
        for inside, members in zip(_grouped(cell[:, None], len(self._centres)), self._members, strict=True):
            place, second, mirrored, correlation = _similar(
                vectors[inside], self._whole[members], _LEAST[:, view[inside]], most
            )
            parts.append(
                Candidates(inside[place], members[second], inside[place], mirrored.astype(np.int64), correlation)
            )
        found = concatenated(parts)
        found = found._replace(first=rows[query[found.first]], view=view[found.view])
        found = found.at(family[found.first] != family[found.second])
        kind = _KIND[found.view]
        return concatenated(_best(found.at(kind == number), MOST + 1) for number in range(len(KINDS)))

    def _near(self, vectors: Floats) -> Floats:
        """Return how near vectors, or their mirror images, are to each centre."""
        vectors = vectors.copy()
        vectors[:, EVEN:] = np.abs(vectors[:, EVEN:])
        return np.asarray(vectors @ self._centres.T)


def _grouped(cells: Integers, count: int) -> list[Integers]:
    """Return the rows of each cell, ascending, from the cells of each row, shape (rows, cells of each)."""
    order = np.argsort(cells, axis=None, kind="stable")
    ends = np.cumsum(np.bincount(cells.ravel(), minlength=count))
    return np.split(order // cells.shape[1], ends[:-1])


def _similar(queries: Floats, others: Floats, least: Floats, most: int) -> tuple[Integers, Integers, Flags, Floats]:
    """Compare descriptions.

    Args:
        queries: descriptions of views.
        others: descriptions of whole images.
        least: minimum correlation of each query, as it is and mirrored, shape (2, queries).
        most: pairs of each query from which on less correlated ones may be left out.

    Returns:
        Pairs of at least the minimum correlation: indices of both; whether mirrored; correlation.
    """
    found = [(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, bool), np.empty(0, np.float32))]
    lowest, highest = least.min(axis=0), least.max(axis=0)
    tall = max(AREA // max(len(others), 1), 64)
    for start in range(0, len(queries), tall):
        rows = slice(start, start + tall)
        here = queries[rows]
        same = here[:, :EVEN] @ others[:, :EVEN].T
        changing = here[:, EVEN:] @ others[:, EVEN:].T
        # The mirror image's correlation is same - changing; take the larger of both.
        same += np.abs(changing, out=changing)
        above = strongest(same, lowest[rows, None], highest[rows, None], most)
        query, place = np.divmod(np.flatnonzero(above), len(others))
        correlation = same[query, place]
        mirrored = (here[query, EVEN:] * others[place, EVEN:]).sum(axis=1) < 0
        kept = correlation > least[mirrored.astype(np.intp), query + start]
        found.append((query[kept] + start, place[kept], mirrored[kept], correlation[kept]))
    one, other, mirrored, correlation = (np.concatenate(column) for column in zip(*found, strict=True))
    return one, other, mirrored, correlation


def strongest(correlations: Floats, lowest: Floats, highest: Floats, most: int) -> Flags:
    """Return which correlations exceed ``lowest``; of rows with many, the ``most`` highest and those equal to them.

    Correlations up to ``highest`` may turn out not to count, so they are no reason to leave others out.
    """
    above = correlations > lowest
    many = np.flatnonzero(np.count_nonzero(above, axis=1) > most)
    if len(many):
        of_many = correlations[many]
        bar = np.partition(of_many, -most, axis=1)[:, -most, None]
        above[many] &= (of_many >= bar) | (bar <= highest[many])
    return above


def _best(found: Candidates, count: int) -> Candidates:
    """Return the most correlated view of each pair, and of those the most correlated ``count`` of each first image."""
    order = np.lexsort((-found.correlation, found.second, found.first))
    found = found.at(order)
    again = (found.first[1:] == found.first[:-1]) & (found.second[1:] == found.second[:-1])
    found = found.at(np.concatenate([np.ones(min(len(order), 1), bool), ~again]))
    found = found.at(np.lexsort((-found.correlation, found.first)))
    return found.at(_rank(found.first) < count)


def _rank(groups: Integers) -> Integers:
    """Return the position of each element among the equal ones, which are adjacent: 0, 1, ..."""
    _, begin, sizes = np.unique(groups, return_index=True, return_counts=True)
    return np.asarray(np.arange(len(groups)) - np.repeat(begin, sizes))
