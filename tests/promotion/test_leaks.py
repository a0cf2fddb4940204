"""Which test images a model has seen, and which earlier decisions have."""

import numpy as np
import pandas as pd
import pytest

from darkroom.data.formats import families
from darkroom.promotion import looks
from darkroom.promotion.leaks import Relations, leaked, training_changed
from darkroom.tracking.seen_images import COLUMNS, SeenImages


def hashed(name):
    return f"{name:0<64}"


def rows(*images):
    """Rows of a manifest: picture, file and group of each image."""
    columns = ["picture", "sha256", "group"]
    table = pd.DataFrame([(hashed(picture), hashed(file), group) for picture, file, group in images], columns=columns)
    return table.assign(label="a")


def seen(*images, use="train", label=""):
    found = [
        (hashed(picture)[:16] if picture else "", hashed(file)[:16] if file else "", use, label)
        for picture, file in images
    ]
    return SeenImages(pd.DataFrame(found, columns=list(COLUMNS), dtype=str))


NONE = families.table([], np.array([], dtype=np.int64))


@pytest.mark.parametrize(
    ("learnt", "found"),
    [
        (("1a", "f"), [True, False, False, False]),  # the same picture
        (("", "fb"), [False, True, False, False]),  # the same file
        (("ea", "f"), [False, False, True, False]),  # an earlier picture of its family
        (("", "fe"), [False, False, False, True]),  # a current file of its group
        (("5a", "f"), [False, False, False, True]),
        (("9a", "f9"), [False, False, False, False]),
    ],
)
def test_what_a_model_has_seen(learnt, found):
    test = rows(("1a", "fa", ""), ("2a", "fb", ""), ("3a", "fc", ""), ("4a", "fd", "patient"))
    current = pd.concat([test, rows(("5a", "fe", "patient"), ("9a", "f9", ""))])
    related = Relations(current, families.table([hashed("3a"), hashed("ea")], np.array([7, 7])))
    assert leaked(test, seen(learnt), related).tolist() == found


def test_the_picture_of_a_file_of_an_earlier_version():
    """Only the training file is recorded; it is still in the data, and a near-duplicate of it is in the test set."""
    test = rows(("1a", "fa", ""))
    related = Relations(
        pd.concat([test, rows(("2a", "fb", ""))]), families.table([hashed("1a"), hashed("2a")], np.array([0, 0]))
    )
    assert leaked(test, seen(("", "fb")), related).tolist() == [True]
    assert leaked(test, seen(("", "fc")), related).tolist() == [False]


def test_images_without_a_group_are_no_group():
    test = rows(("1a", "fa", ""), ("2a", "fb", ""))
    assert leaked(test, seen(("1a", "fa")), Relations(test, NONE)).tolist() == [True, False]


def test_training_pictures_that_changed():
    one = seen(("1a", "fa"), ("2a", "fb"))
    # Saved again in other files, or with other validation images: the same pictures.
    other = SeenImages(pd.concat([seen(("1a", "fc"), ("2a", "fd")).table, seen(("3a", "fe"), use="validation").table]))
    assert not training_changed(one, other)
    assert training_changed(one, seen(("1a", "fa")))
    # Of a model of an earlier version, the files are compared.
    assert not training_changed(one, seen(("", "fa"), ("", "fb")))
    assert training_changed(seen(("", "fa")), one)


def test_training_labels_that_changed():
    one = seen(("1a", "fa"), ("2a", "fb"), label="cat")
    assert not training_changed(one, seen(("2a", "fd"), ("1a", "fc"), label="cat"))
    corrected = SeenImages(pd.concat([seen(("1a", "fa"), label="dog").table, seen(("2a", "fb"), label="cat").table]))
    assert training_changed(one, corrected)
    # The labels of validation images do not train, and of an earlier version's none are known.
    other = seen(("3a", "fe"), use="validation", label="dog").table
    assert not training_changed(one, SeenImages(pd.concat([one.table, other])))
    assert not training_changed(one, seen(("1a", "fa"), ("2a", "fb")))


def test_relations_are_the_output_of_the_split(tmp_path):
    table = rows(("1a", "fa", "one"), ("2a", "fb", "")).assign(name="a.png", split="test")
    related = families.table([hashed("1a"), hashed("2a")], np.array([0, 0]))
    table.to_parquet(tmp_path / "manifest.parquet")
    families.write(related, tmp_path / "families.parquet")
    found = Relations.read(tmp_path)
    pd.testing.assert_frame_equal(found.rows, table[["picture", "sha256", "group"]], check_dtype=False)
    pd.testing.assert_frame_equal(found.families, related, check_dtype=False)


def images(first, last):
    names = [f"{hash((number, 7)) & 0xFFFFFFFF:08x}" for number in range(first, last)]
    return rows(*((name, name, "") for name in names))


def look_at(test, candidate="candidate", rule="better", life="first"):
    return looks.new_look("digits", (candidate, "champion"), test, rule, life)


@pytest.mark.parametrize(
    ("images_of_earlier", "share"), [((0, 100), 1), ((50, 150), 0.5), ((100, 200), 0), ((0, 101), 1)]
)
def test_the_share_of_test_images_that_was_seen(images_of_earlier, share):
    assert look_at(images(*images_of_earlier)).share_of(images(0, 100)["picture"]) == pytest.approx(share)


@pytest.mark.parametrize(("first", "share"), [(0, 1), (1, 0.99995), (10_000, 0.5), (20_000, 0)])
def test_the_share_of_many_is_estimated(first, share):
    found = look_at(images(first, first + 20_000)).share_of(images(0, 20_000)["picture"])
    assert found == pytest.approx(share, abs=0.09)
    assert len(look_at(images(0, 20_000)).sample) == looks.KEPT * looks.DIGITS


def test_one_image_more_does_not_reset_the_meter():
    test, earlier = images(0, 362), []
    for number in range(1, 6):
        look = looks.numbered(look_at(images(0, 361 + number), f"candidate {number}"), earlier, images(0, 361 + number))
        assert look.look == pytest.approx(number, abs=0.1)
        earlier.append(look)
    assert looks.numbered(look_at(images(1000, 1362), "other"), earlier, images(1000, 1362)).look == 1
    assert looks.numbered(look_at(test, "candidate 7"), earlier, test).look == 6


def test_the_same_decision_again_is_no_new_look():
    test = images(0, 50)
    first = looks.numbered(look_at(test), [], test)
    second = looks.numbered(look_at(test, "another"), [first], test)
    assert [(one.look, one.decision) for one in (first, second)] == [(1, 1), (2, 2)]
    assert looks.numbered(look_at(test), [first, second], test) == first
    # With a corrected label it is a new one.
    assert looks.numbered(look_at(test.assign(label="b")), [first, second], test).look == 3


def test_attempts_are_counted_over_all_test_images_of_a_life():
    old, new = images(0, 50), images(50, 100)
    earlier = [
        looks.numbered(look_at(old, "one", "not_worse"), [], old),
        looks.numbered(look_at(old, "two", "better"), [], old),
        looks.numbered(look_at(old, "three", "not_worse", life="another"), [], old),
    ]
    found = looks.numbered(look_at(new, "four", "not_worse"), earlier, new)
    assert (found.look, found.attempt, found.decision) == (1, 2, 4)
    assert looks.numbered(look_at(new, "four", "better"), earlier, new).attempt == 1
