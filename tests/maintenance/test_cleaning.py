"""What ``darkroom clean`` shows, frees and leaves alone: real stores, caches and repositories in temporary folders."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache

import darkroom
from darkroom import repository
from darkroom.base.errors import InputError
from darkroom.base.project import state_folder
from darkroom.cli import main
from darkroom.cli.arguments import CLEANABLE
from darkroom.maintenance import cleaning, restore
from darkroom.registry import packages, versions
from darkroom.tracking import opening, runs, store
from darkroom.tracking.record import RunRecord
from support import warm
from support.networks import build, description
from support.projects import environment
from support.runs import exists, killed

PIPELINE = """\
stages:
  copy:
    cmd: mkdir -p out && cp value out/value
    deps: [value]
    outs: [out]
"""
IMAGE = np.zeros((28, 28), dtype=np.uint8)


def command(*words):
    done = subprocess.run(words, env=warm.environment(environment()), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def dvc(*words):
    return command("dvc", *words)


ADDRESSES = {}
"""Of the packaged models of all runs here, by the run's id."""


def train(network="mnist_cnn"):
    with runs.start_run(network, "train", {"network": network}) as run:
        run.log_metrics({"validation_accuracy": 0.9})
        ADDRESSES[run.run_id] = packages.log_model(run, "network.keras", "dataset.json")
        run.log_json({}, "report.json")
    return RunRecord(run.run_id, 0.9, 0.1, 1, 1)


def packaged(record):
    """The address of the model of a run, also of one that was freed."""
    return ADDRESSES[record.run_id]


def commit(value):
    """A commit with a run, and with a stage whose output is this value."""
    record = train()
    Path("value").write_text(value)
    dvc("repro", "--quiet")
    record.write("runs/mnist_cnn/run.json")
    command("git", "add", "--all")
    command("git", "commit", "--quiet", "--message", value)
    return record


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project with a history: an old version, the champion, a branch, the workspace's run, and the challenger's.

    The challenger's results are in no commit: its alias alone keeps it.
    """
    root = tmp_path_factory.mktemp("made")
    patch = pytest.MonkeyPatch()
    patch.chdir(root)
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    Path("dvc.yaml").write_text(PIPELINE)
    Path(".gitignore").write_text("/mlflow.db*\n/mlartifacts/\n/.darkroom/\n/network.keras\n/other/\n")
    command("git", "init", "--quiet", "--initial-branch", "main")
    command("git", "config", "user.email", "test@example.org")
    command("git", "config", "user.name", "test")
    dvc("init", "--quiet")
    build("mnist_cnn", classes=2).save("network.keras")
    description((28, 28, 1), 2).write("dataset.json")
    store.open_store()
    records = {"challenger": train()}
    for value in ("old", "champion", "branch", "now"):
        records[value] = commit(value)
        if value == "branch":
            command("git", "branch", "side")
            command("git", "reset", "--quiet", "--hard", "HEAD~1")
    for value in ("old", "champion", "challenger"):
        version = versions.register("digits", records[value].run_id, {})
        if value != "old":
            versions.set_alias("digits", value, version)
    yield root, records
    patch.undo()


@pytest.fixture
def project(made, tmp_path, monkeypatch):
    """A copy of the project, in which a test may free what it likes; and its runs by name."""
    root = tmp_path / "project"
    shutil.copytree(made[0], root)
    monkeypatch.chdir(root)
    # MLflow remembers where the files of an id are, and other tests have had other copies.
    _artifact_repos_cache.clear()
    store.open_store()
    return made[1]


def files():
    return {str(path) for place in ("mlartifacts", ".dvc/cache") for path in Path(place).rglob("*") if path.is_file()}


def model_folder(record):
    return Path("mlartifacts") / "models" / packaged(record).removeprefix("models:/")


def model_files(record):
    return [path for path in model_folder(record).rglob("*") if path.is_file()]


def cached(value):
    """Whether DVC's cache has what a commit's stage wrote."""
    return any(path.read_text() == value for path in Path(".dvc/cache/files").rglob("*") if path.is_file())


def clean(capsys, *arguments, code=0):
    capsys.readouterr()
    assert main(["clean", *arguments]) == code
    printed = capsys.readouterr()
    return printed.err if code else printed.out


def refused(capsys, *arguments):
    (line,) = clean(capsys, *arguments, code=2).splitlines()
    return line


def test_the_command_line_names_what_there_is():
    assert set(CLEANABLE) == set(cleaning.FREED) == set(cleaning.FIND)


@pytest.mark.slow
def test_showing_frees_nothing(project, capsys):
    before = files()
    rows = json.loads(clean(capsys, "--json"))
    assert files() == before
    assert len(versions.versions("digits")) == 3
    models = {row["kept because"]: row["items"] for row in rows if row["what"] == "models"}
    assert models == {
        "models:/digits@champion": 1,
        "models:/digits@challenger": 1,
        "the workspace contains its results": 1,
        "a branch, tag or experiment contains its results": 1,
        "": 1,
    }
    (freeable,) = [row for row in rows if row["what"] == "models" and not row["kept because"]]
    assert freeable["freed by"] == "darkroom clean models"
    assert freeable["size"] == sum(path.stat().st_size for path in model_files(project["old"]))
    cache = {row["freed by"]: row["items"] for row in rows if row["what"] == "cache"}
    assert cache == {"": 6, "darkroom clean cache (no DVC remote: irreversible)": 2}


@pytest.mark.slow
def test_an_old_model_goes_and_what_is_named_stays(project, capsys):
    assert clean(capsys, "models").startswith("models: 1 freed, ")
    old = project["old"]
    assert not model_folder(old).exists()
    assert [int(version.version) for version in versions.versions("digits")] == [3, 2]
    assert MlflowClient().get_run(old.run_id).data.metrics == {"validation_accuracy": 0.9}
    assert list((Path("mlartifacts") / old.run_id).rglob("report.json"))
    with pytest.raises(InputError):
        opening.load_model(packaged(old))
    for uri in ("models:/digits@champion", "models:/digits@challenger", packaged(project["now"])):
        assert opening.load_model(uri).predict([IMAGE])
    assert model_folder(project["branch"]).is_dir()
    assert clean(capsys, "models").startswith("models: nothing to free")
    with pytest.raises(InputError, match="was deleted; run darkroom restore"):
        versions.register("digits", old.run_id, {})


def test_an_alias_of_another_name_and_a_tag_keep_a_model(project, capsys):
    client = MlflowClient()
    client.create_registered_model("elsewhere")
    place = client.get_logged_model(packaged(project["old"]).removeprefix("models:/")).artifact_location
    version = client.create_model_version("elsewhere", place)
    client.set_registered_model_alias("elsewhere", "kept", version.version)
    assert clean(capsys, "models").startswith("models: nothing to free")
    client.delete_registered_model_alias("elsewhere", "kept")
    command("git", "tag", "--annotate", "--message", "kept", "v1", "main~2")
    assert clean(capsys, "models").startswith("models: nothing to free")
    command("git", "tag", "--delete", "v1")
    assert clean(capsys, "models").startswith("models: 1 freed")
    assert client.search_model_versions("name = 'elsewhere'") == []


def outputs_in(folder, record):
    """What DVC has of a run: here the files of the copied project."""
    for name in restore.outputs_of("mnist_cnn"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    shutil.copy("network.keras", folder / "models" / "mnist_cnn.keras")
    shutil.copy("dataset.json", folder / "data" / "prepared" / "dataset.json")
    shutil.copytree(Path(darkroom.__file__).parent, folder / "src" / "darkroom")
    record.write(folder / "runs" / "mnist_cnn" / "run.json")
    return folder


def restored(folder):
    return list(restore._restore_network(folder, "mnist_cnn"))  # noqa: SLF001 - the rest of it wants a whole pipeline


def test_a_freed_model_is_packaged_again(project, capsys):
    clean(capsys, "models")
    folder = outputs_in(Path("other"), project["old"])
    (line,) = restored(folder)
    assert "packaged model" in line
    run = store.find_run(project["old"].run_id)
    assert opening.load_model(run.data.tags[store.MODEL]).predict([IMAGE])
    assert run.info.status == "FINISHED"
    assert restored(folder) == []


@pytest.mark.parametrize("gone", [".", "artifacts/artifacts/network.keras"])
def test_a_model_whose_files_are_gone_is_written_again_in_its_place(project, gone):
    folder = outputs_in(Path("other"), project["champion"])
    assert restored(folder) == []
    lost = model_folder(project["champion"]) / gone
    shutil.rmtree(lost) if lost.is_dir() else lost.unlink()
    with pytest.raises(InputError, match="darkroom restore"):
        opening.load_model("models:/digits@champion")
    assert "packaged model" in restored(folder)[0]
    assert opening.load_model("models:/digits@champion").predict([IMAGE])
    assert versions.run_of(versions.champion("digits")) == project["champion"].run_id
    assert len(versions.versions("digits")) == 3
    assert restored(folder) == []


@pytest.mark.slow
def test_the_cache_keeps_what_is_needed(project, capsys):
    assert clean(capsys, "cache").startswith("cache: 2 freed, ")
    # The champion's commit is no tip of anything.
    kept = {value: cached(value) for value in project if value != "challenger"}
    assert kept == {"old": False, "champion": True, "branch": True, "now": True}
    command("git", "checkout", "--quiet", "main~1")
    dvc("checkout", "--quiet")
    assert Path("out/value").read_text() == "champion"
    assert command("git", "worktree", "list").count("\n") == 0


def test_a_shared_cache_is_left_alone(project, capsys, tmp_path):
    dvc("config", "--local", "cache.dir", str(tmp_path / "cache"))
    shutil.copytree(".dvc/cache", tmp_path / "cache")
    assert "cache.dir is set" in refused(capsys, "models", "cache")
    assert model_folder(project["old"]).is_dir()
    assert {thing.kept for thing in cleaning.FIND["cache"]()} == {"cache.dir is set: other projects may use it"}


def test_killed_runs_and_interrupted_searches(project, capsys):
    client = MlflowClient()
    search = killed("search", {"stage": "search", "network": "mlp"})
    experiment = client.get_run(search).info.experiment_id
    trial = client.create_run(experiment, tags={"mlflow.parentRunId": search}).info.run_id
    client.set_terminated(trial)
    training = killed("train", {"stage": "train"})
    thrown = train().run_id
    client.delete_run(thrown)
    # The champion's evaluation was killed, which says nothing against its model.
    client.set_tag(project["champion"].run_id, store.ENDED, "its process was killed")
    failed = client.create_run(experiment).info.run_id
    client.set_terminated(failed, "FAILED")
    studies = state_folder() / "search"
    studies.mkdir()
    (studies / "mlp-0123.db").write_text("a study")
    (studies / "lenet5-4567.db").write_text("a study")

    assert clean(capsys, "runs").startswith("runs: 2 freed, ")
    assert [exists(run) for run in (search, trial, training, failed)] == [True, True, False, True]
    assert not list((Path("mlartifacts") / training).rglob("*"))
    assert not list((Path("mlartifacts") / thrown).rglob("*"))
    assert opening.load_model("models:/digits@champion").predict([IMAGE])

    with FileLock(studies / "lenet5-4567.lock"):
        assert clean(capsys, "searches", "runs").splitlines()[:2] == ["searches: 1 freed, 7 B", "runs: 2 freed, 4 B"]
    assert [exists(run) for run in (search, trial, failed)] == [False, False, True]
    assert sorted(path.name for path in studies.glob("*.db")) == ["lenet5-4567.db"]


@pytest.mark.slow
def test_unfinished_trainings_and_decoded_images(project, capsys):
    trainings, ledger = state_folder() / "train", state_folder() / "ingested" / "0123"
    trainings.mkdir()
    for network in ("mlp", "lenet5"):
        (trainings / f"{network}-4567.npz").write_bytes(bytes(10))
    ledger.mkdir(parents=True)
    for name in ("pixels", "rows.tsv"):
        (ledger / name).write_bytes(bytes(100))
    with FileLock(trainings / "mlp-4567.lock"):
        kept = [row["kept because"] for row in cleaning.rows() if row["what"] == "trainings"]
        assert kept == ["a training is running", ""]
        lines = clean(capsys, "trainings", "images").splitlines()
    assert lines == ["trainings: 1 freed, 10 B", "images: 1 freed, 200 B"]
    assert [path.name for path in trainings.glob("*.npz")] == ["mlp-4567.npz"]
    assert not ledger.exists()


@pytest.mark.slow
def test_experiments_of_commits_that_have_no_name_any_more(project, capsys):
    Path("value").write_text("tried")
    dvc("repro", "--quiet")
    dvc("exp", "save", "--name", "tried")
    command("git", "reset", "--quiet", "--hard")
    assert clean(capsys, "experiments").splitlines() == ["experiments: nothing to free"]
    command("git", "commit", "--quiet", "--allow-empty", "--message", "later")
    assert clean(capsys, "experiments", "cache").splitlines()[0] == "experiments: 1 freed"
    assert "tried" not in command("git", "for-each-ref", "refs/exps")
    assert [cached(value) for value in ("old", "tried", "champion", "now")] == [False, False, True, True]


@pytest.mark.slow
def test_nothing_is_freed_while_a_run_is_at_work(project, capsys):
    before = files()
    with runs.start_run("mlp", "train", {}) as run:
        line = refused(capsys, "models", "cache", "runs")
        assert run.run_id in line
        assert "wait for it to end, or stop it" in line
        head = clean(capsys).splitlines()[0]
    assert head.split() == ["what", "items", "size", "kept", "because", "freed", "by"]
    assert before <= files()
    assert clean(capsys, "models").startswith("models: 1 freed")


def test_a_run_of_another_host_stops_nothing_and_keeps_its_model(project, capsys):
    with runs.start_run("mlp", "train", {}) as run:
        packages.log_model(run, "network.keras", "dataset.json")
        MlflowClient().set_tag(run.run_id, store.PROCESS, "otherhost boot namespace 1 2")
        assert clean(capsys, "models").startswith("models: 1 freed")
    # In a store of this folder, it is in this workspace that its results would be.
    assert clean(capsys, "models").startswith("models: 1 freed")


@pytest.fixture
def shared(project, monkeypatch):
    """The copied project's store as one that is shared: its runs are another clone's, the one it was copied from."""
    shutil.copy("mlflow.db", "served.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{Path.cwd() / 'served.db'}")
    store.open_store()
    return project


@pytest.mark.slow
def test_what_another_clone_made_in_a_shared_store_is_kept(shared, capsys):
    # Also once it has ended, which earlier versions took for freedom: what its clone has not pushed yet, nobody here
    # can know of.
    with runs.start_run("mlp", "train", {}) as theirs:
        packages.log_model(theirs, "network.keras", "dataset.json")
        MlflowClient().set_tag(theirs.run_id, store.CLONE, "otherhost /home/somebody/darkroom")
    own = train()
    kept = {row["kept because"]: row["items"] for row in json.loads(clean(capsys, "--json")) if row["what"] == "models"}
    assert kept["created by another clone"] == 2
    assert kept[""] == 1
    printed = clean(capsys, "models").splitlines()
    assert printed[0] == "models: 1 freed"
    assert "data of other clones was kept" in printed[1]
    MlflowClient().get_logged_model(store.find_run(theirs.run_id).data.tags[store.MODEL].removeprefix("models:/"))
    assert store.MODEL not in store.find_run(own.run_id).data.tags
    assert "data of other clones was kept" in clean(capsys, "models", "runs")
    assert exists(theirs.run_id)


def test_where_nobody_knows_what_is_needed(project, capsys, monkeypatch):
    Path("runs/elsewhere").mkdir()
    monkeypatch.setenv("DVC_ROOT", str(Path.cwd()))
    monkeypatch.chdir("runs/elsewhere")
    assert "run from the root of the project" in refused(capsys, "models")
    monkeypatch.chdir("../..")
    shutil.rmtree(".git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(Path.cwd().parent))
    assert "git is not available here" in refused(capsys, "models")
    assert model_folder(project["old"]).is_dir()


def test_a_store_that_is_not_ours_keeps_its_files(shared, capsys):
    # The copy of a folder is not the clone that made the runs; here it is to be that.
    MlflowClient().set_tag(shared["old"].run_id, store.CLONE, runs.clone())
    before = files()
    printed = clean(capsys, "models")
    assert printed.splitlines()[0] == "models: 1 freed"
    assert "the server's owner can remove them with mlflow gc" in printed.splitlines()[1]
    assert files() == before
    with pytest.raises(MlflowException):
        MlflowClient().get_logged_model(packaged(shared["old"]).removeprefix("models:/"))
    assert len(versions.versions("digits")) == 2


@pytest.mark.slow
def test_a_stash_and_another_working_tree_keep_what_they_hold(project, capsys, tmp_path):
    stashed = commit("stashed")
    command("git", "reset", "--quiet", "--soft", "HEAD~1")
    command("git", "stash")
    command("git", "worktree", "add", "--quiet", "--detach", str(tmp_path / "beside"), "main")
    detached = commit("detached")
    command("git", "-C", str(tmp_path / "beside"), "checkout", "--quiet", "--detach", "main")
    command("git", "reset", "--quiet", "--hard", "HEAD~1")
    lost = commit("lost")
    command("git", "reset", "--quiet", "--hard", "HEAD~1")
    clean(capsys, "models", "cache")
    assert [model_folder(record).exists() for record in (stashed, detached, lost)] == [True, True, False]
    assert [cached(value) for value in ("stashed", "detached", "lost", "now")] == [True, True, False, True]
    assert command("git", "worktree", "list").count("\n") == 1
    command("git", "worktree", "remove", "--force", str(tmp_path / "beside"))
    command("git", "stash", "drop", "--quiet")
    clean(capsys, "models")
    assert not model_folder(stashed).exists()


@pytest.mark.parametrize(
    ("size", "shown"), [(None, ""), (0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2e15, "2000.0 TB")]
)
def test_sizes_for_people(size, shown):
    assert cleaning.shown_size(size) == shown


@pytest.mark.slow
def test_a_commit_is_checked_out_whatever_its_hooks_say_and_wherever_the_remote_is(project):
    """As ``darkroom restore --all`` does it, here from a remote whose place is given relative to the project."""
    dvc("remote", "add", "--default", "near", "../remote")
    # A folder as a remote looks like the cache.
    Path(".dvc/cache").rename("../remote")
    hook = Path(".git/hooks/post-checkout")
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with repository.checkout("main~1", ["out"]) as folder:
        assert (folder / "out" / "value").read_text() == "champion"
    assert "\n" not in command("git", "worktree", "list")
    assert Path("out/value").read_text() == "now"
