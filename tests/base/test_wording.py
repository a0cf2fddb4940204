"""Numbers as people write them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.base import wording


@pytest.mark.parametrize(
    ("p", "words"),
    [(0.0, "p < 0.0001"), (3e-28, "p < 0.0001"), (1e-4, "p 0.0001"), (0.0156, "p 0.0156"), (1, "p 1.0000")],
)
def test_p_values(p, words):
    assert wording.p_value(p) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (59_712.3, "59,710"),
        (999.99, "1,000"),
        (12.3456, "12.35"),
        (0.5, "0.5"),
        (3.0, "3"),
        (0, "0"),
        (1.2e-5, "0.000012"),
    ],
)
def test_numbers(value, words):
    assert wording.number(value) == words


@given(st.floats(min_value=1e-6, max_value=1e15) | st.floats(min_value=-1e15, max_value=-1e-6))
def test_no_exponents_and_four_digits(value):
    text = wording.number(value)
    assert "e" not in text
    assert float(text.replace(",", "")) == pytest.approx(value, rel=6e-4)


def test_how_well_an_accuracy_is_known():
    assert wording.accuracy_known(55) == (
        "with 55 test images, an accuracy of 0.9 is known to ± 8 points, one of 0.5 to ± 13"
    )


def test_ids_of_runs_are_short_and_other_digits_are_not():
    run = "0f" * 16
    assert wording.short_runs(f"run {run}, {run}; {run}0, {'G' * 32}") == f"run 0f0f0f0f, 0f0f0f0f; {run}0, {'G' * 32}"


@pytest.mark.parametrize(
    ("share", "words"), [(0.99166, "99.2 %"), (1, "100 %"), (0, "0 %"), (0.9999, "100.0 %"), (0.5, "50.0 %")]
)
def test_shares(share, words):
    assert wording.percent(share) == words


def test_a_share_is_rounded_alike_in_single_and_double_precision():
    shares = (1 - 0.7125, 1 - float(np.float32(0.7125)), 0.2875)
    assert {wording.percent(share) for share in shares} == {"28.8 %"}


@pytest.mark.parametrize(
    ("seconds", "words"), [(4.22, "4.2 s"), (59, "59 s"), (95, "1.6 min"), (5400, "90 min"), (0, "0 s")]
)
def test_durations(seconds, words):
    assert wording.minutes(seconds) == words


def test_a_result_in_one_sentence():
    assert wording.result("mlp", 0.9, (0.8, 0.95), 1200, 0.1) == (
        "mlp is right on 90.0 % of 1,200 test images (95 % interval 80.0 % to 95.0 %); always naming the largest "
        "class is right on 10.0 %."
    )
    assert wording.result("mlp", 1.0, None, 4, None) == (
        "mlp is right on 100 % of 4 test images (too few to tell how precisely)."
    )
