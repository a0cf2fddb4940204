"""Many processes open a store that does not exist yet."""

import os
import tempfile
import time
from pathlib import Path

import mlflow
import pytest

from darkroom.base.errors import InputError
from darkroom.base.project import lock, state_folder
from darkroom.tracking import store
from darkroom.tracking.address import EXPERIMENT, local_store

OPENERS = 20


@pytest.fixture(autouse=True)
def _fresh(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").touch()


def opener(start):
    """Open the store in a forked process once all have been started; return its PID."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        while time.monotonic() < start:
            time.sleep(0.01)
        store.open_store()
        code = 0 if mlflow.get_experiment_by_name(EXPERIMENT) else 2
    finally:
        os._exit(code)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning", "ignore:.*multi-threaded:DeprecationWarning")
def test_of_twenty_that_open_a_fresh_store_none_is_refused():
    start = time.monotonic() + 1
    openers = [opener(start) for _ in range(OPENERS)]
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in openers] == [0] * OPENERS
    assert local_store().is_file()
    assert [file.name for file in state_folder().iterdir()] == []


def test_the_projects_state_may_be_on_another_disk(tmp_path):
    own = tmp_path.stat().st_dev
    others = [place for place in ("/dev/shm", "/var/tmp") if Path(place).is_dir() and Path(place).stat().st_dev != own]
    if not others:
        pytest.skip("no second file system here")
    with tempfile.TemporaryDirectory(dir=others[0]) as elsewhere:
        Path(".darkroom").symlink_to(elsewhere)
        store.open_store()
        assert [file.name for file in state_folder().iterdir()] == []
    assert [file.name for file in tmp_path.glob("mlflow*")] == ["mlflow.db"]


def test_a_complete_store_is_opened_without_waiting_for_its_lock(monkeypatch):
    store.open_store()
    monkeypatch.setattr(store, "LOCKED_FOR", 0.0)
    with lock(state_folder() / "store.lock"):
        store.open_store()


def test_one_that_creates_the_store_for_ever_is_named(monkeypatch):
    monkeypatch.setattr(store, "LOCKED_FOR", 0.0)
    monkeypatch.setattr(store, "LOOK_AGAIN", 0.01)
    with lock(state_folder() / "store.lock"), pytest.raises(InputError, match=r"it holds .darkroom/store\.lock"):
        store.open_store()
