"""The learning-rate sweep, with real Keras and MLflow at toy scale."""

import io
import json
import shutil
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient

from darkroom.base.errors import TrainingError
from darkroom.cli import main
from darkroom.data.prepared.prepared import Prepared
from darkroom.experiments import ladder, sweep
from darkroom.experiments.ladder import Attempt, Baselines, Outcome
from darkroom.maintenance import cleaning
from darkroom.networks import images_per_step
from darkroom.networks.mlp import Params as MlpParams
from darkroom.params import read_params
from darkroom.tracking import address, store
from support.pictures import prepare, write_folder
from support.projects import Project, edit_params
from support.runs import exists, killed

PLAIN = {
    "epochs": 50,
    "batch_size": 4,
    "optimizer": "sgd",
    "learning_rate": 0.5,
    "hidden_units": [16, 16, 16, 16],
    "schedule": {"kind": "cosine"},
    "augment": False,
}
COMMAND = ("sweep", "mlp", "--rates", ".1,", "1e-6", "10", "--epochs", "2", "--images", "24")
AGAIN = ("sweep", "mlp", "--rates", ".1", "1e-6", "--epochs", "1", "--images", "24")


def printed(*arguments):
    """What a command prints that does its work."""
    with redirect_stdout(io.StringIO()) as out:
        assert main(arguments) == 0
    return out.getvalue()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project with an easy task, whose test images are gone, and what a sweep printed."""
    project = Project(tmp_path_factory.mktemp("sweep") / "project")
    patch = pytest.MonkeyPatch()
    patch.chdir(project.root)
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    write_folder(project.root / "data" / "raw", "ab", 30)
    project.params(data__source="folder", data__path="data/raw", train__mlp=PLAIN).git()
    params = read_params()
    prepare(params.data, Path("data"), params.preprocess)
    shutil.rmtree("data/prepared/test")
    yield project.root, printed(*COMMAND).splitlines()
    patch.undo()


@pytest.fixture
def swept(made, monkeypatch):
    monkeypatch.chdir(made[0])
    store.open_store()
    return made[1]


def runs_of_sweeps():
    experiment = MlflowClient().get_experiment_by_name(address.EXPERIMENT)
    found = MlflowClient().search_runs([experiment.experiment_id], "tags.stage = 'sweep'", order_by=["start_time"])
    parents = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    return parents, [run for run in found if "mlflow.parentRunId" in run.data.tags]


@pytest.mark.slow
def test_a_sweep_names_the_best_rate_and_those_that_diverge(swept):
    assert swept[0].startswith("mlp 10  training loss is ")
    assert swept[1].startswith("mlp 0.1  epoch 1/2  loss ")
    table = [line.split() for line in swept[-6:-2]]
    assert table[0] == ["rate", "val_loss", "val_accuracy", "verdict"]
    assert table[1] == ["10", "diverges"]
    assert [(line[0], line[3]) for line in table[2:]] == [("0.1", "best"), ("1e-06", "too")]
    assert Path(swept[-2].removeprefix("picture: ")).read_bytes().startswith(b"\x89PNG")
    assert swept[-1] == "mlp: best rate 0.1; diverging: 10; for params.yaml: train.mlp.learning_rate: 0.1"


@pytest.mark.slow
def test_a_sweep_is_a_run_with_one_nested_run_for_each_rate(swept):
    (parent, *_), nested = runs_of_sweeps()
    children = [run for run in nested if run.data.tags["mlflow.parentRunId"] == parent.info.run_id]
    assert [(run.info.run_name, run.data.tags["verdict"]) for run in children] == [
        ("mlp 10", "diverges"),
        ("mlp 0.1", "best"),
        ("mlp 1e-06", "too slow"),
    ]
    assert [run.info.status for run in children] == ["KILLED", "FINISHED", "FINISHED"]
    client = MlflowClient()
    history = client.get_metric_history(children[1].info.run_id, "val_loss")
    assert sorted(metric.step for metric in history) == [0, 1, 2]
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} >= {"sweep.png", "sweep.csv"}
    assert parent.data.params["best.learning_rate"] == "0.1"
    assert parent.data.params["schedule.kind"] == "constant"
    assert parent.data.params["batch_size"] == "4"
    assert parent.data.params["sweep.training_images"] == "24"


@pytest.mark.slow
def test_a_sweep_is_no_training_run(swept):
    assert store.training_runs() == []
    assert printed("runs") == "no runs\n"


@pytest.mark.slow
def test_two_sweeps_give_the_same_losses_from_the_same_start(swept):
    rows = json.loads(printed(*AGAIN, "--json"))
    _, nested = runs_of_sweeps()
    for row in rows:
        name = f"mlp {row['rate']:g}"
        first, second = (
            [metric.value for metric in MlflowClient().get_metric_history(run.info.run_id, "val_loss")]
            for run in nested
            if run.info.run_name == name
        )
        assert first[:2] == second == row["val_losses"]
    # So small a rate leaves the weights as they were: those that the first loss is of.
    untrained, slow = rows[1]["val_losses"]
    assert slow == pytest.approx(untrained, rel=1e-3)


@pytest.mark.slow
def test_only_a_killed_sweep_can_be_freed(swept):
    parents, nested = runs_of_sweeps()
    left = killed("mlp sweep", {"stage": "sweep", "network": "mlp"})
    experiment = parents[0].info.experiment_id
    child = MlflowClient().create_run(experiment, tags={"mlflow.parentRunId": left, "stage": "sweep"}).info.run_id
    MlflowClient().set_terminated(child)
    (freed,) = cleaning.free(["runs"], "darkroom")
    assert freed["items"] == 2
    assert [exists(run) for run in (left, child)] == [False, False]
    assert all(exists(run.info.run_id) for run in (*parents, *nested))


def refused(capsys, *arguments):
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert line.startswith("darkroom sweep: ")
    return line


def test_without_prepared_images(project, capsys):
    line = refused(capsys, "sweep", "mlp")
    assert line.endswith("data/prepared/dataset.json: no such file; run dvc repro preprocess")
    assert not Path("mlflow.db").exists()


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        ("0", "--rates: 0.0 given; it should be greater than 0"),
        ("-1", "--rates: -1.0 given; it should be greater than 0"),
        ("11", "it should be less than or equal to 10"),
        ("fast", "--rates: 'fast' given; it should be a number, such as .01"),
        ("nan", "it should be a finite number"),
        (",", "no rate given"),
    ],
)
def test_rates_that_are_refused(project, capsys, rate, words):
    assert words in refused(capsys, "sweep", "mlp", "--rates", rate)


@pytest.mark.slow
def test_a_network_or_a_budget_that_does_not_go_with_the_images(swept, capsys):
    assert "2 classes; give at least one image per class" in refused(capsys, "sweep", "mlp", "--images", "1")
    line = refused(capsys, "sweep", "alexnet")
    assert "images of 28×28, but alexnet needs at least 67×67" in line


def test_an_output_that_does_not_go_with_the_classes(made, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(shutil.copytree(made[0], tmp_path / "copy"))
    description = json.loads(Path("data/prepared/dataset.json").read_text())
    labels = {"labels": ["a", "b", "c"], "training_counts": {**description["training_counts"], "c": 9}}
    Path("data/prepared/dataset.json").write_text(json.dumps({**description, **labels}))
    edit_params(Path("params.yaml"), {"train.mlp.output": "sigmoid"})
    line = refused(capsys, "sweep", "mlp")
    assert "train.mlp.output: sigmoid supports two classes, the data has 3; set softmax" in line


def test_rates_are_read_apart_or_with_commas_and_sorted():
    assert ladder.rates(["1e-3,.1", ".01,", "0.1"], MlpParams()) == (0.1, 0.01, 0.001)


def attempt(rate, *val_losses, loss=None, broke=False):
    epochs = [
        {"loss": val_loss if loss is None else loss, "val_loss": val_loss, "val_accuracy": 0.5}
        for val_loss in val_losses
    ]
    return Attempt(rate, epochs, broke)


def verdicts(*attempts, untrained=2.4, guessing=2.3):
    outcome = Outcome(attempts, Baselines(untrained, guessing, max(untrained, guessing)))
    return [outcome.verdict(attempt) for attempt in attempts]


def test_verdicts():
    rates = [
        attempt(10, broke=True),
        attempt(3, 9.0, 14.0),
        attempt(1, 0.5, 1.2),
        attempt(0.1, 0.6, 0.4),
        attempt(0.01, 0.9, 0.5),
        attempt(0.001, 2.39, 2.38),
    ]
    assert verdicts(*rates) == ["diverges", "diverges", "too high", "best", "close", "too slow"]


def test_a_slow_rate_that_stays_above_guessing_does_not_diverge():
    assert verdicts(attempt(0.1, 1.0), attempt(1e-6, 5.01), untrained=5.0) == ["best", "too slow"]


def test_a_validation_loss_that_batch_norm_or_a_training_loss_that_penalties_raise_is_no_divergence():
    rates = [attempt(0.1, 0.5, loss=0.4), attempt(0.01, 4.0, loss=1.0), attempt(0.001, 2.2, loss=6.0)]
    assert verdicts(*rates) == ["best", "too slow", "too slow"]


def test_a_training_loss_of_its_own_scale_is_held_against_its_own_references():
    outcome = Outcome((attempt(1, 9.0, loss=0.18), attempt(0.1, 3.0, loss=0.085)), Baselines(2.4, 2.3, 0.09))
    assert outcome.diverging == (1,)


def test_without_a_rate_that_learns():
    outcome = Outcome((attempt(10, broke=True), attempt(1, 9.0)), Baselines(2.4, 2.3, 2.4))
    assert outcome.best is None
    assert [row["verdict"] for row in outcome.rows()] == ["diverges", "diverges"]
    assert ladder.shortened(outcome.rows()[0])["val_loss"] == ""
    with pytest.raises(TrainingError, match="mlp: all rates diverge"):
        outcome.summary("mlp")


@given(st.lists(st.integers(0, 4), min_size=1, max_size=200), st.integers(1, 250), st.integers(0, 9))
def test_a_subset_has_of_each_class_its_share(classes, count, seed):
    classes = np.array(classes)
    rows = sweep.stratified_rows(classes, count, seed)
    assert len(set(rows)) == len(rows) == min(count, len(classes))
    for number in set(classes.tolist()):
        share = len(rows) * np.mean(classes == number)
        assert abs(np.sum(classes[rows] == number) - share) < 1 + 1e-9
    assert (rows == sweep.stratified_rows(classes, count, seed)).all()


@pytest.mark.slow
def test_a_batch_is_cut_to_the_subset(swept):
    params = read_params()
    large = params.model_copy(
        update={"train": params.train.model_copy(update={"mlp": MlpParams(batch_size=30, schedule={"kind": "cosine"})})}
    )
    job = sweep.sweep_job("mlp", large, sweep.Budget((0.1,), 1, 20), Prepared.of_project())
    assert images_per_step(job.values, 20) == 20
    assert np.bincount(job.training.classes).tolist() == [10, 10]
