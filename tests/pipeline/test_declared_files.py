"""Every file below the project that a stage opens is declared in dvc.yaml, and no more is written than it declares."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from support.projects import ROOT

pytestmark = pytest.mark.slow

STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
# DVC's own files, the tracking store, what Darkroom may forget, and git, from which a run's lineage comes.
OWN_STATE = (
    ".dvc",
    ".git",
    ".darkroom",
    "mlflow.db",
    "mlflow.db.new",
    "mlartifacts",
    "dvc.lock",
    "dvc.yaml",
    "params.yaml",
    ".venv",
)
LAUNCHER = ("src/darkroom", "pipeline", "networks")
"""Code: the launcher validates all of params.yaml; what a stage imports is compared in test_dependencies.py."""
UNDECLARED = {
    # The images, for a champion without saved predictions: the test manifest has the hash of each. And the candidate's
    # predictions, which need not be here: test.json has their digest, and any other file is not used.
    "promote": {"data/raw", "reports/mlp/predictions.csv", "reports/lenet5/predictions.csv"},
}


def declared(stage, kinds, model):
    """The paths that a stage of dvc.yaml declares as outputs or dependencies."""
    found = set()
    for kind in kinds:
        for entry in STAGES[stage].get(kind, ()):
            path = next(iter(entry)) if isinstance(entry, dict) else entry
            found.add(path.replace("${item.model}", model or "").replace("${data.path}", "data/raw"))
    return found


def below(path, folders):
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def opened(log, project):
    """Pairs of r or w and the path relative to the project, of files below it."""
    for line in log.read_text().splitlines():
        kind, path = line.split("\t", 1)
        if Path(path).is_relative_to(project) and not path.endswith((".pyc", "/")) and ".pyc." not in path:
            yield kind, Path(path).relative_to(project).as_posix()


@pytest.fixture(scope="module")
def logs(finished):
    return {log.stem: log for log in (finished.root.parent / "audit").glob("*.log")}


def test_every_stage_was_watched(logs):
    assert {name.partition("@")[0] for name in logs} == set(STAGES)


def test_stages_read_what_they_declare(logs, finished):
    extra = {}
    for name, log in logs.items():
        stage, _, model = name.partition("@")
        allowed = declared(stage, ("deps", "outs", "metrics", "plots"), model) | UNDECLARED.get(stage, set())
        paths = {path for kind, path in opened(log, finished.root) if kind == "r"}
        # Files that replace others at once are written under a name with a dot.
        paths = {path for path in paths if not Path(path).name.startswith(".")}
        extra[name] = {path for path in paths if not below(path, {*allowed, *OWN_STATE, *LAUNCHER})}
    assert {name: paths for name, paths in extra.items() if paths} == {}


def test_stages_write_what_they_declare(logs, finished):
    extra = {}
    for name, log in logs.items():
        stage, _, model = name.partition("@")
        outputs = declared(stage, ("outs", "metrics", "plots"), model)
        paths = {path for kind, path in opened(log, finished.root) if kind == "w"}
        temporary = {path for path in paths if Path(path).name.startswith(".")}
        extra[name] = {path for path in paths - temporary if not below(path, {*outputs, *OWN_STATE})}
    assert {name: paths for name, paths in extra.items() if paths} == {}


def test_code_that_a_stage_ran_is_declared(logs, finished):
    """What was imported when it ran, also by name or inside a function."""
    extra = {}
    for name, log in logs.items():
        stage, _, model = name.partition("@")
        code = declared(stage, ("deps",), model)
        text = log.read_text()
        # The launcher loads the parameter classes of all networks in params.yaml.
        ran = {
            Path(line.split("\t", 1)[1].replace("/__pycache__", "").split(".cpython")[0] + ".py")
            for line in text.splitlines()
            if ".cpython" in line and line.startswith("r\t") and str(finished.root) in line
        }
        files = {path.relative_to(finished.root).as_posix() for path in ran if path.is_relative_to(finished.root)}
        loaded = {path for path in files if not path.endswith("__init__.py")}
        extra[name] = {path for path in loaded if not below(path, code) and not path.startswith("networks/")}
    # networks/ and the face of darkroom.networks are loaded to validate params.yaml, whatever the stage.
    launcher = {path for path in set().union(*extra.values()) if path.startswith("src/darkroom/networks/")}
    assert {name: paths - launcher for name, paths in extra.items() if paths - launcher} == {}
