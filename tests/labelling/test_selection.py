"""Pictures to label next: unsure ones, different from each other."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.labelling import selection
from darkroom.labelling.expected import expected


def drawn(count, classes=3, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(count, 6)).astype(np.float32), generator.dirichlet(np.ones(classes), count)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 80), st.integers(1, 30), st.integers(0, 1000))
def test_as_many_different_pictures_as_asked_for_or_all(pictures, count, seed):
    features, probabilities = drawn(pictures, seed=seed)
    rows = selection.choose(features, probabilities, count)
    assert len(rows) == len(set(rows.tolist())) == min(pictures, count)
    assert (np.diff(selection.margins(probabilities)[rows]) >= 0).all()
    assert selection.choose(features, probabilities, count).tolist() == rows.tolist()


def test_sure_pictures_are_not_chosen():
    features, _ = drawn(400)
    probabilities = np.tile([0.98, 0.01, 0.01], (400, 1))
    probabilities[:100] = [0.4, 0.35, 0.25]
    assert selection.choose(features, probabilities, 10).max() < 100


def test_equal_pictures_are_not_chosen_twice_while_there_are_others():
    generator = np.random.default_rng(0)
    middles = np.eye(6, dtype=np.float32)
    features = middles.repeat(10, axis=0) + generator.normal(0, 0.01, (60, 6)).astype(np.float32)
    probabilities = np.tile([0.5, 0.5], (60, 1))
    assert sorted(row // 10 for row in selection.choose(features, probabilities, 6).tolist()) == list(range(6))


def test_equal_features_do_not_break_the_choice():
    assert len(selection.choose(np.zeros((40, 3), np.float32), np.full((40, 2), 0.5), 5)) == 5


def test_expected_gain_is_said_or_why_not():
    generator = np.random.default_rng(0)
    classes = np.arange(600) % 2
    features = (classes[:, None] * 0.4 + generator.normal(size=(600, 40))).astype(np.float32)
    images = pd.DataFrame({"label": np.array(["a", "b"])[classes], "split": ["train"] * 300 + ["validation"] * 300})
    said = expected(images, features, 100)
    assert "100 more, drawn at random, may add about " in said or "not expected to help" in said
    assert "too few" in expected(images.iloc[:50], features[:50], 100)
