"""Names in figures: matplotlib takes nothing in them for a formula, and what it cannot draw is an escape."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from darkroom.evaluation import figures as of_evaluation
from darkroom.evaluation import maps
from darkroom.experiments import figures as of_experiments
from darkroom.reporting import figures
from pipeline import preview
from support.projects import ROOT

NAMES = ["$a$", r"$\frac{x$", "$5-$10", "_^{", r"\$", "猫" * 100, "\U0001f408", "a\n\x1b[2Jb", "\u202eabc", "x" * 255]
BLANK = np.zeros((2, 8, 8, 1), np.uint8)


@pytest.fixture
def texts(monkeypatch):
    """The texts of the figures that are saved."""
    found = []

    def savefig(figure, *_, **__):
        figure.draw_without_rendering()
        found.extend(text for text in figure.findobj(Text) if text.get_text())

    monkeypatch.setattr(Figure, "savefig", savefig)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_class_names_are_drawn_as_they_are(texts, tmp_path, name):
    labels = [name, "dog"]
    of_evaluation.confusion_matrix(np.array([[3, 1], [2, 5]]), labels, "all", tmp_path / "picture.png")
    assert [text.get_text() for text in texts].count(figures.short(name)) >= 2
    figures.augmentation(BLANK, [BLANK], labels, tmp_path / "picture.png")
    figures.pictures(BLANK, [figures.format_prediction(name, 0.5, name)], name, tmp_path / "picture.png")
    maps.heat_maps(BLANK, np.zeros((2, 8, 8), np.float32), labels, name, tmp_path / "picture.png")
    figures.draw_text(name, tmp_path / "picture.png")
    assert not any(text.get_parse_math() for text in texts)


def test_a_name_with_dollars_is_in_the_picture(tmp_path):
    """The case that ended evaluation: no expression between the dollars."""
    of_evaluation.confusion_matrix(np.array([[3, 1], [2, 5]]), [r"$\frac{x$", "$5-$10"], "all", tmp_path / "matrix.png")
    with Image.open(tmp_path / "matrix.png") as picture:
        assert picture.width > 100


def test_no_axis_of_our_own_is_written_as_a_formula(texts, tmp_path):
    rows = [{"images": count, "validation_error": 0.3, "training_error": 0.2} for count in (100, 130)]
    of_experiments.learning_curve(rows, "mlp", tmp_path / "picture.png")
    assert texts
    assert not [text.get_text() for text in texts if "$" in text.get_text()]


@given(st.text(st.characters(), max_size=60))
def test_labels_are_short_and_in_the_font(name):
    drawn = figures.short(name)
    assert "\n" not in drawn
    assert {ord(sign) for sign in drawn} <= figures.known_characters()
    assert len(drawn) <= figures.MAXIMUM_LABEL


def test_mixed_images_are_drawn_with_their_shares(texts, tmp_path):
    images = np.zeros((3, 8, 8, 3), np.uint8)
    mixed = np.array([[0.75, 0.25], [0.0, 1.0], [0.001, 0.999]], dtype=np.float32)
    captions = [preview.shares(row, ["cat", "dog"]) for row in mixed]
    assert captions == ["75% cat\n25% dog", "100% dog", "100% dog"]
    figures.augmentation(images, [images], ["cat", "dog", "dog"], tmp_path / "picture.png", [captions])
    drawn = [text.get_text() for text in texts]
    assert [text for text in drawn if "%" in text] == captions


@pytest.mark.parametrize(("epochs", "markers"), [(1, {"o"}), (2, {"None"})])
def test_one_epoch_can_be_seen(monkeypatch, epochs, markers):
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    epoch = {"loss": 0.2, "accuracy": 0.9, "val_loss": 0.5, "val_accuracy": 0.8}
    figures.curves([epoch] * epochs, 0, "logistic_regression", "curves.png")
    (figure,) = drawn
    lines = [line for axes in figure.axes for line in axes.lines if line.get_label() in {"training", "validation"}]
    assert len(lines) == 4
    assert {line.get_marker() for line in lines} == markers


@pytest.mark.slow
def test_the_users_matplotlibrc_is_not_used(tmp_path):
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nsavefig.dpi: 7\nfont.size: 40\n")
    code = "import sys; from darkroom.reporting import figures; figures.curves(*eval(sys.argv[1]), 'out.png')"
    history = [{"loss": 1.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.5, "learning_rate": 0.1}] * 2
    command = [sys.executable, "-c", code, repr((history, 1, "title"))]
    for folder in (tmp_path, tmp_path / "without"):
        folder.mkdir(exist_ok=True)
        subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, check=True)
    assert (tmp_path / "out.png").read_bytes() == (tmp_path / "without" / "out.png").read_bytes()
