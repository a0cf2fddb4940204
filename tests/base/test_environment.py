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
    return printed(STAGE), printed(STAGE, **dict.fromkeys((*FORCED, *DEFAULTS, *REMOVED), "7"))


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
