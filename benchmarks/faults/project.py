"""A small project of digits, and the commands that are run in it as a user runs them."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from ruamel.yaml import YAML
from sklearn.datasets import load_digits

from benchmarks import digits

ROOT = Path(__file__).resolve().parents[2]
CLASSES, IMAGES = 3, 60
"""Number of classes, and of images of each."""
NETWORK = "mlp"
OF_NETWORK = tuple(f"{stage}@{NETWORK}" for stage in ("features", "search", "train", "evaluate", "card"))
STAGES = (
    *("ingest", "validate", "split", "preprocess", "preview", OF_NETWORK[0], "describe", "overview"),
    *(*OF_NETWORK[1:4], "promote", OF_NETWORK[4], "report"),
)
"""All of dvc.yaml's, each after those that it depends on."""
TRACKED = (*OF_NETWORK[1:4], "promote", OF_NETWORK[4])
"""Those that use the tracking store."""
RESULTS = (
    f"runs/{NETWORK}/best_params.json",
    f"reports/{NETWORK}/trials.csv",
    f"reports/{NETWORK}/history.csv",
    f"reports/{NETWORK}/metrics.json",
    f"reports/{NETWORK}/predictions.csv",
)
"""Files that a fault must not change."""
GIT = ("git", "-c", "user.email=benchmark@example.org", "-c", "user.name=benchmark")
PATIENCE = 900  # seconds


class Ended(NamedTuple):
    """A command that has ended."""

    code: int
    printed: str
    """Its standard output and standard error."""
    seconds: float


@dataclass(frozen=True)
class Project:
    """A project in a folder of its own."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict)
    """Environment variables in addition to those of this process."""

    def environment(self) -> dict[str, str]:
        """Return the environment of a user who has activated this Python's."""
        named = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{named['PATH']}"
        return {**named, "PATH": path, "PYTHONPATH": str(self.root / "src"), **self.variables}

    @contextmanager
    def started(self, *command: str) -> Iterator["subprocess.Popen[str]"]:
        """Start a command in a process group of its own, which is killed at the end."""
        with subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                kill(process)

    def run(self, *command: str, patience: float = PATIENCE) -> Ended:
        """Run a command to its end.

        Raises:
            subprocess.TimeoutExpired: it has not ended after ``patience`` seconds.
        """
        begun = time.monotonic()
        with self.started(*command) as process:
            printed = process.communicate(timeout=patience)[0]
        return Ended(process.returncode, printed, time.monotonic() - begun)

    def require(self, *command: str) -> Ended:
        """Run a command that must succeed."""
        done = self.run(*command)
        if done.code:
            raise AssertionError(f"{' '.join(command)} ended with {done.code}:\n{done.printed}")
        return done

    def commit(self, message: str) -> None:
        """Commit everything that git does not ignore."""
        self.require(*GIT, "add", "-A")
        self.require(*GIT, "commit", "-qm", message)

    def results(self) -> dict[str, str]:
        """Return the content of the files that a fault must not change, and why there is the champion."""
        found = {name: (self.root / name).read_text(encoding="utf-8") for name in RESULTS}
        decision = YAML(typ="safe").load((self.root / "reports/promotion.json").read_text(encoding="utf-8"))
        # An interrupted promotion that was carried out is confirmed, with its reason, by the next one.
        since = decision["champion_since"] or {}
        return {**found, "reason": since.get("why", decision["reason"])}

    def copy(self, root: Path, **variables: str) -> "Project":
        """Copy the project; an existing folder must be empty."""
        shutil.copytree(self.root, root, symlinks=True, dirs_exist_ok=True)
        return Project(root, {**self.variables, **variables})


def clone(root: Path) -> Project:
    """Clone the last commit into a folder, which must not exist."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(root)], check=True)
    project = Project(root)
    project.require("python", "-m", "compileall", "-q", "src", "pipeline", "networks")
    return project


def make(root: Path, **search: Any) -> Project:
    """Clone the last commit into a folder, with a few digits as its data.

    Args:
        root: the folder; it must not exist.
        search: settings in the section ``search`` of params.yaml.
    """
    project = clone(root)
    _write_digits(root / "data" / "raw")
    small = {
        "budget": {"trials": 3},
        "epochs": 2,
        # Independent of the order in which parallel trials end.
        "sampler": {"name": "random"},
        "pruner": {"name": "none"},
        NETWORK: {"learning": {"learning_rate": {"low": 0.002, "high": 0.01}}},
    }
    # Enough to tell the classes: a first model must beat the largest class.
    training = {"epochs": 2, "batch_size": 4, "learning_rate": 0.006, "hidden_units": [32]}
    data = {"source": "folder", "path": "data/raw"}
    sections = {"data": data, "models": [NETWORK], "search": {**small, **search}, "train": {NETWORK: training}}
    digits.change(root, sections)
    project.commit("a small project")
    return project


def _write_digits(folder: Path) -> None:
    """Write ``<folder>/<digit>/<number>.png``."""
    known = load_digits(n_class=CLASSES)
    for digit in range(CLASSES):
        (folder / str(digit)).mkdir(parents=True)
        for number, pixels in enumerate(known.images[known.target == digit][:IMAGES]):
            grey = np.round(pixels * (255 / 16)).astype(np.uint8)
            Image.fromarray(grey).save(folder / str(digit) / f"{number:03d}.png")


def kill(process: "subprocess.Popen[Any]") -> None:
    """Kill a process and all of its group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


class Compared(NamedTuple):
    """The results at the end of a project's faults."""

    where: str
    """What failed."""
    differ: tuple[str, ...]
    """Names of the results that are not those of an undisturbed run."""

    @property
    def title(self) -> str:
        """What the results come after."""
        return f"{self.where}, results"

    @property
    def fault(self) -> str:
        """What is wrong, or nothing."""
        return f"other {', '.join(self.differ)}" if self.differ else ""


def compared(where: str, project: Project, expected: dict[str, str]) -> Compared:
    """Compare a project's results with those of an undisturbed run."""
    found = project.results()
    return Compared(where, tuple(name for name in expected if found.get(name) != expected[name]))
