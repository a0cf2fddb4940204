"""What the report says of single test images: their names, and labels that are probably wrong."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from darkroom.data.prepared.datasets import Split
from darkroom.evaluation import report
from darkroom.evaluation.metrics import evaluate
from darkroom.evaluation.scores import Predictions
from darkroom.reporting.figures import MAXIMUM_NAME, end_of
from darkroom.reporting.results import Report

LABELS = ("cat", "dog")
WRONG = (7, 33, 50)


@pytest.fixture
def tested():
    """80 test images that a model knows, and three of them with the other label, the second the surest."""
    classes = np.arange(80) % 2
    of_cat = np.where(classes == 0, 0.9, 0.1)
    of_cat[33] = 0.02
    labelled = classes.copy()
    labelled[list(WRONG)] = 1 - labelled[list(WRONG)]
    rows = pd.DataFrame({"name": [f"{LABELS[number]}/{row:03}.jpg" for row, number in enumerate(labelled)]})
    rows = rows.assign(sha256="s", picture="p", cluster=range(80), label=[LABELS[number] for number in labelled])
    probabilities = np.stack([of_cat, 1 - of_cat], axis=1).astype(np.float32)
    return Split(np.zeros((80, 8, 8, 1), np.uint8), labelled, rows), probabilities


def test_doubted_labels_are_ranked_in_the_table(tested):
    test, probabilities = tested
    table = report.predictions_table(test, probabilities, LABELS)
    found = table.loc[table["label_error"] != "", ["image", "label_error"]]
    assert found["image"].iloc[found["label_error"].astype(int).argmin()] == "cat/033.jpg"
    assert {f"{LABELS[test.classes[row]]}/{row:03}.jpg" for row in WRONG} == set(found["image"])
    assert sorted(found["label_error"]) == ["1", "2", "3"]


def test_a_weak_model_doubts_no_label(tested):
    test, probabilities = tested
    table = report.predictions_table(test, np.full_like(probabilities, 0.5), LABELS)
    assert set(table["label_error"]) == {""}


def test_pictures_are_shown_with_the_names_of_their_files(tested):
    test, probabilities = tested
    titles = report.titles_of(test, probabilities, LABELS, np.array([33, 0]))
    assert titles == ["cat/033.jpg\npredicted dog (0.98), true cat", "cat/000.jpg\npredicted cat (0.90), true cat"]


@pytest.mark.slow
def test_mistakes_are_drawn(tested, tmp_path):
    test, probabilities = tested
    files, predictions = Report(tmp_path), Predictions(test.classes, probabilities)
    report.draw(predictions, test, evaluate(predictions, LABELS, 0), LABELS, "all", files)
    with Image.open(files.mistakes) as picture:
        assert picture.width > 300


def test_of_a_long_name_the_end_is_shown():
    assert end_of("cat/1.jpg") == "cat/1.jpg"
    assert end_of("x" * 100 + "/000123.jpg") == "…" + "x" * (MAXIMUM_NAME - 12) + "/000123.jpg"
    assert end_of("a\nb") == "a\\nb"
