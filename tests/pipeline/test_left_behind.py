"""What stages and commands leave behind: nothing in the temporary folder, and no lock in the project. Slow."""

import subprocess

import pytest
from ruamel.yaml import YAML

from support.projects import environment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(finished_mlp, tmp_path_factory):
    made = finished_mlp.copy_to(tmp_path_factory.mktemp("left") / "project")
    # Something to search, which the finished project does not have.
    made.params(**{"search.mlp": {"learning": {"learning_rate": {"low": 0.001, "high": 0.01}}}})
    made.stages = YAML(typ="safe").load((made.root / "dvc.yaml").read_text())["stages"]
    return made


def state(project):
    return sorted(path.relative_to(project.root).as_posix() for path in (project.root / ".darkroom").rglob("*"))


def run(project, command, folder):
    """Run a command in a process of its own, which looks for its temporary folder itself."""
    done = subprocess.run(
        command, cwd=project.root, env=environment(TMPDIR=str(folder)), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("stage", ["preview", "search", "train", "evaluate", "promote", "card"])
def test_a_stage_leaves_nothing(project, tmp_path, stage):
    before = state(project)
    run(project, project.stages[stage]["cmd"].replace("${item.model}", "mlp").split(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == []
    assert state(project) == before


@pytest.mark.parametrize("command", ["check", "predict", "drift --no-model", "runs"])
def test_a_command_leaves_nothing(project, tmp_path, command):
    places = {"predict": ["data/raw/a/000.png"], "drift --no-model": ["data/raw"]}
    run(project, ["darkroom", *command.split(), *places.get(command, [])], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == []
    assert [name for name in state(project) if name.endswith(".lock")] == []
