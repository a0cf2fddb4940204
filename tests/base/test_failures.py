"""The last resort: whatever goes wrong, one line, a report and an exit code."""

import errno
import re
import signal
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from darkroom import cli
from darkroom.base import failures
from darkroom.base.errors import DarkroomError, InputError
from darkroom.base.terminal import shown
from support.projects import ROOT, environment


def told(error, capsys, name="train"):
    """Exit code and lines."""
    code = failures.tell(name, error)
    return code, capsys.readouterr().err.splitlines()


@pytest.fixture(autouse=True)
def _in_a_project(tmp_path, monkeypatch):
    (tmp_path / "dvc.yaml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(failures.tempfile, "gettempdir", lambda: str(tmp_path))


def raised(build, during=None):
    """An error as it arrives: with a traceback, raised while another one was handled."""
    with pytest.raises(type(build)) as found:  # noqa: SIM117
        with suppress_into(build):
            raise during or ValueError("before")
    return found.value


@contextmanager
def suppress_into(error):
    try:
        yield
    except BaseException:  # noqa: BLE001
        raise error  # noqa: B904


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "models/mlp.keras"),
            1,
            "no space left .* for models/mlp.keras",
        ),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 1, "no space left"),
        (OSError("Can't write data (errno = 28, error message = 'No space left on device')"), 1, "no space left"),
        (RuntimeError("(sqlite3.OperationalError) database or disk is full"), 1, "no space left"),
        (MemoryError(), 1, "out of memory; "),
        (PermissionError(errno.EACCES, "Permission denied", "a.html"), 2, r"a.html cannot be used \(Perm"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/dev/null"), 2, "/dev/null cannot be used"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300), 2, "x+ cannot be used"),
        (OSError(errno.EIO, "Input/output error", "a"), 1, "unexpected error, OSError"),
        (RecursionError("maximum recursion depth exceeded"), 1, "the input is nested too deeply"),
        (InputError("a: b\nc: d"), 2, "a: b"),
        (DarkroomError("x"), 1, "x"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (KeyError("label"), 1, r"unexpected error, KeyError: 'label'; the report is in .*/failure-train.txt"),
        (MlflowException("the server\nsays\nmuch"), 1, "unexpected error, MlflowException: the server says much; "),
    ],
)
def test_each_error_is_one_line(capsys, error, code, words):
    found, lines = told(raised(error), capsys)
    assert found == code
    assert re.match(rf"train: {words}", lines[0])
    assert len(lines) == len(str(error).splitlines()) if isinstance(error, InputError) else len(lines) == 1


@pytest.mark.parametrize("cause", [OSError(errno.ENOSPC, "full"), MemoryError()])
def test_a_cause_behind_a_librarys_error_is_what_is_told(capsys, cause):
    code, (line,) = told(raised(RuntimeError("saving failed"), cause), capsys)
    assert code == 1
    assert "saving failed" not in line


def test_what_no_input_is_to_blame_for_is_known_behind_any_error():
    lacking = type("ResourceExhaustedError", (Exception,), {})
    for cause in (OSError(errno.ENOSPC, "full"), MemoryError(), lacking("OOM when allocating a tensor")):
        assert failures.of_machine(cause)
        assert failures.of_machine(raised(ValueError("cannot be read"), cause))
    for error in (ValueError("cannot be read"), OSError(errno.ENOENT, "no such file"), KeyError()):
        assert not failures.of_machine(error)


def test_the_first_line_of_an_error_without_a_message_is_its_type():
    assert failures.first_line(ValueError(" \na\nb")) == "a"
    assert failures.first_line(EOFError()) == "EOFError"
    assert "pw" not in failures.first_line(OSError("http://user:pw@host refused"))
    assert failures.first_line(OSError(2, "No such file", "a.csv")) == "No such file: 'a.csv'"


def test_ctrl_c_stays_ctrl_c_if_cleaning_up_fails(capsys):
    for error in (MlflowException("API request to http://x failed"), InputError("the server is gone"), OSError("x")):
        assert told(raised(error, KeyboardInterrupt()), capsys) == (130, ["train: interrupted"])


@pytest.mark.parametrize(
    "text",
    [
        "API request to http://me:pa/ss@h:1/api failed with exception x",
        "API request to endpoint /a failed with error code 500",
    ],
)
def test_a_server_that_stops_answering(capsys, monkeypatch, text):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:pa/ss@h:1")
    code, (line,) = told(raised(MlflowException(text)), capsys)
    assert code == 2
    assert line.startswith("train: the MLflow server http://h:1 has stopped answering")


def test_the_report_has_the_traceback_and_no_password(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "open sesame")
    _, (line,) = told(raised(ValueError("http://me:pa/ss@host and open sesame")), capsys, "darkroom runs")
    report = Path(line.rpartition(" in ")[2])
    assert report == tmp_path / ".darkroom" / "failure-darkroom-runs.txt"
    assert "Traceback (most recent call last)" in report.read_text()
    for text in (line, report.read_text()):
        assert "pa/ss" not in text
        assert "sesame" not in text


@pytest.mark.parametrize("name", ["caf\udce9.png", "half \ud83d of a sign", "\x1b[2Jred.png"])
def test_a_report_holds_names_that_are_no_text(capsys, monkeypatch, tmp_path, name):
    monkeypatch.setattr(sys, "argv", ["darkroom", name])
    code, (line,) = told(raised(ValueError(f"cannot handle {name}")), capsys)
    assert code == 1
    report = (tmp_path / ".darkroom" / "failure-train.txt").read_text()
    assert report.startswith(f"darkroom {shown(name)}\n")
    for text in (line, report):
        assert f"cannot handle {shown(name)}" in text


def test_without_a_place_for_the_report_the_traceback_is_printed(capsys, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(failures, "write_text", full)
    _, lines = told(raised(ValueError("x")), capsys)
    assert "no report could be written" in lines[0]
    assert any("Traceback" in line for line in lines)


@pytest.mark.parametrize("error", [ValueError("x"), InputError("x")])
def test_a_current_folder_that_was_removed(capsys, monkeypatch, tmp_path, error):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    _, (line,) = told(raised(error), capsys)
    assert line.startswith("train: ")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    assert cli.main(["runs"]) == 2
    assert capsys.readouterr().err == (
        "darkroom runs: the current folder no longer exists; change to the project's folder\n"
    )


STAGE = """
from darkroom.base import script
def work():
    {body}
script.run("stage", work)
"""


def run_stage(body, **more):
    code = STAGE.format(body=textwrap.indent(body, "    ").strip())
    variables = environment(PYTHONPATH=str(ROOT / "src"))
    return subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False, **more
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("with open('/dev/full', 'w') as file: file.write('x')", "no space left on the disk"),
        (
            "\n".join(
                [
                    "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))",
                    "with open('x', 'w') as file: file.write('x' * 99)",
                ]
            ),
            "no space left on the disk",
        ),
        ("import resource; resource.setrlimit(resource.RLIMIT_AS, (2**30,) * 2); bytes(2**31)", "out of memory"),
        ("work()", "the input is nested too deeply"),
        ("raise LookupError('x')", "unexpected error, LookupError: x; the report is in"),
    ],
)
def test_a_stage_that_fails_in_a_process_of_its_own(body, words):
    done = run_stage(body)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"stage: {words}")


def test_output_that_does_not_fit_on_the_disk_is_a_failure():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", STAGE.format(body="print('result')")],
            env=environment(PYTHONPATH=str(ROOT / "src")), stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert "no space left" in done.stderr


def test_a_command_is_interrupted_with_130(tmp_path):
    body = "import time; print('ready', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", STAGE.format(body=body)],
        env=environment(PYTHONPATH=str(ROOT / "src")), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == "stage: interrupted\n"


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (OSError(errno.ENOSPC, "x"), 1), (ValueError("x"), 1)]
)
def test_a_command_has_the_same_last_resort(capsys, monkeypatch, error, code):
    def fails(*_):
        raise error

    monkeypatch.setattr("darkroom.params.read_params", fails)
    Path("params.yaml").touch()
    assert cli.main(["params", "mlp"]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("darkroom params: ")
