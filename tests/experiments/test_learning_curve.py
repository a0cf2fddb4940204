"""More data, or more tuning: planted curves, and the command with the real Keras and MLflow at toy scale."""

import json
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from darkroom.cli import main
from darkroom.experiments import learning_curve
from darkroom.experiments.learning_curve import Point, conclude
from darkroom.params import read_params
from darkroom.tracking import store
from support.pictures import prepare, write_folder
from support.projects import Project


def points(*errors, first=1000):
    """Points of training and validation errors, each with twice as many images as the one before."""
    return [Point(first * 2**number, *pair) for number, pair in enumerate(errors)]


def test_poor_on_the_images_that_it_has():
    found = conclude(points((0.3, 0.4), (0.3, 0.33)), 5000)
    assert found.verdict == "more tuning"
    assert "error 30.0 % on its 2,000 training images" in found.reason
    # Where people do no better, it is not the network.
    assert conclude(points((0.3, 0.4), (0.3, 0.33)), 5000, best_possible=0.28).verdict == "more data"


def test_good_on_them_and_worse_on_others():
    found = conclude(points((0.0, 0.3), (0.01, 0.2), (0.01, 0.14)), 5000)
    assert found.verdict == "more data"
    assert (
        "the last doubling of the images reduced it by 6.0 points: twice as many may reduce it by about 3.0 more"
        in found.reason
    )


def test_a_curve_that_has_become_level():
    found = conclude(points((0.01, 0.3), (0.01, 0.101), (0.01, 0.1)), 5000)
    assert found.verdict == "neither"
    assert "may be chance" in found.reason
    # Of few validation images, less can be told.
    assert conclude(points((0.01, 0.12), (0.01, 0.1)), 5000).verdict == "more data"
    assert conclude(points((0.01, 0.12), (0.01, 0.1)), 200).verdict == "neither"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project with an easy task, whose test images are gone."""
    project = Project(tmp_path_factory.mktemp("curve") / "project")
    patch = pytest.MonkeyPatch()
    patch.chdir(project.root)
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    write_folder(project.root / "data" / "raw", "ab", 60)
    small = {"epochs": 3, "batch_size": 4, "hidden_units": [8], "augment": False}
    project.params(data__source="folder", data__path="data/raw", train__mlp=small).git()
    params = read_params()
    prepare(params.data, Path("data"), params.preprocess)
    shutil.rmtree("data/prepared/test")
    yield project
    patch.undo()


@pytest.mark.slow
def test_the_command(made, capsys):
    assert main(["learning-curve", "mlp", "--shares", "1", ".5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    few, all_of_them = (point["images"] for point in found["points"])
    assert few == round(all_of_them / 2)
    assert found["verdict"] in {"more tuning", "more data", "neither"}
    folder = learning_curve.folder("mlp")
    assert (folder / "learning_curve.png").is_file()
    assert len((folder / "learning_curve.csv").read_text().splitlines()) == 3
    store.open_store()
    (experiment,) = [each for each in MlflowClient().search_experiments() if each.name == "darkroom"]
    runs = MlflowClient().search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if run.data.tags.get("verdict") == found["verdict"]]
    nested = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert sorted(run.data.metrics["images"] for run in nested) == [few, all_of_them]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--shares", "1"], "one share given; a curve needs at least two"),
        (["--shares", ".01", "1"], "4 exceeds the 1 training images"),
    ],
)
def test_what_is_refused(made, capsys, arguments, words):
    assert main(["learning-curve", "mlp", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_shares_are_shares(made, capsys):
    with pytest.raises(SystemExit):
        main(["learning-curve", "mlp", "--shares", "0"])
    assert "0 given, a number above 0, up to 1, was expected" in capsys.readouterr().err
