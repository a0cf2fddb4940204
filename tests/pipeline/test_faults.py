"""A few faults of ``python -m benchmarks.faults``: kills, full disks, servers that fail. Slow."""

import pytest

from benchmarks.faults import kills
from benchmarks.faults.project import ROOT, make

pytestmark = pytest.mark.slow
ALONE = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from benchmarks.faults import disk
from benchmarks.faults.project import Project
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A project that has run no stage."""
    return make(tmp_path_factory.mktemp("faults") / "template", workers=2)


@pytest.fixture(scope="module")
def undisturbed(template):
    """A copy whose pipeline has run, its results and its seconds."""
    project = template.copy(template.root.with_name("undisturbed"))
    seconds = project.require("dvc", "repro").seconds
    return project, project.results(), seconds


def test_a_pipeline_killed_at_any_moment_ends_as_if_nothing_had_been(template, undisturbed):
    _, expected, seconds = undisturbed
    found = kills.killed(template.copy(template.root.with_name("killed")), [0.3 * seconds, 0.4 * seconds], expected)
    assert found.fault == ""
