"""Numbers as people write them."""

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
