"""Retraining with a registry that stays: what is saved before a promotion, what is offered, what is refused. Slow."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from filelock import FileLock

from darkroom.tracking import lineage
from support.finished import team_of
from support.projects import Project, Stack, clone, environment, refusal

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(finished_mlp, tmp_path_factory):
    """A project of one small network whose champion is in a registry outside of it."""
    root = tmp_path_factory.mktemp("team")
    registry = f"sqlite:///{root / 'registry.db'}"
    return team_of(finished_mlp, root, Stack("registry", str(root / "remote"), {"MLFLOW_TRACKING_URI": registry}))


@pytest.fixture
def team(made, tmp_path):
    """The same with git repository, DVC remote and registry of its own."""
    root = made.root.parent
    for name in ("bare.git", "remote"):
        shutil.copytree(root / name, tmp_path / name)
    shutil.copy(root / "registry.db", tmp_path / "registry.db")
    copy = Project.at(tmp_path, MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path / 'registry.db'}")
    copy.bare, copy.remote = tmp_path / "bare.git", tmp_path / "remote"
    return copy


@pytest.fixture
def worker(team):
    """A clone, with parameters changed in a commit that nobody has retrained on yet; nothing is to be searched."""
    made = clone(team, team.root / "worker")
    made.run("dvc", "remote", "modify", "store", "url", str(team.remote))
    return made.params(train__mlp__learning_rate=0.02, search__budget__trials=0).commit("another rate")


def aliases(team):
    with closing(sqlite3.connect(team.root / "registry.db")) as store:
        return sorted(store.execute("SELECT alias, version FROM registered_model_aliases").fetchall())


def champion(team):
    query = "SELECT run_id FROM registered_model_aliases JOIN model_versions USING (name, version) WHERE alias = ?"
    with closing(sqlite3.connect(team.root / "registry.db")) as store:
        return store.execute(query, ("champion",)).fetchone()[0]


def decision(project):
    return json.loads((project.root / "reports/promotion.json").read_text())


def ran(printed):
    return re.findall(r"Running stage '(.+)':", printed)


def offered(team):
    names = subprocess.check_output(["git", "for-each-ref", "--format=%(refname)", "refs/heads/retrain"], cwd=team.bare)
    return [name.removeprefix("refs/heads/") for name in names.decode().split()]


def from_branch(team, branch, path):
    return subprocess.check_output(["git", "show", f"{branch}:{path}"], cwd=team.bare, text=True)


def always_better(project):
    """Let the candidate be promoted whatever it gains."""
    path = project.root / "src/darkroom/promotion/gate.py"
    text = path.read_text()
    path.write_text(text.replace('"keep" if failed else "promote"', '"promote"'))
    assert path.read_text() != text
    return project.commit("the new one is always better")


def splitting_says_what_is_there(project):
    """Let the stage ``split`` run again, and print whether it has the earlier pictures."""
    path = project.root / "pipeline/split.py"
    text, line = path.read_text(), "    splits = kept.read("
    path.write_text(text.replace(line, f"    print('earlier pictures:', files.pictures.exists())\n{line}"))
    assert path.read_text() != text
    return project.commit("says what is there")


def test_what_git_refuses_is_not_promoted_and_a_rerun_makes_up_for_it(team, worker):
    always_better(worker)
    hook = team.bare / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho ERROR: no >&2\nexit 1\n")
    hook.chmod(0o755)
    before = aliases(team)
    head = worker.run("git", "rev-parse", "HEAD")
    printed = worker.run("darkroom", "retrain", code=1)
    assert "git push failed" in printed
    assert aliases(team) == before
    assert "stopped: git push failed" in (worker.root / ".darkroom/summary/summary.md").read_text()

    hook.unlink()
    printed = worker.run("darkroom", "retrain")
    assert ran(printed) == ["promote", "card@mlp", "report"]
    (branch,) = offered(team)
    assert f"pushed the branch {branch}; open a pull request from it to master" in printed
    assert champion(team) == decision(worker)["champion_run_id"] == decision(worker)["candidate"]["run_id"]
    assert aliases(team) != before
    assert json.loads(from_branch(team, branch, "reports/promotion.json")) == decision(worker)
    assert from_branch(team, branch, "dvc.lock") == (worker.root / "dvc.lock").read_text()
    # The user's own branch is where it was, and so is its last commit.
    assert worker.run("git", "branch", "--show-current") == "master\n"
    assert worker.run("git", "rev-parse", "HEAD") == head
    assert not worker.run("git", "diff", "--cached", "--name-only")

    printed = worker.run("darkroom", "retrain")
    assert ran(printed) == []
    assert "nothing has changed" in printed
    assert f"these results are on the branch {branch} already" in printed
    assert offered(team) == [branch]
    # Nothing but results was uncommitted when the stages ran.
    (row,) = [row for row in json.loads(worker.run("darkroom", "runs", "--json")) if row["workspace"]]
    assert row["trained at"] == head.strip()
    assert row["recorded in"] == worker.run("git", "rev-parse", f"origin/{branch}~").strip()


@pytest.mark.thorough
def test_what_dvc_cannot_push_is_not_promoted(team, worker):
    always_better(worker)
    before = aliases(team)
    # In the way of whatever DVC has not pushed before.
    places = [team.remote / f"files/md5/{number:02x}" for number in range(256)]
    blocked = [place for place in places if not place.exists()]
    for place in blocked:
        place.touch()
    assert "dvc push failed" in worker.run("darkroom", "retrain", code=1)
    assert aliases(team) == before
    assert offered(team) == []
    for place in blocked:
        place.unlink()
    assert ran(worker.run("darkroom", "retrain")) == ["promote", "card@mlp", "report"]
    assert aliases(team) != before


def test_a_pull_request_moves_no_alias_though_there_is_a_registry(team, worker):
    always_better(worker)
    splitting_says_what_is_there(worker)
    assert not (worker.root / "data/pictures.parquet").exists()
    before = aliases(team)
    event = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_BASE_REF": "master"}
    stored = sorted(team.remote.rglob("*"))
    printed = worker.run("darkroom", "retrain", **event)
    assert sorted(team.remote.rglob("*")) == stored, "main would find it in the run cache"
    assert {"split", "train@mlp"} <= set(ran(printed))
    assert "earlier pictures: True" in printed
    assert "pull request: nothing promoted" in printed
    assert decision(worker)["outcome"] == "promote"
    assert decision(worker)["withheld"] == "pull request: nothing promoted"
    assert aliases(team) == before
    assert offered(team) == []
    # Once it is merged the decision may be carried out; training has been done.
    printed = worker.run("darkroom", "retrain")
    assert ran(printed) == ["promote", "card@mlp", "report"]
    assert champion(team) == decision(worker)["candidate"]["run_id"]
    assert len(offered(team)) == 1


@pytest.mark.thorough
def test_without_a_remote_there_is_no_promotion(team, worker):
    always_better(worker)
    before = aliases(team)
    worker.run("dvc", "pull", "--quiet")
    worker.run("dvc", "remote", "remove", "store")
    worker.commit("no remote")
    printed = worker.run("darkroom", "retrain")
    assert "no persistent registry: nothing promoted, since no DVC remote" in printed
    assert decision(worker)["outcome"] == "promote"
    assert decision(worker)["withheld"].startswith("no persistent registry: nothing promoted")
    assert aliases(team) == before


@pytest.mark.thorough
def test_a_decision_alone_is_offered_too(team, worker):
    worker.run("darkroom", "retrain")
    (first,) = offered(team)
    worker.params(promote__minimum_gain=0.5).commit("stricter")
    printed = worker.run("darkroom", "retrain")
    assert ran(printed) == ["promote", "card@mlp", "report"]
    (second,) = {*offered(team)} - {first}
    assert f"pushed the branch {second}" in printed
    assert from_branch(team, second, "dvc.lock") == (worker.root / "dvc.lock").read_text()
    assert f"on the branch {second} already" in worker.run("darkroom", "retrain")
    # Results whose decision was withheld, and carried out on another machine.
    assert len(offered(team)) == 2
    alone = {"DARKROOM_DECIDE_ONLY": "only CI promotes"}
    other = clone(team, team.root / "other")
    other.run("dvc", "remote", "modify", "store", "url", str(team.remote))
    changes = {"train__mlp__learning_rate": 0.02, "search__budget__trials": 0, "promote__minimum_gain": 0.5}
    other.params(**changes).commit("the same")
    printed = other.run("darkroom", "retrain", **alone)
    assert decision(other)["withheld"] == "only CI promotes"
    assert len(offered(team)) == 3
    other.run("darkroom", "retrain")
    assert decision(other)["withheld"] is None
    assert len(offered(team)) == 3, "as the first machine has offered it"


GH = """#!/bin/sh
echo "$@" >> {log}
case "$1 $2" in
"pr list") cat {folder}/url 2>/dev/null || true;;
"pr create")
    cat > {folder}/body
    test -e {folder}/broken && {{ echo refused >&2; exit 1; }}
    echo https://example.org/1 | tee {folder}/url;;
esac
"""


@pytest.mark.thorough
def test_a_pull_request_is_opened_once_and_not_forgotten(team, worker):
    tools = team.root / "tools"
    tools.mkdir()
    (tools / "gh").write_text(GH.format(log=tools / "log", folder=tools))
    (tools / "gh").chmod(0o755)
    variables = {"GH_TOKEN": "secret", "PATH": f"{tools}{os.pathsep}{environment()['PATH']}", "GITHUB_REF_NAME": "main"}
    (tools / "broken").touch()
    printed = worker.run("darkroom", "retrain", code=1, **variables)
    assert "gh pr failed: refused" in printed
    (branch,) = offered(team)
    (tools / "broken").unlink()
    assert f"{branch} already: https://example.org/1" in worker.run("darkroom", "retrain", **variables)
    assert f"{branch} already: https://example.org/1" in worker.run("darkroom", "retrain", **variables)
    calls = (tools / "log").read_text().splitlines()
    assert [" ".join(call.split()[:2]) for call in calls] == ["pr list", "pr create", "pr list", "pr create", "pr list"]
    assert calls[3].startswith(f"pr create --base main --head {branch} --title Retrain: ")
    body = (tools / "body").read_text()
    assert decision(worker)["reason"] in body
    assert "xychart-beta" in body
    assert "![" not in body, "no picture can be seen there"
    assert "![" in (worker.root / ".darkroom/summary/summary.md").read_text()
    assert "secret" not in "".join(path.read_text() for path in (worker.root / ".git").glob("*config*"))


@pytest.mark.thorough
def test_the_remote_of_the_environment_is_used_and_not_kept(team, worker):
    local = worker.root / ".dvc/config.local"
    local.write_text("[core]\n    autostage = false\n")
    before = local.read_text()
    other = team.root / "other remote"
    shutil.copytree(team.remote, other)
    count = sum(1 for _ in team.remote.rglob("*"))
    worker.run("darkroom", "retrain", DVC_REMOTE_URL=str(other))
    assert local.read_text() == before
    assert sum(1 for _ in team.remote.rglob("*")) == count
    assert sum(1 for _ in other.rglob("*")) > count
    local.unlink()
    (team.root / "file").touch()
    assert refusal(worker, "retrain", DVC_REMOTE_URL=str(team.root / "file/remote"))
    assert not local.exists()


@pytest.mark.thorough
def test_a_diverged_training_is_not_done_twice(team, worker):
    path = worker.root / "pipeline/train.py"
    diverge = 'from darkroom.base.errors import TrainingError\n    raise TrainingError("the loss is nan at step 3")\n'
    text = path.read_text()
    path.write_text(text.replace("    values = with_values(", f"    {diverge}    values = with_values("))
    assert path.read_text() != text
    worker.commit("as if it diverged")
    assert not (worker.root / "data/raw/a").exists()
    printed = worker.run("darkroom", "retrain", code=1)
    assert "train: the loss is nan at step 3" in printed
    assert ran(printed) == ["preview", "features@mlp", "search@mlp", "train@mlp"]
    assert "stopped: dvc repro failed" in (worker.root / ".darkroom/summary/summary.md").read_text()


def test_a_remote_that_cannot_be_used_is_found_before_the_training(team, worker):
    (team.root / "file").touch()
    worker.run("dvc", "remote", "modify", "--local", "store", "url", str(team.root / "file/remote"))
    assert "the DVC remote is not readable and writable (" in refusal(worker, "retrain")
    event = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_BASE_REF": "master"}
    # The pull request of a fork has no keys; here it has no images either.
    assert "there is no DVC remote to pull it from" in refusal(worker, "retrain", **event)


def test_a_bucket_that_is_not_there_is_found_before_the_training(worker):
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
        variables = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", **keys}
        line = refusal(worker, "retrain", DVC_REMOTE_URL="s3://missing/dvc", **variables)
        assert "the DVC remote is not readable and writable (The specified bucket does not exist)" in line
    finally:
        server.stop()


def test_held_locks_are_refused(worker):
    (worker.root / ".darkroom").mkdir(exist_ok=True)
    with FileLock(worker.root / ".darkroom/retrain.lock"):
        assert "another process holds .darkroom/retrain.lock" in refusal(worker, "retrain")
    holder = "from dvc.repo import Repo\nwith Repo() as repo, repo.lock: print(flush=True); input()"
    with subprocess.Popen(
        ["python", "-c", holder],
        cwd=worker.root,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        process.stdout.readline()
        line = refusal(worker, "retrain")
        process.communicate(b"\n")
    assert "another DVC command is running in this project (it holds .dvc/tmp/lock); wait" in line
    # While a stage runs, DVC leaves that lock to others.
    record = worker.root / ".dvc/tmp/rwlock"
    record.write_text(json.dumps({"write": {"model": {"pid": os.getpid(), "cmd": "dvc repro"}}}))
    assert f"(process {os.getpid()}: dvc repro)" in refusal(worker, "retrain")


def test_a_store_of_a_newer_mlflow_is_refused_before_the_training(team, worker):
    with closing(sqlite3.connect(team.root / "registry.db")) as store, store:
        store.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    assert "was written by another version of MLflow" in refusal(worker, "retrain")
    # The same of the project's own.
    shutil.copy(team.root / "registry.db", worker.root / "mlflow.db")
    assert "mlflow.db was written by another version of MLflow" in refusal(worker, "retrain", MLFLOW_TRACKING_URI="")


class Closed(BaseHTTPRequestHandler):
    """A server that lets nobody in."""

    def do_GET(self):
        self.send_error(401)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *arguments):
        pass


def test_a_server_that_lets_nobody_in_is_refused_before_the_training(worker):
    with HTTPServer(("127.0.0.1", 0), Closed) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        line = refusal(worker, "retrain", MLFLOW_TRACKING_URI=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert "401" in line
    assert "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in line


def test_a_base_that_is_not_there_is_refused_before_the_training(worker):
    assert "--base mian: no such revision" in refusal(worker, "retrain", "--base", "mian")


def test_spoilt_results_are_named(worker):
    path = worker.root / "runs/mlp/run.json"
    path.write_text(f"<<<<<<< HEAD\n{path.read_text()}=======\n>>>>>>> theirs\n")
    for command in (["runs"], ["retrain"]):
        line = refusal(worker, *command)
        assert "runs/mlp/run.json is not valid JSON" in line
        assert "git checkout HEAD -- runs/mlp/run.json" in line
    worker.run("git", "checkout", "--quiet", "runs")
    (worker.root / "reports/promotion.json").write_text('{"outcome": "pro')
    for command in (["check", "--registry"], ["retrain"]):
        assert "reports/promotion.json is not valid JSON" in refusal(worker, *command)
    worker.run("git", "checkout", "--quiet", "reports")
    lock = worker.root / "dvc.lock"
    lock.write_text(f"<<<<<<< HEAD\n{lock.read_text()}=======\n>>>>>>> theirs\n")
    assert "invalid YAML" in refusal(worker, "retrain")


WITHHELD = """
import os
from pathlib import Path
from darkroom.params import read_params
from darkroom.registry import turns
from darkroom.tracking.store import open_store
open_store()
with turns.promotion_lock("darkroom"):
    os.environ["{name}"] = "only to look"
    import pipeline.promote
    pipeline.promote.main(read_params(), "data/prepared", "data/divided", "runs", "reports/promotion.json")
"""


@pytest.mark.thorough
def test_what_is_only_decided_waits_for_no_promotion(team, worker):
    worker.run("dvc", "pull", "--quiet")
    # Within the turn of another promotion, which would last for as long as this one waits.
    printed = worker.run("python", "-c", WITHHELD.format(name=lineage.DECIDE_ONLY), timeout=120)
    assert "not carried out: only to look" in printed
