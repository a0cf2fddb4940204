"""Pairs of near-duplicates by hand: unions, restrictions, and the table for people."""

import numpy as np
import pandas as pd

from darkroom.data.splitting.pairs import NO_PAIRS, PAIR_COLUMNS, Pairs, pairs_table, restrict, union


def pairs_of(links, similarity=0.9):
    first, second = np.array(links, dtype=np.int64).T
    return Pairs(first, second, np.full(len(links), similarity, dtype=np.float32))


def rows_of(pairs):
    return list(zip(*(side.tolist() for side in pairs[:2]), pairs.similarity.round(3).tolist(), strict=True))


def test_no_pairs_are_none():
    assert [len(side) for side in NO_PAIRS] == [0, 0, 0]
    assert [len(side) for side in union(NO_PAIRS, NO_PAIRS)] == [0, 0, 0]


def test_the_union_of_pairs():
    one, other = pairs_of([(0, 3), (1, 2)], 0.9), pairs_of([(0, 1), (1, 2)], 0.8)
    both = union(one, other)
    assert (both.first.tolist(), both.second.tolist()) == ([0, 0, 1], [1, 3, 2])
    np.testing.assert_allclose(both.similarity, [0.8, 0.9, 0.9])
    assert union(one, NO_PAIRS).first.tolist() == union(NO_PAIRS, one).first.tolist() == [0, 1]


def test_of_the_rows_that_are_kept_the_pairs_are_renumbered():
    pairs = pairs_of([(0, 2), (1, 2), (2, 5), (3, 4), (4, 5)])._replace(
        similarity=np.array([0.1, 0.2, 0.3, 0.4, 0.5], dtype=np.float32)
    )
    found = restrict(pairs, pd.Index([0, 2, 4, 5]))
    assert (found.first.tolist(), found.second.tolist()) == ([0, 1, 2], [1, 3, 3])
    np.testing.assert_allclose(found.similarity, [0.1, 0.3, 0.5])


def test_conflicting_labels_come_first_in_the_table_then_splits_then_names():
    assigned = pd.DataFrame(
        [
            ("n0", "a", "train"), ("n1", "a", "train"), ("n2", "a", "test"), ("n3", "b", "test"), ("n4", "b", "train"),
        ],
        columns=["name", "label", "split"],
    )  # fmt: skip
    links = [(0, 1), (0, 2), (1, 2), (1, 3), (1, 4), (0, 4), (3, 4)]
    pairs = pairs_of(links)._replace(similarity=np.float32([0.12344, 0.12346, 0.5, 0.6, 0.7, 0.8, 1]))
    table = pairs_table(assigned, pairs)
    assert tuple(table.columns) == PAIR_COLUMNS
    assert table.drop(columns="similarity").to_numpy().tolist() == [
        ["n0", "a", "train", "n4", "b", "train", "two labels"],
        ["n1", "a", "train", "n3", "b", "test", "two labels"],
        ["n1", "a", "train", "n4", "b", "train", "two labels"],
        ["n0", "a", "train", "n2", "a", "test", "two splits"],
        ["n1", "a", "train", "n2", "a", "test", "two splits"],
        ["n3", "b", "test", "n4", "b", "train", "two splits"],
        ["n0", "a", "train", "n1", "a", "train", ""],
    ]
    assert table["similarity"].tolist() == np.float32([0.8, 0.6, 0.7, 0.1235, 0.5, 1, 0.1234]).tolist()
