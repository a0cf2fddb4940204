"""Lock files: exclusive although they are removed after use."""

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import Timeout

from darkroom.base.project import lock
from support.projects import ROOT, environment

COUNT = """
import sys
from pathlib import Path
from darkroom.base.project import lock
for _ in range(100):
    with lock(Path("a.lock")):
        count = Path("count")
        count.write_text(str(int(count.read_text()) + 1))
"""


def test_no_two_hold_it_and_nothing_is_left(tmp_path):
    (tmp_path / "count").write_text("0")
    command = [sys.executable, "-c", COUNT]
    variables = environment(PYTHONPATH=str(ROOT / "src"))
    running = [subprocess.Popen(command, cwd=tmp_path, env=variables) for _ in range(3)]
    assert [process.wait(120) for process in running] == [0, 0, 0]
    assert (tmp_path / "count").read_text() == "300"
    assert [file.name for file in tmp_path.iterdir()] == ["count"]


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, OSError])
def test_it_is_released_however_the_work_ends(tmp_path, error):
    path = Path(tmp_path / "a.lock")
    try:
        with lock(path):
            with pytest.raises(Timeout), lock(path, 0):
                pass
            if error:
                raise error
    except (KeyboardInterrupt, OSError):
        pass
    assert not path.exists()
    with lock(path, 0):
        pass
