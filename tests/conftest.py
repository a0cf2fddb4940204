"""What the tests share: small images, a project of their own, and the commands run as a user runs them."""

import gc
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from darkroom.base import commands, environment
from support import in_memory, stores, warm
from support.finished import Finished, build_finished, build_finished_mlp, once
from support.projects import OF_A_RUN, Project

# Before anything that reads the variables is imported.
environment.prepare()
in_memory.keep_temporary_files()
# A shared machine may hold up any single example.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")
# For tests/mutants.py: that an example fails is enough, the smallest one takes a minute to find.
settings.register_profile("mutants", deadline=None, phases=(Phase.explicit, Phase.generate))


def pytest_configure(config):
    """Start the server that forks stages and commands, once for all workers. DVC comes from it, too."""
    if not hasattr(config, "workerinput"):
        programs = Path(tempfile.mkdtemp(prefix="darkroom-tests-"))
        config.add_cleanup(lambda: shutil.rmtree(programs))
        if server := warm.start(programs):
            config.add_cleanup(server.communicate)
    if warm.FOLDER in os.environ:
        commands.DVC = (f"{os.environ[warm.FOLDER]}/python", *commands.DVC[1:])


def pytest_collection_finish():
    """Copy new stores, and look for garbage as rarely as a stage does: the imports' objects were a fifth of it all."""
    if warm.FOLDER in os.environ and "mlflow" in sys.modules:
        stores.copy_new_stores(f"{os.environ[warm.FOLDER]}/{stores.TABLES}")
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


# Whole pipelines take longest: begun last, they would run on while the other workers have nothing left to do.
# The second and third need no finished pipeline, and do not wait for the first worker to build it.
LONG = (
    *("test_pipeline", "test_crashes", "test_serving", "test_retraining", "test_team", "test_reproduce"),
    *("test_experiments", "test_edits", "test_own_networks", "test_initial_weights", "test_training", "test_ui"),
)


def pytest_collection_modifyitems(items):
    """Begin with the longest modules."""

    def place(item):
        name = item.module.__name__.rpartition(".")[2]
        return LONG.index(name) if name in LONG else len(LONG)

    items.sort(key=place)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project; the test runs inside it."""
    made = Project(tmp_path / "project")
    monkeypatch.chdir(made.root)
    return made


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A project of two networks whose pipeline has run; read-only."""
    return Finished.at(once(tmp_path_factory, "finished", build_finished) / "project")


@pytest.fixture(scope="session")
def finished_mlp(finished, tmp_path_factory):
    """The same with ``mlp`` alone; read-only."""
    return Finished.at(once(tmp_path_factory, "finished_mlp", lambda to: build_finished_mlp(finished, to)) / "project")


@pytest.fixture(scope="session")
def copy_of_finished(finished, tmp_path_factory):
    """A function that copies it into a folder of its own, to be changed."""
    return lambda **variables: finished.copy_to(tmp_path_factory.mktemp("copy") / "project", **variables)
