"""Packaged models, those of earlier versions of Darkroom included."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from darkroom.evaluation import known
from darkroom.inference.images import from_array, to_pixels
from darkroom.inference.neighbours import Neighbours
from darkroom.inference.packaged_model import import_privately
from darkroom.networks import inference, reference
from darkroom.registry import packages, records
from darkroom.tracking import opening, runs, store
from support.networks import build
from support.trainings import split

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 20, 20, 1), dtype=np.uint8)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with an untrained network and the description of its data."""
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").touch()
    build("lenet5", (28, 28, 1), 2).save("network.keras")
    described = {"labels": ["a", "b"], "size": [28, 28, 1], "interpolation": "bilinear", "aspect": "stretch"}
    Path("dataset.json").write_text(json.dumps(described))
    store.open_store()
    return tmp_path


CODE = {
    *("base/__init__.py", "base/errors.py", "inference/__init__.py", "inference/charts.py", "inference/classifier.py"),
    *("inference/decoding.py", "inference/heif.py", "inference/images.py", "inference/metadata.py"),
    *("inference/neighbours.py", "inference/scans.py", "inference/unidentified.py", "inference/views.py"),
}


IMAGES_MODULE = ("metadata", "heif", "scans", "unidentified", "decoding", "images")
"""What was one module then, in an order in which each needs the ones before."""


def earlier_layout(folder):
    """Darkroom's code as it lay before the package ``inference``: one flat folder that sets variables at its import."""
    folder.mkdir()
    for name, files in {
        "errors.py": ["base/errors.py"],
        "charts.py": ["inference/charts.py"],
        "images.py": [f"inference/{name}.py" for name in IMAGES_MODULE],
        "serving.py": ["inference/views.py", "inference/neighbours.py", "inference/classifier.py"],
        "packaged_model.py": ["inference/packaged_model.py"],
    }.items():
        text = "".join((packages.DARKROOM / file).read_text() for file in files)
        text = text.replace("from ..base.errors", "from .errors")
        if name == "images.py":  # one module then
            text = re.sub(r"from \.(decoding|unidentified)? import (\([^)]*\)|.*)\n", "", text)
            text = re.sub(rf"\b({'|'.join(IMAGES_MODULE[:-2])})\.(\w+)", r"\2", text)
        text = re.sub(r"from \.(views|neighbours) import .*\n", "", text)
        # What it ran when a model was loaded.
        text = re.sub(r"import_module\(f.*\n", 'import_module(f"{name}.serving")\n', text)
        (folder / name).write_text(text)
    (folder / "__init__.py").write_text('import os\nos.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "20"\n')
    return folder


def package(*code):
    with runs.start_run("lenet5", "train", {"network": "lenet5"}) as run:
        return packages.log_model(run, "network.keras", "dataset.json", *code)


@pytest.mark.slow
def test_a_model_packaged_by_an_earlier_version_predicts_the_same(project, tmp_path):
    flat = earlier_layout(tmp_path / "earlier")
    before, now = package(flat), package()
    predictions = [opening.load_model(uri).predict(IMAGES) for uri in (before, now)]
    assert predictions[0] == predictions[1]


def test_the_code_of_both_layouts_is_found(project, tmp_path):
    current = tmp_path / "current"
    packages.copy_code(packages.DARKROOM, current)
    flat = earlier_layout(tmp_path / "earlier")
    assert import_privately(current).__name__.endswith(".inference.classifier")
    assert import_privately(flat).__name__.endswith(".serving")
    assert import_privately(current).Classifier is not import_privately(flat).Classifier


def test_a_packaged_model_holds_no_more_than_it_needs(project, tmp_path):
    target = tmp_path / "code"
    packages.copy_code(packages.DARKROOM, target)
    files = {path.relative_to(target).as_posix() for path in target.rglob("*.py")}
    assert files == {"__init__.py", *CODE}
    # It runs where Darkroom is not installed: nothing in it imports darkroom.
    assert not [
        path
        for path in target.rglob("*.py")
        if re.search(r"^\s*(from|import) darkroom", path.read_text(), re.MULTILINE)
    ]


@pytest.mark.slow
def test_a_package_tells_sets_and_unknown_images_as_its_parts_do(project):
    network = inference.load("network.keras")
    _, sample = reference.of_training(network, split(40), 0, 2000)
    sample.save(Path("network.reference.npz"))
    sets, unknown = {"coverage": 0.9, "least_probability": 0.45}, {"layer": sample.layer, "above": 0.1}
    added = packages.added_by({packages.SETS: sets, packages.UNKNOWN: unknown, "accuracy": 0.5})
    assert set(added) == {packages.SETS, packages.UNKNOWN}
    with runs.start_run("lenet5", "train", {"network": "lenet5"}) as run:
        uri = packages.log_model(
            run, "network.keras", "dataset.json", added=added, reference=Path("network.reference.npz")
        )
        answers = opening.load_model(uri).predict(IMAGES)
        assert packages.has_files(packages.logged_model(store.find_run(run.run_id)))
    pixels = np.stack([to_pixels(from_array(image), (28, 28, 1), "bilinear", "stretch") for image in IMAGES])
    shown = known.Shown(network, sample.layer, [])(pixels)
    scores = Neighbours(sample.features).scores(shown.features)
    for answer, row, score in zip(answers, shown.probabilities, scores, strict=True):
        assert set(answer["set"]) == {label for label, p in zip("ab", row, strict=True) if p >= 0.45}
        assert answer["unknown"] is bool(score > 0.1)
        assert answer["unknown_score"] == pytest.approx(score, abs=1e-5)
    # Without the reference, as where it was not asked for.
    with runs.start_run("lenet5", "train", {"network": "lenet5"}) as run:
        uri = packages.log_model(run, "network.keras", "dataset.json", added={packages.SETS: sets})
    assert set(opening.load_model(uri).predict(IMAGES)[0]) == {"label", "probabilities", "set"}


def test_a_model_is_written_again_in_its_place(project):
    with runs.start_run("lenet5", "train", {"network": "lenet5"}) as run:
        first = packages.log_model(run, "network.keras", "dataset.json")
        shutil.copy("network.keras", "copy.keras")
        assert packages.log_model(run, "copy.keras", "dataset.json") == first


@pytest.mark.parametrize(("bounds", "logged"), [("0.4,0.6", {"accuracy_low": 0.4, "accuracy_high": 0.6}), (",", {})])
def test_an_interval_that_is_not_known_is_no_metric(tmp_path, bounds, logged):
    scores = tmp_path / "scores.csv"
    scores.write_text(f"score,label,value,low,high\nlog_loss,,0.1,0,1\naccuracy,,0.5,{bounds}\n")
    assert records.accuracy_bounds(scores) == logged
