"""The page of a model: all that is known is on it, and what is not known is said."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from darkroom import evaluation, scores
from darkroom.files import write_json, write_text
from darkroom.model_card import PICTURES, Card, page


class Reader(HTMLParser):
    """Collects text, and notes what is loaded from elsewhere or never closed."""

    def __init__(self):
        super().__init__()
        self.words, self.elsewhere = [], []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in {"src", "href"} and not value.startswith(("data:", "#")):
                self.elsewhere.append(value)
        assert tag != "script"

    def handle_data(self, data):
        self.words.append(data)


def read(text):
    reader = Reader()
    reader.feed(text)
    return " ".join(reader.words), reader.elsewhere


@pytest.fixture
def report(tmp_path):
    """What evaluation writes of twenty images."""
    truth = np.arange(20) % 2
    answered = truth.copy()
    answered[:2] = 1 - answered[:2]
    probabilities = np.eye(2, dtype=np.float32)[answered] * 0.8 + 0.1
    answers, labels = scores.Answers(truth, probabilities), ("cat", "<b>dog</b>")
    metrics = evaluation.evaluate(truth, probabilities, labels, 0)
    write_json(tmp_path / "metrics.json", metrics.as_json())
    scored = scores.score(answers, np.arange(20), 200, 0)
    write_text(tmp_path / "scores.csv", evaluation.table_of_scores(scored, labels).to_csv(index=False))
    part = evaluation.Part("brightness", "up to 3", truth == 0)
    table = evaluation.table_of_parts(answers, [part], np.arange(20), 200, 0)
    write_text(tmp_path / "slices.csv", table.to_csv(index=False))
    write_json(tmp_path / "diagnosis.json", {"verdict": "good fit", "reason": "few errors", "advice": "more data"})
    for name in PICTURES:
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    return tmp_path


def card(report, **more):
    values = {
        "title": "mlp, darkroom version 3",
        "outcome": "promote",
        "reason": "it is better",
        "use": {"intended use": "sorting pets", "owner": ""},
        "data": {"digest": "abc", "images": {"train": 5}},
        "report": report,
        "findings": [{"rule": "better", "passed": True, "text": "p 0.01"}],
        "cost": {"seconds": 1.23456},
        "lineage": {"git commit": "f00"},
        "values": {"epochs": "3"},
    }
    return Card(**{**values, **more})


def test_all_that_is_known_is_on_the_page(report):
    text = page(card(report))
    words, elsewhere = read(text)
    assert elsewhere == []
    assert len(re.findall("data:image/png;base64", text)) == len(PICTURES)
    for expected in (
        *("mlp, darkroom version 3", "Promoted", "it is better", "sorting pets", "p 0.01", "abc", '{"train": 5}'),
        *("0.9000 (", "Good fit", "few errors", "brightness", "up to 3", "1.235", "f00", "epochs", "Python"),
    ):
        assert expected in words, expected


def test_what_is_not_known_is_said(report, tmp_path):
    words, _ = read(page(card(report)))
    assert "owner  not stated" in words or "owner not stated" in words
    assert "accuracy of people not stated" in words
    empty = tmp_path / "empty"
    words, _ = read(page(card(empty, findings=[], outcome="keep")))
    assert "Not promoted" in words
    assert "no diagnosis was made" in words
    assert "Its most certain mistakes: no picture" in words
    assert words.count("not measured") == 3


def test_names_are_words_and_not_code(report):
    text = page(card(report, reason="<script>alert(1)</script>", title="a & b"))
    assert "<script>" not in text
    assert "<b>dog" not in text
    assert "<b>dog</b>" in read(text)[0]
