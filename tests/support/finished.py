"""Finished pipelines, built once for all workers of a session and copied by the tests that change them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

from support.pictures import write_folder
from support.projects import Project

AUDIT = Path(__file__).parent / "audit"
"""A folder on the path of the stages of ``finished``; a ``sitecustomize.py`` in it can record what they open."""
SMALL = {
    "data.source": "folder",
    "data.path": "data/raw",
    "models": ["mlp", "lenet5"],
    "search.budget.trials": 1,
    "search.epochs": 1,
    "train.mlp.epochs": 2,
    # Enough to tell the two classes: a first model must beat the largest class.
    "train.mlp.batch_size": 4,
    "train.mlp.learning_rate": 0.006,
    "train.lenet5.epochs": 2,
    "train.lenet5.batch_size": 32,
    "train.mlp.hidden_units": [64],
}
"""Values of params.yaml for two small networks on a folder of drawn images."""


def stages_run(printed):
    """The stages that DVC ran, in order."""
    return re.findall(r"^Running stage '(.+)':$", printed, re.MULTILINE)


class Finished(Project):
    """A project whose pipeline has run, its results in git. Read-only: tests change a copy.

    Attributes:
        printed: what the first ``dvc repro`` printed.
        audit: the folder that ``DARKROOM_AUDIT`` named while it ran.
    """

    @property
    def printed(self):
        return (self.root.parent / "printed").read_text()

    @property
    def audit(self):
        return self.root.parent / "audit"

    def copy_to(self, folder, **variables):
        """Copy the project with DVC's cache and the tracking store; the copy's store finds its own files."""
        shutil.copytree(self.root, folder, symlinks=True)
        return Project.at(folder, **variables)


def once(tmp_path_factory, name, build):
    """Build a folder in the first worker that needs it; the others wait for it.

    Args:
        tmp_path_factory: pytest's.
        name: of the folder, below the one that the workers share.
        build: function of the folder, which does not exist yet.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, done = shared / name, shared / f"{name}.done"
    with FileLock(shared / f"{name}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            build(folder)
            done.touch()
    return folder


def build_finished(folder):
    """Run the pipeline of two small networks on two classes of 40 drawn images."""
    project = Project(folder / "project")
    (folder / "audit").mkdir()
    write_folder(project.root / "data" / "raw", "ab", 40)
    project.params(**SMALL).git("data/raw")
    path = os.pathsep.join(filter(None, [str(AUDIT), os.environ.get("PYTHONPATH")]))
    printed = project.run("dvc", "repro", DARKROOM_AUDIT=str(folder / "audit"), PYTHONPATH=path)
    (folder / "printed").write_text(printed)
    project.commit("results")


def build_finished_mlp(finished, folder):
    """Leave the finished pipeline with one network."""
    project = finished.copy_to(folder / "project").params(models=["mlp"])
    for place in ("runs", "reports", "data/features"):
        shutil.rmtree(project.root / place / "lenet5")
    (folder / "printed").write_text(project.run("dvc", "repro"))
    # In the commit of the results, as if there had been one network from the beginning.
    subprocess.run(["git", "add", "-A"], cwd=project.root, check=True)
    subprocess.run(["git", "commit", "-q", "--amend", "--no-edit"], cwd=project.root, check=True)


def team_of(finished, root, stack):
    """A finished project with its data and outputs in a remote, and a bare repository to clone from.

    Args:
        finished: what is copied.
        root: an empty folder.
        stack: the local one, or one whose tracking store is a SQLite file.
    """
    project = finished.copy_to(root / "project", **stack.variables)
    if not stack.local:
        # In the default store first, which finds the copied files.
        Project.at(project.root).run("darkroom", "check", "--registry")
        (project.root / "mlflow.db").rename(stack.variables["MLFLOW_TRACKING_URI"].removeprefix("sqlite:///"))
    project.run("dvc", "remote", "add", "--default", "store", stack.remote)
    project.commit("remote")
    project.run("dvc", "push", "--quiet")
    subprocess.run(["git", "clone", "--quiet", "--bare", project.root, root / "bare.git"], check=True)
    project.stack, project.bare = stack, root / "bare.git"
    project.models = ["mlp", "lenet5"] if (project.root / "runs" / "lenet5" / "run.json").exists() else ["mlp"]
    return project
