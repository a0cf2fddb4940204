"""Scores, held against scikit-learn and what can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from darkroom.evaluation import calibration, losses, ranking
from darkroom.evaluation.curves import binary_curves, reliability
from darkroom.evaluation.groups import group_numbers
from darkroom.evaluation.scores import Predictions, estimate, names


def random_predictions(seed, images, classes, confidence=3.0):
    """Predictions that are right more often than not, and some that are equally probable."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, classes, images)
    logits = generator.normal(0, 1, (images, classes)).round(1)
    logits[np.arange(images), truth] += confidence / 2
    shares = np.exp(logits)
    return Predictions(truth, (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32), top=2)


@given(st.integers(0, 10_000), st.integers(2, 200), st.integers(2, 6))
def test_as_scikit_learn_says(seed, images, classes):
    predictions = random_predictions(seed, images, classes)
    found, labels = estimate(predictions), list(range(classes))
    truth, probabilities = predictions.labels, predictions.probabilities.astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(truth, predictions.predicted))
    with np.errstate(all="ignore"):
        recalls = [np.mean(predictions.predicted[truth == each] == each) for each in np.unique(truth)]
    assert found["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    precision, recall, f1, _ = reference.precision_recall_fscore_support(
        truth, predictions.predicted, labels=labels, zero_division=0
    )
    assert [found[f"precision/{each}"] for each in labels] == pytest.approx(precision.tolist())
    assert [found[f"recall/{each}"] for each in labels] == pytest.approx(recall.tolist())
    assert [found[f"f1/{each}"] for each in labels] == pytest.approx(f1.tolist())
    assert (found["macro_precision"], found["macro_f1"]) == pytest.approx((precision.mean(), f1.mean()))
    assert found["log_loss"] == pytest.approx(reference.log_loss(truth, probabilities, labels=labels), rel=1e-4)
    one_hot = np.eye(classes)[truth]
    assert found["brier"] == pytest.approx(((probabilities - one_hot) ** 2).sum(axis=1).mean(), rel=1e-4)
    if classes == 2 and len(set(truth.tolist())) == 2:
        second = predictions.probabilities[:, 1]
        assert found["roc_auc"] == pytest.approx(reference.roc_auc_score(truth, second))
        assert found["average_precision"] == pytest.approx(reference.average_precision_score(truth, second))


@given(st.integers(0, 10_000), st.integers(3, 6))
def test_the_top_k_accuracy_is_that_of_scikit_learn(seed, classes):
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, classes, 50)
    predictions = Predictions(truth, generator.dirichlet(np.ones(classes), 50).astype(np.float32), top=2)
    expected = reference.top_k_accuracy_score(truth, predictions.probabilities, k=2, labels=range(classes))
    assert estimate(predictions)["top_k_accuracy"] == pytest.approx(expected)


def test_k_always_leaves_a_class_out():
    assert [Predictions(np.zeros(1, int), np.ones((1, classes)), top=5).k for classes in (2, 3, 5, 6, 100)] == [
        *(1, 2, 4, 5, 5)
    ]
    assert Predictions(np.zeros(1, int), np.ones((1, 9))).k == 5
    two = random_predictions(0, 50, 2)
    assert estimate(two)["top_k_accuracy"] == estimate(two)["accuracy"]


def test_the_names_are_in_the_order_of_the_table():
    assert list(estimate(random_predictions(0, 30, 2))) == names(2)
    assert names(2)[8:] == [
        *("roc_auc", "average_precision", "precision/0", "precision/1", "recall/0", "recall/1", "f1/0", "f1/1")
    ]
    assert list(estimate(random_predictions(0, 30, 3))) == names(3)
    assert len(names(3)) == 8 + 9


def test_losses_by_hand():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [1.0, 0.0, 0.0]])
    labels = np.array([0, 2, 1])
    found = losses.log_losses(probabilities, labels)
    assert found.observed == pytest.approx([-np.log(0.7), -np.log(0.2), -np.log(1e-7)])
    assert found.if_right == pytest.approx([-np.log(0.7), -np.log(0.5), 0])
    assert found.if_wrong == pytest.approx([-np.log(0.2), -np.log(0.3), -np.log(1e-7)])
    found = losses.brier_scores(probabilities, labels)
    assert found.observed == pytest.approx([0.09 + 0.04 + 0.01, 0.25 + 0.09 + 0.64, 2])
    assert found.if_right == pytest.approx([0.14, 0.25 + 0.09 + 0.04, 0])
    assert found.if_wrong == pytest.approx([0.49 + 0.64 + 0.01, 0.25 + 0.49 + 0.04, 2])


def test_losses_of_many_classes():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(20), 50)
    *_, second, first = np.sort(probabilities, axis=1).T
    found = losses.log_losses(probabilities, np.zeros(50, dtype=np.int64))
    assert found.if_right == pytest.approx(-np.log(first))
    assert found.if_wrong == pytest.approx(-np.log(second))


def test_rounding_makes_no_loss_negative():
    one = np.array([[1 + 2**-52, 0.0], [1 - 2**-53, 2**-53]])
    for of in (losses.log_losses, losses.brier_scores):
        assert (of(one, np.zeros(2, dtype=np.int64)).observed >= 0).all()


def test_the_calibration_error_by_hand():
    # Nine predictions of confidence .9, six of them correct, and one of 1.0 that is correct: bins 13 and 14.
    probabilities = np.array([[0.9, 0.1]] * 9 + [[1.0, 0.0]], dtype=np.float64)
    predictions = Predictions(np.array([0] * 6 + [1] * 3 + [0]), probabilities)
    gap = 0.9 - 6 / 9
    unbiased = gap**2 - 6 / 9 * 3 / 9 / 8
    assert estimate(predictions)["calibration_error"] == pytest.approx(np.sqrt(0.9 * unbiased))
    assert [(row.images, round(row.accuracy, 3)) for row in reliability(predictions)] == [(9, 0.667), (1, 1.0)]
    # Three groups of three, each with one mistake: the pairs are those of different groups.
    groups = np.array([0, 0, 1, 1, 2, 2, 0, 1, 2, 3])
    sums = np.full(3, 2.7 - 2)
    across = (sums.sum() ** 2 - (sums**2).sum()) / (81 - 27)
    assert estimate(predictions, groups)["calibration_error"] == pytest.approx(np.sqrt(0.9 * across))


def test_a_negative_estimate_is_a_calibration_error_of_zero():
    found = calibration.squared_error(np.full(4, 0.75), np.array([True, True, True, False]), np.arange(4))
    assert found.value == pytest.approx(-0.75 * 0.25 / 3)
    assert found.root == 0
    assert calibration.Squared(0.04, 1).root == pytest.approx(0.2)


@given(st.integers(0, 10_000), st.integers(2, 60), st.integers(1, 20))
def test_the_calibration_error_is_the_mean_product_of_two_images_of_different_groups(seed, images, count):
    generator = np.random.default_rng(seed)
    confidence, right = generator.uniform(0.5, 1, images), generator.random(images) < 0.8
    groups = generator.integers(0, count, images)
    number = np.minimum((confidence * 15).astype(int), 14)
    expected = 0.0
    for each in np.unique(number):
        rows = np.flatnonzero(number == each)
        pairs = [(one, other) for one in rows for other in rows if groups[one] != groups[other]]
        gap = confidence - right
        expected += len(rows) * np.mean([gap[one] * gap[other] for one, other in pairs]) if pairs else 0
    found = calibration.squared_error(confidence, right, groups)
    assert found.value == pytest.approx(expected / images, abs=1e-12)
    assert found.error >= 0


def test_a_calibrated_network_has_no_calibration_error_on_average():
    """Of an absolute gap, the mean would be .06 here."""
    generator, values = np.random.default_rng(0), []
    for _ in range(400):
        confidence = generator.uniform(0.5, 1, 362)
        values.append(calibration.squared_error(confidence, generator.random(362) < confidence, np.arange(362)).value)
    assert abs(np.mean(values)) < 3 * np.std(values) / 20
    assert np.mean(values) < 2e-4


def weighted_area(labels, probabilities, weights):
    above = np.sign(probabilities[labels == 1][:, None] - probabilities[labels == 0]) / 2 + 0.5
    pairs = weights[labels == 1][:, None] * weights[labels == 0]
    return (pairs * above).sum() / pairs.sum()


def weighted_precision(labels, probabilities, weights):
    passed = probabilities >= probabilities[labels == 1][:, None]
    precision = (passed * weights * labels).sum(axis=1) / (passed * weights).sum(axis=1)
    return np.average(precision, weights=weights[labels == 1])


@pytest.mark.parametrize(
    ("score", "weighted"),
    [(ranking.roc_auc, weighted_area), (ranking.average_precision, weighted_precision)],
)
@given(seed=st.integers(0, 10_000), images=st.integers(2, 15))
def test_the_influence_of_an_image_is_the_derivative_by_its_weight(score, weighted, seed, images):
    generator = np.random.default_rng(seed)
    labels = np.arange(images) % 2
    probabilities = generator.random(images).round(1)  # with ties
    found = score(labels, probabilities)
    assert found.value == pytest.approx(weighted(labels, probabilities, np.ones(images)))
    for image in range(images):
        change = np.zeros(images)
        change[image] = 1e-5
        more, less = (weighted(labels, probabilities, 1 + sign * change) for sign in (1, -1))
        assert found.influence[image] == pytest.approx((more - less) / 2e-5, abs=1e-6)


@pytest.mark.parametrize("score", [ranking.roc_auc, ranking.average_precision])
@pytest.mark.parametrize("label", [0, 1])
def test_a_ranking_needs_images_of_both_classes(score, label):
    found = score(np.full(3, label), np.array([0.1, 0.2, 0.3]))
    assert np.isnan(found.value)
    assert found.influence.tolist() == [0, 0, 0]


def test_a_curve_has_the_area_that_is_said():
    predictions = random_predictions(1, 300, 2)
    ranked = binary_curves(predictions)
    area = np.trapezoid([0, *ranked.recall], [0, *ranked.false_positive_rate])
    assert area == pytest.approx(estimate(predictions)["roc_auc"])
    assert (ranked.recall[-1], ranked.false_positive_rate[-1]) == (1, 1)


def test_curves_by_hand():
    """Of the second class .9, .6 and .6; of the first .6 and .2."""
    second = np.array([0.6, 0.9, 0.2, 0.6, 0.6])
    predictions = Predictions(np.array([1, 1, 0, 0, 1]), np.stack([1 - second, second], axis=1))
    ranked = binary_curves(predictions)
    assert ranked.recall.tolist() == [1 / 3, 1, 1]
    assert ranked.false_positive_rate.tolist() == [0, 0.5, 1]
    assert ranked.precision.tolist() == [1, 0.75, 0.6]


def test_of_a_class_without_images_a_curve_stays_at_zero():
    probabilities = np.array([[0.0, 1.0], [1.0, 0.0]])
    first, second = (binary_curves(Predictions(np.full(2, label), probabilities)) for label in (0, 1))
    assert (first.recall.tolist(), first.false_positive_rate.tolist()) == ([0, 0], [0.5, 1])
    assert (second.recall.tolist(), second.false_positive_rate.tolist()) == ([0.5, 1], [0, 0])


def test_equal_names_form_one_group():
    assert group_numbers(["b", "a", "b", "c"]).tolist() == [1, 0, 1, 2]
