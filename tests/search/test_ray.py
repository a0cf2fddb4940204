"""Trials on a Ray cluster: two real nodes on this machine, one of them really lost."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

from darkroom.base.errors import InputError
from darkroom.networks.mlp import Params as MlpParams
from darkroom.params import RaySettings, SearchParams
from darkroom.search.executors import ray_cluster, ray_connection
from darkroom.search.loop import search
from darkroom.search.study import attempts, persistent_study
from support import objectives
from support.processes import SPACE, is_alive, pids, until
from support.projects import ROOT, environment, refusal
from support.searches import run

# Not imported here: Ray reads its variables when it is.
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (pip install 'ray>=2.50')")
OF_A_NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}


@pytest.fixture(scope="module")
def temporary():
    """The temporary folder of all nodes, whose processes have the environment that they are started with."""
    # Sockets lie below it, whose paths may have 107 characters: pytest's own folders are too deep.
    with (
        tempfile.TemporaryDirectory(prefix="nodes-", dir="/tmp", ignore_cleanup_errors=True) as place,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("TMPDIR", place)
        patch.setenv("PYTHONPATH", str(ROOT / "tests"))
        for name, value in ray_connection.QUIET.items():
            patch.setenv(name, value)
        yield Path(place)


@pytest.fixture(scope="module")
def head(temporary):
    """A cluster of one node with one CPU and, as it believes, one GPU."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={**OF_A_NODE, "num_gpus": 1})
    yield cluster
    cluster.shutdown()


@pytest.fixture
def cluster(head):
    """The same with a second node."""
    head.second = head.add_node(**OF_A_NODE)
    head.wait_for_nodes()
    yield head
    if head.second in head.worker_nodes:
        head.remove_node(head.second)


@contextmanager
def losing(cluster, condition, mark):
    """Lose the second node as soon as the condition holds; then make a file that says so."""
    failed = []

    def lose():
        try:
            until(condition, 120)
            cluster.remove_node(cluster.second, allow_graceful=False)
            # The processes of a lost node live on for a moment.
            until(lambda: sum(map(is_alive, pids(mark.parent))) < 2)
            mark.touch()
        except BaseException as error:  # noqa: BLE001 - said by the thread that waits
            failed.append(error)

    thread = threading.Thread(target=lose)
    thread.start()
    yield
    thread.join()
    assert not failed


def run_trials(folder, kind, address, trials=6, **params):
    """Search on a cluster; return the trials, and how often each number was tried."""
    asked = {"executor": "ray", "ray": {"address": address, **params.pop("ray", {})}}
    chosen = SearchParams(**{"budget": {"trials": trials}, "pruner": {"name": "none"}, **asked, **params})
    make = partial(objectives.make_on_node, folder, kind)
    with (
        persistent_study(folder / "study.db", chosen) as study,
        ray_cluster.RayCluster(chosen.ray, chosen.workers, make, {}) as executor,
    ):
        found = search(study, MlpParams(), SPACE, chosen, executor)
        return found.trials, {number: [one.state.name for one in tries] for number, tries in attempts(study).items()}


@pytest.mark.slow
@pytest.mark.servers
def test_a_search_outlives_a_node_that_is_lost(cluster, tmp_path):
    begun = [tmp_path / f"begun-{number}" for number in range(2)]
    with losing(cluster, lambda: all(file.exists() for file in begun), tmp_path / "lost"):
        trials, states = run_trials(tmp_path, "waits_for_a_loss", cluster.address)
    assert [trial.state for trial in trials] == ["complete"] * 6
    again = [number for number, of in states.items() if of == ["FAIL", "COMPLETE"]]
    assert len(again) == 1
    assert all(of == ["COMPLETE"] for number, of in states.items() if number not in again)
    until(lambda: not any(map(is_alive, pids(tmp_path))), 10)


@pytest.mark.slow
@pytest.mark.servers
def test_the_stage_outlives_a_node_that_is_lost_and_brings_its_data_along(cluster, temporary, folder, monkeypatch):
    monkeypatch.setattr(ray_cluster, "PART", 1000)
    studies = folder / ".darkroom" / "search"

    def both_are_at_work():
        for file in studies.glob("*.db"):
            query = "SELECT count(DISTINCT trial_id) FROM trial_intermediate_values JOIN trials USING (trial_id)"
            # Its tables may not be there yet.
            with suppress(sqlite3.OperationalError), closing(sqlite3.connect(file)) as study:
                return study.execute(f"{query} WHERE state = 'RUNNING'").fetchone() == (2,)
        return False

    # A path that leads each process to another place: no node has the folder.
    (folder / "mine").mkdir()
    (folder / "prepared").rename(folder / "mine" / "prepared")
    (folder / "prepared").symlink_to("/proc/self/cwd/mine/prepared")
    with losing(cluster, both_are_at_work, folder / "lost"):
        shown = run(
            folder,
            search__executor="ray",
            search__ray={"address": cluster.address, "cpus": 1},
            search__budget={"trials": 4},
            search__epochs=60,
            search__pruner={"name": "none"},
            **{"train.mlp.epochs": 60, "train.mlp.early_stopping": {"patience": 60}},
        )
    assert shown.table["number"].tolist() == list(range(4))
    assert set(shown.table["state"]) == {"complete"}
    statuses = Counter(trial.info.status for trial in shown.trials)
    assert statuses == {"FINISHED": 4, "FAILED": 1}
    (lost,) = [trial for trial in shown.trials if trial.info.status == "FAILED"]
    assert lost.data.tags["reason"].endswith("died")
    assert shown.parent.data.params["search.executor"] == "ray"
    assert shown.parent.data.params["search.workers"] == "all"
    assert not any(cluster.address in value for value in shown.parent.data.params.values())
    assert not list(studies.glob("*.db"))
    (copy,) = [place for place in temporary.glob("darkroom-*/*") if place.is_dir()]
    for name in ("dataset.json", "train/images.npy", "validation/manifest.parquet"):
        assert (copy / name).read_bytes() == (folder / "mine" / "prepared" / name).read_bytes()
    assert not (copy / "test").exists()


@pytest.mark.slow
@pytest.mark.servers
def test_trials_on_nodes_are_pruned(cluster, tmp_path):
    trials, _ = run_trials(tmp_path, "bowl", cluster.address, 7, pruner={"name": "median", "startup_trials": 2})
    assert [trial.number for trial in trials] == list(range(7))
    assert {trial.state for trial in trials[5:]} == {"pruned"}
    assert {trial.epochs for trial in trials[5:]} == {1}
    assert len(pids(tmp_path)) == 2


@pytest.mark.slow
@pytest.mark.servers
def test_a_process_that_dies_of_a_trial_twice_is_replaced(head, tmp_path):
    trials, states = run_trials(tmp_path, "crashes", head.address, 4)
    assert [trial.state for trial in trials] == ["complete", "lost", "complete", "complete"]
    assert trials[1].reason.endswith("died")
    assert states[1] == ["FAIL", "FAIL"]


@pytest.mark.slow
@pytest.mark.servers
def test_a_trial_has_what_it_asks_for_and_the_users_mistake_is_said(head, tmp_path):
    for gpus, seen in ((0, "-1"), (1, "0")):
        place = tmp_path / str(gpus)
        place.mkdir()
        run_trials(place, "bowl", head.address, 2, workers=1, ray={"gpus": gpus})
        (pid,) = pids(place)
        assert (place / f"pid-{pid}").read_text() == "1"
        assert (place / "gpus").read_text() == seen
    with pytest.raises(InputError, match=r"^train.mlp.batch_size: 999 given$"):
        run_trials(tmp_path, "refuses", head.address)


@pytest.mark.slow
@pytest.mark.servers
def test_what_no_node_can_hold_and_other_versions_are_refused(head, tmp_path, monkeypatch):
    ray_connection.check(RaySettings(address=head.address, gpus=0.5))
    with pytest.raises(InputError, match=r"^search.ray.gpus: a trial needs 2, but no node .* more than 1;"):
        ray_connection.check(RaySettings(address=head.address, gpus=2))
    monkeypatch.setattr(ray_cluster, "versions", lambda _: {"Keras": "1.2"})
    with pytest.raises(InputError, match=r"^search.ray: node .* has Keras 3\.\S+, this process has 1\.2; install"):
        run_trials(tmp_path, "bowl", head.address)


def test_a_cluster_that_cannot_be_used_ends_the_stage_at_once(project):
    stage = ("python", "-m", "pipeline", "search", "lenet5", "nowhere", "nowhere", "best.json", "trials.csv")
    project.params(search__executor="ray", search__ray={"address": "127.0.0.1:1"})
    began = time.monotonic()
    (line,) = project.run(*stage, code=2).splitlines()
    assert time.monotonic() - began < 10
    assert line.startswith("search: search.ray.address: 127.0.0.1:1 cannot be used (Connection refused); start the")
    assert refusal(project, "check", "--inputs") == line.replace("search: ", "darkroom check: ", 1)


def test_more_than_this_machine_has_is_refused(project):
    project.params(search__executor="ray", search__ray={"cpus": 10_000})
    line = refusal(project, "check", "--inputs")
    assert line.startswith("darkroom check: search.ray.cpus: a trial needs 10000, but no node of the cluster has ")


@pytest.mark.slow
@pytest.mark.servers
def test_who_listens_but_is_no_cluster_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(ray_connection, "ANSWERS_WITHIN", 8.0)
    import socket

    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(
            InputError, match=rf"^search.ray.address: {address} cannot be used \(no answer within 8 s\)"
        ):
            ray_connection.check(RaySettings(address=address))


SEARCHING = """
import signal, sys
from pathlib import Path
from test_ray import run_trials
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who starts the tests in the background ignores it
    try:
        run_trials(Path(sys.argv[1]), "lasts", sys.argv[2] if len(sys.argv) > 2 else None, workers=1)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@contextmanager
def searching(folder, *address):
    """A process that searches, in the middle of a trial."""
    script = folder / "searching.py"
    script.write_text(SEARCHING)
    variables = environment(PYTHONPATH=os.pathsep.join(map(str, (Path(__file__).parent, *filter(None, sys.path)))))
    command = [sys.executable, script, folder, *address]
    with subprocess.Popen(command, env=variables, start_new_session=True) as process:
        try:
            until(lambda: list(folder.glob("begun-*")), 60)
            yield process
        finally:
            process.kill()


def of_a_cluster_below(pid):
    """What is alive of the cluster that a process started for itself."""
    listed = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if "/ray-" in line and f"_{pid}/" in line]


@pytest.mark.slow
@pytest.mark.servers
@pytest.mark.parametrize("own", [True, False])
def test_trials_do_not_outlive_a_killed_search(head, tmp_path, own):
    with searching(tmp_path, *([] if own else [head.address])) as process:
        assert bool(of_a_cluster_below(process.pid)) == own
        process.kill()
        process.wait()
        until(lambda: not any(map(is_alive, pids(tmp_path))), 20)
        until(lambda: not of_a_cluster_below(process.pid), 20)
    with persistent_study(tmp_path / "study.db", SearchParams()) as study:
        assert {trial.state.name for trial in study.trials} == {"FAIL"}


@pytest.mark.slow
@pytest.mark.servers
@pytest.mark.parametrize("own", [True, False])
def test_an_interrupt_ends_all_trials_and_leaves_none_running(head, tmp_path, own):
    with searching(tmp_path, *([] if own else [head.address])) as process:
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
        until(lambda: not any(map(is_alive, pids(tmp_path))), 10)
        assert not of_a_cluster_below(process.pid)
    with closing(sqlite3.connect(tmp_path / "study.db")) as study:
        assert study.execute("SELECT state, count(*) FROM trials GROUP BY state").fetchall() == [("FAIL", 1)]
