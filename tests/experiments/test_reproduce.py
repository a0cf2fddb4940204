"""Retraining a recorded model from a new clone with a DVC remote. Slow."""

import shutil
import subprocess
from pathlib import Path

import pytest

from darkroom.base.files import read_record
from support.finished import team_of
from support.projects import Project, Stack, clone, refusal

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def team(finished_mlp, tmp_path_factory):
    root = tmp_path_factory.mktemp("reproduce")
    return team_of(finished_mlp, root, Stack("local", str(root / "remote")))


@pytest.fixture(scope="module")
def restored(team, tmp_path_factory):
    """A fresh clone, with its store restored; the tests change copies."""
    project = clone(team, tmp_path_factory.mktemp("restored") / "clone")
    project.run("dvc", "pull", "--quiet")
    project.run("darkroom", "restore")
    return project


@pytest.fixture
def fresh(restored, tmp_path):
    """A fresh clone, with its store restored."""
    shutil.copytree(restored.root, tmp_path / "clone", symlinks=True)
    return Project.at(tmp_path / "clone", **restored.variables)


def test_the_champion_again(restored):
    store = (restored.root / "mlflow.db").stat().st_mtime_ns
    head = restored.run("git", "status", "--porcelain")
    printed = restored.run("darkroom", "reproduce")
    assert "mlp, run " in printed
    assert printed.splitlines()[-1] == "identical: all weights and metrics are the same"
    # Nothing of it stays here.
    assert restored.run("git", "status", "--porcelain") == head
    assert restored.run("git", "worktree", "list").count("\n") == 1
    assert (restored.root / "mlflow.db").stat().st_mtime_ns == store


def test_a_changed_line_of_code_is_found_to_differ(fresh):
    path = fresh.root / "networks/mlp.py"
    text = path.read_text()
    assert "keras.layers.Flatten" in text
    path.write_text(text.replace("x = keras.layers.Flatten", "x = 0.5 * keras.layers.Flatten"))
    # Its own commit does not know of it.
    assert "identical: all" in fresh.run("darkroom", "reproduce", "1")
    printed = fresh.run("darkroom", "reproduce", "--here", code=3)
    assert ": networks/mlp.py\n" in printed
    assert "weights: " in printed
    assert printed.splitlines()[-1] == "not identical"


def test_what_cannot_be_reproduced(fresh, team):
    assert "nothing: no such alias, version or run" in refusal(fresh, "reproduce", "nothing")
    # Results that nobody has committed.
    fresh.params(train__mlp__epochs=3)
    fresh.run("dvc", "repro", "train@mlp")
    run_id = fresh.run("git", "diff", "-U0", "runs/mlp/run.json").split('+    "run_id": "')[1].split('"')[0]
    assert f"no commit contains run {run_id}: commit dvc.lock, runs/" in refusal(fresh, "reproduce", run_id[:12])


def test_code_that_only_the_recorded_diff_has(fresh):
    project = fresh
    changed = project.root / "networks/mlp.py"
    committed = changed.read_text()
    changed.write_text(committed.replace("x = keras.layers.Flatten", "x = 0.5 * keras.layers.Flatten"))
    project.run("dvc", "repro", "train@mlp")
    subprocess.run(["git", "checkout", "--quiet", "--", "networks"], cwd=project.root, check=True)
    project.commit("results without their code")
    run_id = read_record(project.root / "runs/mlp/run.json")["run_id"]

    printed = project.run("darkroom", "reproduce", run_id)
    assert printed.splitlines()[-1] == "identical: all weights and metrics are the same"
    assert "differs from the code of the run" not in printed

    (diff,) = (project.root / "mlartifacts").rglob("uncommitted.diff")
    diff.unlink()
    line = refusal(project, "reproduce", run_id)
    assert f"run {run_id} was trained with uncommitted changes, but commit " in line
    assert "has no uncommitted.diff: its code is lost; train again and commit, or use this workspace's code" in line

    # In one commit with its results, the code is that of the run, whatever became of the diff.
    changed.write_text(committed.replace("x = keras.layers.Flatten", "x = 0.5 * keras.layers.Flatten"))
    subprocess.run(["git", "reset", "--quiet", "--soft", "HEAD~1"], cwd=project.root, check=True)
    project.commit("results with their code")
    assert "identical: all" in project.run("darkroom", "reproduce", run_id)


@pytest.mark.parametrize("weights", ["begin.keras", "models:/darkroom@champion"])
def test_the_initial_weights_are_those_of_the_run(fresh, weights):
    """Also of a file that git does not have, and of a model, which the checkout's own store does not have."""
    begin = fresh.root / "begin.keras"
    shutil.copy(fresh.root / "models/mlp.keras", begin)
    (fresh.root / ".git/info/exclude").write_text("begin.keras\n")
    fresh.params(train__mlp__initial_weights=weights, train__mlp__epochs=1)
    fresh.run("dvc", "repro", "train@mlp")
    fresh.commit("trained further")
    record = read_record(fresh.root / "runs/mlp/run.json")
    assert record["tags"]["initial_weights"].startswith(weights.partition("@")[0].partition("darkroom")[0])
    assert len(record["tags"]["initial_weights_sha256"]) == 64
    assert "identical: all" in fresh.run("darkroom", "reproduce", record["run_id"])
    if weights != "begin.keras":
        return
    assert fresh.run("darkroom", "check", "--inputs")
    shutil.copy(fresh.root / "models/mlp.keras", begin)
    assert "begin.keras has SHA-256 " in refusal(fresh, "reproduce", record["run_id"])
    assert "another file than mlp was trained with" in refusal(fresh, "check")
    begin.unlink()
    assert "begin.keras does not exist, but run " in refusal(fresh, "reproduce", record["run_id"])


def test_data_that_the_remote_no_longer_has(fresh, team):
    shutil.rmtree(fresh.root / ".dvc/cache")
    kept = shutil.move(team.stack.remote, f"{team.stack.remote}.away")
    try:
        shutil.copytree(f"{kept}/files/md5", f"{team.stack.remote}/files/md5")
        lock = (fresh.root / "dvc.lock").read_text().split("- path: data/prepared/train\n")[1]
        digest = lock.split("md5: ")[1].split()[0]
        lost = Path(team.stack.remote) / "files/md5" / digest[:2] / digest[2:]
        assert lost.is_file()
        lost.unlink()
        line = refusal(fresh, "reproduce")
        assert "data/prepared/train of commit " in line
        assert "is neither in DVC's cache nor in its remote (" in line
        assert "dvc push --all-commits" in line
    finally:
        shutil.rmtree(team.stack.remote)
        shutil.move(kept, team.stack.remote)
    assert fresh.run("git", "worktree", "list").count("\n") == 1
