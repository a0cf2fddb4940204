"""Scores and their intervals, held against scikit-learn, SciPy and what can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from darkroom.evaluation.bootstrap import accuracy_intervals, group_numbers, interval, resample, score
from darkroom.evaluation.curves import binary_curves, likely_label_errors, reliability
from darkroom.evaluation.scores import OVERALL, Predictions, Scorer, names


def random_predictions(seed, images, classes, confidence=3.0):
    """Predictions that are right more often than not, and some that are equally probable."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, classes, images)
    logits = generator.normal(0, 1, (images, classes)).round(1)
    logits[np.arange(images), truth] += confidence / 2
    shares = np.exp(logits)
    return Predictions(truth, (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32), top=2)


def scored(predictions, weights=None):
    weights = np.ones(len(predictions.labels)) if weights is None else weights
    return dict(zip(names(predictions.classes), Scorer(predictions)(weights).tolist(), strict=True))


@given(st.integers(0, 10_000), st.integers(2, 200), st.integers(2, 6))
def test_as_scikit_learn_says(seed, images, classes):
    predictions = random_predictions(seed, images, classes)
    found, labels = scored(predictions), list(range(classes))
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
    assert scored(predictions)["top_k_accuracy"] == pytest.approx(expected)


def test_k_always_leaves_a_class_out():
    assert [Predictions(np.zeros(1, int), np.ones((1, classes)), top=5).k for classes in (2, 3, 5, 6, 100)] == [
        *(1, 2, 4, 5, 5)
    ]
    two = random_predictions(0, 50, 2)
    assert scored(two)["top_k_accuracy"] == scored(two)["accuracy"]


@given(st.integers(0, 10_000), st.integers(5, 60), st.integers(2, 4))
def test_an_image_that_counts_twice_is_as_two_images(seed, images, classes):
    predictions = random_predictions(seed, images, classes)
    weights = np.random.default_rng(seed).integers(0, 3, images)
    assume(weights.sum() > 0)
    rows = np.repeat(np.arange(images), weights)
    assume(len(set(predictions.labels[rows].tolist())) == classes)
    repeated = Predictions(predictions.labels[rows], predictions.probabilities[rows], predictions.top)
    assert Scorer(predictions)(weights) == pytest.approx(Scorer(repeated)(np.ones(len(rows))), nan_ok=True)


def test_the_calibration_error_by_hand():
    # Nine predictions of confidence .9, six of them correct; one of 1.0 that is correct.
    probabilities = np.array([[0.9, 0.1]] * 9 + [[1.0, 0.0]], dtype=np.float32)
    predictions = Predictions(np.array([0] * 6 + [1] * 3 + [0]), probabilities)
    assert scored(predictions)["calibration_error"] == pytest.approx(0.9 * (0.9 - 6 / 9))
    assert [(row.images, round(row.accuracy, 3)) for row in reliability(predictions)] == [(9, 0.667), (1, 1.0)]


def test_a_curve_has_the_area_that_is_said():
    predictions = random_predictions(1, 300, 2)
    ranked = binary_curves(predictions)
    area = np.trapezoid([0, *ranked.recall], [0, *ranked.false_positive_rate])
    assert area == pytest.approx(scored(predictions)["roc_auc"])
    assert (ranked.recall[-1], ranked.false_positive_rate[-1]) == (1, 1)


def test_the_interval_of_the_accuracy_is_about_that_of_the_binomial():
    predictions = random_predictions(2, 1000, 4)
    found = score(predictions, np.arange(1000), 2000, seed=0)
    exact = stats.binomtest(int(predictions.right.sum()), 1000).proportion_ci(0.95, method="wilson")
    assert found.intervals["accuracy"] == pytest.approx((exact.low, exact.high), abs=0.006)
    assert found.estimates["accuracy"] == predictions.right.mean()
    for name in OVERALL:
        # The bootstrap of the calibration error is biased upwards: images resampled twice deviate more.
        if name != "calibration_error":
            assert found.intervals[name].low < found.estimates[name] < found.intervals[name].high


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_19_of_20_intervals_hold_the_truth(seed):
    """Coverage for a network of accuracy .8, on new random images each time."""
    generator, held = np.random.default_rng(seed), 0
    for _ in range(40):
        right = generator.random(200) < 0.8
        ((low, high),) = accuracy_intervals(right, np.ones((200, 1), dtype=bool), np.arange(200), 300, seed)
        held += low <= 0.8 <= high
    assert held >= 32  # less than 95 % of 40 by chance alone; 32 or fewer happen once in 10,000 times


def test_what_belongs_together_is_drawn_together():
    groups = group_numbers(["b", "a", "b", "c"])
    assert groups.tolist() == [1, 0, 1, 2]
    for weights in resample(groups, 50, seed=0):
        assert weights[0] == weights[2]
        assert weights[0] + weights[1] + weights[3] == 3
    # Ten copies of each of 50 images are 50 findings, and not 500.
    right = np.repeat(np.random.default_rng(0).random(50) < 0.7, 10)
    everything = np.ones((500, 1), dtype=bool)
    ((low, high),) = accuracy_intervals(right, everything, np.repeat(np.arange(50), 10), 1000, 0)
    ((narrow_low, narrow_high),) = accuracy_intervals(right, everything, np.arange(500), 1000, 0)
    assert high - low > 2.5 * (narrow_high - narrow_low)


def test_the_same_seed_draws_the_same():
    one, other, third = (np.stack(list(resample(np.arange(20), 10, seed))).tolist() for seed in (0, 0, 1))
    assert one == other != third


def test_a_score_that_is_never_defined_has_no_interval():
    low, high = interval(np.array([np.nan, np.nan]))
    assert np.isnan(low)
    assert np.isnan(high)


def test_parts_without_images_in_a_draw_do_not_disturb():
    members = np.array([[True], *[[False]] * 30])
    right = np.zeros(31, dtype=bool)
    ((low, high),) = accuracy_intervals(right, members, np.arange(31), 200, 0)
    # Of one image that is mistaken, little follows.
    assert (low, high) == (0, 0.975)


def test_of_ten_right_answers_it_does_not_follow_that_all_are():
    predictions = Predictions(np.arange(10) % 2, np.eye(2, dtype=np.float32)[np.arange(10) % 2])
    found = score(predictions, np.arange(10), 200, 0).intervals
    exact = stats.binomtest(10, 10).proportion_ci(0.95, method="exact")
    assert found["accuracy"] == pytest.approx((exact.low, exact.high))
    assert found["recall/0"] == pytest.approx((stats.binomtest(5, 5).proportion_ci(0.95).low, 1))
    of_five = stats.binomtest(5, 5).proportion_ci(0.95).low
    assert found["f1/0"] == pytest.approx((2 * of_five / (1 + of_five), 1))
    # Copies are no further findings.
    assert score(predictions, np.arange(10) // 5, 200, 0).intervals["accuracy"].low < found["accuracy"].low


def test_planted_label_errors_are_named():
    generator = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], 40)
    probabilities = np.full((120, 3), 0.05)
    probabilities[np.arange(120), truth] = 0.9
    wrong = generator.choice(120, 6, replace=False)
    labels = truth.copy()
    labels[wrong] = (labels[wrong] + 1) % 3
    found = likely_label_errors(Predictions(labels, probabilities.astype(np.float32)))
    assert np.flatnonzero(found).tolist() == sorted(wrong.tolist())
    # A class without images is nothing that a label could have been meant to be.
    none = Predictions(np.zeros(4, int), np.array([[0.4, 0.6]] * 4, dtype=np.float32))
    assert not likely_label_errors(none).any()
