"""The table of edits in CONTRIBUTING.md says what DVC runs again; each row is tried with ``dvc repro --dry``."""

import re
import subprocess
from contextlib import chdir
from pathlib import Path

import pytest
from dvc.repo import Repo

from support.projects import ROOT

pytestmark = [
    pytest.mark.slow,
    # DVC's, in this process.
    pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning"),
]

HEAD = "| edit in | runs again |"


def rows():
    """The table: the places of each row, and the stages that run again."""
    lines = (ROOT / "CONTRIBUTING.md").read_text().split(HEAD, 1)[1].splitlines()[2:]
    for line in lines:
        if not line.startswith("|"):
            return
        places, stages = line.strip()[1:-1].split("|")
        yield re.findall(r"`([^`]+)`", places), re.findall(r"`([^`]+)`", stages)


def edit(place):
    """Add a comment to the file, or to the first module of the folder."""
    modules = [path for path in sorted(place.rglob("*.py")) if path.name != "__init__.py"]
    file = place if place.is_file() else modules[0]
    file.write_text(file.read_text() + "\n# edited\n")
    return file


def stages_again(project):
    """The stages that ``dvc repro --dry`` names, with their networks, without a process for each call."""
    with chdir(project.root), Repo() as repo:
        return {stage.addressing for stage in repo.reproduce(dry=True)}


def runs_again(project):
    return {name.partition("@")[0] for name in stages_again(project)}


@pytest.fixture(scope="module")
def copied(copy_of_finished):
    project = copy_of_finished()
    yield project
    # What an edit that is not undone runs again, each later test would run again, too.
    assert not runs_again(project)


@pytest.mark.parametrize(("places", "stages"), list(rows()), ids=lambda value: " ".join(value) if value else "nothing")
def test_an_edit_runs_what_the_table_says(copied, places, stages):
    for place in places:
        if "=" in place:
            name, value = place.split("=")
            before = (copied.root / "params.yaml").read_text()
            copied.params(**{name.replace(".", "__"): float(value) if "." in value else value})
            assert runs_again(copied) == set(stages), place
            (copied.root / "params.yaml").write_text(before)
            continue
        file = edit(copied.root / place)
        assert runs_again(copied) == set(stages), place
        text = file.read_text()
        file.write_text(text.removesuffix("\n# edited\n"))


def test_every_package_stands_in_the_table():
    named = {place for places, _ in rows() for place in places}
    packages = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "src/darkroom").glob("*/__init__.py")}
    assert packages <= {place.rstrip("/") for place in named} | {
        Path(place).parent.as_posix() for place in named if place.startswith("src/darkroom/data")
    }


def test_an_edit_of_one_network_trains_that_network_alone(copied):
    file = copied.root / "networks/lenet5.py"
    before = file.read_text()
    file.write_text(before + "\n# edited\n")
    again = stages_again(copied)
    file.write_text(before)
    assert {name for name in again if "@" in name} == {
        *(f"{stage}@lenet5" for stage in ("features", "search", "train")),
    }
    assert subprocess.run(["git", "diff", "--quiet", "networks"], cwd=copied.root, check=False).returncode == 0
