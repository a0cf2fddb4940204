"""Projects in folders of their own, and the commands run as a user runs them."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML

from support import warm
from support.pictures import write_folder

ROOT = Path(__file__).resolve().parents[2]
OF_A_RUN = (
    *(
        "MLFLOW_TRACKING_URI",
        "MLFLOW_TRACKING_USERNAME",
        "MLFLOW_TRACKING_PASSWORD",
        "MLFLOW_TRACKING_TOKEN",
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
    "networks",
    "pipeline",
    "src",
    "data/digits",
    "data/keras",
    "data/columns.csv",
    "data/labels.csv",
    ".dvc/config",
    ".gitignore",
    ".dvcignore",
)


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
            env=warm.environment(environment(**{**self.variables, **variables})),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout


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
            # Enough to tell the two classes: a first model must beat the largest class.
            "train.mlp.batch_size": 4,
            "train.mlp.learning_rate": 0.006,
            "train.lenet5.epochs": 2,
            "train.lenet5.batch_size": 32,
            "train.mlp.hidden_units": [64],
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
