"""An image's split: what belongs together is never apart, and what was decided stays."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.base import types
from darkroom.base.errors import InputError
from darkroom.data.formats.manifest import SPLITS
from darkroom.data.splitting import assign
from darkroom.data.splitting.kept import read, write
from darkroom.data.splitting.pairs import NO_PAIRS, PAIR_COLUMNS, Pairs, pairs_table, restrict
from darkroom.params import PreprocessParams, SplitParams

PARAMS = PreprocessParams()


def manifest(count, group="", given="", label=None):
    """Rows whose hashes do not depend on how many there are."""
    generator = np.random.default_rng(0)
    hashes = [generator.bytes(32).hex() for _ in range(count)]
    return pd.DataFrame(
        {
            "name": [f"{number}.png" for number in range(count)],
            "label": label or ["ab"[number % 2] for number in range(count)],
            "sha256": hashes,
            "group": group or [""] * count,
            "given_split": given or [""] * count,
        }
    )


def pairs_of(links, similarity=0.9):
    first, second = (np.array(side, dtype=np.int64) for side in zip(*links, strict=True)) if links else NO_PAIRS[:2]
    return Pairs(first, second, np.full(len(links), similarity, dtype=np.float32))


def remembered(assigned):
    return dict(zip(assigned["sha256"].str[: types.HASH_DIGITS], assigned["split"], strict=True))


def by_name(assigned):
    return dict(zip(assigned["name"], assigned["split"], strict=True))


COUNT = 120
links = st.lists(st.tuples(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1)).filter(lambda pair: pair[0] < pair[1]),
                 max_size=20, unique=True)  # fmt: skip
groups = st.lists(st.sampled_from(["", "", "", "ann", "bob", "eve"]), min_size=COUNT, max_size=COUNT)


@given(links, groups)
def test_new_images_that_belong_together_are_never_apart(pairs, group):
    assigned = assign.assign(manifest(COUNT, group), pairs_of(pairs), {}, PARAMS)
    for one, other in pairs:
        assert assigned["split"][one] == assigned["split"][other]
    for name in ("ann", "bob", "eve"):
        assert len(set(assigned["split"][assigned["group"] == name])) <= 1
    assert not assigned["leaked"].any()
    assert set(assigned["split"]) <= set(SPLITS)


@given(links, groups, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_decides_nothing(pairs, group, random):
    rows = manifest(COUNT, group)
    order = list(range(COUNT))
    random.shuffle(order)
    moved = rows.iloc[order].reset_index(drop=True)
    place = {old: new for new, old in enumerate(order)}
    again = pairs_of([tuple(sorted((place[one], place[other]))) for one, other in pairs])
    plain = by_name(assign.assign(rows, pairs_of(pairs), {}, PARAMS))
    assert by_name(assign.assign(moved, again, {}, PARAMS)) == plain


@given(links, groups, st.integers(60, COUNT), st.sets(st.integers(0, COUNT - 1), max_size=20))
def test_what_comes_and_goes_moves_no_image(pairs, group, before, gone):
    rows = manifest(COUNT, group)
    first = assign.assign(rows[:before], pairs_of([pair for pair in pairs if pair[1] < before]), {}, PARAMS)
    later = assign.assign(rows, pairs_of(pairs), remembered(first), PARAMS)
    assert by_name(first).items() <= by_name(later).items()
    kept = [number for number in range(COUNT) if number not in gone]
    still = restrict(pairs_of(pairs), pd.Index(kept))
    smaller = assign.assign(rows.iloc[kept], still, remembered(later), PARAMS)
    assert by_name(smaller).items() <= by_name(later).items()


@given(links, st.integers(60, COUNT))
def test_a_new_image_goes_where_its_like_is_and_to_training_if_these_are_apart(pairs, before):
    rows = manifest(COUNT)
    first = assign.assign(rows[:before], NO_PAIRS, {}, PARAMS)
    later = assign.assign(rows, pairs_of(pairs), remembered(first), PARAMS)
    for number in range(before, COUNT):
        near = {one if other == number else other for one, other in pairs if number in {one, other}}
        if near and max(near) < before:
            found = set(later["split"][sorted(near)])
            assert later["split"][number] == (found.pop() if len(found) == 1 else "train") or len(near) > 1
    training = later["split"] == "train"
    touched = {one for pair in pairs for one, other in (pair, pair[::-1]) if training[other] and not training[one]}
    assert set(np.flatnonzero(later["leaked"])) == touched


def test_a_test_image_stays_one_whatever_is_like_it():
    rows = manifest(COUNT)
    first = assign.assign(rows[:100], NO_PAIRS, {}, PARAMS)
    test, train = (int(np.flatnonzero(first["split"] == name)[0]) for name in ("test", "train"))
    later = assign.assign(rows, pairs_of([(test, 110), (train, 110)]), remembered(first), PARAMS)
    assert later["split"][[test, train, 110]].tolist() == ["test", "train", "train"]
    assert np.flatnonzero(later["leaked"]).tolist() == [test]


@pytest.mark.parametrize("shares", [(0.6, 0.2, 0.2), (0.7, 0.15, 0.15), (0.5, 0.3, 0.2)])
@pytest.mark.parametrize("seed", range(10))
def test_the_shares_are_right_within_chance(seed, shares):
    count = 3000
    params = SplitParams(train=shares[0], validation=shares[1], test=shares[2])
    names = [assign.split_of(f"{number:08x}", seed, params) for number in range(count)]
    for name, share in zip(SPLITS, shares, strict=True):
        assert abs(names.count(name) - count * share) <= 3 * np.sqrt(count * share * (1 - share))


def test_another_seed_splits_otherwise():
    names = [[assign.split_of(f"{n:08x}", seed, SplitParams()) for n in range(200)] for seed in (0, 1)]
    assert names[0] != names[1]


def test_given_splits_stand():
    given = ["train", "validation", "test"] * 40
    assigned = assign.assign(manifest(COUNT, given=given), pairs_of([(0, 2), (1, 4)]), {}, PARAMS)
    assert assigned["split"].tolist() == given
    # Row 2 is a test image like the training image 0; rows 1 and 4 are both for validation.
    assert np.flatnonzero(assigned["leaked"]).tolist() == [2]


def test_what_leaks_leaks_with_all_its_copies():
    rows = manifest(COUNT, given=["train", "test", "test", "validation", "train", "test"] * 20)
    # 2 and 5 are copies of the test image 1, for which alone the pair stands; 4 is a copy of the training image 0.
    rows.loc[[2, 5], "sha256"] = rows["sha256"][1]
    rows.loc[4, "sha256"] = rows["sha256"][0]
    assigned = assign.assign(rows, pairs_of([(0, 1), (1, 2), (1, 5), (0, 4)]), {}, PARAMS)
    assert np.flatnonzero(assigned["leaked"]).tolist() == [1, 2, 5]


def test_training_images_are_divided_where_the_source_gives_no_validation():
    given = ["train"] * 100 + ["test"] * 20
    assigned = assign.assign(manifest(COUNT, given=given), pairs_of([(0, 1), (3, 110)]), {}, PARAMS)
    assert set(assigned["split"][:100]) == {"train", "validation"}
    assert set(assigned["split"][100:]) == {"test"}
    assert assigned["split"][0] == assigned["split"][1]
    assert assigned["split"][3] == "train", "what is like a test image is not chosen with"
    assert 10 <= (assigned["split"] == "validation").sum() <= 40


def test_exact_copies_stay_together():
    rows = manifest(COUNT)
    rows.loc[60:, "sha256"] = rows["sha256"][:60].to_numpy()
    assigned = assign.assign(rows, NO_PAIRS, {}, PARAMS)
    assert assigned["split"][:60].tolist() == assigned["split"][60:].tolist()


def test_a_class_without_images_in_a_split_is_named():
    rows = manifest(COUNT, label=["a"] * (COUNT - 1) + ["b"])
    with pytest.raises(InputError, match=r"class 'b' \(1 images\) has no \w+ image; add images"):
        assign.require_all_splits(assign.assign(rows, NO_PAIRS, {}, PARAMS))


def test_the_file_of_splits(tmp_path):
    path = tmp_path / "splits.csv"
    assert read(path, PARAMS) == {}
    rows = manifest(COUNT)
    first = assign.assign(rows, NO_PAIRS, {}, PARAMS)
    write(path, first, {}, PARAMS)
    assert read(path, PARAMS) == remembered(first)
    assert path.read_text().splitlines()[1:] == sorted(path.read_text().splitlines()[1:])
    # Of an image that is gone, the split is remembered.
    fewer = assign.assign(rows[:90], NO_PAIRS, read(path, PARAMS), PARAMS)
    write(path, fewer, read(path, PARAMS), PARAMS)
    assert read(path, PARAMS) == remembered(first)
    for other in (PreprocessParams(seed=1), PreprocessParams(split=SplitParams(train=0.5, validation=0.3, test=0.2))):
        assert read(path, other) == {}
    path.write_text(path.read_text() + "<<<<<<< HEAD\n")
    with pytest.raises(InputError, match=r"splits.csv, line 122: '<<<<<<< HEAD' is not a hash and a split"):
        read(path, PARAMS)


@settings(max_examples=20)
@given(links)
def test_pairs_for_people(pairs):
    assigned = assign.assign(manifest(COUNT), NO_PAIRS, {}, PARAMS)
    table = pairs_table(assigned, pairs_of(pairs))
    assert len(table) == len(pairs)
    assert list(table.columns) == list(PAIR_COLUMNS)
    expected = {
        "two labels" if assigned["label"][one] != assigned["label"][other]
        else "two splits" if assigned["split"][one] != assigned["split"][other] else ""
        for one, other in pairs
    }  # fmt: skip
    assert set(table["what"]) == expected
    assert sorted(table["what"].map(["two labels", "two splits", ""].index)) == list(
        table["what"].map(["two labels", "two splits", ""].index)
    )
