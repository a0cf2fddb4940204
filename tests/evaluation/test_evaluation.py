"""Metrics against the worked examples of the notes, and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from darkroom.evaluation.metrics import class_metrics, confusion_matrix, evaluate, f_score
from darkroom.evaluation.scores import Predictions


def test_the_confusion_matrix_of_the_notes():
    matrix = np.array([[900, 70], [30, 100]])  # well and ill; TP 100, FN 30, FP 70, TN 900
    ill = class_metrics(matrix, 1)
    assert ill.precision == pytest.approx(0.588, abs=5e-4)
    assert ill.recall == pytest.approx(0.769, abs=5e-4)
    assert ill.f1 == pytest.approx(0.667, abs=5e-4)
    truth = np.repeat([0, 0, 1, 1], [900, 70, 30, 100])
    answered = np.repeat([0, 1, 0, 1], [900, 70, 30, 100])
    assert np.array_equal(confusion_matrix(truth, answered, 2), matrix)
    metrics = evaluate(Predictions(truth, np.eye(2, dtype=np.float32)[answered]), ("well", "ill"), 0)
    assert metrics.accuracy == pytest.approx(0.909, abs=5e-4)
    assert metrics.baseline_accuracy == pytest.approx(970 / 1100)


def test_accuracy_alone_misleads():
    """One in a million is ill, and the answer is always: well."""
    truth = np.zeros(1_000_000, dtype=np.int64)
    truth[123] = 1
    always_well = np.tile(np.array([1, 0], dtype=np.float32), (len(truth), 1))
    metrics = evaluate(Predictions(truth, always_well), ("well", "ill"), 0)
    assert metrics.accuracy == metrics.baseline_accuracy == pytest.approx(0.999999, abs=1e-9)
    assert (metrics.classes["ill"].recall, metrics.classes["ill"].f1) == (0, 0)
    assert metrics.macro_f1 == pytest.approx(0.5, abs=1e-6)


def test_leaked_images_are_left_out_of_a_second_accuracy():
    truth, answered = np.array([0, 0, 1, 1, 1]), np.array([0, 0, 1, 0, 0])
    leaked = np.array([True, True, False, False, False])
    metrics = evaluate(Predictions(truth, np.eye(2, dtype=np.float32)[answered]), ("a", "b"), 0, leaked)
    assert (metrics.accuracy, metrics.leaked_images) == (0.6, 2)
    assert metrics.leak_free_accuracy == pytest.approx(1 / 3)
    assert metrics.unverified_images == 0
    unverified = np.array([True, False, True, True, False])
    predictions = Predictions(truth, np.eye(2, dtype=np.float32)[answered])
    # Of the three, one is leaked for certain.
    assert evaluate(predictions, ("a", "b"), 0, leaked, unverified=unverified).unverified_images == 2
    assert evaluate(Predictions(truth, np.eye(2, dtype=np.float32)[answered]), ("a", "b"), 0).leak_free_accuracy == 0.6


def test_the_f_scores_of_the_notes():
    assert f_score(0.95, 0.90) == pytest.approx(0.924, abs=5e-4)
    assert f_score(0.98, 0.85) == pytest.approx(0.910, abs=5e-4)
    assert f_score(0, 0) == 0


predictions = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=80)


@given(predictions)
def test_as_scikit_learn_says(pairs):
    truth, predicted = (np.array(column) for column in zip(*pairs, strict=True))
    labels = ("a", "b", "c", "d")
    metrics = evaluate(Predictions(truth, np.eye(4, dtype=np.float32)[predicted]), labels, 0)
    precision, recall, f1, images = reference.precision_recall_fscore_support(
        truth, predicted, labels=range(4), zero_division=0
    )
    of = list(metrics.classes.values())
    np.testing.assert_allclose([each.precision for each in of], precision)
    np.testing.assert_allclose([each.recall for each in of], recall)
    np.testing.assert_allclose([each.f1 for each in of], f1)
    assert [each.images for each in of] == images.tolist()
    assert metrics.macro_f1 == pytest.approx(f1.mean())
    assert metrics.accuracy == pytest.approx(reference.accuracy_score(truth, predicted))
