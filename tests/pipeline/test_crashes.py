"""Every stage killed at moments of its own, under the real DVC; and many processes at one store. Slow."""

import os
import platform
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress

import numpy as np
import pandas as pd
import pytest

from darkroom.base.files import read_record
from darkroom.base.processes import ProcessId
from darkroom.networks import inference
from support import warm
from support.finished import stages_run
from support.pictures import write_folder
from support.projects import Project, environment

pytestmark = pytest.mark.slow
STAGES = (
    *("ingest", "validate", "split", "preprocess", "preview", "features@mlp", "describe", "overview"),
    *("search@mlp", "train@mlp", "evaluate@mlp", "promote", "card@mlp", "report"),
)
PARAMS = {
    "data.source": "folder",
    "data.path": "data/raw",
    "models": ["mlp"],
    "search.budget.trials": 3,
    "search.epochs": 2,
    "search.mlp": {
        "architecture": {"hidden_units": {"choices": [[16], [8, 8]]}},
        "learning": {"learning_rate": {"low": 0.001, "high": 0.01}, "schedule.factor": {"low": 0.01, "high": 0.1}},
    },
    "train.mlp.epochs": 4,
    # Enough to tell the two classes: a first model must beat the largest class.
    "train.mlp.batch_size": 8,
    "train.mlp.learning_rate": 0.006,
    "train.mlp.hidden_units": [16],
}


def made(root):
    project = Project(root)
    write_folder(root / "data" / "raw", "ab", 40)
    return project.params(**PARAMS).git()


def start(project, *command):
    """Start a command in a process group of its own, to be killed with all that it starts."""
    return subprocess.Popen(
        command,
        cwd=project.root,
        env=warm.environment(environment()),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )


def durations(project):
    """Run the pipeline; return the seconds of each stage."""
    began = {}
    with start(project, "dvc", "repro") as repro:
        for line in repro.stdout:
            if line.startswith("Running stage '"):
                began[line.split("'")[1]] = time.monotonic()
    assert repro.returncode == 0
    ends = [*list(began.values())[1:], time.monotonic()]
    return {stage: end - start for (stage, start), end in zip(began.items(), ends, strict=True)}


def wait_for_the_end(*named):
    """Wait until processes have ended, which a loaded machine may take its time for."""
    deadline = time.monotonic() + 60
    while left := [name for name in named if not name.has_ended()]:
        assert time.monotonic() < deadline, f"{left} outlive their DVC"
        time.sleep(0.05)


def kill(project, stage, after, *, dvc_alone):
    """Start a stage, and kill it some seconds after its beginning, with or without its DVC's children."""
    if killed_while_running(project, stage, after, dvc_alone=dvc_alone):
        # The DVC before was killed while it wrote its own locks. This is what `make repro` begins with.
        project.run("darkroom", "check", "--inputs")
        assert not killed_while_running(project, stage, after, dvc_alone=dvc_alone)


def killed_while_running(project, stage, after, *, dvc_alone):
    """Do what ``kill`` says; return what DVC says if it does not begin the stage."""
    said = []
    with start(project, "dvc", "repro", "--force", "--single-item", stage) as repro:
        for line in repro.stdout:
            said.append(line)
            if line.startswith("Running stage"):
                break
        else:
            return said or ["nothing"]
        time.sleep(after)
        if not dvc_alone:
            os.killpg(repro.pid, signal.SIGKILL)
            return []
        group = subprocess.run(["pgrep", "-g", str(repro.pid)], capture_output=True, text=True, check=True).stdout
        named = [ProcessId.of(int(pid)) for pid in group.split() if int(pid) != repro.pid]
        repro.kill()
    wait_for_the_end(*named)
    return []


def results(project):
    """What must not depend on having been killed."""
    root = project.root
    predictions = pd.read_csv(root / "reports/mlp/predictions.csv", dtype=str)
    trials = pd.read_csv(root / "reports/mlp/trials.csv", dtype=str)
    return (
        read_record(root / "runs/mlp/best_params.json"),
        read_record(root / "reports/mlp/metrics.json"),
        (root / "reports/mlp/history.csv").read_text(),
        predictions.to_csv(),
        trials.to_csv(),
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A project whose pipeline was run once, and the seconds of each stage."""
    project = made(tmp_path_factory.mktemp("crashes") / "undisturbed")
    project.seconds = durations(project)
    return project


def test_each_stage_is_killed_three_times_and_the_pipeline_ends_as_if_nothing_had_been(undisturbed, tmp_path):
    seconds = undisturbed.seconds
    assert tuple(seconds) == STAGES

    killed = made(tmp_path / "killed")
    moments = random.Random(7)
    for stage in STAGES:
        for attempt in range(3):
            # One in each third of the stage's time.
            after = (attempt + moments.random()) / 3 * 0.95 * seconds[stage]
            kill(killed, stage, after, dvc_alone=attempt == 1)
        # What `make repro` begins with: a DVC may have been killed while it wrote its own locks.
        killed.run("darkroom", "check", "--inputs")
        killed.run("dvc", "repro", stage)
    # Where DVC died over dvc.lock, that has no stage any more, and the last stage does not need all others.
    killed.run("dvc", "repro")
    printed = killed.run("dvc", "repro")
    assert "Running stage" not in printed
    assert results(killed) == results(undisturbed)
    with closing(sqlite3.connect(killed.root / "mlflow.db")) as store:
        assert store.execute("SELECT count(*) FROM runs WHERE status = 'RUNNING'").fetchone() == (0,)
    assert "as in reports/promotion.json" in killed.run("darkroom", "check")
    assert killed.run("darkroom", "predict", "data/raw/a/000.png")
    assert not list((killed.root / ".darkroom" / "search").glob("*.db"))
    assert not list((killed.root / ".darkroom" / "train").glob("*.npz"))


WAITING = """
import os, time
from pathlib import Path
from darkroom.base import script

def main():
    Path("began").write_text(str(os.getpid()))
    time.sleep(3600)

Path("starting").write_text(str(os.getpid()))
while not Path("go").exists():
    time.sleep(0.05)
script.run("waiting", main)
"""
SUPERVISED = """
import ctypes, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: orphans come here instead of to process 1
print(subprocess.Popen(sys.argv[1:], start_new_session=True).pid, flush=True)
time.sleep(3600)
"""


def shell(name):
    """The variable by which DVC chooses the shell that it starts a stage with: without it, /bin/sh."""
    found = shutil.which(name) if name else ""
    return pytest.param(found, id=name or "none", marks=pytest.mark.skipif(found is None, reason=f"no {name} here"))


def content_of(path):
    """What a process writes into a file, as soon as it has."""
    deadline = time.monotonic() + 60
    while not (path.is_file() and path.read_text()):
        assert time.monotonic() < deadline, f"{path.name} is never written"
        time.sleep(0.05)
    return path.read_text()


@pytest.fixture(params=[shell(""), shell("dash"), shell("bash")])
def waiting(request, tmp_path):
    """A project of one stage, which would run for an hour once there is a file ``go``."""
    project = Project.at(tmp_path, SHELL=request.param)
    (tmp_path / "waiting.py").write_text(WAITING)
    (tmp_path / "dvc.yaml").write_text("stages:\n  waiting:\n    cmd: python -m waiting\n")
    project.run("dvc", "init", "--quiet", "--no-scm")
    return project


def supervised(project, *command):
    options = {"cwd": project.root, "env": environment(**project.variables), "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", SUPERVISED, *command], **options)


def test_a_stage_ends_with_its_dvc_whatever_shell_is_between(waiting):
    (waiting.root / "go").touch()
    with supervised(waiting, "dvc", "repro") as supervisor:
        try:
            dvc = int(supervisor.stdout.readline())
            stage = ProcessId.of(int(content_of(waiting.root / "began")))
            # It goes on as long as DVC lives.
            time.sleep(2)
            assert not stage.has_ended()
            os.kill(dvc, signal.SIGKILL)
            wait_for_the_end(stage)
        finally:
            os.killpg(dvc, signal.SIGKILL)
            supervisor.kill()


def test_a_stage_whose_dvc_died_before_it_began_does_not_begin(waiting):
    with supervised(waiting, "dvc", "repro") as supervisor:
        try:
            dvc = int(supervisor.stdout.readline())
            stage = ProcessId.of(int(content_of(waiting.root / "starting")))
            os.kill(dvc, signal.SIGKILL)
            wait_for_the_end(ProcessId.of(dvc))
            (waiting.root / "go").touch()
            wait_for_the_end(stage)
            assert not (waiting.root / "began").exists()
        finally:
            os.killpg(dvc, signal.SIGKILL)
            supervisor.kill()


HALF_DEAD = """
import ctypes, os, subprocess, sys, threading, time
threading.Thread(target=time.sleep, args=(3600,)).start()
subprocess.Popen([sys.executable, "-m", "waiting"], env={**os.environ, "DVC_STAGE": "waiting"})
ctypes.CDLL(None).syscall(ctypes.c_long(60))  # SYS_exit: of this thread alone
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the system call has another number elsewhere")
def test_a_stage_whose_dvc_is_half_dead_does_not_begin(tmp_path):
    """A killed DVC stays the parent until the last of its threads has ended."""
    (tmp_path / "waiting.py").write_text(WAITING)
    dvc = subprocess.Popen([sys.executable, "-c", HALF_DEAD], cwd=tmp_path, env=environment(), start_new_session=True)
    try:
        stage = ProcessId.of(int(content_of(tmp_path / "starting")))
        wait_for_the_end(ProcessId.of(dvc.pid))
        (tmp_path / "go").touch()
        wait_for_the_end(stage)
        assert not (tmp_path / "began").exists()
    finally:
        os.killpg(dvc.pid, signal.SIGKILL)
        dvc.wait()


def test_a_dvc_killed_while_it_writes_its_locks_does_not_stop_the_next(undisturbed):
    rwlock = undisturbed.root / ".dvc" / "tmp" / "rwlock"
    rwlock.write_text("")
    assert "corrupted" in undisturbed.run("dvc", "repro", code=255)
    assert "half-written" in undisturbed.run("darkroom", "check", "--inputs")
    undisturbed.run("dvc", "repro")
    rwlock.write_text('{"read": {}, "write": {}}')
    assert "half-written" not in undisturbed.run("darkroom", "check", "--inputs")
    assert rwlock.exists()
    lock = undisturbed.root / "dvc.lock"
    whole = lock.read_text()
    # What persists between runs (rules, splits, features) and the champion are made again, the rest is restored.
    again = ["validate", "split", "features@mlp", "describe", "promote"]
    # The first time, the decision differs: the model is the champion already.
    for cut_off, ran in (
        ("", [*again, "card@mlp", "report"]),
        (whole[: len(whole) // 2].rpartition("path")[0], again),
    ):
        lock.write_text(cut_off)
        assert "dvc.lock" in undisturbed.run("dvc", "repro", code=255)
        assert "half-written" in undisturbed.run("darkroom", "check", "--inputs")
        assert stages_run(undisturbed.run("dvc", "repro")) == ran
        assert "Running stage" not in undisturbed.run("dvc", "repro")


HALF_WRITTEN = """
import os, sqlite3
store = sqlite3.connect("mlflow.db", isolation_level=None)
store.execute("PRAGMA cache_size = 1")
store.execute("BEGIN")
store.execute("CREATE TABLE half (text)")
store.executemany("INSERT INTO half VALUES (?)", [("x" * 5000,)] * 100)
os._exit(0)
"""


def test_a_store_that_was_being_written_is_taken_back(tmp_path):
    project = Project(tmp_path / "project")
    with closing(sqlite3.connect(project.root / "mlflow.db")) as store, store:
        store.execute("CREATE TABLE whole (text)")
    project.run(sys.executable, "-c", HALF_WRITTEN)
    assert (project.root / "mlflow.db-journal").stat().st_size
    assert "are valid" in project.run("darkroom", "check", "--inputs")
    with closing(sqlite3.connect(project.root / "mlflow.db")) as store:
        assert store.execute("SELECT name FROM sqlite_master").fetchall() == [("whole",)]


def runs_of_the_search(project):
    """The runs of the search, and those of its trials in the order in which they began, each with its status."""
    with closing(sqlite3.connect(project.root / "mlflow.db")) as store:
        whole = store.execute("SELECT status FROM runs WHERE name LIKE 'mlp search %'").fetchall()
        query = "SELECT name, status FROM runs WHERE name LIKE 'mlp trial%' ORDER BY start_time, name"
        return [status for (status,) in whole], store.execute(query).fetchall()


REPORTED = "SELECT 1 FROM trial_intermediate_values JOIN trials USING (trial_id) WHERE number = ?"


def until_reported(project, number):
    """Wait until a trial has reported an epoch."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        for file in (project.root / ".darkroom" / "search").glob("*.db"):
            with suppress(sqlite3.OperationalError), closing(sqlite3.connect(file)) as study:
                if study.execute(REPORTED, (number,)).fetchone():
                    return
        time.sleep(0.02)
    raise AssertionError(f"trial {number} did not report")


def test_an_interrupted_search_goes_on_in_the_same_run(undisturbed):
    project = undisturbed.params(search__epochs=4, search__pruner={"name": "none"})
    (project.root / "mlflow.db").unlink()
    with start(project, "dvc", "repro", "search@mlp") as repro:
        until_reported(project, 1)
        os.killpg(repro.pid, signal.SIGKILL)
    printed = project.run("dvc", "repro", "search@mlp")
    assert "mlp trial 0 of 3" not in printed
    assert "mlp trial 1 of 3: complete after 4 epochs" in printed
    whole, trials = runs_of_the_search(project)
    assert whole == ["FINISHED"]
    assert trials == [
        ("mlp trial 0", "FINISHED"),
        ("mlp trial 1", "FAILED"),
        ("mlp trial 1", "FINISHED"),
        ("mlp trial 2", "FINISHED"),
    ]


def test_a_search_whose_worker_is_killed_ends_whole(undisturbed):
    project = undisturbed.params(search__epochs=4, search__workers=2, search__budget={"trials": 5})
    project.params(search__pruner={"name": "none"})
    (project.root / "mlflow.db").unlink()
    with start(project, "dvc", "repro", "search@mlp") as repro:
        until_reported(project, 1)
        command = ["pgrep", "-g", str(repro.pid), "-f", "spawn_main"]
        workers = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        assert len(workers) == 2
        os.kill(int(workers[1]), signal.SIGKILL)
        printed = repro.communicate()[0]
    assert repro.returncode == 0, printed
    assert "lost (its process was killed by SIGKILL)" in printed
    assert "of 5 trials" in printed
    table = pd.read_csv(project.root / "reports/mlp/trials.csv")
    assert table["number"].tolist() == list(range(5))
    assert set(table["state"]) == {"complete"}
    whole, trials = runs_of_the_search(project)
    assert whole == ["FINISHED"]
    assert sorted(status for _, status in trials) == ["FAILED", *["FINISHED"] * 5]
    assert not list((project.root / ".darkroom" / "search").glob("*.db"))


def test_an_interrupted_training_goes_on_and_its_run_has_every_epoch(undisturbed):
    project = undisturbed
    command = ("dvc", "repro", "--force", "--single-item", "train@mlp")
    # With the values that the last search found, which may be another test's.
    project.run(*command)
    whole = (project.root / "reports/mlp/history.csv").read_text()
    with start(project, *command) as repro:
        next(line for line in repro.stdout if line.startswith("mlp  epoch 3/4"))
        os.killpg(repro.pid, signal.SIGKILL)
    (kept,) = (project.root / ".darkroom" / "train").glob("*.npz")
    printed = project.run(*command)
    assert "mlp: resuming after epoch" in printed
    assert "mlp  epoch 2/4" not in printed
    assert not kept.exists()
    assert (project.root / "reports/mlp/history.csv").read_text() == whole
    run = read_record(project.root / "runs/mlp/run.json")["run_id"]
    with closing(sqlite3.connect(project.root / "mlflow.db")) as store:
        found = store.execute("SELECT step, value FROM metrics WHERE run_uuid = ? AND key = 'val_loss'", (run,))
        losses = found.fetchall()
        statuses = store.execute("SELECT status FROM runs WHERE name LIKE 'mlp %' AND name NOT LIKE '%trial%'")
        assert {status for (status,) in statuses} == {"FINISHED", "FAILED"}
    expected = pd.read_csv(project.root / "reports/mlp/history.csv")
    assert sorted(step for step, _ in losses) == [1, 2, 3, 4]
    assert dict(losses) == pytest.approx(dict(zip(expected["epoch"], expected["val_loss"], strict=True)))


KILLED_IN_A_STEP = """
import os, signal
from darkroom.base import environment
environment.prepare()
from darkroom.training import callbacks

watched = callbacks.FiniteLoss.on_train_batch_end

def killed(self, batch, logs):
    watched(self, batch, logs)
    if (self._epoch, batch) == {at}:
        os.kill(os.getpid(), signal.SIGKILL)

callbacks.FiniteLoss.on_train_batch_end = killed
"""
KILLED_WHILE_IT_KEEPS = """
import os, signal
from darkroom.base import environment
environment.prepare()
from types import SimpleNamespace
from darkroom.training import checkpoints

written = []

def killed(file):
    os.fsync(file)
    written.append(file)
    if len(written) == {at}:
        # Half of it, and the name that it is to have is still that of the one before.
        os.ftruncate(file, os.fstat(file).st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)

checkpoints.os = SimpleNamespace(fsync=killed)
"""
# As dvc.yaml has it; that DVC is killed, too, is tried with smaller networks.
TRAINING = (
    *("python", "-m", "pipeline", "train", "cifar_bn_cnn", "data/prepared", "data/features/cifar_bn_cnn"),
    *("runs/cifar_bn_cnn", "models/cifar_bn_cnn.keras", "reports/cifar_bn_cnn/history.csv"),
)
EPOCHS, STEPS = 4, 9


def killed_training(project, how):
    """Run the training until it is killed; return the file from which the next one goes on, if there is one."""
    # Not the stage's own script: the name of the file stands for the code that dvc.yaml declares.
    script = project.root / "pipeline" / "__init__.py"
    whole = script.read_text()
    script.write_text(whole + how)
    # As DVC does with what the last training wrote; this one writes nothing.
    (project.root / "models" / "cifar_bn_cnn.keras").unlink(missing_ok=True)
    project.run(*TRAINING, code=-signal.SIGKILL)
    script.write_text(whole)
    assert not (project.root / "models" / "cifar_bn_cnn.keras").exists()
    return list((project.root / ".darkroom" / "train").glob("*.npz"))


def trained(project):
    """Run the training to its end; return what is printed, and the weights, the history and each curve in MLflow."""
    printed = project.run(*TRAINING)
    weights = inference.load(project.root / "models/cifar_bn_cnn.keras").get_weights()
    run = read_record(project.root / "runs/cifar_bn_cnn/run.json")["run_id"]
    query = "SELECT key, step, value FROM metrics WHERE run_uuid = ? AND key != 'seconds' ORDER BY key, step"
    with closing(sqlite3.connect(project.root / "mlflow.db")) as store:
        curves = store.execute(query, (run,)).fetchall()
    return printed, weights, (project.root / "reports/cifar_bn_cnn/history.csv").read_text(), curves


@pytest.fixture(scope="module")
def convolutional(tmp_path_factory):
    """A project that has come to the training of a network with batch norm, dropout and varied images."""
    root = tmp_path_factory.mktemp("convolutional") / "project"
    # Where the code that kills is imported, the launcher has not yet put the project's own in front.
    project = Project(root, PYTHONPATH=str(root / "src"))
    write_folder(project.root / "data" / "raw", "ab", 120, size=(16, 16))
    values = {"epochs": EPOCHS, "batch_size": 16, "filters": [4, 8], "dropout": [0.2, 0.3], "augment": True}
    project.params(
        **{
            "data.source": "folder",
            "data.path": "data/raw",
            "preprocess.size": [16, 16, 1],
            "models": ["cifar_bn_cnn"],
            "search.budget": {},
            "search.cifar_bn_cnn": {},
            "train.cifar_bn_cnn": values,
        }
    ).git()
    project.run("dvc", "repro", "search@cifar_bn_cnn")
    return project


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "muon"},
        {
            "optimizer": "sgd",
            "learning_rate": 0.05,
            "momentum": 0.9,
            "schedule": {"kind": "plateau", "factor": 0.5, "patience": 1, "growth": 1.5},
        },
    ],
    ids=lambda of: of["optimizer"],
)
def test_a_training_killed_at_any_step_ends_as_one_that_was_not(convolutional, settings):
    project = convolutional.params(**{f"train.cifar_bn_cnn.{name}": value for name, value in settings.items()})
    _, weights, history, curves = trained(project)
    moments = random.Random(settings["optimizer"])
    assert not killed_training(project, KILLED_IN_A_STEP.format(at=(0, moments.randrange(STEPS))))
    at = moments.randrange(1, EPOCHS - 1), moments.randrange(STEPS)
    assert len(killed_training(project, KILLED_IN_A_STEP.format(at=at))) == 1
    # Goes on, and is killed when it keeps its first epoch: what was kept before stays whole.
    assert len(killed_training(project, KILLED_WHILE_IT_KEEPS.format(at=1))) == 1
    printed, *again = trained(project)
    assert f"cifar_bn_cnn: resuming after epoch {at[0]} of {EPOCHS}" in printed
    assert len(weights) == len(again[0]) > 20  # with the statistics of batch norm
    assert all(np.array_equal(one, other) for one, other in zip(weights, again[0], strict=True))
    assert again[1] == history
    assert again[2] == curves
    assert [step for key, step, _ in curves if key == "val_loss"] == [1, 2, 3, 4]


def test_a_killed_training_goes_on_after_edits_that_cannot_change_it(convolutional, request):
    project = convolutional
    request.addfinalizer(lambda: project.run("git", "checkout", "--quiet", "src"))

    def edit(name, before, after):
        path = project.root / "src" / "darkroom" / name
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, after, 1))

    def add(name, line):
        path = project.root / "src" / "darkroom" / name
        path.write_text(f"{path.read_text()}\n{line}\n")

    _, weights, history, _ = trained(project)
    assert len(killed_training(project, KILLED_IN_A_STEP.format(at=(2, 4)))) == 1
    add("training/fit.py", "# A comment.")
    edit("training/fit.py", '"""', '"""Another docstring. ')
    add("reporting/pages.py", "ADDED = 1")
    printed, *again = trained(project)
    assert f"cifar_bn_cnn: resuming after epoch 2 of {EPOCHS}" in printed
    assert all(np.array_equal(one, other) for one, other in zip(weights, again[0], strict=True))
    assert again[1] == history

    assert len(killed_training(project, KILLED_IN_A_STEP.format(at=(2, 4)))) == 1
    add("training/schedules.py", "ADDED = 1")
    printed, *again = trained(project)
    assert "resuming after epoch" not in printed
    assert f"epoch 1/{EPOCHS}" in printed
    assert again[1] == history


def test_of_two_runs_at_once_one_works_and_the_other_says_so(tmp_path):
    project = made(tmp_path / "project")
    with start(project, "dvc", "repro", "preprocess") as first:
        next(line for line in first.stdout if line.startswith("Running stage 'ingest'"))
        printed = project.run("dvc", "repro", "preprocess", code=255)
        first.communicate()
    assert first.returncode == 0
    assert "is busy, it is being" in printed or "Unable to acquire lock" in printed
    assert "Traceback" not in printed


OPEN = """
import os, sys
from darkroom.base import environment
environment.prepare()
from darkroom.tracking.runs import start_run
from darkroom.tracking.store import open_store
children = []
for _ in range(20):
    pid = os.fork()
    if not pid:
        open_store()
        with start_run("mlp", "train", {}):
            pass
        os._exit(0)
    children.append(pid)
sys.exit(sum(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0 for pid in children))
"""


def test_twenty_processes_open_an_empty_store_at_once(tmp_path):
    project = Project(tmp_path / "project")
    project.run("python", "-c", OPEN)
    with closing(sqlite3.connect(project.root / "mlflow.db")) as store:
        assert store.execute("SELECT count(*), min(status), max(status) FROM runs").fetchone() == (
            20,
            "FINISHED",
            "FINISHED",
        )
        assert store.execute("SELECT count(*) FROM experiments").fetchone() == (2,)
