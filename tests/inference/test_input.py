"""The input of a packaged model: base64 in all spellings, lists of numbers, and what its network returns."""

import base64
import urllib.parse

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.base.errors import ImageError
from darkroom.inference.classifier import Classifier, as_entries, from_base64

DESCRIPTION = {"labels": ["a", "b"], "size": [4, 4, 1], "interpolation": "bicubic", "aspect": "stretch"}
BYTES = st.binary(min_size=1, max_size=100)


@given(
    BYTES,
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "data:image/png;base64,", "DATA:;BASE64,", " data:image/svg+xml;charset=utf-8;base64,\n"]),
    st.sampled_from(["", " ", "\r\n"]),
)
def test_base64_is_read_in_all_spellings(content, url_safe, padded, prefix, space):
    text = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(content).decode()
    text = text if padded else text.rstrip("=")
    if prefix and not space:
        text = urllib.parse.quote(text, safe="")
    assert from_base64(prefix + space.join(text) + space) == content


@given(st.text(min_size=10, max_size=50).map(lambda text: f"{text}!"))
def test_other_texts_are_refused_in_one_line_that_does_not_repeat_them(text):
    with pytest.raises(ImageError) as refused:
        from_base64(text)
    assert "\n" not in str(refused.value)
    assert text not in str(refused.value)


@pytest.mark.parametrize(
    "entries",
    [
        [1, "MINE"],
        [[1, 2], ["MINE", 2]],
        [[[1]], None],
        [[1, True]],
        [[[[[1]]]]],
        [10**400, 0.5],
        [{"image": 1}, 1],
    ],
)
def test_lists_with_something_else_than_numbers_are_entries(entries):
    assert as_entries(entries) == entries


def test_a_text_among_numbers_needs_no_memory():
    """As an array of texts it would need 400 GB."""
    assert len(as_entries([*[1] * 1_000_000, "A" * 100_000])) == 1_000_001


@pytest.mark.parametrize(
    ("nested", "shapes"),
    [
        ([[1, 2], [3, 4]], [(2, 2)]),
        ([[[1, 2, 3]]], [(1, 1, 3)]),
        ([[[[1]]], [[[2]]]], [(1, 1, 1)] * 2),
        ([[0.5, 1]], [(1, 2)]),
    ],
)
def test_lists_of_numbers_are_pixels(nested, shapes):
    assert [entry.shape for entry in as_entries(nested)] == shapes


class Network:
    """Returns the same for every image."""

    def __init__(self, *row):
        self._row = row

    def predict_on_batch(self, batch):
        return np.tile(np.array(self._row, dtype=np.float32), (len(batch), 1))


@pytest.mark.parametrize("row", [(np.nan, np.nan), (np.nan, 1.0), (np.inf, 0.0)])
def test_nan_is_no_probability(row):
    with pytest.raises(FloatingPointError, match="NaN or infinity instead of probabilities"):
        Classifier(Network(*row), DESCRIPTION).predict(np.zeros((4, 4), dtype=np.uint8))
