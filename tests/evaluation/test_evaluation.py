"""Metrics against the worked examples of the notes, and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from darkroom.evaluation.metrics import (
    class_metrics,
    confusion_matrix,
    evaluate,
    f_score,
    informative_images,
    scores_table,
)
from darkroom.evaluation.scored import score
from darkroom.evaluation.scores import Predictions, names


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


def test_mistakes_are_shown_first_then_a_right_answer_of_each_class():
    truth = np.array([0, 1, 2, 0, 1, 2, 0, 1])
    answered = np.array([1, 1, 2, 0, 1, 2, 2, 1])
    certainty = np.array([0.6, 0.7, 0.5, 0.9, 0.8, 0.9, 0.7, 0.95], dtype=np.float32)
    probabilities = np.zeros((8, 3), dtype=np.float32)
    probabilities[np.arange(8), answered] = certainty
    assert informative_images(truth, probabilities, 6).tolist() == [6, 0, 3, 7, 5, 4]
    assert informative_images(truth, probabilities, 2).tolist() == [6, 3]
    assert informative_images(truth, probabilities, 100).tolist() == [6, 0, 3, 7, 5, 4, 2, 1]
    wrong = np.roll(probabilities, 1, axis=1)[answered == truth]
    assert len(informative_images(truth[answered == truth], wrong, 4)) == 4
    # As many mistakes as right answers, and an odd number of places.
    assert informative_images(truth[:4], np.eye(3)[[1, 0, 2, 0]], 3).tolist() == [0, 3, 2]


def test_what_else_belongs_to_the_metrics():
    truth, answered = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0])
    predictions = Predictions(truth, np.eye(2, dtype=np.float32)[answered])
    found = evaluate(predictions, ("a", "b"), 1, groups=np.array([3, 3, 5, 6, 6]), human_accuracy=0.9)
    assert (found.images, found.clusters, found.k, found.human_accuracy) == (5, 3, 1, 0.9)
    assert (found.leaked_images, found.unverified_images, found.baseline_accuracy) == (0, 0, 0.6)
    assert found.roc_auc == pytest.approx(7 / 12)
    assert found.average_precision == pytest.approx(2 / 3 * 2 / 3 + 1 / 3 * 3 / 5)
    all_leaked = evaluate(predictions, ("a", "b"), 1, np.ones(5, dtype=bool))
    assert (all_leaked.leaked_images, all_leaked.leak_free_accuracy, all_leaked.clusters) == (5, 0, 5)
    one_class = evaluate(Predictions(np.zeros(3, dtype=int), np.eye(2)[[0, 0, 0]]), ("a", "b"), 0)
    assert (one_class.roc_auc, one_class.average_precision) == (None, None)
    assert not {"roc_auc", "human_accuracy"} & one_class.as_json().keys()
    assert (one_class.classes["b"].precision, one_class.classes["b"].recall) == (0, 0)
    three = evaluate(Predictions(truth, np.eye(3)[answered]), ("a", "b", "c"), 0)
    assert (three.roc_auc, three.k) == (None, 2)


def test_the_table_of_scores():
    truth = np.arange(40) % 2
    answered = np.where(np.arange(40) < 6, 1, truth)
    scored = score(Predictions(truth, np.eye(2, dtype=np.float32)[answered]), np.arange(40))
    table = scores_table(scored, ("cat", "dog"))
    assert table.columns.tolist() == ["score", "label", "value", "low", "high"]
    assert [f"{row.score}/{row.label}" if row.label else row.score for row in table.itertuples()] == [
        name.replace("/0", "/cat").replace("/1", "/dog") for name in names(2)
    ]
    expected = [[value, *scored.intervals[name]] for name, value in scored.estimates.items()]
    np.testing.assert_allclose(table[["value", "low", "high"]], expected)
