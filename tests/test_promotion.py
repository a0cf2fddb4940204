"""The decision is a pure function of numbers."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.params import PromoteParams
from darkroom.promotion import Contender, best_candidate, decide

RULES = PromoteParams()
NEW = Contender("lenet5", "new", 0.95, 200, validation_accuracy=0.96, validation_loss=0.1)
OLD = Contender("mlp", "old", 0.94, 200)


def test_the_first_model():
    decision = decide(NEW, None, RULES)
    assert decision.outcome == "promote"
    assert "first model" in decision.reason


def test_the_champion_itself():
    decision = decide(NEW, replace(NEW, test_accuracy=0.1), RULES)
    assert decision.outcome == "keep"
    assert "already" in decision.reason


def test_a_better_one_with_its_numbers():
    decision = decide(NEW, OLD, RULES)
    assert decision.outcome == "promote"
    assert "0.9500 against the champion's 0.9400 on the same 200 test images: +2 right answers" in decision.reason


def test_an_equal_one_stays_challenger():
    assert decide(replace(NEW, test_accuracy=0.94), OLD, RULES).outcome == "keep"


def test_the_minimum_gain():
    assert decide(NEW, OLD, PromoteParams(minimum_gain=0.01)).outcome == "promote"
    assert decide(NEW, OLD, PromoteParams(minimum_gain=0.011)).outcome == "keep"


def test_other_test_images_are_no_comparison():
    with pytest.raises(ValueError, match="same test images"):
        decide(NEW, replace(OLD, test_images=100), RULES)


@given(st.integers(1, 500), st.data())
def test_no_model_promotes_itself_round_in_a_circle(images, data):
    right = [data.draw(st.integers(0, images)) for _ in range(2)]
    one, other = (
        replace(NEW, run_id=str(n), test_accuracy=r / images, test_images=images) for n, r in enumerate(right)
    )
    assert [decide(one, other, RULES).outcome, decide(other, one, RULES).outcome] != ["promote", "promote"]
    assert (decide(one, other, RULES).outcome == "promote") == (right[0] > right[1])


def test_the_candidate_is_chosen_on_validation_data_alone():
    fewer = replace(NEW, network="mlp", test_accuracy=0.99, validation_accuracy=0.9)
    assert best_candidate([fewer, NEW], RULES) is NEW
    tied = replace(NEW, network="mnist_cnn", validation_loss=0.05)
    assert best_candidate([NEW, tied], RULES) is tied
    by_loss = replace(fewer, validation_loss=0.01)
    assert best_candidate([NEW, by_loss], PromoteParams(candidate="validation_loss")) is by_loss
