"""Metrics of classes whatever their names: MLflow accepts them, and none takes another's place."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name

from darkroom.tracking.metric_names import LONGEST, metric_name

NAMES = st.text(st.characters(exclude_categories=("Cs",)) | st.sampled_from("+#_U02B./ "), min_size=1, max_size=60)


def name_of(legal):
    return re.sub(r"_U([0-9A-F]{4,6})_", lambda found: chr(int(found.group(1), 16)), legal)


@given(NAMES)
def test_the_name_can_be_told_from_what_mlflow_accepts(label):
    name = f"test_recall/{label}"
    legal = metric_name(name)
    _validate_metric_name(legal)
    if len(name) * 8 < LONGEST:
        assert name_of(legal) == name


@pytest.mark.parametrize(
    ("one", "other"),
    [("C+", "C#"), ("C+", "C_"), ("a?", "a*"), ("..", "."), ("a//b", "a/b"), ("\u200bx", "x"), ("x" * 255, "x" * 254)],
)
def test_alike_names_stay_two(one, other):
    names = {metric_name(f"test_recall/{label}") for label in (one, other)}
    assert len(names) == 2
    for legal in names:
        _validate_metric_name(legal)


@pytest.mark.parametrize("label", ["cat", "007", "NaN", "None", "a b", "a-b.c", "C_", "猫", "1e5", "_U", "a/b"])
def test_names_that_mlflow_accepts_stay(label):
    assert metric_name(f"test_recall/{label}") == f"test_recall/{label}"
