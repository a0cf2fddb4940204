"""``darkroom predict`` prints prediction sets and unknown images of models that have them, and nothing of others."""

import io
import json

import pandas as pd
import pytest

from darkroom.base import spreadsheets
from darkroom.base.terminal import shown, shown_lines
from darkroom.serving.predict import Prediction, render

SURE = {"label": "a", "probabilities": {"a": 0.9, "b": 0.1}, "set": ["a"], "unknown": False, "unknown_score": 0.4}
TORN = {**SURE, "probabilities": {"a": 0.6, "b": 0.4}, "set": ["a", "b"]}
EMPTY = {**SURE, "set": [], "unknown": True, "unknown_score": 0.9, "unsure": True}
FEW = {**SURE, "set": ["a", "b"], "unknown": None}
PLAIN = {"label": "a", "probabilities": {"a": 0.9, "b": 0.1}}


def given(*outputs):
    return [Prediction(f"{number}.png", output) for number, output in enumerate(outputs)]


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (SURE, "0.png  a  0.9000"),
        (TORN, "0.png  a  0.6000  a or b"),
        (EMPTY, "0.png  a  0.9000  unknown; unsure; no class is probable enough"),
        (FEW, "0.png  a  0.9000  a or b"),
        (PLAIN, "0.png  a  0.9000"),
    ],
)
def test_the_table_says_what_differs_from_the_label(output, line):
    assert render(given(output), "table") == f"{line}\n"


@pytest.mark.parametrize("name", ["caf\udce9.png", "\udcff=1+1.png", "a\x1b[2J\udc80.png"])
def test_names_that_are_no_text_are_told_in_every_form(name):
    given = [Prediction(name, SURE)]
    readable = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    assert json.loads(shown_lines(render(given, "json")))[0]["image"] == readable
    assert spreadsheets.read(io.StringIO(render(given, "csv")), ("image",))["image"].tolist() == [readable]
    assert render(given, "table").split()[0] == shown(name)


def test_json_has_all_fields():
    answers = json.loads(render(given(SURE, EMPTY, FEW), "json"))
    assert answers == [{"image": f"{n}.png", **output} for n, output in enumerate((SURE, EMPTY, FEW))]


def test_csv_has_columns_for_them():
    table = pd.read_csv(io.StringIO(render(given(SURE, TORN, EMPTY, FEW), "csv")), dtype=str, keep_default_na=False)
    assert list(table.columns) == [
        *("image", "label", "probability", "unsure", "set", "unknown", "unknown_score", "p(a)", "p(b)"),
    ]
    assert [json.loads(cell) for cell in table["set"]] == [["a"], ["a", "b"], [], ["a", "b"]]
    assert list(table["unknown"]) == ["false", "false", "true", ""]
    assert list(table["unknown_score"]) == ["0.4", "0.4", "0.9", "0.4"]


def test_models_without_them_have_the_columns_of_before():
    table = pd.read_csv(io.StringIO(render(given(PLAIN), "csv")))
    assert list(table.columns) == ["image", "label", "probability", "unsure", "p(a)", "p(b)"]
    assert render([], "csv") == "image,label,probability,unsure\n"
