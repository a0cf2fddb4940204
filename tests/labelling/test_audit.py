"""The label audit on drawn features: what is planted is found, what is not known is not told."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.labelling import neighbours, out_of_fold, outliers, page, suspects
from darkroom.labelling.audit import ERROR, ODD, TWO_LABELS, Images, audit
from darkroom.reporting import audited

NO_PAIRS = pd.DataFrame({name: [] for name in ("image", "other", "what")}, dtype=str)
LABELS = ("cat", "dog", "emu")


def blobs(count=240, spread=0.35, seed=0):
    """Features of three classes, and the classes."""
    generator = np.random.default_rng(seed)
    classes = np.arange(count) % 3
    middles = np.eye(3, 12)
    features = middles[classes] + generator.normal(0, spread / np.sqrt(12), (count, 12)) + 1
    return features.astype(np.float32), classes.astype(np.int64)


def images(features, classes, cluster=None):
    count = len(classes)
    table = pd.DataFrame(
        {"picture": [f"{row:064x}" for row in range(count)], "name": [f"{row}.png" for row in range(count)]}
    )
    table = table.assign(label=np.array(LABELS)[classes], split="train", row=np.arange(count))
    return Images(table.assign(cluster=np.arange(count) if cluster is None else cluster), features, LABELS)


def planted(share=0.1, seed=1):
    features, classes = blobs(720)
    wrong = np.random.default_rng(seed).permutation(len(classes))[: round(share * len(classes))]
    given_classes = classes.copy()
    given_classes[wrong] = (classes[wrong] + 1) % 3
    return features, classes, given_classes, set(wrong.tolist())


def listed(found, kind):
    return found.rows[(found.table["kind"] == kind).to_numpy()].tolist()


@pytest.mark.parametrize("share", [0.05, 0.1])
def test_planted_label_errors_are_found_with_the_right_suggestion(share):
    features, classes, given_classes, wrong = planted(share)
    found = audit(images(features, given_classes), NO_PAIRS, [])
    errors = listed(found, ERROR)
    assert len(wrong & set(errors)) >= 0.8 * len(wrong)
    assert len(wrong & set(errors)) >= 0.5 * len(errors)
    suggested = found.table.loc[found.table["kind"] == ERROR, ["name", "suggested"]].itertuples(index=False)
    right = [LABELS[classes[int(name.split(".")[0])]] == label for name, label in suggested]
    assert np.mean(right) >= 0.8
    sure = found.table.loc[found.table["kind"] == ERROR, "sure"]
    assert sure.is_monotonic_decreasing
    assert abs(found.found.rate - share) < 0.07  # three standard deviations of 180 images


def test_what_people_have_judged_is_left_out():
    features, _, given_classes, _ = planted()
    first = audit(images(features, given_classes), NO_PAIRS, [])
    judged = first.table["picture"].tolist()
    again = audit(images(features, given_classes), NO_PAIRS, judged)
    assert not set(again.table["picture"]) & set(judged)
    assert again.judged == len(set(judged))


def test_a_weak_model_says_nothing():
    generator = np.random.default_rng(0)
    features, classes = generator.normal(0, 1, (240, 12)).astype(np.float32), np.arange(240) % 3
    found = audit(images(features, classes), NO_PAIRS, [])
    assert found.found.silent
    assert listed(found, ERROR) == []
    assert "No label errors are suggested" in page.page(
        found, np.zeros((len(page.shown(found)), 4, 4, 1), np.uint8), "x", ""
    )


def test_nothing_is_said_about_a_class_that_is_often_missed():
    probabilities = np.full((300, 3), 0.02)
    classes = np.repeat([0, 1, 2], 100)
    predicted = classes.copy()
    predicted[200:270] = 0  # most of the third class
    predicted[:5] = 1
    probabilities[np.arange(300), predicted] = 0.96
    found = suspects.likely_errors(probabilities, classes)
    assert found.weak == (2,)
    assert set(found.rows.tolist()) <= set(range(5))


def test_a_few_images_are_too_few():
    found = suspects.likely_errors(np.full((10, 2), 0.5), np.repeat([0, 1], [7, 3]))
    assert "too few" in found.silent
    # None suggested is not none found.
    counts = {"label_errors": 0, "two_labels": 1, "odd_ones": 0, "silent": found.silent}
    assert audited.line(counts).startswith(f"no label errors are suggested, because {found.silent}, 1 image with a ")
    assert audited.next_step(counts).startswith(
        "look at the 1 image with a near-duplicate of another label in reports/"
    )
    assert audited.next_step({**counts, "two_labels": 0}) is None
    assert found.agreement == 0.7


def test_all_planted_errors_of_an_ideal_model_are_named():
    truth = np.repeat([0, 1, 2], 40)
    probabilities = np.full((120, 3), 0.05)
    probabilities[np.arange(120), truth] = 0.9
    wrong = np.random.default_rng(0).choice(120, 6, replace=False)
    labels = truth.copy()
    labels[wrong] = (labels[wrong] + 1) % 3
    assert sorted(suspects.likely_errors(probabilities, labels).rows) == sorted(wrong.tolist())


@pytest.mark.parametrize(
    ("count", "wrong_elsewhere", "rate"),
    # Of the surest fifth no label is wrong, of the surest 35 % seven in 70.
    [(200, 40, 0.1), (200, 60, 0.0), (1000, 200, 0.0)],
)
def test_the_rate_of_few_images_is_estimated_on_more_of_them(count, wrong_elsewhere, rate):
    labels = np.zeros(count, np.int64)
    of_label = np.linspace(0.999, 0.6, count)
    wrong = np.r_[np.arange(count // 5, count // 5 + 7 * count // 200), np.arange(count - wrong_elsewhere, count)]
    of_label[wrong] = 1 - of_label[wrong]
    found = suspects.likely_errors(np.stack([of_label, 1 - of_label], axis=1), labels)
    assert found.rate == pytest.approx(rate)


def test_a_picture_with_two_labels_is_told_for_both():
    features, classes = blobs()
    features[1] = features[0]
    pairs = pd.DataFrame(
        {"image": ["0.png", "5.png"], "other": ["1.png", "gone.png"], "what": [TWO_LABELS, TWO_LABELS]}
    )
    cluster = np.arange(len(classes))
    cluster[1] = 0
    found = audit(images(features, classes, cluster), pairs, [])
    assert listed(found, TWO_LABELS) == [0, 1]
    two = found.table[found.table["kind"] == TWO_LABELS]
    assert set(two["suggested"]) == {"cat"}  # both show what the first one does
    assert two["other"].tolist() == ["1.png", "0.png"]


def test_pictures_that_only_look_alike_get_no_suggestion():
    features, classes = blobs()
    pairs = pd.DataFrame({"image": ["0.png"], "other": ["1.png"], "what": [TWO_LABELS]})
    cluster = np.arange(len(classes))
    cluster[1] = 0
    found = audit(images(features, classes, cluster), pairs, [])
    two = found.table[found.table["kind"] == TWO_LABELS]
    assert two["suggested"].tolist() == ["", ""]


def test_images_unlike_their_class_are_odd():
    features, classes = blobs()
    features[[10, 40]] = np.eye(12, dtype=np.float32)[[9, 11]] * 8
    found = audit(images(features, classes), NO_PAIRS, [])
    assert {10, 40} <= set(listed(found, ODD)) | set(listed(found, ERROR))


def test_copies_are_no_neighbours():
    features = np.eye(8, dtype=np.float32).repeat(2, axis=0)
    classes, groups = np.zeros(16, np.int64), np.arange(16) // 2
    assert np.allclose(outliers.distances(features, classes, groups), np.sqrt(2))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_parts_keep_groups_together_and_do_not_depend_on_the_order(seed):
    generator = np.random.default_rng(seed)
    count = int(generator.integers(20, 120))
    groups = generator.integers(0, count, count)
    classes = groups % 3
    pictures = np.array([f"{number:064x}" for number in generator.permutation(count)])
    parts = out_of_fold.folds(groups, classes, list(pictures))
    assert all(len(set(parts[groups == group])) == 1 for group in set(groups.tolist()))
    order = generator.permutation(count)
    moved = out_of_fold.folds(groups[order], classes[order], list(pictures[order]))
    assert moved.tolist() == parts[order].tolist()


def test_classes_are_even_in_all_parts():
    classes = np.repeat([0, 1], [100, 10])
    parts = out_of_fold.folds(np.arange(110), classes, [f"{row:064x}" for row in range(110)])
    assert np.bincount(parts[classes == 1]).tolist() == [2] * 5
    assert np.bincount(parts[classes == 0]).tolist() == [20] * 5


def test_predictions_are_probabilities_also_without_all_classes():
    features, classes = blobs(30)
    parts = np.arange(30) % 5
    classes[parts != 0] %= 2  # the third class stands in one part only
    found = out_of_fold.probabilities(out_of_fold.scaled(features), classes, parts, 3)
    assert np.allclose(found.sum(axis=1), 1)
    assert (found >= 0).all()
    one = out_of_fold.probabilities(out_of_fold.scaled(features), np.zeros(30, np.int64), parts, 3)
    assert (one[:, 0] == 1).all()


def test_neighbours_predict_the_nearest_class():
    features, classes = blobs(spread=0.1)
    centred = features - features.mean(axis=0)
    found = neighbours.predict(centred[30:], classes[30:], centred[:30], 3)
    assert (found.argmax(axis=1) == classes[:30]).all()


def test_the_page_shows_pictures_and_escapes_names():
    features, _, given_classes, _ = planted()
    some = images(features, given_classes)
    some.table["name"] = [f"<b>{name}" for name in some.table["name"]]
    found = audit(some, NO_PAIRS, [])
    html = page.page(found, np.zeros((len(page.shown(found)), 8, 8, 1), np.uint8), "drawn numbers", "none")
    assert html.count("<img") == len(page.shown(found))
    # "Odd ones out" are on the page of the data, and others: those least like any picture.
    assert "Unlike their class: " in html
    assert "dd one" not in html
    assert "<b>" not in html
    assert "http" not in html.replace("http://www.w3.org", "")
