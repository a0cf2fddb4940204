"""What commands say while somebody waits: on a terminal's standard error, and nowhere else."""

import os
import pty
import subprocess
import sys
import time

import pytest

from support.projects import environment

CODE = """
import time
from darkroom.cli.progress import step
with step("counting", patience={patience}):
    time.sleep({seconds})
print("done")
"""


def said(patience, seconds):
    """What a process says on a terminal that is its standard error."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", CODE.format(patience=patience, seconds=seconds)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    assert process.communicate(timeout=60)[0] == b"done\n"
    try:
        return os.read(ours, 1000).decode()
    except OSError:  # Linux: nothing was written, and nobody writes any more
        return ""
    finally:
        os.close(ours)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("patience", "seconds", "expected"), [(0.1, 1, "counting …\r\n"), (0, 0, "counting …\r\n"), (30, 0, "")]
)
def test_a_terminal_hears_what_takes_long(patience, seconds, expected):
    begun = time.monotonic()
    assert said(patience, seconds) == expected
    # A step that is done waits for no timer.
    assert time.monotonic() - begun < 20


def test_a_log_hears_nothing():
    command = [sys.executable, "-c", CODE.format(patience=0, seconds=0)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_what_loads_tensorflow_says_so_before_it_does(project):
    ours, theirs = pty.openpty()
    command = ["darkroom", "models", "lenet5"]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        assert os.read(ours, 1000).decode().startswith("building lenet5 …")
        # It is not only said at the end.
        assert process.poll() is None
        process.kill()
    os.close(ours)
