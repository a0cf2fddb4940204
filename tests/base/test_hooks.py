"""Private parts of other libraries: without one of them, Darkroom stops with a line that says so."""

import json
import os
import re
import subprocess
from importlib import metadata

import pytest

from darkroom import repository
from darkroom.base.backend import disable_gradient_sum, keras
from darkroom.base.errors import DarkroomError, InputError
from darkroom.base.hooks import require_hook
from darkroom.params import RaySettings
from darkroom.repository import repair
from darkroom.search.executors import ray_connection
from darkroom.training.muon import Muon
from support.projects import ROOT, Project


def missing(library, hook):
    version = metadata.version(library)
    return pytest.raises(
        DarkroomError, match=rf"^{library} {re.escape(version)} has no {hook}, which Darkroom requires"
    )


@pytest.fixture
def repo(tmp_path, monkeypatch):
    """A DVC repository without git, in which nothing runs."""
    monkeypatch.chdir(tmp_path)
    Project.at(tmp_path).run("dvc", "init", "--quiet", "--no-scm")
    repair.RWLOCK.parent.mkdir(exist_ok=True)
    return tmp_path


def without(monkeypatch, owner, name):
    """Take an attribute from the class that defines it."""
    holder = next((kind for kind in getattr(owner, "__mro__", ()) if name in vars(kind)), owner)
    monkeypatch.delattr(holder, name)


def test_what_exists_is_returned():
    assert require_hook(json, "loads", "keras") is json.loads


def test_the_gradients_of_one_device(monkeypatch):
    optimizer = keras.optimizers.SGD()
    disable_gradient_sum(optimizer)
    assert optimizer._all_reduce_sum_gradients([1]) == [1]  # noqa: SLF001
    without(monkeypatch, keras.optimizers.SGD, "_all_reduce_sum_gradients")
    with missing("keras", "SGD._all_reduce_sum_gradients"):
        disable_gradient_sum(keras.optimizers.SGD())


@pytest.mark.parametrize("hook", ["_should_use_adamw", "_muon_update_step"])
def test_muon(monkeypatch, hook):
    without(monkeypatch, keras.optimizers.Muon, hook)
    with missing("keras", f"Muon.{hook}"):
        Muon(learning_rate=0.01)


def test_muon_is_stored_and_made_again():
    made = Muon.from_config(Muon(learning_rate=0.01, momentum=0.9).get_config())
    assert (float(made.learning_rate), made.momentum) == (pytest.approx(0.01), 0.9)


DIVIDED = """
import sys
from darkroom.base.backend import keras, mirrored_strategy, tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from darkroom.base.errors import DarkroomError
from darkroom.networks import PARAMS
from darkroom.training.classifier import compiled
holder = next(kind for kind in keras.Model.__mro__ if sys.argv[1] in vars(kind))
delattr(holder, sys.argv[1])
with mirrored_strategy().scope():
    inputs = keras.Input((4,))
    built = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    try:
        compiled("mlp", PARAMS["mlp"](), built.input, built)
    except DarkroomError as error:
        print(error)
"""


@pytest.mark.parametrize("hook", ["_maybe_symbolic_build", "_symbolic_build"])
def test_training_on_several_devices(hook):
    # In a process of its own: devices cannot be divided once TensorFlow is at work.
    printed = Project.at(ROOT).run("python", "-c", DIVIDED, hook, stderr=subprocess.PIPE)
    assert printed.startswith(f"keras {metadata.version('keras')} has no Model.{hook}, which Darkroom requires")


def test_the_printing_of_ray(monkeypatch):
    worker = pytest.importorskip("ray._private.worker")
    monkeypatch.delattr(worker, "print_to_stdstream")
    with missing("ray", r"ray\._private\.worker\.print_to_stdstream"), ray_connection.connected(RaySettings()):
        pass


def test_the_lock_of_dvc(repo, monkeypatch):
    import dvc.repo

    class Repo(dvc.repo.Repo):
        """Its lock is made in __init__."""

        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            del self.lock

    monkeypatch.setattr(dvc.repo, "Repo", Repo)
    with missing("dvc", "Repo.lock"):
        repository.require_idle()


@pytest.mark.parametrize("hook", ["RWLOCK_FILE", "SCHEMA"])
def test_the_record_of_running_commands(repo, monkeypatch, hook):
    import dvc.rwlock

    repository.require_idle()
    monkeypatch.delattr(dvc.rwlock, hook)
    with missing("dvc", rf"dvc\.rwlock\.{hook}"):
        repository.require_idle()


def test_the_record_is_where_dvc_writes_it():
    import dvc.rwlock

    assert repair.RWLOCK.name == dvc.rwlock.RWLOCK_FILE


def test_what_a_killed_dvc_left_half_written(repo, monkeypatch, capsys):
    import dvc.rwlock
    import dvc.schema

    repair.RWLOCK.write_text('{"read": {')
    with monkeypatch.context() as patch:
        patch.delattr(dvc.rwlock, "RWLOCK_LOCK")
        with missing("dvc", r"dvc\.rwlock\.RWLOCK_LOCK"):
            repository.repair_files()
    repository.repair_files()
    assert not repair.RWLOCK.exists()
    assert "half-written" in capsys.readouterr().out
    repair.LOCKFILE.write_text("stages: {")
    repository.repair_files()
    assert "git has none, so it is dvc.lock.damaged now" in capsys.readouterr().out
    assert repair.LOCKFILE.with_name("dvc.lock.damaged").read_text() == "stages: {"
    repair.LOCKFILE.write_text("stages: {")
    monkeypatch.delattr(dvc.schema, "COMPILED_LOCKFILE_SCHEMA")
    with missing("dvc", r"dvc\.schema\.COMPILED_LOCKFILE_SCHEMA"):
        repository.repair_files()


def test_another_dvc_at_work_is_named(repo):
    dead = subprocess.Popen(["true"])
    dead.wait()
    busy = {"pid": os.getpid(), "cmd": "dvc repro"}
    repair.RWLOCK.write_text(json.dumps({"write": {"/a": {"pid": dead.pid, "cmd": "dvc dead"}}}))
    repository.require_idle()
    repair.RWLOCK.write_text(json.dumps({"read": {"/a": [busy]}}))
    with pytest.raises(InputError, match=rf"is running in this project \(process {os.getpid()}: dvc repro\)"):
        repository.require_idle()
    repair.RWLOCK.write_text(json.dumps({"reading": {"/a": [busy]}}))
    with pytest.raises(InputError, match=r"rwlock does not have the format of this version of DVC"):
        repository.require_idle()


@pytest.mark.parametrize("library", ["keras", "dvc", "ray", "mlflow"])
def test_such_libraries_are_pinned_to_a_minor_version(library):
    major, minor = map(int, metadata.version(library).split(".")[:2])
    declared = set(re.findall(rf'"{library}(>=[^"]*)"', (ROOT / "pyproject.toml").read_text()))
    assert declared == {f">={major}.{minor},<{major}.{minor + 1}"}
