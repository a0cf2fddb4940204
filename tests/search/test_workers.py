"""Many workers at one study: real processes, really killed. Their trials need no training."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from darkroom.base.errors import InputError
from darkroom.networks.mlp import Params as MlpParams
from darkroom.params import SearchParams
from darkroom.search.executors.processes import Workers, threads_of_each
from darkroom.search.loop import search
from darkroom.search.study import attempts, persistent_study
from support import objectives
from support.processes import SPACE, is_alive, pids, until
from support.projects import environment


class Finalized:
    """Ctrl-C arrives in its finalizer, where Python ignores exceptions."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)


def run(folder, kind, trials=7, workers=2, **params):
    """Search with workers; return the trials, what was seen, and how often each number was tried."""
    chosen = SearchParams(**{"budget": {"trials": trials}, "workers": workers, "pruner": {"name": "none"}, **params})
    began, ended = [], []

    class Watch:
        def started(self, number, tried):
            began.append((number, tried))

        def epoch(self, *_):
            if (folder / "finalizer").exists():
                (folder / "finalizer").unlink()
                del [Finalized()][0]

        def ended(self, trial):
            ended.append(trial)

    with (
        persistent_study(folder / "study.db", chosen) as study,
        Workers(workers, partial(objectives.make, folder, kind), 1) as executor,
    ):
        found = search(study, MlpParams(), SPACE, chosen, executor, Watch())
        states = {number: [trial.state.name for trial in tries] for number, tries in attempts(study).items()}
    return found.trials, began, ended, states


@pytest.mark.slow
def test_two_workers_run_the_asked_number_of_trials_and_prune_and_end(tmp_path):
    pruner = {"name": "median", "startup_trials": 2}
    trials, began, *_ = run(tmp_path, "bowl", 7, pruner=pruner)
    assert [trial.number for trial in trials] == list(range(7))
    assert sorted(number for number, _ in began) == list(range(7))
    # What is worse than the first ones by 100 is not gone on with.
    assert {trial.state for trial in trials[:4]} <= {"complete", "pruned"}
    assert {trial.state for trial in trials[5:]} == {"pruned"}
    assert {trial.epochs for trial in trials[5:]} == {1}
    assert len(pids(tmp_path)) == 2
    used = {line for file in tmp_path.glob("trial-*") for line in file.read_text().splitlines()}
    assert used == {str(pid) for pid in pids(tmp_path)}
    assert not any(is_alive(pid) for pid in pids(tmp_path))
    # Each with its share of the threads, as the libraries read it.
    assert {(tmp_path / f"pid-{pid}").read_text() for pid in pids(tmp_path)} == {"1"}


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_nothing(tmp_path):
    trials, began, ended, states = run(tmp_path, "killed_once", 6)
    assert [trial.state for trial in trials] == ["complete"] * 6
    assert states == {number: ["FAIL", "COMPLETE"] if number == 2 else ["COMPLETE"] for number in range(6)}
    first, second = [tried for number, tried in began if number == 2]
    assert first == second
    (lost,) = [trial for trial in ended if trial.state == "lost"]
    assert lost.reason == "its process was killed by SIGKILL"
    assert len(pids(tmp_path)) == 3


@pytest.mark.slow
def test_a_worker_that_dies_of_a_trial_twice_is_replaced_and_the_search_goes_on(tmp_path):
    trials, _, _, states = run(tmp_path, "crashes", 4)
    assert [trial.state for trial in trials] == ["complete", "lost", "complete", "complete"]
    assert trials[1].reason == "its process ended with exit code 7"
    assert states[1] == ["FAIL", "FAIL"]


def test_what_diverges_in_a_worker_is_a_finding(tmp_path):
    trials, *_ = run(tmp_path, "diverges", 4)
    assert [trial.state for trial in trials] == ["complete", "diverged"] * 2
    assert trials[1].reason == "loss is nan at step 3"


def test_the_users_mistake_is_said_as_it_is(tmp_path):
    with pytest.raises(InputError, match=r"^train.mlp.batch_size: 999 given$"):
        run(tmp_path, "refuses")
    assert not any(is_alive(pid) for pid in pids(tmp_path))


def test_workers_share_the_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert [threads_of_each(workers) for workers in (1, 2, 3, 16)] == [8, 4, 2, 1]


SEARCHING = """
import signal, sys
from pathlib import Path
from test_workers import run
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who starts the tests in the background ignores it
    try:
        run(Path(sys.argv[1]), "lasts")
    except KeyboardInterrupt:
        sys.exit(130)
"""


@contextmanager
def searching(folder):
    """A process that searches with two workers, each in the middle of a trial."""
    script = folder / "searching.py"
    script.write_text(SEARCHING)
    variables = environment(PYTHONPATH=os.pathsep.join(map(str, (Path(__file__).parent, *filter(None, sys.path)))))
    with subprocess.Popen([sys.executable, script, folder], env=variables, start_new_session=True) as process:
        try:
            until(lambda: len(list(folder.glob("begun-*"))) == 2)
            yield process
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a worker ends with its epoch")
def test_workers_do_not_outlive_a_killed_search(tmp_path):
    with searching(tmp_path) as process:
        process.kill()
        process.wait()
        until(lambda: not any(is_alive(pid) for pid in pids(tmp_path)), 5)
    with persistent_study(tmp_path / "study.db", SearchParams()) as study:
        assert {trial.state.name for trial in study.trials} == {"FAIL"}


@pytest.mark.slow
def test_an_interrupt_that_python_ignores_ends_the_search(tmp_path):
    with searching(tmp_path) as process:
        (tmp_path / "finalizer").touch()
        assert process.wait(60) == 130


@pytest.mark.slow
def test_an_interrupt_ends_all_workers_and_leaves_no_trial_running(tmp_path):
    with searching(tmp_path) as process:
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
        assert not any(is_alive(pid) for pid in pids(tmp_path))
    with closing(sqlite3.connect(tmp_path / "study.db")) as study:
        assert study.execute("SELECT state, count(*) FROM trials GROUP BY state").fetchall() == [("FAIL", 2)]
