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
    assert guess.startswith("the network cannot be told apart from guessing: the interval of its accuracy, 0.4100 to ")
    assert "use a pretrained network" in pretrained
    assert "efficientnet_lite0" in pretrained
    assert "about 1 min on 2 processor cores" in pretrained
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
    assert any("fine_tuning.epochs" in step for step in steps("underfitting", is_pretrained=True))
    assert not any("fine_tuning" in step for step in steps("diverged", is_pretrained=True))
    assert not any("fine_tuning" in step for step in steps(is_pretrained=True, accuracy=0.97))


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


def test_the_diagnosis_in_one_line():
    found = Diagnosis("overfitting", "errors", "add images")
    assert str(found) == "overfitting: errors; add images"
    assert str(replace(found, next_steps=("one", "two"))) == "overfitting: errors; one; two"
    assert replace(found, next_steps=("one",)).as_json()["next_steps"] == ("one",)
