"""What a result suggests to do next."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.evaluation.diagnosis import ADVICE, Diagnosis
from darkroom.evaluation.intervals import UNKNOWN, Interval
from darkroom.evaluation.next_steps import Confusion, Result, confusions, next_steps, tells_apart

BEES = Result(
    accuracy=0.55,
    interval=Interval(0.41, 0.68),
    baseline=0.5,
    test_images=55,
    all_images=397,
    shorter=350.0,
    is_pretrained=False,
    confusions=[Confusion("ant", "bee", 15, 28)],
)
OVERFITTING = ADVICE["overfitting"]


def steps(verdict="overfitting", **changes):
    return next_steps(replace(BEES, **changes), verdict, ADVICE[verdict])


def test_few_photographs_learnt_from_chance():
    guess, pretrained, confused, precision = steps()
    assert guess.startswith("the network may be no better than guessing: always naming the largest class reaches ")
    assert "within the interval of the network's accuracy, 0.4100 to " in guess
    assert "use a pretrained network" in pretrained
    assert "efficientnet_lite0" in pretrained
    assert "about 2 min on 2 processor cores" in pretrained
    assert confused.startswith("confused most: ant taken for bee (15 of 28)")
    assert "with 55 test images the accuracy is known to ± 14 points" in precision
    assert not any("dropout" in step for step in steps())


@pytest.mark.parametrize(
    "changes",
    [{"is_pretrained": True}, {"shorter": 32.0}, {"all_images": 60_000}, {"accuracy": 0.97}],
)
def test_where_another_network_is_no_better_the_training_is_the_subject(changes):
    found = steps(**changes)
    assert OVERFITTING in found
    assert not any("use a pretrained network" in step for step in found)


def test_a_pretrained_network_may_be_trained_further():
    head = {"is_pretrained": True, "trained_head_only": True}
    assert any("only the last layer was trained" in step for step in steps("underfitting", **head))
    assert not any("fine_tuning" in step for step in steps("diverged", **head))
    assert not any("fine_tuning" in step for step in steps(**head, accuracy=0.97))
    # More of its layers were trained already.
    assert not any("fine_tuning" in step for step in steps("underfitting", is_pretrained=True))


def test_a_logistic_regression_has_nothing_to_tune():
    first, *rest = steps(is_pretrained=True, trained_head_only=True, is_regression=True, interval=Interval(0.52, 0.68))
    assert "let more layers learn" in first
    assert not any("dropout" in step or "only the last layer" in step for step in (first, *rest))


def test_from_95_percent_on_another_network_is_not_the_subject():
    assert any("use a pretrained network" in step for step in steps(accuracy=0.9499))
    assert not any("use a pretrained network" in step for step in steps(accuracy=0.95))
    head = {"is_pretrained": True, "trained_head_only": True}
    assert any("fine_tuning" in step for step in steps(**head, accuracy=0.9499))
    assert not any("fine_tuning" in step for step in steps(**head, accuracy=0.95))
    # Small images, of a network that was trained from scratch.
    assert steps(shorter=32.0)[1] == OVERFITTING
    assert not any("fine_tuning" in step for step in steps(shorter=32.0))


def test_the_number_of_test_images_is_a_subject_from_five_points_on():
    assert not any("known to ±" in step for step in steps(interval=Interval(0.0, 0.1)))
    assert any("known to ± 5 points" in step for step in steps(interval=Interval(0.0, 0.101)))


def test_the_interval_of_a_guess_may_end_at_the_baseline():
    assert tells_apart(replace(BEES, interval=Interval(0.5, 0.6))) is False
    assert tells_apart(replace(BEES, interval=Interval(0.51, 0.6))) is True


def test_a_fault_of_the_training_comes_first():
    found = steps("diverged", interval=Interval(0.52, 0.68))
    assert found[0] == ADVICE["diverged"]
    assert "pretrained" in found[1]


def test_a_good_result_says_little():
    good = replace(BEES, accuracy=0.99, interval=Interval(0.98, 0.995), confusions=[], test_images=2000)
    assert next_steps(good, "good fit", ADVICE["good fit"]) == (ADVICE["good fit"],)


def test_without_an_interval_nothing_is_said_of_guessing():
    assert tells_apart(replace(BEES, interval=UNKNOWN)) is None
    assert not any("guessing" in step or "known to ±" in step for step in steps(interval=UNKNOWN))


def matrices(classes):
    row = st.lists(st.integers(0, 30), min_size=classes, max_size=classes)
    return st.lists(row, min_size=classes, max_size=classes)


@given(st.integers(2, 6).flatmap(matrices))
def test_the_most_confused_pairs(rows):
    matrix, labels = np.array(rows), [f"c{number}" for number in range(len(rows))]
    found = confusions(matrix, labels)
    shares = [pair.taken / pair.images for pair in found]
    assert shares == sorted(shares, reverse=True)
    assert len(found) <= 3
    named = {(pair.label, pair.predicted) for pair in found}
    for row, label in enumerate(labels):
        for column, predicted in enumerate(labels):
            count, images = matrix[row, column], matrix[row].sum()
            if row == column or count <= 2:
                assert (label, predicted) not in named
            elif (label, predicted) not in named:
                assert len(found) == 3
                assert count / images <= shares[-1]


def test_confusions_by_hand():
    # The rows' sums are 10, 40 and 20: the largest count is not the largest share.
    matrix = np.array([[5, 3, 2], [8, 29, 3], [0, 4, 16]])
    assert confusions(matrix, ["a", "b", "c"]) == [
        Confusion("a", "b", 3, 10),
        Confusion("b", "a", 8, 40),
        Confusion("c", "b", 4, 20),
    ]


def test_the_diagnosis_in_one_line():
    found = Diagnosis("overfitting", "errors", "add images")
    assert str(found) == "overfitting: errors; add images"
    assert str(replace(found, next_steps=("one", "two"))) == "overfitting: errors; one; two"
    assert replace(found, next_steps=("one",)).as_json()["next_steps"] == ("one",)
