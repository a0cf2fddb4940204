"""Benchmarks that write what stages read, with little data. Slow."""

import subprocess
import sys

import pytest

from support.projects import ROOT


@pytest.mark.slow
def test_evaluation_makes_what_its_stages_read():
    code = "from benchmarks import evaluation; evaluation.IMAGES, evaluation.ROUNDS = 200, 1; evaluation.main('mlp')"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "| `python -m pipeline promote`, the whole command |" in done.stdout
