"""What Darkroom sets in its own processes, whatever the user's shell says, and that a host's process stays as it is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from darkroom.base.environment import DEFAULTS, FORCED, REMOVED, absolute_address
from darkroom.registry import packages
from darkroom.tracking import runs, store
from support.networks import build
from support.pictures import draw
from support.projects import ROOT, environment

OWN = {*FORCED, *DEFAULTS, *REMOVED, "KERAS_HOME"}


def shell(**more):
    """The environment of a user's shell, in which Darkroom has set nothing yet."""
    return {**{name: value for name, value in environment().items() if name not in OWN}, **more}


def printed(code, folder=ROOT, **variables):
    """What a fresh process prints as JSON in its last line."""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "src", ROOT / "tests")))
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=folder, env=shell(PYTHONPATH=path, **variables), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


STAGE = """
import json, os, runpy
from darkroom.base import environment
prepare = environment.prepare

def prepare_and_print():
    prepare()
    print(json.dumps(dict(os.environ)), flush=True)
    os._exit(0)

environment.prepare = prepare_and_print
runpy.run_module("pipeline", run_name="__main__")
"""
"""Prints the environment in which ``python -m pipeline`` would run a stage."""


@pytest.fixture(scope="module")
def stages():
    """The environment of a stage whose user has set nothing, and of one whose user has set all."""
    # Python itself refuses any other value of its own variable.
    return printed(STAGE), printed(STAGE, **{**dict.fromkeys((*FORCED, *DEFAULTS, *REMOVED), "7"), "PYTHONUTF8": "0"})


@pytest.mark.parametrize("name", FORCED)
def test_a_stage_sets_what_darkroom_cannot_work_without(stages, name):
    assert [stage[name] for stage in stages] == [FORCED[name]] * 2


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_stage_leaves_to_the_user_what_may_be_chosen(stages, name):
    assert [stage[name] for stage in stages] == [DEFAULTS[name], "7"]


@pytest.mark.parametrize("name", REMOVED)
def test_a_stage_removes_what_would_reach_into_its_runs(stages, name):
    assert [name in stage for stage in stages] == [False, False]


ENTRIES = {
    "stage": STAGE,
    "command": """
import contextlib, io, json, os
from darkroom.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    main(["params", "mlp"])
print(json.dumps(dict(os.environ)))
""",
    "worker": """
import json, pathlib, tempfile
from darkroom.search.executors.processes import Workers
from functools import partial
from support import objectives
with tempfile.TemporaryDirectory() as folder:
    make = partial(objectives.make, pathlib.Path(folder), "looks")
    with Workers(1, make, 1) as workers:
        workers.start(0, {})
        workers.wait(print)
    print((pathlib.Path(folder) / "environment.json").read_text())
""",
    "node": """
import json, os
from darkroom.search.executors.ray_node import Node
Node(b"", 1, 0)
print(json.dumps(dict(os.environ)))
""",
    "benchmark": "import benchmarks, json, os; print(json.dumps(dict(os.environ)))",
    "tests": "import conftest, json, os; print(json.dumps(dict(os.environ)))",
}


@pytest.mark.slow
@pytest.mark.parametrize("entry", ENTRIES)
def test_every_entry_point_prepares_its_process(entry):
    found = printed(ENTRIES[entry], KERAS_BACKEND="jax", MLFLOW_RUN_ID="1")
    assert {name: found.get(name) for name in (*FORCED, *DEFAULTS)} == {**FORCED, **DEFAULTS}
    assert not set(REMOVED) & set(found)


def test_importing_darkroom_changes_no_variable():
    code = """
import os
before = dict(os.environ)
import darkroom, darkroom.base.environment, darkroom.cli, darkroom.serving
import darkroom.inference.charts, darkroom.inference.classifier, darkroom.inference.images
import json
print(json.dumps(sorted(set(before.items()) ^ set(os.environ.items()))))
"""
    assert printed(code) == []


@pytest.mark.slow
def test_keras_is_as_darkroom_needs_it_whatever_the_users_files_say(tmp_path):
    chosen = {"floatx": "float16", "epsilon": 0.1, "backend": "jax", "image_data_format": "channels_first"}
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text(json.dumps(chosen))
    code = """
import json
from darkroom.base import environment
environment.prepare()
from darkroom.base.backend import keras
names = ("backend", "image_data_format", "floatx", "epsilon", "max_epochs", "max_steps_per_epoch")
found = {name: getattr(keras.config, name)() for name in names}
print(json.dumps({**found, "weights": keras.layers.Dense(1).variable_dtype}))
"""
    found = printed(code, HOME=str(tmp_path), KERAS_BACKEND="jax", KERAS_MAX_EPOCHS="1")
    assert found == {
        "backend": "tensorflow",
        "image_data_format": "channels_last",
        "floatx": "float32",
        "epsilon": 1e-7,
        "max_epochs": None,
        "max_steps_per_epoch": None,
        "weights": "float32",
    }


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("sqlite:///mlflow.db", "sqlite:///{root}/mlflow.db"),
        ("sqlite:///./mlflow.db", "sqlite:///{root}/mlflow.db"),
        ("sqlite:///sub/mlflow.db?timeout=60", "sqlite:///{root}/sub/mlflow.db?timeout=60"),
        ("sqlite+pysqlite:///mlflow.db", "sqlite+pysqlite:///{root}/mlflow.db"),
        ("sqlite:////elsewhere/mlflow.db", "sqlite:////elsewhere/mlflow.db"),
        ("sqlite://", "sqlite://"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("file:mlruns", "file://{root}/mlruns"),
        ("file:./mlruns", "file://{root}/mlruns"),
        ("file:///elsewhere", "file:///elsewhere"),
        ("mlruns", "{root}/mlruns"),
        ("/elsewhere/mlruns", "/elsewhere/mlruns"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("postgresql://me:secret@host/runs", "postgresql://me:secret@host/runs"),
        ("databricks", "databricks"),
        ("http://[::1", "http://[::1"),
    ],
)
def test_a_relative_store_is_below_the_projects_root(tmp_path, monkeypatch, address, expected):
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert absolute_address(address) == expected.format(root=tmp_path)
    assert absolute_address(absolute_address(address)) == absolute_address(address)


def test_a_relative_store_is_the_projects_own_also_in_an_experiment(tmp_path):
    copy = tmp_path / ".dvc" / "tmp" / "exps" / "temporary"
    copy.mkdir(parents=True)
    for folder in (tmp_path, copy):
        (folder / "dvc.yaml").touch()
    code = """
import json
from darkroom.base import environment
environment.prepare()
from darkroom.tracking import address
print(json.dumps([address.tracking_uri(), address.is_local()]))
"""
    variables = {"DVC_ROOT": str(tmp_path), "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}
    assert printed(code, copy, **variables) == [f"sqlite:///{tmp_path / 'mlflow.db'}", True]


PREPARED = """
import json, locale, os, ssl, sys, warnings
from darkroom.base import environment
environment.use_utf8()
environment.prepare()
print(json.dumps({
    "variables": dict(os.environ), "texts": locale.getpreferredencoding(False), "names": sys.getfilesystemencoding(),
    "output": sys.stdout.encoding, "given": sys.argv[1:], "warnings": [str(each) for each in warnings.filters],
}))
print("größe 数", flush=True)
print("größe 数", file=sys.stderr, flush=True)
"""


def prepared(folder, *arguments, variables=(), **more):
    """What a program knows that has called ``use_utf8`` and ``prepare``, and the bytes that it printed after that."""
    (folder / "program.py").write_text(PREPARED)
    given = {**shell(PYTHONPATH=str(ROOT / "src"), **more), **dict(variables)}
    command = [sys.executable, folder / "program.py", *arguments]
    done = subprocess.run(command, cwd=folder, env=given, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert done.stderr.splitlines() == rest
    return json.loads(first), rest[0]


@pytest.mark.parametrize(
    ("variables", "output"),
    [
        ({"LC_ALL": "C"}, "größe 数"),
        ({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, "größe 数"),
        ({"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}, None),
        ({"PYTHONIOENCODING": "ascii"}, "gr\\xf6\\xdfe \\u6570"),
        ({"PYTHONIOENCODING": "latin-1:strict"}, "größe \\u6570"),
        ({"PYTHONIOENCODING": "cp1252"}, "größe \\u6570"),
    ],
)
def test_texts_and_names_are_utf8_and_anything_can_be_printed(tmp_path, variables, output):
    state, printed = prepared(tmp_path, "größe 数", variables=variables)
    assert [state["texts"].lower(), state["names"]] == ["utf-8", "utf-8"]
    assert state["variables"]["PYTHONUTF8"] == "1"
    assert printed.decode(state["output"]) == (output or "gr\\xf6\\xdfe \\u6570")
    assert state["given"] == ["größe 数"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"LC_ALL": "C"}, "Äpfel (20), 林檎 (20)"),
        ({"PYTHONIOENCODING": "ascii"}, r"\xc4pfel (20), \u6797\u6a8e (20)"),
        ({"PYTHONIOENCODING": "latin-1"}, r"Äpfel (20), \u6797\u6a8e (20)"),
        ({"PYTHONIOENCODING": "cp437:strict", "PYTHONUTF8": "0"}, r"Äpfel (20), \u6797\u6a8e (20)"),
    ],
)
def test_ingest_prints_names_of_classes_whatever_the_output_takes(project, given, shown):
    for label, kind in (("Äpfel", "a"), ("林檎", "b")):
        (project.root / "data" / "raw" / label).mkdir(parents=True)
        for number in range(20):
            draw(kind, number).save(project.root / "data" / "raw" / label / f"{number}.png")
    project.params(**{"data.source": "folder", "data.path": "data/raw"})
    (project.root / "data" / "ingested").mkdir()
    tables = [f"data/ingested/{name}" for name in ("m.parquet", "i.npy", "q.csv", "c.parquet")]
    command = [sys.executable, "-m", "pipeline", "ingest", "data/labels.csv", *tables]
    variables = shell(PYTHONPATH=os.pathsep.join([str(ROOT / "src"), str(ROOT)]), **given)
    done = subprocess.run(command, cwd=project.root, env=variables, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    encoding = given.get("PYTHONIOENCODING", "utf-8").partition(":")[0]
    assert f"classes: {shown}" in done.stdout.decode(encoding)


@pytest.mark.parametrize("given", ["error", "error::DeprecationWarning", "always"])
def test_warnings_that_the_user_turned_into_errors_end_no_stage(tmp_path, given):
    state, _ = prepared(tmp_path, PYTHONWARNINGS=given)
    assert "error" not in str(state["warnings"])
    assert "PYTHONWARNINGS" not in state["variables"]


@pytest.mark.parametrize(
    ("given", "seen"), [("  ", None), ("", None), ("http://a.example:5000\n", "http://a.example:5000")]
)
def test_an_address_from_a_secret_is_stripped(tmp_path, given, seen):
    state, _ = prepared(tmp_path, MLFLOW_TRACKING_URI=given, MLFLOW_REGISTRY_URI=given)
    assert [state["variables"].get(name) for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")] == [seen, seen]


def test_the_environment_is_found_although_nobody_has_activated_it(tmp_path):
    here = str(Path(sys.executable).parent)
    assert prepared(tmp_path, PATH="/usr/bin:/bin")[0]["variables"]["PATH"] == f"{here}:/usr/bin:/bin"
    assert prepared(tmp_path, PATH=f"/bin:{here}")[0]["variables"]["PATH"] == f"/bin:{here}"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody without a name")
@pytest.mark.parametrize("given", [{}, {"USER": "me", "HOME": "/nowhere"}])
def test_a_user_without_name_and_home_gets_both(tmp_path, given):
    """As in a container that runs with a number of its own."""
    code = (
        "import getpass, json, os, pathlib; from darkroom.base import environment; os.setuid(54321); "
        "environment.prepare(); print(json.dumps([getpass.getuser(), str(pathlib.Path.home())]))"
    )
    variables = {"PYTHONPATH": str(ROOT / "src"), "TMPDIR": "/tmp", **given}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=variables, cwd="/", capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [given.get("USER", "user54321"), given.get("HOME", "/tmp")]


IN_A_CLOSED_HOME = """
import os, signal, sys
from darkroom import cli
from darkroom.base import environment, script
ask = os.access
os.access = lambda path, mode: (mode != os.W_OK or 'darkroom-' in str(path)) and ask(path, mode)
environment.prepare()
import matplotlib
print(matplotlib.get_configdir(), flush=True)
"""
TERMINATED = (
    "signal.signal(signal.SIGTERM, sys.modules['darkroom.cli.main']._end); os.kill(os.getpid(), signal.SIGTERM)"
)


@pytest.mark.parametrize("end", [TERMINATED, "sys.exit(cli.main(['params', 'none']))", "script.run('x', print)"])
def test_a_home_that_cannot_be_written_is_not_used_and_nothing_stays_behind(tmp_path, end):
    """As on a read-only disk; Matplotlib would print two lines, and leave a folder behind."""
    (tmp_path / "dvc.yaml").touch()
    variables = shell(PYTHONPATH=str(ROOT / "src"), TMPDIR=str(tmp_path), HOME=str(tmp_path))
    command = [sys.executable, "-c", IN_A_CLOSED_HOME + end]
    done = subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.startswith(str(tmp_path / "darkroom-")), done.stderr
    assert "atplotlib" not in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name != "dvc.yaml"] == []


def certificates(folder, **given):
    """What MLflow trusts, with these variables of the user."""
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    variables = {name: value for name, value in shell(PYTHONPATH=str(ROOT / "src")).items() if name not in names}
    code = (
        "import json, os; from darkroom.base import environment; environment.prepare(); "
        "print(json.dumps(os.environ.get('REQUESTS_CA_BUNDLE')))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env={**variables, **given}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_the_systems_certificates_are_trusted(tmp_path):
    bundle, hashed, bare = tmp_path / "all.pem", tmp_path / "hashed", tmp_path / "bare"
    bundle.touch()
    hashed.mkdir()
    bare.mkdir()
    (hashed / "002c0b4f.0").touch()
    nothing = {"SSL_CERT_FILE": str(tmp_path / "none"), "SSL_CERT_DIR": str(tmp_path / "none")}
    assert certificates(tmp_path, SSL_CERT_FILE=str(bundle)) == str(bundle)
    assert certificates(tmp_path, **{**nothing, "SSL_CERT_DIR": str(hashed)}) == str(hashed)
    assert certificates(tmp_path, **{**nothing, "SSL_CERT_DIR": str(bare)}) is None
    assert certificates(tmp_path, **nothing) is None
    assert certificates(tmp_path, SSL_CERT_FILE=str(bundle), REQUESTS_CA_BUNDLE="own.pem") == "own.pem"
    assert certificates(tmp_path, SSL_CERT_FILE=str(bundle), CURL_CA_BUNDLE="own.pem") is None


def recipe(name):
    """A variable of the Makefile."""
    done = subprocess.run(
        ["make", "-s", "-f", "Makefile", "-f", "-", "told"],
        cwd=ROOT, input=f"told:\n\t@echo '$({name})'\n", capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_an_environment_that_nobody_has_activated_runs_its_own_programs(tmp_path):
    """As .venv/bin/dvc does for the stages, whose command is ``python``."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "own"], check=True)
    (packages,) = (tmp_path / "own").glob("lib/python*/site-packages")
    (packages / "darkroom-programs.pth").write_text(recipe("PROGRAMS") + "\n")
    code = "import subprocess; subprocess.run('command -v python', shell=True, check=True)"
    for path in ("/usr/bin:/bin", None):
        command = [tmp_path / "own/bin/python", "-c", code]
        variables = {} if path is None else {"PATH": path}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
        assert done.stdout.split() == [str(tmp_path / "own/bin/python")]


@pytest.mark.parametrize(("file", "told"), [("all.pem", "true"), ("none", "false")])
def test_uv_trusts_the_systems_certificates_where_there_are_any(tmp_path, file, told):
    (tmp_path / "all.pem").touch()
    variables = shell(SSL_CERT_FILE=str(tmp_path / file), SSL_CERT_DIR=str(tmp_path / "none"))
    command = [sys.executable, "-c", recipe("CERTIFIED")]
    assert subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout.strip() == told


def test_git_asks_the_project_and_not_the_hook_that_runs_darkroom(tmp_path):
    """Git sets its variables in hooks; with them, an experiment's copy would have the index of the project."""
    identity = ("-c", "user.email=test@example.org", "-c", "user.name=test")
    for name in ("hooked", "project"):
        (tmp_path / name).mkdir()
        for words in (["init", "-q", "."], [*identity, "commit", "-q", "--allow-empty", "-m", name]):
            subprocess.run(["git", *words], cwd=tmp_path / name, check=True)
    asked = ["git", "log", "-1", "--format=%s"]
    hook = {"GIT_DIR": str(tmp_path / "hooked/.git"), "GIT_INDEX_FILE": ".git/next-index-1.lock", "GIT_PREFIX": "sub/"}
    code = (
        "import json; from darkroom.base import environment, git; environment.prepare(); "
        "print(json.dumps([git.git('log', '-1', '--format=%s'), git.git('status', '--porcelain')]))"
    )
    assert printed(code, tmp_path / "project", **hook) == ["project", ""]
    plain = subprocess.run(asked, cwd=tmp_path / "project", env=shell(**hook), capture_output=True, check=True)
    assert plain.stdout == b"hooked\n"


@pytest.fixture(scope="module")
def packaged(tmp_path_factory):
    """The folder of a store, and the address of a packaged network in it that nobody has trained."""
    root = tmp_path_factory.mktemp("packaged")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        Path("dvc.yaml").touch()
        build("mlp", (8, 8, 1), 2).save("network.keras")
        described = {"labels": ["a", "b"], "size": [8, 8, 1], "interpolation": "bilinear", "aspect": "stretch"}
        Path("dataset.json").write_text(json.dumps(described))
        store.open_store()
        with runs.start_run("mlp", "train", {"network": "mlp"}) as run:
            address = packages.log_model(run, "network.keras", "dataset.json")
        return root, address


HOST = """
import json, logging, os, sys, warnings
sys.modules["darkroom"] = None  # the host has no Darkroom
import keras, mlflow, numpy, tensorflow
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES, MLFLOW_HTTP_REQUEST_TIMEOUT

def state():
    loggers = [logging.root, *(each for each in logging.root.manager.loggerDict.values() if hasattr(each, "level"))]
    return {
        "environment": dict(os.environ),
        "timeout": MLFLOW_HTTP_REQUEST_TIMEOUT.get(),
        "retries": MLFLOW_HTTP_REQUEST_MAX_RETRIES.get(),
        "levels": {logger.name: logger.level for logger in loggers},
        "handlers": len(logging.root.handlers),
        "path": list(sys.path),
        "warnings": [str(each) for each in warnings.filters],
        "keras": [keras.config.image_data_format(), keras.config.floatx(), keras.config.epsilon()],
        "folder": os.getcwd(),
    }

before = state()
model = mlflow.pyfunc.load_model(sys.argv[1])
(answer,) = model.predict(numpy.zeros((1, 20, 20, 1), "uint8"))
after = state()
after["levels"] = {name: after["levels"].get(name) for name in before["levels"]}
changed = {name: [before[name], after[name]] for name in before if before[name] != after[name]}
print(json.dumps({"answer": sorted(answer), "changed": changed, "timeout": after["timeout"]}))
"""


@pytest.mark.slow
def test_a_host_that_loads_a_packaged_model_keeps_its_process_as_it_was(packaged):
    root, address = packaged
    variables = shell(MLFLOW_TRACKING_URI=f"sqlite:///{root / 'mlflow.db'}", KERAS_HOME=str(root))
    variables.pop("PYTHONPATH", None)
    command = [sys.executable, "-c", HOST, address]
    done = subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["answer"] == ["label", "probabilities"]
    assert found["changed"] == {}
    # MLflow's own default, and not that of Darkroom's processes.
    assert found["timeout"] == 120


CLOSED = """
import sys
from pathlib import Path
from darkroom.base import environment
environment.open_standard_streams()
print("lost"); print("lost", file=sys.stderr); assert sys.stdin.read() == ""
sys.stdout.flush(); sys.stderr.flush()
with open("file", "w") as file:
    file.write(str(file.fileno()))
"""


@pytest.mark.parametrize("closing", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_are_opened_and_no_file_takes_their_place(tmp_path, closing):
    command = f'exec "$0" -c "$1" {closing}'
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, CLOSED],
        cwd=tmp_path,
        env=variables,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0
    assert int((tmp_path / "file").read_text()) > 2
