"""What stands at the address of the tracking store, asked before any work."""

import os
import re
import socket
import sqlite3
import subprocess
from contextlib import closing

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from darkroom.base import failures
from darkroom.base.environment import prepare
from darkroom.base.errors import InputError
from darkroom.tracking import access, address, opening, store
from darkroom.tracking.outages import UnansweredError
from darkroom.tracking.store import open_store
from support.answers import PAGE, answering
from support.projects import environment
from support.servers import Servers

NOT_FOUND = (404, PAGE)
ABSENT = (404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such experiment"}')


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "dvc.yaml").touch()
    monkeypatch.chdir(tmp_path)
    # What a machine routes through a proxy does not reach this one.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path


def refusal(monkeypatch, uri):
    """The one line with which an address is refused."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(InputError) as caught:
        address.check_tracking()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"/version": (200, b"2.22.0")}, "is MLflow 2.22.0, but Darkroom needs a server of MLflow 3; upgrade"),
        ({"/version": (200, b"1.30.1\n")}, "is MLflow 1.30.1, but Darkroom needs a server of MLflow 3; upgrade"),
        ({"/version": (200, b"2.0.0rc0")}, "is MLflow 2.0.0rc0, but"),
        ({"/version": (200, b"4.0.0")}, "is MLflow 4.0.0, but"),
        ({}, "is no MLflow server (404 Not Found); correct the address"),
        ({"*": (200, PAGE)}, "is no MLflow server (200 OK)"),
        ({"*": (200, b"{}")}, "is no MLflow server (200 OK: {})"),
        ({"*": (302, "/login"), "/login": (200, PAGE)}, "is no MLflow server (200 OK)"),
        ({"*": (502, PAGE)}, "not as an MLflow server at work (502 Bad Gateway)"),
        ({"*": (503, b"starting")}, "not as an MLflow server at work (503 Service Unavailable: starting)"),
        ({"*": (401, b"")}, "refuses access (401 Unauthorized); if it needs a login, set MLFLOW_TRACKING_USERNAME"),
        ({"*": (403, b"Invalid Host header")}, "refuses access (403 Forbidden: Invalid Host header)"),
        ({"*": (200, b"x" * 10**7)}, "is no MLflow server (200 OK)"),
    ],
)
def test_what_is_no_server_of_this_mlflow_is_refused_in_one_line(folder, monkeypatch, answers, words):
    with answering({"*": NOT_FOUND, **answers}) as uri:
        line = refusal(monkeypatch, uri)
    assert line.startswith(f"MLFLOW_TRACKING_URI: {uri} ")
    assert words in line


@pytest.mark.parametrize("answers", [{"/version": (200, b"3.1.4")}, {"/version": (200, b"3.99.0rc1\n")}, {"*": ABSENT}])
def test_servers_of_the_same_major_version_and_hosted_ones_are_taken(folder, monkeypatch, answers):
    with answering({"*": NOT_FOUND, **answers}) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{uri}/")
        address.check_tracking()


@pytest.mark.parametrize(
    ("where", "variables"),
    [
        ("me:secr%40t@", {}),
        ("", {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "secr@t"}),
        ("", {"MLFLOW_TRACKING_TOKEN": "token"}),
    ],
)
def test_the_login_is_sent_and_not_shown(folder, monkeypatch, where, variables):
    asked = []
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with answering({"*": (403, b"")}, asked) as uri:
        line = refusal(monkeypatch, uri.replace("://", f"://{where}"))
    (_, headers), *_ = asked
    assert headers["Authorization"] == ("Bearer token" if "token" in str(variables) else "Basic bWU6c2VjckB0")
    assert f"{uri} refuses access" in line
    assert "secr" not in line


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("127.0.0.1:5000", "127.0.0.1:5000 has no scheme; set it to http://127.0.0.1:5000"),
        ("localhost:5000/", "localhost:5000/ has no scheme"),
        ("mlflow.example.org:443/team", "has no scheme; set it to http://mlflow.example.org:443/team"),
        ("http://127.0.0.1:5000/#/experiments/1", "names a page; set it to the server's address, up to #"),
        ("http://127.0.0.1:5000?x=1", "names a page"),
        ("http://[::1", "no MLflow server answers at http://[::1 (Failed to parse"),
        ("http:///x", "no MLflow server answers at"),
        ("http://127.0.0.1:99999", "no MLflow server answers at"),
        ("http://127.0.0.1:1", "(Failed to establish a new connection: [Errno 111] Connection refused); start it"),
    ],
)
def test_an_address_that_is_none_is_refused_in_one_line(folder, monkeypatch, uri, words):
    assert words in refusal(monkeypatch, uri)


def test_a_server_that_accepts_and_never_answers_is_given_up(folder, monkeypatch):
    monkeypatch.setattr("darkroom.tracking.server.ANSWER_WITHIN", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        line = refusal(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert "no MLflow server answers at" in line
    assert "Read timed out" in line


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:", "sqlite+pysqlite:///:memory:"])
def test_a_store_in_memory_is_refused(folder, monkeypatch, uri):
    assert f"{uri} names no file, so that runs would be lost" in refusal(monkeypatch, uri)
    (folder / "sub").mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(folder / "sub")
    prepare()
    with pytest.raises(InputError, match="names no file"):
        address.check_tracking()


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        (
            "mssql+nodriver://me:hunter2@127.0.0.1:9/runs",
            "(Can't load plugin: sqlalchemy.dialects:mssql.nodriver); pip",
        ),
        (
            "postgresql+psycopg://me:hunter2@127.0.0.1:9/runs",
            "(No module named 'psycopg'); pip install psycopg2-binary",
        ),
        ("mysql://me:hunter2@127.0.0.1:9/runs", "(No module named 'MySQLdb'); pip install"),
        ("postgresql://me:hunter2@127.0.0.1:port/runs", "(invalid literal for int() with base 10: 'port'); pip"),
        ("/somewhere/mlruns", "mlruns is a folder of files, which MLflow no longer accepts as a store"),
        ("file:///somewhere/mlruns", "mlruns is a folder of files"),
    ],
)
def test_a_store_that_cannot_be_opened_here_is_refused_in_one_line(folder, monkeypatch, uri, words):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(InputError) as caught:
        open_store(reading=True)
    assert words in str(caught.value)
    with pytest.raises(InputError, match=re.escape(words)):
        address.check_tracking()
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_registry_in_another_store_is_refused(folder, monkeypatch):
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://me:secret@other.example")
    line = refusal(monkeypatch, f"sqlite:///{folder}/own.db")
    assert line.startswith("MLFLOW_REGISTRY_URI: http://other.example is not the tracking store")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"sqlite:///{folder}/own.db")
    address.check_tracking()


@pytest.mark.parametrize("name", ["mlflow.db", "own.db"])
def test_a_deleted_experiment_is_seen_without_mlflow(folder, monkeypatch, name):
    with closing(sqlite3.connect(name)) as store, store:
        store.execute("CREATE TABLE experiments (experiment_id, name, artifact_location, lifecycle_stage)")
        store.execute("INSERT INTO experiments VALUES (7, 'darkroom', '', 'deleted'), (8, 'other', '', 'deleted')")
    line = refusal(monkeypatch, f"sqlite:///{folder / name}")
    assert line.endswith(
        f"restore it with MLFLOW_TRACKING_URI=sqlite:///{folder / name} mlflow experiments restore --experiment-id 7"
    )
    with closing(sqlite3.connect(name)) as store, store:
        store.execute("UPDATE experiments SET lifecycle_stage = 'active' WHERE experiment_id = 7")
    address.check_tracking()


FULL = "(sqlite3.OperationalError) database or disk is full"


def test_a_full_disk_is_told_as_such_and_not_as_missing_rights(folder, monkeypatch, capsys):
    def full(*_):
        raise MlflowException(FULL)

    for place, ask in ((MlflowClient, access.check_access), (store, store.open_store)):
        monkeypatch.setattr(place, "get_experiment_by_name" if place is MlflowClient else "_complete_store", full)
        with pytest.raises(MlflowException) as caught:
            ask()
        assert failures.tell("train", caught.value) == 1
        assert capsys.readouterr().err.startswith("train: no space left on the disk")


@pytest.mark.parametrize(
    ("error", "words"), [(sqlite3.OperationalError, "opened (x); "), (sqlite3.DatabaseError, "move it away")]
)
def test_a_store_that_cannot_be_opened_now_is_not_to_be_moved_away(folder, monkeypatch, error, words):
    def fails(*_):
        raise error("x")

    (folder / "mlflow.db").touch()
    monkeypatch.setattr(address, "_deleted_experiment", fails)
    assert words in refusal(monkeypatch, f"sqlite:///{folder}/mlflow.db")


def test_reading_makes_no_empty_store(folder, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/none.db")
    with pytest.raises(InputError, match=r"^no tracking store .*/none\.db; "):
        address.check_tracking(must_exist=True)
    assert not (folder / "none.db").exists()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((503, PAGE), UnansweredError),
        ((404, PAGE), UnansweredError),
        ((403, b'{"error_code": "PERMISSION_DENIED", "message": "no"}'), UnansweredError),
        ((500, b'{"error_code": "INTERNAL_ERROR", "message": "disk"}'), UnansweredError),
        (ABSENT, InputError),
    ],
)
def test_a_store_that_fails_is_not_one_that_has_lost_a_model(folder, monkeypatch, answer, kind):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    before = mlflow.get_tracking_uri()
    with answering({"*": answer, "/version": (200, b"3.0.0")}) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        try:
            with pytest.raises(InputError) as caught, opening.loading("models:/digits@champion"):
                mlflow.artifacts.download_artifacts("models:/digits@champion")
        finally:
            mlflow.set_tracking_uri(before)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """An MLflow server, with the folder of its files."""
    servers = Servers(tmp_path_factory.mktemp("server"))
    try:
        yield servers.mlflow("sqlite:///store.db"), servers.folder / "artifacts"
    finally:
        servers.stop()


@pytest.fixture
def opened(server, folder, monkeypatch):
    """The same, used as the tracking store."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server[0])
    # A server that cannot store a file closes the connection, which the next request may find out.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    before = mlflow.get_tracking_uri()
    yield server
    mlflow.set_tracking_uri(before)


@pytest.mark.slow
def test_a_server_is_asked_before_and_after_it_has_the_experiment(opened):
    access.check_access()
    open_store()
    access.check_access()
    experiment = MlflowClient().get_experiment_by_name("darkroom")
    assert get_artifact_repository(experiment.artifact_location).list_artifacts() == []


@pytest.mark.slow
def test_a_deleted_experiment_of_a_server_is_restored_by_the_command_that_is_named(opened):
    uri, _ = opened
    open_store()
    client = MlflowClient()
    client.delete_experiment(client.get_experiment_by_name("darkroom").experiment_id)
    for asked in (access.check_access, open_store):
        with pytest.raises(
            InputError, match=rf"deleted in the tracking store {uri}; restore it with mlflow "
        ) as caught:
            asked()
    command = str(caught.value).partition("restore it with ")[2].split()
    subprocess.run(command, env=environment(MLFLOW_TRACKING_URI=uri), check=True, capture_output=True)
    access.check_access()


@pytest.mark.slow
def test_a_server_that_cannot_store_files_is_refused(opened):
    _, files = opened
    open_store()
    access.check_access()
    away = files.rename(files.with_name("away"))
    files.touch()
    try:
        with pytest.raises(InputError, match=r"cannot be used: files cannot be stored in mlflow-artifacts:/\d \("):
            access.check_access()
    finally:
        files.unlink()
        away.rename(files)


@pytest.mark.slow
def test_files_that_would_stay_on_this_machine_are_refused(opened, monkeypatch, folder):
    monkeypatch.setattr(address, "EXPERIMENT", "elsewhere")
    uri, _ = opened
    MlflowClient(uri).create_experiment("elsewhere", artifact_location="file:///nowhere/files/1")
    words = rf"^the MLflow server {uri} has clients store files in /nowhere/files/1, which this machine does not have; "
    with pytest.raises(InputError, match=words):
        access.check_access()
    assert not os.path.lexists("/nowhere")
