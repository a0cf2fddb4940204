"""What the tests share: small images, a project of their own, and the commands run as a user runs them."""

import gc
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image
from ruamel.yaml import YAML

from darkroom import sources, splits
from darkroom.ingestion import ingest
from darkroom.params import PreprocessParams
from darkroom.stages.preprocess import pack

# A shared machine may hold up any single example.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")

ROOT = Path(__file__).resolve().parents[1]
OF_A_RUN = (
    *(
        "MLFLOW_TRACKING_URI",
        "MLFLOW_RUN_ID",
        "MLFLOW_EXPERIMENT_ID",
        "DVC_ROOT",
        "DVC_STAGE",
        "DVC_EXP_NAME",
        "DARKROOM_DECIDE_ONLY",
    ),
    *("DVC_REMOTE_URL", "GITHUB_EVENT_NAME", "GITHUB_BASE_REF", "GITHUB_REF_NAME", "GITHUB_STEP_SUMMARY", "GH_TOKEN"),
)
"""Variables that say where and why something runs; no test has them from outside."""
PARTS = (
    "dvc.yaml",
    "params.yaml",
    "pipeline",
    "src",
    "data/digits",
    "data/keras",
    ".dvc/config",
    ".gitignore",
    ".dvcignore",
)


def pytest_collection_finish():
    """Look for garbage as rarely as a stage does: the imports' million objects stay, and were a fifth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)


@pytest.fixture(autouse=True)
def _own_store(monkeypatch):
    """No test writes to a store that the environment names."""
    for name in OF_A_RUN:
        # Set first, so that what MLflow writes into it in the test is taken back after it.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def edit_params(path, changes):
    """Set values of a params.yaml by dotted names; None as a value stays None, ... removes the key."""
    yaml = YAML()
    values = yaml.load(path.read_text())
    for name, value in changes.items():
        *sections, key = name.split(".")
        section = values
        for part in sections:
            section = section[part]
        if value is ...:
            del section[key]
        else:
            section[key] = value
    with path.open("w") as file:
        yaml.dump(values, file)


def draw(label, seed, size=(24, 24), mode="L"):
    """An image that a network can tell: bars across for label a, bars down for b, a diagonal for c."""
    generator = np.random.default_rng((ord(label[0]), seed))
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    position = {"a": rows, "b": columns, "c": rows + columns}[label[0]]
    pixels = 127 + 100 * np.sin(position * 1.2 + generator.uniform(0, 6)) + generator.normal(0, 15, (height, width))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).convert(mode)


def write_folder(root, labels="ab", count=30, **options):
    """Write <root>/<label>/<number>.png."""
    for label in labels:
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            draw(label, number, **options).save(root / label / f"{number:03d}.png")
    return root


def find(data, size=(28, 28, 1)):
    """What a source holds."""
    return sources.find(data, size)


def ingested(data, folder, params=None):
    """What comes of a source's images, packed into <folder>/images.npy."""
    params = params or PreprocessParams()
    return ingest(find(data, params.size), params, folder / "ledger", folder / "images.npy")


def prepare(data, folder, params=None):
    """Ingest and pack a source's images as the stages do; return the manifest with its splits, and the description."""
    params = params or PreprocessParams()
    rows = splits.assign(ingested(data, folder / "ingested", params).manifest, splits.NO_PAIRS, {}, params)
    splits.require_all_splits(rows)
    return rows, pack(rows, folder / "ingested" / "images.npy", params, folder / "prepared", data=data)


# Whole pipelines take longest: begun last, they would run on while the other workers have nothing left to do.
LONG = ("test_team", "test_retraining", "test_crashes", "test_pipeline", "test_experiments", "test_ui")


def pytest_collection_modifyitems(items):
    """Begin with the longest modules."""
    items.sort(key=lambda item: LONG.index(item.module.__name__) if item.module.__name__ in LONG else len(LONG))


def environment(**more):
    """The environment of a user who has activated the one that runs the tests."""
    # With bytecode written: a test's stages are many short processes of the same code.
    dropped = (*OF_A_RUN, "PYTHONDONTWRITEBYTECODE")
    inherited = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**inherited, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", **more}


class Project:
    """A copy of this repository's tracked parts in a folder of its own, with git and DVC."""

    def __init__(self, root, **variables):
        self.root, self.variables = root, variables
        for part in PARTS:
            source, target = ROOT / part, root / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
            else:
                shutil.copy(source, target)

    @classmethod
    def at(cls, root, **variables):
        """A project that is in a folder already, or will be."""
        project = cls.__new__(cls)
        project.root, project.variables = root, variables
        return project

    def git(self, *tracked_by_dvc):
        """Make it a repository with one commit."""
        subprocess.run(["git", "init", "-q", "-b", "master"], cwd=self.root, check=True)
        # DVC's experiments want somebody to have made them.
        for name, value in (("user.email", "test@example.org"), ("user.name", "test")):
            subprocess.run(["git", "config", name, value], cwd=self.root, check=True)
        if tracked_by_dvc:
            self.run("dvc", "add", "--quiet", *tracked_by_dvc)
        return self.commit("start")

    def commit(self, message):
        identity = ["-c", "user.email=test@example.org", "-c", "user.name=test"]
        subprocess.run(["git", "add", "-A"], cwd=self.root, check=True)
        subprocess.run(["git", *identity, "commit", "-qm", message], cwd=self.root, check=True)
        return self

    def champion(self):
        """The run of the model that a store in this folder calls champion."""
        query = "SELECT run_id FROM registered_model_aliases JOIN model_versions USING (name, version) WHERE alias = ?"
        with closing(sqlite3.connect(self.root / "mlflow.db")) as store:
            return store.execute(query, ("champion",)).fetchone()[0]

    def params(self, **changes):
        edit_params(self.root / "params.yaml", {name.replace("__", "."): value for name, value in changes.items()})
        return self

    def run(self, *command, code=0, timeout=600, stderr=subprocess.STDOUT, **variables):
        """Run a command of the environment in the project; return what it printed."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=environment(**{**self.variables, **variables}),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project; the test runs inside it."""
    made = Project(tmp_path / "project")
    monkeypatch.chdir(made.root)
    return made


@dataclass
class Stack:
    """Where runs, models and data of a team go."""

    name: str
    remote: str
    variables: dict = field(default_factory=dict)

    @property
    def local(self):
        return "MLFLOW_TRACKING_URI" not in self.variables


def make_team(root, stack, models):
    """A project with results in git, its data and outputs in a remote, and a bare repository to clone from."""
    project = Project(root / "project", **stack.variables)
    write_folder(project.root / "data" / "raw", "ab", 40)
    project.params(
        **{
            "data.source": "folder",
            "data.path": "data/raw",
            "models": models,
            "search.budget.trials": 0,
            "train.mlp.epochs": 2,
            "train.mlp.batch_size": 32,
            "train.lenet5.epochs": 2,
            "train.lenet5.batch_size": 32,
            "train.mlp.hidden_units": [16],
        }
    )
    project.git("data/raw").run("dvc", "remote", "add", "--default", "store", stack.remote)
    project.commit("remote")
    project.run("dvc", "repro")
    project.commit("results")
    project.run("dvc", "push", "--quiet")
    subprocess.run(["git", "clone", "--quiet", "--bare", project.root, root / "bare.git"], check=True)
    project.stack, project.models, project.bare = stack, models, root / "bare.git"
    return project


def clone(team, folder):
    subprocess.run(["git", "clone", "--quiet", team.bare, folder], check=True)
    return Project.at(folder, **team.variables)


def refusal(project, *arguments, **variables):
    """The one line with which a command refuses."""
    (line,) = project.run("darkroom", *arguments, code=2, **variables).splitlines()
    return line
