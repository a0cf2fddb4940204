"""Families, bridges and leaks by hand; as indices of splits, 0 is training, 1 validation and 2 test."""

import numpy as np
import pandas as pd
import pytest

from darkroom.data.splitting import relations


def test_rows_with_a_path_of_links_are_connected():
    found = relations.connected(6, np.array([0, 3, 3]), np.array([1, 1, 4]))
    assert found.tolist() == [0, 0, 1, 0, 0, 2]
    assert found.dtype == np.int64
    assert relations.connected(2, *np.zeros((2, 0), np.int64)).tolist() == [0, 1]


def test_names_link_rows_to_their_first():
    found = relations.linked(pd.Series(["b", "", "a", "b", "", "b", "a"]))
    assert sorted(zip(*found.tolist(), strict=True)) == [(0, 0), (2, 2), (3, 0), (5, 0), (6, 2)]
    assert relations.linked(pd.Series(["", ""])).shape == (2, 0)


def related(links, split, joining):
    flags = np.isin(np.arange(len(split)), joining)
    links = np.array(links, dtype=np.int64).reshape(-1, 2).T
    # The direction of a link says nothing.
    found, turned = (relations.families(both, np.array(split), flags) for both in (links, links[::-1]))
    assert found.families.tolist() == turned.families.tolist()
    assert found.bridges.tolist() == turned.bridges.tolist()
    return found.families.tolist(), np.flatnonzero(found.bridges).tolist()


@pytest.mark.parametrize(
    ("links", "split", "joining", "families", "bridges"),
    [
        ([], [0, 2], [1], [0, 1], []),
        # Of two families in two splits, a bridge belongs to the earlier, wherever it is itself.
        ([(0, 2), (1, 2)], [0, 2, 2], [2], [0, 1, 0], [2]),
        ([(0, 2), (1, 2)], [1, 2, 2], [2], [0, 1, 0], [2]),
        ([(0, 2), (1, 2)], [0, 1, 1], [2], [0, 1, 0], [2]),
        # In an earlier split than a family, it leaks that family: nothing is bridged.
        ([(0, 2), (1, 2)], [0, 2, 0], [2], [0, 0, 0], []),
        ([(0, 2), (1, 2)], [1, 2, 0], [2], [0, 0, 0], []),
        ([(0, 3), (1, 3), (2, 3)], [0, 1, 2, 1], [3], [0, 1, 0, 0], [3]),
        # Two families of one split become one, and so do both of the earliest split.
        ([(0, 2), (1, 2)], [2, 2, 2], [2], [0, 0, 0], []),
        ([(0, 3), (1, 3), (2, 3)], [0, 0, 2, 2], [3], [0, 0, 1, 0], [3]),
        # A family is in the earliest split of its images.
        ([(0, 1), (1, 3), (2, 3)], [0, 2, 2, 2], [3], [0, 0, 1, 0], [3]),
        # Images that join together are one bridge; those that were there are linked without condition.
        ([(0, 2), (2, 3), (1, 3)], [0, 2, 2, 2], [2, 3], [0, 1, 0, 0], [2, 3]),
        ([(0, 2), (1, 2)], [0, 2, 2], [], [0, 0, 0], []),
    ],
)
def test_families_and_bridges(links, split, joining, families, bridges):
    assert related(links, split, joining) == (families, bridges)


def leaks(families, groups, split, gone=()):
    current = ~np.isin(np.arange(len(split)), gone)
    numbers, places = (np.array(each, dtype=np.int64) for each in (families, split))
    return relations.leaked(numbers, pd.Series(groups, dtype="str"), places, current).tolist()


def test_a_family_or_group_in_an_earlier_split_leaks():
    alone = [""] * 4
    assert leaks([0, 0, 0, 1], alone, [0, 1, 2, 2]) == [False, True, True, False]
    assert leaks([3, 3, 2, 2], alone, [1, 2, 2, 2]) == [False, True, False, False]
    assert leaks([0, 1, 2, 3], ["p", "p", "", ""], [1, 2, 0, 1]) == [False, True, False, False]
    assert leaks([0, 0, 1, 1], ["p", "q", "q", "p"], [2, 1, 2, 0]) == [True, False, True, False]
    # What is gone neither leaks nor makes others leak.
    assert leaks([0, 0, 0, 0], alone, [0, 1, 2, 2], gone=[0, 3]) == [False, False, True, False]
    assert leaks([0, 1, 2, 3], ["p"] * 4, [0, 1, 2, 2], gone=[0, 3]) == [False, False, True, False]
    assert leaks([], [], []) == []
