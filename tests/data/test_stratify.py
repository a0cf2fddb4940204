"""Each class has its share in each split, whatever the seed, and also if images come a few at a time."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.base.types import HASH_DIGITS
from darkroom.data.formats.manifest import SPLITS
from darkroom.data.splitting import assign
from darkroom.data.splitting.kept import NOTHING, Line, of_lines
from darkroom.data.splitting.pairs import NO_PAIRS
from darkroom.data.splitting.stratify import Balance, Unit, divide
from darkroom.params import PreprocessParams, SplitParams

SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}


def manifest(labels, seed=0, groups=None, given=None):
    generator = np.random.default_rng(seed)
    hashes = [generator.bytes(32).hex() for _ in labels]
    columns = {"label": labels, "sha256": hashes, "picture": [name[::-1] for name in hashes]}
    empty = [""] * len(labels)
    names = [f"{number}.png" for number in range(len(labels))]
    return pd.DataFrame({"name": names, **columns, "group": groups or empty, "given_split": given or empty})


def split(rows, earlier=NOTHING, **params):
    return assign.assign(rows, NO_PAIRS, earlier, PreprocessParams(**params))


def remembered(rows):
    columns = (rows[name].str[:HASH_DIGITS] for name in ("picture", "sha256"))
    return of_lines(map(Line, *columns, rows["split"]))


def counts(rows):
    return pd.crosstab(rows["label"], rows["split"]).reindex(columns=SPLITS, fill_value=0)


@pytest.mark.parametrize("seed", range(20))
def test_ten_classes_of_twenty_have_their_shares_for_every_seed(seed):
    found = counts(split(manifest([f"c{number % 10}" for number in range(200)]), seed=seed))
    assert (found == [12, 4, 4]).all(axis=None)


@settings(max_examples=20)
@given(st.lists(st.integers(3, 60), min_size=1, max_size=6), st.integers(0, 999), st.sampled_from([
    (0.6, 0.2, 0.2), (0.7, 0.15, 0.15), (0.5, 0.3, 0.2), (0.9, 0.05, 0.05)
]))  # fmt: skip
def test_a_class_misses_its_share_by_less_than_an_image_or_has_one_where_it_would_have_none(sizes, seed, shares):
    labels = [f"c{number}" for number, size in enumerate(sizes) for _ in range(size)]
    params = SplitParams(**dict(zip(SPLITS, shares, strict=True)))
    found = counts(split(manifest(labels, seed), seed=seed, split=params)).to_numpy()
    wanted = np.outer(sizes, shares)
    assert (found >= 1).all()
    needy = wanted.min(axis=1) < 1
    assert (np.abs(found - wanted)[~needy] < 1).all()
    assert (found[needy, 1:] <= np.maximum(np.ceil(wanted[needy, 1:]), 1)).all()


@settings(max_examples=20)
@given(st.lists(st.integers(1, 12), min_size=3, max_size=12), st.integers(0, 99))
def test_groups_of_any_size_leave_no_split_empty_and_stay_whole(sizes, seed):
    groups = [f"g{number}" for number, size in enumerate(sizes) for _ in range(size)]
    found = split(manifest(["a"] * len(groups), groups=groups), seed=seed)
    assert set(found["split"]) == set(SPLITS)
    assert len(found.drop_duplicates(["group", "split"])) == len(sizes)


def test_shares_hold_better_than_by_hash_alone():
    """30 patients with 1 to 20 images of two classes: by hash, the standard deviation of the test share is .08."""
    test, classes = [], []
    for seed in range(20):
        generator = np.random.default_rng(seed)
        sizes = generator.integers(1, 21, 30)
        groups = [f"p{patient}" for patient, size in enumerate(sizes) for _ in range(size)]
        labels = generator.choice(["a", "b"], len(groups), p=[0.8, 0.2]).tolist()
        found = split(manifest(labels, seed, groups=groups), seed=seed)
        test.append((found["split"] == "test").mean())
        classes.append(counts(found).div(found["label"].value_counts(), axis=0)["test"].to_numpy())
    assert np.abs(np.array(test) - 0.2).max() < 0.02
    assert (np.abs(np.array(classes) - 0.2).max(axis=0) < [0.02, 0.06]).all()


@settings(max_examples=15)
@given(st.lists(st.integers(1, 9), min_size=3, max_size=12), st.integers(0, 99))
def test_images_that_come_a_few_at_a_time_have_their_shares_too(portions, seed):
    labels = np.random.default_rng(seed).choice(["a", "b", "c"], sum(portions), p=[0.6, 0.3, 0.1]).tolist()
    rows = manifest(labels, seed)
    there, before = 0, NOTHING
    for portion in portions:
        there += portion
        found = split(rows[:there], before, seed=seed)
        assert before.pictures.items() <= remembered(found).pictures.items()
        before = remembered(found)
    for label, row in counts(found).iterrows():
        size = row.sum()
        assert size < 3 or (row > 0).all(), label
        assert (np.abs(row - size * np.array(list(SHARES.values()))) < 1.5).all(), label


@settings(max_examples=20)
@given(st.integers(0, 99), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_decides_nothing(seed, random):
    labels = np.random.default_rng(seed).choice(["a", "b", "c"], 40, p=[0.6, 0.3, 0.1]).tolist()
    groups = np.random.default_rng(seed).choice(["", "", "p", "q", "r"], 40).tolist()
    rows = manifest(labels, seed, groups=groups)
    order = list(range(40))
    random.shuffle(order)
    moved = split(rows.iloc[order].reset_index(drop=True), seed=seed)
    plain = split(rows, seed=seed)
    assert moved.set_index("name")["split"].to_dict() == plain.set_index("name")["split"].to_dict()


def test_new_images_fill_what_was_lost():
    rows = manifest(["a"] * 100)
    first = split(rows[:50])
    assert counts(first).loc["a"].tolist() == [30, 10, 10]
    # All test images are gone; of the new ones, as many come to test as it lacks.
    left = rows[:50][first["split"] != "test"]
    found = split(pd.concat([left, rows[50:]]), remembered(first))
    assert counts(found).loc["a"].tolist() == [54, 18, 18]


def test_a_class_that_a_split_lacks_gets_its_first_new_image_there():
    """Earlier splits were assigned by hash alone, and a class could lack a split."""
    rows = manifest(["a"] * 22)
    before = remembered(rows[:20].assign(split=["train"] * 10 + ["validation"] * 10))
    assert counts(split(rows[:21], before)).loc["a"].tolist() == [10, 10, 1]
    assert counts(split(rows, before)).loc["a"].tolist() == [10, 10, 2]


def test_only_what_the_source_leaves_open_is_divided():
    given = ["train"] * 40 + ["test"] * 10
    found = split(manifest(["a", "b"] * 25, given=given))
    assert counts(found[:40]).to_numpy().tolist() == [[15, 5, 0], [15, 5, 0]]
    assert set(found["split"][40:]) == {"test"}
    # 60/20/20 of the images without a given split, whatever the others are.
    found = split(manifest(["a"] * 60, given=["test"] * 10 + [""] * 50))
    assert counts(found[10:]).loc["a"].tolist() == [30, 10, 10]


def test_the_rarest_class_of_a_group_decides():
    # 30 patients: all have five images of a; ten of them one of b.
    groups = [f"p{number}" for number in range(30) for _ in range(5)] + [f"p{number}" for number in range(10)]
    for seed in range(10):
        found = split(manifest(["a"] * 150 + ["b"] * 10, groups=groups), seed=seed)
        assert counts(found).to_numpy().tolist() == [[90, 30, 30], [6, 2, 2]]


def units(*images, choices=(0, 1, 2)):
    return [Unit(f"key{number}", one, choices) for number, one in enumerate(images)]


def balance(wanted, filled=None, present=None):
    filled = np.zeros_like(wanted) if filled is None else np.array(filled)
    return Balance(
        np.array(wanted, dtype=float), filled, np.ones_like(wanted) if present is None else np.array(present)
    )


def placed(units, balance):
    return divide(units, balance, SplitParams(), 0)


def test_a_unit_goes_where_pearsons_statistic_is_lowest():
    # One image more: 2 * lacking - 1, divided by what is wanted.
    assert placed(units({0: 1}), balance([[6, 2, 2]])) == [0]  # 11/6, 3/2, 3/2
    assert placed(units({0: 1}), balance([[6, 2, 2]], [[3, 0, 1]])) == [1]  # 5/6, 3/2, 1/2
    assert placed(units({0: 1}), balance([[6, 3, 2]], [[7, 4, 2]])) == [2]  # -3/6, -3/3, -1/2; most are lacking there
    assert placed(units({0: 1}, choices=(0, 1)), balance([[6, 2, 2]], [[6, 2, 0]])) == [0]  # -1/6, -1/2
    assert placed(units({0: 4}), balance([[6, 2, 2]], [[3, 0, 0]])) == [0]  # 4 * 2/6, 4 * 0, 4 * 0
    # Two classes: (1 + 3)/6 + 8/6, 1/2 + 3/2, 3/2 - 8/2.
    there = balance([[6, 2, 2], [6, 2, 2]], [[4, 1, 0], [3, 0, 2]])
    assert placed(units({0: 1, 1: 2}), there) == [1]
    assert there.lacking == [[2, 0, 2], [3, 0, 0]]
    assert there.present == [[1, 2, 1], [1, 3, 1]]
    assert there.overall == [5, 0, 2]


def test_of_equally_good_splits_the_one_that_lacks_most_of_all_classes_is_chosen_then_one_by_hash():
    assert placed(units({0: 1}), balance([[2, 2, 2], [6, 2, 2]], [[2, 0, 0], [0, 1, 0]])) == [2]
    wanted = [[2, 2, 2]]
    names = [SPLITS[placed([Unit(f"{number}", {0: 1}, (0, 1, 2))], balance(wanted))[0]] for number in range(600)]
    for name, share in SHARES.items():
        assert abs(names.count(name) / 600 - share) < 0.06


@pytest.mark.parametrize(("less", "is_tie"), [(0.9e-9, True), (1e-9, False), (1.1e-9, False)])
def test_differences_below_the_tolerance_are_ties(less, is_tie):
    found = set()
    for number in range(20):
        there = balance([[2, 2, 2]])
        there.overall = [0, -less, -5]
        found |= set(placed([Unit(f"{number}", {0: 1}, (0, 1, 2))], there))
    assert found == ({0, 1} if is_tie else {0})


def test_large_units_come_first_and_the_last_ones_fill_empty_splits():
    assert placed(units({0: 1}, {0: 1}, {0: 8}), balance([[8, 1, 1]])) in ([1, 2, 0], [2, 1, 0])
    # By the shares alone, all would go to training.
    three = ({0: 2}, {0: 2}, {0: 2})
    assert placed(units(*three), balance([[96, 1, 1]])) == [0, 0, 0]
    for choices in ((0, 1, 2), (0, 1)):
        found = placed(units(*three, choices=choices), balance([[96, 1, 1]], present=[[0, 0, 0]]))
        assert set(found) == set(choices)
    # As late as possible: two for two empty splits, one for one.
    for present, filling in (([[1, 0, 0]], {1, 2}), ([[1, 1, 0]], {2})):
        found = placed(units(*three), balance([[96, 1, 1]], present=present))
        assert sorted(found)[3 - len(filling) :] == sorted(filling)
        assert found.count(0) == 3 - len(filling)
    # Until then, units go where they are wanted, although other splits are empty.
    assert placed(units({0: 1}, {0: 8}, {0: 1}), balance([[8, 1, 1]], present=[[5, 0, 0]]))[1] == 0
    # For any of a unit's classes.
    assert placed(units({0: 1, 1: 9}), balance([[6, 2, 2], [90, 2, 2]], present=[[5, 5, 0], [5, 5, 5]])) == [2]
