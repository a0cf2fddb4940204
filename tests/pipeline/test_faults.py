"""A few of the faults of ``python -m benchmarks.faults``: kills, full disks, servers that fail. Slow."""

import os
import subprocess
import sys

import pytest

from benchmarks.faults import disk, fine_tuning, kills, outages
from benchmarks.faults.project import NETWORK, ROOT, make
from support.projects import edit_params

# One more case each of what test_crashes.py and tests/tracking test piece by piece.
pytestmark = [pytest.mark.slow, pytest.mark.thorough]
# Each changes one stage alone.
CHANGES = {"validate": {"validate.minimum_contrast": 1.1}, f"evaluate@{NETWORK}": {"evaluate.human_accuracy": 0.98}}
ON_FULL_DISKS = f"""
import sys
from pathlib import Path
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "src")!r}]
from benchmarks.faults import disk
from benchmarks.faults.project import Project
undisturbed = Project(Path(sys.argv[1]))
with disk.mounted(undisturbed, undisturbed.root.with_name("full"), disk.WHOLE) as (project, at):
    for stage in sys.argv[2:]:
        found = disk.attempt(project, at, (disk.WHOLE, stage), 0)
        print(f"{{stage}}:", found.fault or f"fitted: {{found.fitted}}")
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A project as it was made, a copy whose pipeline has run, and the seconds that it took."""
    template = make(tmp_path_factory.mktemp("faults") / "template", workers=2)
    project = template.copy(template.root.with_name("undisturbed"))
    return template, project, project.require("dvc", "repro").seconds


def test_a_pipeline_killed_with_all_its_processes_ends_as_if_nothing_had_been(undisturbed, tmp_path):
    template, project, seconds = undisturbed
    found = kills.killed(template.copy(tmp_path / "killed"), [0.35 * seconds, 0.4 * seconds], project.results())
    assert found.fault == ""


def test_a_full_disk_is_told_in_one_line_and_nothing_of_it_stays(undisturbed, tmp_path):
    _, project, _ = undisturbed
    changed = project.copy(tmp_path / "changed")
    for values in CHANGES.values():
        edit_params(changed.root / "params.yaml", values)
    command = [*disk.ALONE, sys.executable, "-c", ON_FULL_DISKS, str(changed.root), *CHANGES]
    if not disk.may_mount():
        pytest.skip("this system allows no mounts")
    done = subprocess.run(command, env=changed.environment(), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{stage}: fitted: False" for stage in CHANGES]


def test_a_server_that_fails_is_told_in_one_line_and_the_next_run_is_whole(undisturbed, tmp_path):
    _, project, _ = undisturbed
    with outages.serving(tmp_path / "server") as server:
        served = project.copy(tmp_path / "served", MLFLOW_TRACKING_URI=server.address)
        for way in ("killed", "403 Forbidden"):
            of = way, f"train@{NETWORK}"
            found = outages.attempt(served, server, of, 3000, "--force", "--single-item")
            assert found.fault == ""
            assert "exited with 2" in found.failed.printed
    history = f"reports/{NETWORK}/history.csv"
    assert (served.root / history).read_text() == (project.root / history).read_text()


@pytest.mark.skipif("DARKROOM_DATASETS" not in os.environ, reason="DARKROOM_DATASETS names no folder of data sets")
def test_fine_tuning_on_photographs_is_killed_begun_with_other_weights_and_reproduced():
    steps = list(fine_tuning.run(4, 0))
    assert [step for step in steps if step.fault] == []
    assert len(steps) == 4 + 7
