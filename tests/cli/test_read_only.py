"""Commands that only read, in a project that cannot be written: they answer, and nothing of it changes."""

import base64
import json
import os
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from darkroom.base import failures, project
from darkroom.base.errors import InputError
from darkroom.cli import main
from darkroom.tracking import address, store
from support.http_servers import Place, post
from support.pictures import write_folder
from support.projects import ROOT, environment
from support.servers import free_port, wait_for

# They use the pipeline that the slow tests build.
pytestmark = pytest.mark.slow
READERS = ("runs", "champion", "check --registry", "models", "params mlp")


def content(root):
    """Size and time of all files and folders but git's."""
    found = {path: path.stat() for path in root.rglob("*") if ".git" not in path.parts}
    return {path: (status.st_size, status.st_mtime_ns) for path, status in found.items()}


@pytest.fixture
def closed(finished_mlp, tmp_path, monkeypatch):
    """A finished project, moved, of which the system says that it cannot be written, as it does of read-only disks."""
    made = finished_mlp.copy_to(tmp_path / "moved")
    monkeypatch.chdir(made.root)
    monkeypatch.setattr(project, "temporary_folder", lambda: tmp_path)
    ask = os.access

    def access(path, mode):
        return ask(path, mode) and not (mode & os.W_OK and Path(path).is_relative_to(made.root))

    monkeypatch.setattr(os, "access", access)
    # What the process uses instead is undone at the end.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address.tracking_uri())
    return made


@pytest.mark.parametrize("command", READERS)
def test_readers_answer_and_write_nothing(closed, capsys, command):
    before = content(closed.root)
    assert main(command.split()) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out
    assert content(closed.root) == before


def test_who_would_write_is_refused(closed, capsys):
    before = content(closed.root)
    assert main(["rollback", "--reason", "a test"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "writable" in line
    with pytest.raises(InputError, match="writable"):
        store.open_store()
    assert content(closed.root) == before


def test_the_copy_has_the_files_of_the_moved_project(closed):
    address.check_tracking(must_exist=True, reading=True)
    assert address.reads_a_copy()
    file = address.sqlite_file()
    assert file.parent != closed.root
    query = "SELECT artifact_location FROM experiments WHERE name = 'darkroom'"
    with closing(sqlite3.connect(file)) as database:
        assert database.execute(query).fetchone() == ((closed.root / "mlartifacts").as_uri(),)


def test_without_a_store_it_is_said_that_there_is_none(closed, capsys):
    (closed.root / "mlflow.db").unlink()
    assert main(["runs"]) == 2
    assert "no tracking store" in capsys.readouterr().err


def test_reports_of_failures_are_kept(closed, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(failures.tempfile, "gettempdir", lambda: str(tmp_path / "kept"))
    monkeypatch.setattr(failures, "project_root", lambda: Path("/proc/none"))
    assert failures.tell("darkroom check", RuntimeError("odd")) == 1
    assert str(tmp_path / "kept" / "failure-darkroom-check.txt") in capsys.readouterr().err


FORKED = """
import os, sys
from importlib import import_module
from darkroom.base import environment
environment.prepare()
for library in ("darkroom.base.backend", "mlflow.pyfunc", "mlflow.store.model_registry.sqlalchemy_store"):
    import_module(library)
for command in sys.argv[1:]:
    print("==", command, flush=True)
    process = os.fork()
    if process == 0:
        from darkroom.cli import main
        code = main(command.split())
        sys.stdout.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""
"""Each command in a process of its own, as a user has it, but with one import of what takes longest."""
MOUNT = 'mount -o bind "$0" "$0" && mount -o remount,ro,bind "$0" && cd "$0" && '


def mounted(made, script, **variables):
    """The command that runs a script in a project whose folder is mounted without the right to write."""
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    variables = environment(**made.variables, PYTHONPATH=path, **variables)
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT + script, str(made.root)], variables


@pytest.fixture
def moved(finished_mlp, tmp_path):
    """A finished project in another place."""
    made = finished_mlp.copy_to(tmp_path / "moved")
    command, _ = mounted(made, "! touch new")
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this system allows no mounts")
    return made


def test_on_a_read_only_mount(moved, tmp_path):
    """The system itself refuses each attempt to write."""
    image = next((moved.root / "data" / "raw" / "a").iterdir())
    fresh = write_folder(tmp_path / "fresh", "ab", 20)
    commands = ["runs", "champion", "check", f"predict {image}", f"drift --no-model {fresh}", "compare 1 champion"]
    script = shlex.join([sys.executable, "-c", FORKED, *commands])
    # Forked processes end without removing their temporary files.
    command, variables = mounted(moved, script, TMPDIR=str(tmp_path))
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    answers = dict(zip(commands, done.stdout.split("== ")[1:], strict=True))
    codes = {each: answer.strip().splitlines()[-1] for each, answer in answers.items()}
    assert codes == dict.fromkeys(commands, "0")
    (told,) = done.stderr.splitlines()
    assert "training images form only" in told
    for command in ("compare 1 champion", f"drift --no-model {fresh}"):
        assert "no page, since reports/" in answers[command]


def test_a_server_on_a_read_only_mount(moved, tmp_path):
    image = next((moved.root / "data" / "raw" / "a").iterdir()).read_bytes()
    before, port, log = content(moved.root), free_port(), tmp_path / "log"
    command, variables = mounted(moved, f"exec darkroom serve --port {port}")
    with log.open("w") as out, subprocess.Popen(command, env=variables, stdout=out, stderr=out) as server:
        try:
            wait_for(f"http://127.0.0.1:{port}/ping", log)
            body = json.dumps({"inputs": [base64.b64encode(image).decode()]}).encode()
            assert Place(port).ask(post(body))[0] == 200
        finally:
            server.terminate()
    assert "Traceback" not in log.read_text()
    assert content(moved.root) == before
