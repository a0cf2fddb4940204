"""Classes and files whose names mean something to a library: a whole pipeline, and what it prints and writes. Slow."""

import csv
import json
import os
import re
import sqlite3
import subprocess
from contextlib import closing

import pytest
from PIL import Image, ImageOps

from darkroom.base import spreadsheets
from darkroom.base.files import read_record
from support.finished import SMALL
from support.pictures import draw
from support.projects import Project

pytestmark = pytest.mark.slow

CLASSES = {
    "C+": lambda number: draw("a", number),
    "C#": lambda number: draw("b", number),
    r"=cmd $\frac{x$": lambda number: draw("c", number),
    "<img src=x onerror=alert(1)>\x1b[2J": lambda number: ImageOps.mirror(draw("c", number)),
}
"""MLflow's metrics, spreadsheets and matplotlib, HTML and terminals; and the pictures of each class."""
NAMES = ("=1+1", "+A1", "@SUM(A1)", "-2+3", "\x1b]0;title\x07", "$$", "'; DROP TABLE runs; --")
SHARED = ("=1+1.txt", "\x1b[31mred.png", "<svg onload=alert(2)>.png")
"""Files that are no images."""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project of such classes and files whose pipeline has run."""
    made = Project(tmp_path_factory.mktemp("names") / "project")
    for label, picture in CLASSES.items():
        folder = made.root / "data" / "raw" / label
        folder.mkdir(parents=True)
        for number in range(40):
            name = NAMES[number] if number < len(NAMES) else f"{number:03d}"
            picture(number).save(folder / f"{name}.png")
        for name in SHARED[:1] if label == "C+" else SHARED[1:]:
            (folder / name).write_bytes(b"no image")
    made.params(**{**SMALL, "models": ["mlp"], "validate.maximum_quarantine_share": 0.2}).git("data/raw")
    made.printed = made.run("dvc", "repro")
    return made


def cells(text):
    return [cell for row in csv.reader(text.splitlines()) for cell in row]


def is_formula(cell):
    return cell.startswith(("=", "+", "-", "@", "\t", "\r")) and not spreadsheets.NUMBER.fullmatch(cell)


def steers(text):
    return re.findall(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text)


def test_the_pipeline_runs_through_and_prints_nothing_that_steers_the_terminal(project):
    assert "Traceback" not in project.printed
    assert steers(project.printed) == []
    assert "\\u001b[2J (40)" in project.printed
    for command in (["check"], ["runs"], ["models"]):
        assert steers(project.run("darkroom", *command)) == []


def test_no_cell_of_a_table_is_a_formula_and_names_are_read_back(project):
    tables = {path.name: path for path in (project.root / "reports").rglob("*.csv")}
    assert {"quarantine.csv", "predictions.csv"} <= set(tables)
    for name, path in tables.items():
        assert [cell for cell in cells(path.read_text()) if is_formula(cell)] == [], name
    predictions = spreadsheets.read(tables["predictions.csv"])
    assert set(predictions["label"]) == set(CLASSES)
    quarantine = spreadsheets.read(tables["quarantine.csv"])
    assert len(quarantine) == 7
    assert set(quarantine["name"].str.rpartition("/")[2]) == set(SHARED)
    assert set(quarantine["name"].str.partition("/")[0]) == set(CLASSES)


def test_each_class_has_metrics_of_its_own(project):
    metrics = read_record(project.root / "reports/mlp/metrics.json")
    assert set(metrics["classes"]) == set(CLASSES)
    with closing(sqlite3.connect(project.root / "mlflow.db")) as store:
        found = store.execute("SELECT DISTINCT key FROM latest_metrics WHERE key LIKE 'test_recall/%'").fetchall()
    assert len(found) == len(CLASSES)


def test_no_name_is_a_part_of_a_page(project):
    pages = list((project.root / "reports").rglob("*.html"))
    assert len(pages) > 3
    for page in pages:
        assert not re.search(r"<img src=x|<svg onload", page.read_text()), page
        assert "\x1b" not in page.read_text()


def test_predictions_are_no_formulas_and_steer_nothing(project):
    for name in NAMES:
        draw("a", len(name)).save(project.root / f"{name}.png")
    names = [f"{name}.png" for name in NAMES]
    printed = project.run("darkroom", "predict", "--csv", "--", *names, stderr=subprocess.PIPE)
    assert [cell for cell in cells(printed) if is_formula(cell)] == []
    table = project.run("darkroom", "predict", "--", *names, stderr=subprocess.PIPE)
    assert steers(table) == steers(printed) == []
    assert len(table.splitlines()) == len(names)
    answers = json.loads(project.run("darkroom", "predict", "--json", "--", *names, stderr=subprocess.PIPE))
    assert [answer["image"] for answer in answers] == names
    assert set(answers[0]["probabilities"]) == set(CLASSES)


def test_files_whose_names_are_no_text_are_read_and_shown(project, tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9\x1b[2J")
    folder.mkdir()
    for number in range(24):
        # Noise, since drift counts near-duplicates once.
        Image.effect_noise((24, 24), 60).save(folder / os.fsdecode(b"\xff=%d.png" % number))
    (folder / os.fsdecode(b"\xfe.png")).write_bytes(b"no image")
    for form in ([], ["--csv"], ["--json"]):
        printed = project.run("darkroom", "predict", *form, folder, code=2)
        assert steers(printed) == []
        assert printed.count(r"caf\xe9" if form != ["--json"] else "caf") >= 25
        assert "Traceback" not in printed
    printed = project.run("darkroom", "drift", "--no-model", folder, code=3)
    assert r"\xfe.png: not an image" in printed
    assert steers(printed) == []
    assert "Traceback" not in printed
