"""Processes that a test watches."""

import time
from pathlib import Path

from darkroom.params import Range, SearchSpace

SPACE = SearchSpace(regularisation={"dropout": Range(low=0.0, high=0.9)})


def pids(folder):
    return [int(file.name.removeprefix("pid-")) for file in folder.glob("pid-*")]


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
