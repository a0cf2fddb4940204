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
from darkroom.data.splitting.earlier import Pictures
from darkroom.data.splitting.kept import NOTHING, Line, of_lines, read, write
from darkroom.data.splitting.pairs import NO_PAIRS, Pairs, restrict
from darkroom.data.splitting.relations import connected
from darkroom.params import PreprocessParams, SplitParams

PARAMS = PreprocessParams()


def manifest(count, group="", given="", label=None):
    """Rows whose hashes do not depend on how many there are."""
    generator = np.random.default_rng(0)
    names = [generator.bytes(32).hex() for _ in range(count)]
    return pd.DataFrame(
        {
            "name": [f"{number}.png" for number in range(count)],
            "label": label or ["ab"[number % 2] for number in range(count)],
            "sha256": names,
            "picture": [name[::-1] for name in names],
            "group": group or [""] * count,
            "given_split": given or [""] * count,
        }
    )


def pairs_of(links, similarity=0.9):
    first, second = (np.array(side, dtype=np.int64) for side in zip(*links, strict=True)) if links else NO_PAIRS[:2]
    return Pairs(first, second, np.full(len(links), similarity, dtype=np.float32))


def remembered(assigned):
    columns = (assigned[name].str[: types.HASH_DIGITS] for name in ("picture", "sha256"))
    return of_lines(map(Line, *columns, assigned["split"]))


def by_name(assigned):
    return dict(zip(assigned["name"], assigned["split"], strict=True))


COUNT = 120
links = st.lists(st.tuples(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1)).filter(lambda pair: pair[0] < pair[1]),
                 max_size=20, unique=True)  # fmt: skip
groups = st.lists(st.sampled_from(["", "", "", "ann", "bob", "eve"]), min_size=COUNT, max_size=COUNT)


@settings(max_examples=30)
@given(links, groups)
def test_new_images_that_belong_together_are_never_apart(pairs, group):
    assigned = assign.assign(manifest(COUNT, group), pairs_of(pairs), NOTHING, PARAMS)
    for one, other in pairs:
        assert assigned["split"][one] == assigned["split"][other]
    for name in ("ann", "bob", "eve"):
        assert len(set(assigned["split"][assigned["group"] == name])) <= 1
    assert not assigned["leaked"].any()
    assert set(assigned["split"]) <= set(SPLITS)


@settings(max_examples=30)
@given(links, groups, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_decides_nothing(pairs, group, random):
    rows = manifest(COUNT, group)
    order = list(range(COUNT))
    random.shuffle(order)
    moved = rows.iloc[order].reset_index(drop=True)
    place = {old: new for new, old in enumerate(order)}
    again = pairs_of([tuple(sorted((place[one], place[other]))) for one, other in pairs])
    plain = by_name(assign.assign(rows, pairs_of(pairs), NOTHING, PARAMS))
    assert by_name(assign.assign(moved, again, NOTHING, PARAMS)) == plain


@settings(max_examples=30)
@given(links, groups, st.integers(60, COUNT), st.sets(st.integers(0, COUNT - 1), max_size=20))
def test_what_comes_and_goes_moves_no_image(pairs, group, before, gone):
    rows = manifest(COUNT, group)
    first = assign.assign(rows[:before], pairs_of([pair for pair in pairs if pair[1] < before]), NOTHING, PARAMS)
    later = assign.assign(rows, pairs_of(pairs), remembered(first), PARAMS)
    assert by_name(first).items() <= by_name(later).items()
    kept = [number for number in range(COUNT) if number not in gone]
    still = restrict(pairs_of(pairs), pd.Index(kept))
    smaller = assign.assign(rows.iloc[kept], still, remembered(later), PARAMS)
    assert by_name(smaller).items() <= by_name(later).items()


@settings(max_examples=30)
@given(links, st.integers(60, COUNT))
def test_a_new_image_goes_where_its_like_is_and_of_several_splits_to_the_last(pairs, before):
    rows = manifest(COUNT)
    first = assign.assign(rows[:before], NO_PAIRS, NOTHING, PARAMS)
    later = assign.assign(rows, pairs_of(pairs), remembered(first), PARAMS)
    # With all that it is linked to by new images alone.
    unit = connected(COUNT, *np.array([pair for pair in pairs if min(pair) >= before], dtype=np.int64).reshape(-1, 2).T)
    for number in range(before, COUNT):
        others = np.flatnonzero(unit == unit[number])
        near = {pair[1 - place] for pair in pairs for place in (0, 1) if pair[place] in others} - set(others)
        if near:
            assert later["split"][number] == max(later["split"][sorted(near)], key=SPLITS.index)


@settings(max_examples=30)
@given(links, st.integers(60, COUNT))
def test_no_test_image_is_burnt_by_new_ones(pairs, before):
    """What is new leaks where it goes, but no earlier image is like more training images than before."""
    rows = manifest(COUNT)
    old = [pair for pair in pairs if pair[1] < before]
    # As if the earlier pairs had not been found when their images came.
    first = assign.assign(rows[:before], NO_PAIRS, NOTHING, PARAMS)
    without = assign.assign(rows[:before], pairs_of(old), remembered(first), PARAMS)
    later = assign.assign(rows, pairs_of(pairs), remembered(first), PARAMS)
    assert later["leaked"][:before].tolist() == without["leaked"].tolist()
    # And so it stays when they are new no longer.
    again = assign.assign(later[[*rows.columns, "bridge"]], pairs_of(pairs), remembered(later), PARAMS)
    for column in ("split", "leaked", "bridge", "family", "cluster"):
        assert again[column].tolist() == later[column].tolist()


def bridged(*pairs, new, **known):
    """Images 0, 1, … of these splits, and what comes of new ones that are linked as the pairs say."""
    rows = manifest(COUNT)
    names = [name for name, count in known.items() for _ in range(count)]
    lines = zip(rows["picture"], rows["sha256"], names, strict=False)
    before = of_lines(Line(picture[:16], sha256[:16], name) for picture, sha256, name in lines)
    return assign.assign(rows[: len(names) + new], pairs_of(pairs), before, PARAMS)


def test_a_bridge_goes_to_test_and_leaks_alone():
    # A training image 0, and the test images 1 to 4, all alike; 5 is like 0 and 1.
    found = bridged((0, 5), (1, 2), (1, 5), (2, 3), (3, 4), train=1, test=4, new=1)
    assert found["split"].tolist() == ["train", "test", "test", "test", "test", "test"]
    assert found["leaked"].tolist() == [False] * 5 + [True]
    assert found["bridge"].tolist() == [False] * 5 + [True]
    assert found["family"].tolist() == [0, 1, 1, 1, 1, 0]
    assert len(set(found["cluster"])) == 1


def test_of_three_splits_a_bridge_belongs_to_the_first_and_goes_to_the_last():
    found = bridged((0, 3), (1, 3), (2, 3), train=1, validation=1, test=1, new=1)
    assert found["split"].tolist() == ["train", "validation", "test", "test"]
    assert found["leaked"].tolist() == [False, False, False, True]
    assert found["family"].tolist() == [0, 1, 2, 0]
    found = bridged((0, 2), (1, 2), validation=1, test=1, new=1)
    assert found["split"].tolist() == ["validation", "test", "test"]
    assert found["leaked"].tolist() == [False, False, True]
    assert found["bridge"].tolist() == [False, False, True]


def test_what_is_like_a_bridge_is_one_too():
    rows = manifest(COUNT)
    first = bridged((0, 2), (1, 2), train=1, test=1, new=1)
    columns = [*rows.columns, "bridge"]
    more = pd.concat([first, rows[3:4].assign(bridge=False)])[columns]
    later = assign.assign(more, pairs_of([(0, 2), (1, 2), (1, 3), (2, 3)]), remembered(first), PARAMS)
    assert later["split"].tolist() == ["train", "test", "test", "test"]
    assert later["leaked"].tolist() == [False, False, True, True]
    assert later["bridge"].tolist() == [False, False, True, True]


def test_no_bridge_links_what_is_in_one_split_or_was_linked_before():
    # New images between two pictures of one split make one family of them.
    assert bridged((0, 2), (1, 2), test=2, new=1)["family"].tolist() == [0, 0, 0]
    assert not bridged((0, 2), (1, 2), test=2, new=1)["bridge"].any()
    assert not bridged((0, 2), (1, 2), train=2, new=1)["bridge"].any()
    # A test image that is like a training image leaks, whatever comes, and with it what is like it.
    found = bridged((0, 1), (1, 2), (2, 3), train=1, test=2, new=1)
    assert found["split"].tolist() == ["train", "test", "test", "test"]
    assert found["leaked"].tolist() == [False, True, True, True]
    assert not found["bridge"].any()


def test_validation_leaks_to_training_and_test_to_both():
    found = bridged((0, 1), (0, 2), train=1, validation=1, test=2, new=0)
    assert found["leaked"].tolist() == [False, True, True, False]
    found = bridged((0, 2), (1, 3), validation=2, test=2, new=0)
    assert found["leaked"].tolist() == [False, False, True, True]


def test_groups_leak_and_a_new_image_of_a_torn_group_goes_to_its_first_split():
    rows = manifest(4, ["ann", "ann", "", "ann"])
    before = remembered(rows[:3].assign(split=["train", "test", "test"]))
    found = assign.assign(rows, NO_PAIRS, before, PARAMS)
    assert found["split"].tolist() == ["train", "test", "test", "train"]
    assert found["leaked"].tolist() == [False, True, False, False]
    # Its picture is a test image's: it goes there, although its group is in training.
    found = assign.assign(rows, pairs_of([(2, 3)]), before, PARAMS)
    assert found["split"].tolist() == ["train", "test", "test", "test"]
    assert found["leaked"].tolist() == [False, True, False, True]


def test_new_images_join_their_group_and_earlier_files_of_their_picture():
    rows = manifest(40, ["", "", "", "", "ann", "ann", "ann", "bob", "bob", *[""] * 31])
    # Pictures 0 and 1 are one, and 2 and 3 as well; their earlier files were recorded before pictures were.
    rows.loc[[1, 9], "picture"] = rows["picture"][0]
    rows.loc[[3], "picture"] = rows["picture"][2]
    known = {0: "validation", 1: "test", 2: "validation", 4: "test", 5: "validation", 7: "test"}
    before = of_lines(Line("-", rows["sha256"][row][:16], name) for row, name in known.items())
    found = assign.assign(rows, NO_PAIRS, before, PARAMS)["split"]
    assert found[[*known]].tolist() == list(known.values())
    # By picture the last split; by group the first.
    assert found[[9, 3]].tolist() == ["test", "validation"]
    assert found[[6, 8]].tolist() == ["validation", "test"]


def test_an_earlier_picture_that_is_gone_draws_altered_copies_and_leaks_no_longer():
    rows = manifest(40)
    gone = Pictures([*rows["picture"], "a" * 64, "b" * 64], np.zeros((42, 1, 1), np.uint8), *np.zeros((2, 42), bool))
    lines = [Line("a" * 16, "1" * 16, "test"), Line("b" * 16, "2" * 16, "train")]
    everything = assign.with_gone(rows, gone)
    found = assign.assign(everything, pairs_of([(0, 40), (1, 40), (1, 41), (2, 41)]), of_lines(lines), PARAMS)
    assert found["split"][:3].tolist() == ["test", "test", "train"]
    assert found["bridge"].tolist() == [False, True, *[False] * 40]
    # Image 2 is in training and like the earlier training picture, as image 1 is.
    assert np.flatnonzero(found["leaked"]).tolist() == [1]
    fewer = assign.assign(everything, pairs_of([(0, 40), (1, 40), (1, 41)]), of_lines(lines), PARAMS)
    assert fewer["split"][1] == "test"
    assert not fewer["leaked"].any(), "the earlier training picture is in training no longer"
    assert found["name"].tolist() == [*rows["name"], "", ""]
    assert found["family"][1] == found["family"].iloc[41] != found["family"].iloc[40]


def test_the_split_of_a_unit_with_a_group_depends_on_the_name_of_its_group():
    groups = [f"g{number % 40}" if number < 40 else "" for number in range(80)]
    rows, links = manifest(80, groups), pairs_of([(number, number + 40) for number in range(40)])
    others = rows.assign(picture=[f"{number * 7919 % 80:064x}" for number in range(80)])
    found, again = (assign.assign(one, links, NOTHING, PARAMS)["split"].tolist() for one in (rows, others))
    assert found == again
    assert (
        found
        != assign.assign(rows.assign(group=rows["group"].replace("g", "h", regex=True)), links, NOTHING, PARAMS)[
            "split"
        ].tolist()
    )


VALIDATION_IS_TEST = PARAMS.model_copy(update={"split": SplitParams(given_validation="test")})


def test_given_validation_images_may_be_the_test():
    given = ["train", "train", "validation"] * 40
    rows = manifest(COUNT, given=given)
    usual = assign.assign(rows, pairs_of([]), NOTHING, PARAMS)
    assert set(usual["split"][2::3]) == {"validation"}
    assigned = assign.assign(rows, pairs_of([]), NOTHING, VALIDATION_IS_TEST)
    assert set(assigned["split"][2::3]) == {"test"}
    rest = assigned["split"][[index % 3 != 2 for index in range(COUNT)]]
    # Validation images are taken from training, in the shares of both.
    assert set(rest) == {"train", "validation"}
    assert (rest == "validation").mean() == pytest.approx(0.25, abs=0.02)
    assign.require_all_splits(assigned)


@pytest.mark.parametrize(
    ("given", "words"),
    [(["train", "validation", "test"] * 40, "has test images"), (["train"] * COUNT, "has no validation images")],
)
def test_where_there_is_a_test_or_no_validation_nothing_can_take_its_place(given, words):
    with pytest.raises(InputError, match=f"given_validation: test given, but the source {words}; remove it"):
        assign.assign(manifest(COUNT, given=given), pairs_of([]), NOTHING, VALIDATION_IS_TEST)


def test_given_splits_stand():
    given = ["train", "validation", "test"] * 40
    assigned = assign.assign(manifest(COUNT, given=given), pairs_of([(0, 2), (1, 4)]), NOTHING, PARAMS)
    assert assigned["split"].tolist() == given
    # Row 2 is a test image like the training image 0; rows 1 and 4 are both for validation.
    assert np.flatnonzero(assigned["leaked"]).tolist() == [2]


def test_what_leaks_leaks_with_all_its_copies():
    rows = manifest(COUNT, given=["train", "test", "test", "validation", "train", "test"] * 20)
    # 2 and 5 are copies of the test image 1, for which alone the pair stands; 4 is a copy of the training image 0.
    rows.loc[[2, 5], "picture"] = rows["picture"][1]
    rows.loc[4, "picture"] = rows["picture"][0]
    assigned = assign.assign(rows, pairs_of([(0, 1), (1, 2), (1, 5), (0, 4)]), NOTHING, PARAMS)
    assert np.flatnonzero(assigned["leaked"]).tolist() == [1, 2, 5]


def test_training_images_are_divided_where_the_source_gives_no_validation():
    given = ["train"] * 100 + ["test"] * 20
    assigned = assign.assign(manifest(COUNT, given=given), pairs_of([(0, 1), (3, 110)]), NOTHING, PARAMS)
    assert set(assigned["split"][:100]) == {"train", "validation"}
    assert set(assigned["split"][100:]) == {"test"}
    assert assigned["split"][0] == assigned["split"][1]
    assert assigned["split"][3] == "train", "what is like a test image is not chosen with"
    assert 10 <= (assigned["split"] == "validation").sum() <= 40


def test_exact_copies_stay_together():
    rows = manifest(COUNT)
    rows.loc[60:, "picture"] = rows["picture"][:60].to_numpy()
    assigned = assign.assign(rows, NO_PAIRS, NOTHING, PARAMS)
    assert assigned["split"][:60].tolist() == assigned["split"][60:].tolist()


def test_a_class_without_images_in_a_split_is_named():
    rows = manifest(COUNT, label=["a"] * (COUNT - 1) + ["b"])
    with pytest.raises(InputError, match=r"class 'b' \(1 image\) has no \w+ image; add images"):
        assign.require_all_splits(assign.assign(rows, NO_PAIRS, NOTHING, PARAMS))


def test_a_split_without_any_image_is_named_with_the_first_class():
    assigned = pd.DataFrame({"label": ["a", "b", "a", "b"], "split": ["train", "train", "test", "test"]})
    with pytest.raises(InputError, match=r"class 'a' \(2 images\) has no validation image"):
        assign.require_all_splits(assigned)
    assign.require_all_splits(pd.concat([assigned, assigned.assign(split="validation")]))


@pytest.mark.parametrize(
    ("images", "clusters", "advice"),
    [
        (2, 2, "so that it has 3 or more"),
        (3, 2, "leaves 2 of the 3 groups"),
        (3, 3, "change preprocess.split"),
        (9, 2, "leaves 2 of the 3 groups"),
    ],
)
def test_what_helps_a_class_without_a_split_is_said(images, clusters, advice):
    cluster = [min(row, clusters - 1) for row in range(images)]
    assigned = pd.DataFrame({"label": "a", "split": "train", "cluster": cluster})
    with pytest.raises(InputError, match=rf"class 'a' \({images} images\) has no validation image; .*{advice}"):
        assign.require_all_splits(assigned)


def test_the_file_of_splits(tmp_path):
    path = tmp_path / "splits.csv"
    assert read(path, PARAMS) == NOTHING
    rows = manifest(COUNT)
    first = assign.assign(rows, NO_PAIRS, NOTHING, PARAMS)
    write(path, first, NOTHING, PARAMS)
    assert read(path, PARAMS) == remembered(first)
    assert path.read_text().splitlines()[0] == (
        "# splits of images by picture and file, for seed 0 and shares 0.6/0.2/0.2"
    )
    assert path.read_text().splitlines()[1:] == sorted(path.read_text().splitlines()[1:])
    # Of an image that is gone, the split is remembered.
    fewer = assign.assign(rows[:90], NO_PAIRS, read(path, PARAMS), PARAMS)
    write(path, fewer, read(path, PARAMS), PARAMS)
    assert read(path, PARAMS) == remembered(first)
    for other in (PreprocessParams(seed=1), PreprocessParams(split=SplitParams(train=0.5, validation=0.3, test=0.2))):
        assert read(path, other)._replace(note="") == NOTHING
        assert read(path, other).note.endswith("for seed 0 and shares 0.6/0.2/0.2: all splits are assigned again")
    path.write_text(path.read_text() + "<<<<<<< HEAD\n")
    with pytest.raises(InputError, match=r"splits.csv, line 122: '<<<<<<< HEAD' is not a picture, a file and a split"):
        read(path, PARAMS)
