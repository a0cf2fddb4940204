"""Trainings that are divided among devices: two logical CPUs, in processes of their own. Slow."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from darkroom.base.files import read_record, write_record
from darkroom.params import DataParams
from support.pictures import draw, prepare, write_folder
from support.projects import ROOT, Project

pytestmark = pytest.mark.slow
TWO_DEVICES = """
from darkroom.base import environment
environment.prepare()
from darkroom.base.backend import tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
"""
COMPARED = """
import sys
from pathlib import Path
import numpy as np
from darkroom import training
from darkroom.data.prepared.datasets import Split
from darkroom.networks import PARAMS, inference
from support.networks import description
from support.trainings import SOME, Killed, split

every = split(64)
some = np.flatnonzero((every.classes == 0) | (np.arange(64) % 4 == 1))[:41]
data = Split(every.images[some], every.classes[some], every.manifest), split(17, 1000)

def run(strategy, *on_epoch, network="mnist_cnn", checkpoint=None, **settings):
    values = {"epochs": 3, "batch_size": 8, **settings}
    if network == "mnist_cnn":
        values |= {"filters": (4, 8), "hidden_units": 8}
    job = training.TrainingJob(
        network, PARAMS[network](**values), description((28, 28, 1), 2), *data, seed=0, augmentation=SOME,
        strategy=strategy,
    )
    return training.train(job, on_epoch=on_epoch, checkpoint=checkpoint)

def distance(one, other):
    return max(np.abs(a - b).max() for a, b in zip(one.model.get_weights(), other.model.get_weights(), strict=True))

def killer(epoch, _):
    if epoch == 1:
        raise Killed
"""
# 41 images in batches of 8: the last one has one image, which leaves the second device without any.
SAME_NUMBERS = """
sgd = {"optimizer": "sgd", "learning_rate": 0.05, "momentum": 0.9, "schedule": PARAMS["mlp"]().schedule}
for settings in (
    {**sgd, "class_weights": "balanced"}, {"learning_rate": 1e-3},
    {"optimizer": "adam", "weight_decay": 0.1, "epsilon": 1e-3, "l2": 0.01},
):
    alone, divided = run("none", **settings), run("mirrored", **settings)
    assert distance(alone, divided) < 1e-5, (settings, distance(alone, divided))
    losses = [epoch["val_loss"] for epoch in alone.history]
    # It learns, or has learnt in its first epoch.
    assert losses[0] - losses[-1] > 0.05 or min(losses) < 0.05
    for one, other in zip(alone.history, divided.history, strict=True):
        assert abs(one["val_loss"] - other["val_loss"]) < 1e-5
        assert one["val_accuracy"] == other["val_accuracy"]
        assert abs(one["loss"] - other["loss"]) < 1e-5
"""
AGAIN = """
settings = {"batch_norm": "after", "dropout": 0.3, "precision": "bfloat16"}
whole, again = run("mirrored", **settings), run("mirrored", **settings)
assert distance(whole, again) == 0
checkpoint = Path(sys.argv[1]) / "training.npz"
try:
    run("mirrored", killer, checkpoint=checkpoint, **settings)
except Killed:
    pass
resumed = run("mirrored", checkpoint=checkpoint, **settings)
assert distance(whole, resumed) == 0
assert [{**epoch, "seconds": 0} for epoch in whole.history] == [{**epoch, "seconds": 0} for epoch in resumed.history]
assert type(whole.model.weights[0].value).__name__ == "ResourceVariable"
whole.save(checkpoint.with_name("saved.keras"))
loaded = inference.load(checkpoint.with_name("saved.keras"))
images = data[1].images
assert np.array_equal(inference.probabilities(loaded, images), inference.probabilities(whole.model, images))
"""
STAGE = """
import runpy
runpy.run_module("pipeline", run_name="__main__", alter_sys=True)
"""
ARGUMENTS = (
    *("train", "mlp", "prepared", "features", "runs/mlp"),
    *("models/mlp.keras", "reports/mlp/history.csv"),
)
EVALUATION = ("evaluate", "mlp", "prepared", "models/mlp.keras", "runs/mlp", "reports/augmentation", "reports/mlp")


def on_two_devices(project, script, *arguments, code=0):
    places = os.pathsep.join(map(str, (ROOT / "tests", project.root, *filter(None, sys.path))))
    command = ("python", "-c", TWO_DEVICES + script, *arguments)
    # No GPU, where there are some.
    return project.run(*command, code=code, PYTHONPATH=places, CUDA_VISIBLE_DEVICES="-1")


def test_two_devices_learn_what_one_learns(tmp_path):
    on_two_devices(Project.at(tmp_path), COMPARED + SAME_NUMBERS)


def test_it_is_the_same_each_time_also_when_interrupted(tmp_path):
    on_two_devices(Project.at(tmp_path), COMPARED + AGAIN, str(tmp_path))


@pytest.fixture
def prepared(project):
    write_folder(project.root / "data" / "raw", "ab", 40)
    prepare(DataParams(source="folder", path="data/raw"), project.root)
    write_record(project.root / "runs/mlp/best_params.json", {})
    return project.params(train__strategy="mirrored", train__mlp={"epochs": 2, "batch_size": 16, "hidden_units": [8]})


def test_the_stage_trains_and_packages_as_usual(prepared):
    printed = on_two_devices(prepared, STAGE, *ARGUMENTS)
    assert "mlp  epoch 2/2" in printed
    run_id = read_record(prepared.root / "runs/mlp/run.json")["run_id"]
    prepared.run("python", "-m", "pipeline", *EVALUATION, CUDA_VISIBLE_DEVICES="-1")
    draw("a", 99).save(prepared.root / "new.png")
    command = ("darkroom", "predict", "--json", "--model", f"runs:/{run_id}/model", "new.png")
    (answer,) = json.loads(prepared.run(*command, stderr=subprocess.DEVNULL))
    assert np.isclose(sum(answer["probabilities"].values()), 1)


def test_one_device_is_refused_in_one_line(prepared):
    printed = prepared.run("python", "-m", "pipeline", *ARGUMENTS, code=2, CUDA_VISIBLE_DEVICES="-1")
    (line,) = printed.splitlines()
    assert line.startswith(
        "train: train.strategy: mirrored given, which needs two GPUs or more, but TensorFlow has one"
    )
    assert not (prepared.root / "mlflow.db").exists()


@pytest.mark.parametrize(
    ("name", "value", "refusal"),
    [("batch_size", 1, "divides it among 2 devices; set 2 or more"), ("clip_norm", 0.5, "separately; set 0, or")],
)
def test_what_cannot_be_divided_is_refused(prepared, name, value, refusal):
    prepared.params(train__mlp={name: value})
    (line,) = on_two_devices(prepared, STAGE, *ARGUMENTS, code=2).splitlines()
    assert line.startswith(f"train: train.mlp.{name}: {value} given, ")
    assert refusal in line
    assert not (prepared.root / "mlflow.db").exists()
