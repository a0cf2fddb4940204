"""A recorded model trained once more, from a fresh clone with a DVC remote. Slow."""

import pytest

from conftest import Stack, clone, make_team, refusal

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    root = tmp_path_factory.mktemp("reproduce")
    return make_team(root, Stack("local", str(root / "remote")), ["mlp"])


@pytest.fixture
def fresh(team, tmp_path):
    """A fresh clone, with its store restored."""
    project = clone(team, tmp_path / "clone")
    project.run("dvc", "pull", "--quiet")
    project.run("darkroom", "restore")
    return project


def test_the_champion_again(fresh):
    store = (fresh.root / "mlflow.db").stat().st_mtime_ns
    head = fresh.run("git", "status", "--porcelain")
    printed = fresh.run("darkroom", "reproduce")
    assert "mlp, run " in printed
    assert printed.splitlines()[-1] == "identical: all weights and metrics are the same"
    # Nothing of it stays here.
    assert fresh.run("git", "status", "--porcelain") == head
    assert fresh.run("git", "worktree", "list").count("\n") == 1
    assert (fresh.root / "mlflow.db").stat().st_mtime_ns == store


def test_a_changed_line_of_code_is_found_to_differ(fresh):
    path = fresh.root / "src/darkroom/models/mlp.py"
    text = path.read_text()
    assert "keras.layers.Flatten" in text
    path.write_text(text.replace("x = keras.layers.Flatten", "x = 0.5 * keras.layers.Flatten"))
    # Its own commit does not know of it.
    assert "identical: all" in fresh.run("darkroom", "reproduce", "1")
    printed = fresh.run("darkroom", "reproduce", "--here", code=3)
    assert ": src/darkroom/models/mlp.py\n" in printed
    assert "weights: " in printed
    assert printed.splitlines()[-1] == "not identical"


def test_what_cannot_be_reproduced(fresh, team):
    assert "nothing: no alias, version or run is called so" in refusal(fresh, "reproduce", "nothing")
    # Results that nobody has committed.
    fresh.params(train__mlp__epochs=3)
    fresh.run("dvc", "repro", "train@mlp")
    run_id = fresh.run("git", "diff", "-U0", "runs/mlp/run.json").split('+  "run_id": "')[1].split('"')[0]
    assert f"run {run_id} is in no commit: commit dvc.lock, runs/" in refusal(fresh, "reproduce", run_id[:12])
