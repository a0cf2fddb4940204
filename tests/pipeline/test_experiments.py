"""Experiments under the real DVC in all its ways to run them, and a registry that follows the workspace. Slow."""

import csv
import io
import json
import re
import sqlite3
import time
from contextlib import closing

import pytest

from darkroom.base.files import read_record

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def small(finished_mlp, tmp_path_factory):
    """A project of one small network, run once, its results in git."""
    return finished_mlp.copy_to(tmp_path_factory.mktemp("experiments") / "project")


def aliases(project):
    with closing(sqlite3.connect(project.root / "mlflow.db")) as store:
        return sorted(store.execute("SELECT name, alias, version FROM registered_model_aliases").fetchall())


def stored_runs(project):
    with closing(sqlite3.connect(project.root / "mlflow.db")) as store:
        query = "SELECT run_uuid, value FROM tags WHERE key = 'dvc_experiment'"
        return dict(store.execute(query).fetchall())


def decision(project):
    return json.loads((project.root / "reports/promotion.json").read_text())


def agree(project):
    """Workspace, decision and registry tell the same story."""
    run_id = read_record(project.root / "runs/mlp/run.json")["run_id"]
    assert decision(project)["candidate"]["run_id"] == run_id
    assert decision(project)["champion_run_id"] == project.champion()
    assert "as in reports/promotion.json" in project.run("darkroom", "check", "--registry")
    listed = json.loads(project.run("darkroom", "runs", "--json"))
    assert [row["run"] for row in listed if row["workspace"]] == [run_id]
    assert [row["run"] for row in listed if row["alias"] == "champion"] == [project.champion()]


def test_changed_and_undone_the_registry_follows(small):
    first = small.champion()
    agree(small)
    params = (small.root / "params.yaml").read_text()
    small.params(train__mlp__learning_rate=0.01)
    assert "Running stage 'train@mlp'" in small.run("dvc", "repro")
    agree(small)
    (small.root / "params.yaml").write_text(params)
    printed = small.run("dvc", "repro")
    # Frozen features persist, so DVC does not restore them. The decision is that of before: its page is restored.
    assert re.findall("Running stage '(.+)'", printed) == ["features@mlp", "promote"]
    agree(small)
    assert read_record(small.root / "runs/mlp/run.json")["run_id"] == first
    assert "Running stage" not in small.run("dvc", "repro")
    assert small.run("git", "status", "--porcelain") == ""


def test_a_registry_changed_from_outside_is_noticed(small):
    drop = "from darkroom.tracking.store import open_store; open_store(); from mlflow import MlflowClient;"
    small.run("python", "-c", f"{drop} MlflowClient().delete_registered_model_alias('darkroom', 'champion')")
    lines = small.run("darkroom", "check", "--registry", code=2).splitlines()
    assert len(lines) == 1
    assert "models:/darkroom has no alias champion" in lines[0]
    assert "dvc repro --force --single-item promote" in lines[0]
    small.run("dvc", "repro", "--force", "--single-item", "promote")
    agree(small)
    small.commit("decided anew")


def test_experiments_of_every_kind_land_in_the_store_and_move_nothing(small):
    before, known = aliases(small), set(stored_runs(small))
    baseline = (small.root / "reports/promotion.json").read_text()

    small.run("dvc", "exp", "run", "--name", "in-temporary", "--temp", "-S", "train.mlp.learning_rate=0.003")
    assert (small.root / "reports/promotion.json").read_text() == baseline
    small.run("dvc", "exp", "run", "--name", "in-queue", "--queue", "-S", "train.mlp.learning_rate=0.004")
    small.run("dvc", "queue", "start")
    deadline = time.monotonic() + 300
    while "Success" not in (printed := small.run("dvc", "queue", "status")):
        assert "Failed" not in printed, small.run("dvc", "queue", "logs", "in-queue")
        assert time.monotonic() < deadline, printed
        # Git says more cheaply than DVC when the experiment is there; one that failed is seen by DVC alone.
        again = time.monotonic() + 20
        while time.monotonic() < again and "/in-queue" not in small.run("git", "for-each-ref", "refs/exps"):
            time.sleep(0.5)
    small.run("dvc", "exp", "run", "--name", "in-workspace", "-S", "train.mlp.learning_rate=0.005")

    names = [experiment for run, experiment in stored_runs(small).items() if run not in known]
    assert sorted(names) == ["in-queue", "in-temporary", "in-workspace"]
    assert aliases(small) == before
    assert decision(small)["withheld"] == "DVC experiment in-workspace"
    refused = small.run("darkroom", "check", "--registry", code=2)
    assert "decided but not carried out (DVC experiment in-workspace)" in refused
    assert not list((small.root / ".dvc" / "tmp").rglob("mlflow.db"))


def test_experiments_are_shown_compared_and_applied(small):
    shown = list(csv.DictReader(io.StringIO(small.run("dvc", "exp", "show", "--csv"))))
    by_name = {row["Experiment"]: row for row in shown if row["Experiment"]}
    assert {"in-temporary", "in-queue", "in-workspace"} <= set(by_name)
    assert by_name["in-queue"]["train.mlp.learning_rate"] == "0.004"
    listed = json.loads(small.run("darkroom", "runs", "--json"))
    commits = {row["experiment"]: row["recorded in"] for row in listed if row["experiment"]}
    for name in ("in-temporary", "in-queue", "in-workspace"):
        assert commits[name].startswith(by_name[name]["rev"])
        of_revision = json.loads(small.run("darkroom", "runs", "--json", "--rev", commits[name]))
        assert [row["experiment"] for row in of_revision] == [name]

    small.run("dvc", "exp", "apply", "in-temporary")
    assert read_record(small.root / "runs/mlp/run.json")["tags"]["dvc_experiment"] == "in-temporary"
    assert "learning_rate" in small.run("dvc", "params", "diff")
    assert "accuracy" in small.run("dvc", "metrics", "diff", "--all")
    assert "index.html" in small.run("dvc", "plots", "show")
    assert "Running stage" not in small.run("dvc", "repro")
    # What is applied is a candidate like any other.
    small.run("dvc", "repro", "--force", "--single-item", "promote")
    assert decision(small)["withheld"] is None
    agree(small)
