"""A search as the pipeline runs it: real trainings, the real MLflow, in one process and in several."""

import io
import math
import re
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from mlflow import artifacts
from PIL import Image

from darkroom.base.errors import DarkroomError
from darkroom.base.files import read_record
from darkroom.data.prepared.prepared import TRAINED_ON, Prepared
from darkroom.params import BudgetSettings
from darkroom.search import progress
from darkroom.search.executors.node_files import prepared_here
from darkroom.search.executors.protocol import Trial
from support.projects import refusal
from support.searches import run
from support.servers import POSTGRES, Servers


@pytest.mark.slow
def test_a_search_as_mlflow_shows_it(folder, capsys):
    shown = run(folder)
    states = shown.table["state"].tolist()
    assert set(states) == {"complete", "pruned"}
    # What was tried, and no more; how it ended.
    for row, trial in zip(shown.table.to_dict("records"), shown.trials, strict=True):
        assert trial.info.run_name == f"mlp trial {row['number']}"
        assert trial.info.status == {"complete": "FINISHED", "pruned": "KILLED"}[row["state"]]
        momentum = {"momentum"} if row["optimizer"] == "sgd" else set()
        assert set(trial.data.params) == {"hidden_units", "learning_rate", "optimizer", *momentum}
        assert ("best_val_loss" in trial.data.metrics) == (row["state"] == "complete")
    parent = shown.parent
    # The best so far, by the number of trials that had ended.
    series = [
        (point.step, point.value) for point in shown.client.get_metric_history(parent.info.run_id, "best_val_loss")
    ]
    losses = shown.table["val_loss"].where(shown.table["state"] == "complete").cummin().ffill()
    assert series == [(number + 1, pytest.approx(loss)) for number, loss in enumerate(losses) if loss < math.inf]
    metrics = parent.data.metrics
    assert metrics["pruned_share"] == states.count("pruned") / 5
    assert metrics["epochs_spent"] == shown.table["epochs"].sum()
    assert metrics["seconds_spent"] > 0
    assert (metrics["trials_complete"], metrics["trials_lost"]) == (states.count("complete"), 0)
    assert parent.data.tags["ended_by"] == "trials"
    settings = {name: value for name, value in parent.data.params.items() if name.startswith("search.")}
    assert settings["search.sampler.name"] == "tpe"
    assert settings["search.sampler.startup_trials"] == "2"
    assert settings["search.pruner.upper"] == "0.69"
    assert settings["search.budget.trials"] == "5"
    listed = {file.path for file in shown.client.list_artifacts(parent.info.run_id, "search")}
    assert listed == {f"search/{name}.png" for name in ("history", "slice", "parallel", "importances")}
    for file in listed:
        with Image.open(artifacts.download_artifacts(run_id=parent.info.run_id, artifact_path=file)) as picture:
            assert len(np.unique(np.asarray(picture.convert("L")))) > 20  # not empty
    # In the terminal: one line for each trial, and what ended it.
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("mlp trial")]
    assert len(lines) == 5
    assert re.search(r"best 0\.\d{4} \(trial \d\), \d pruned, about .* left$", lines[-2])
    best = read_record("best.json")
    assert shown.table["learning_rate"].eq(best["learning_rate"]).any()
    assert not list((folder / ".darkroom" / "search").glob("*.db"))


@pytest.mark.slow
def test_two_workers_train_the_asked_number_of_trials(folder):
    shown = run(folder, search__workers=2, search__budget={"trials": 6}, search__pruner={"name": "none"})
    assert shown.table["number"].tolist() == list(range(6))
    assert set(shown.table["state"]) == {"complete"}
    assert [trial.info.status for trial in shown.trials] == ["FINISHED"] * 6
    assert shown.parent.data.params["search.workers"] == "2"
    # Another order, and as many threads or fewer: the networks' own values give what they gave.
    with_two = shown.table.loc[0, "val_loss"]
    alone = run(folder, search__workers=1, search__budget={"trials": 1})
    assert alone.table.loc[0, "val_loss"] == pytest.approx(with_two, rel=1e-3)


@pytest.mark.slow
@pytest.mark.skipif(not POSTGRES, reason="PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
def test_two_workers_on_postgresql(folder):
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        servers = Servers(Path(place))
        try:
            address = servers.postgres().replace("+psycopg2", "")
            shown = run(folder, search__workers=2, search__storage=address)
            assert shown.table["number"].tolist() == list(range(5))
            assert not any("postgresql" in value for value in shown.parent.data.params.values())
            # What is finished is begun anew: the five trials of before do not count.
            again = run(folder, search__workers=1, search__budget={"trials": 2})
            assert len(again.trials) == 2
        finally:
            servers.stop()


@pytest.mark.slow
def test_a_storage_that_does_not_answer_ends_the_stage_at_once(project):
    project.params(search__storage="postgresql://me:s3cret@127.0.0.1:1/studies", search__budget={"trials": 1})
    printed = project.run(
        "python", "-m", "pipeline", "search", "lenet5", "nowhere", "nowhere", "best.json", "trials.csv", code=2
    )
    (line,) = printed.splitlines()
    assert line.startswith("search: search.storage: postgresql://127.0.0.1:1/studies cannot be used (")
    assert "s3cret" not in line
    assert refusal(project, "check", "--inputs") == line.replace("search: ", "darkroom check: ", 1)
    project.params(search__storage="postgres:/me:s3cret@127.0.0.1/studies")
    line = refusal(project, "check")
    assert "search.storage: invalid address; use postgresql://" in line
    assert "s3cret" not in line


class Terminal(io.StringIO):
    """A terminal, for whoever asks."""

    def isatty(self):
        return True


def terminal(monkeypatch):
    """What is written to a terminal; each look at the clock is 10 s after the last one."""
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr(progress.time, "monotonic", iter(range(0, 1000, 10)).__next__)
    return sys.stdout


def test_the_line_in_a_terminal_is_alive(monkeypatch):
    written = terminal(monkeypatch)
    shown = progress.Progress("mlp", BudgetSettings(trials=4), 3, [], 0.0)
    shown.epoch(0, 1, 0.5)
    shown.ended(Trial(0, "complete", 0.5, {}, 3))
    shown.ended(Trial(1, "pruned", 0.7, {}, 1))
    shown.ended(Trial(2, "lost", None, {}, 0))
    shown.close()
    first, second, *_, last = written.getvalue().split("\x1b[K")[1:]
    assert first == "mlp: 0 of 4 trials, none finished, 0 pruned; trial 0 epoch 2/3 val_loss 0.5000\r"
    assert second == "mlp: 1 of 4 trials, best 0.5000 (trial 0), 0 pruned, about 60 s left\r"
    assert last.startswith("mlp: 3 of 4 trials, best 0.5000 (trial 0), 1 pruned, 1 lost, about")
    assert last.endswith("\n")


def test_time_left_is_that_of_what_is_used_up_first(monkeypatch):
    terminal(monkeypatch)
    shown = progress.Progress("mlp", BudgetSettings(trials=1000, epochs=30, seconds=10_000), 3, [], 0.0)
    shown.epoch(0, 0, 0.5)  # looks at the clock
    assert shown.left() == pytest.approx(29 * 20)
    shown = progress.Progress("mlp", BudgetSettings(seconds=100), 3, [], 70.0)
    assert shown.left() == pytest.approx(20)


@pytest.mark.skipif(sys.platform == "win32", reason="owners and their rights are not those of Windows")
def test_a_node_copies_images_once_to_where_nobody_else_can_write(folder, tmp_path, monkeypatch):
    theirs = folder / "prepared"
    digest = Prepared(theirs).digest
    fetched = []

    def fetch(name, target):
        fetched.append(name)
        shutil.copy(theirs / name, target)

    own = tmp_path / "temporary"
    own.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    assert prepared_here(theirs, digest, fetch) == Prepared(theirs)
    elsewhere = tmp_path / "not here"
    copies = {prepared_here(elsewhere, digest, fetch).folder for _ in range(2)}
    (copy,) = copies
    assert sorted(fetched) == sorted(TRAINED_ON)
    assert all((copy / name).read_bytes() == (theirs / name).read_bytes() for name in TRAINED_ON)
    # Others could have changed them since, or have been there first.
    copy.parent.chmod(0o755)
    with pytest.raises(DarkroomError, match="must be a folder that only you can access"):
        prepared_here(elsewhere, digest, fetch)
    copy.parent.rename(tmp_path / "planted")
    copy.parent.symlink_to(tmp_path / "planted")
    (tmp_path / "planted").chmod(0o700)
    with pytest.raises(DarkroomError, match="must be a folder that only you can access"):
        prepared_here(elsewhere, digest, fetch)
