"""Trials without a training, for workers: imported by other processes, and so without anything heavy."""

import json
import os
import signal
import time
from functools import partial

from darkroom.base.errors import InputError, TrainingError


def make(folder, kind):
    """What a worker calls once; ``kind`` names one of the functions below."""
    (folder / f"pid-{os.getpid()}").write_text(os.environ["OMP_NUM_THREADS"])
    return partial(globals()[kind], folder)


def make_on_node(folder, kind, fetch):
    """The same on a node of a cluster."""
    (folder / "gpus").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "all"))
    return make(folder, kind)


def bowl(folder, number, tried, report):
    with (folder / f"trial-{number}").open("a") as file:
        file.write(f"{os.getpid()}\n")
    for epoch in range(3):
        time.sleep(0.02)
        report(epoch, {"val_loss": tried["dropout"] + (0 if number < 4 else 100)})
    return tried["dropout"]


def killed_once(folder, number, tried, report):
    """The third trial's process is killed in the middle of it, the first time."""
    report(0, {"val_loss": 1.0})
    marker = folder / "killed"
    if number == 2 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return bowl(folder, number, tried, lambda *_: None)


def crashes(folder, number, tried, report):
    """The second trial fails in a way that nobody thought of, each time."""
    if number == 1:
        os._exit(7)
    return bowl(folder, number, tried, report)


def diverges(folder, number, tried, report):
    if number % 2:
        raise TrainingError("loss is nan at step 3")
    return bowl(folder, number, tried, report)


def refuses(folder, number, tried, report):
    raise InputError("train.mlp.batch_size: 999 given")


def lasts(folder, number, tried, report):
    for epoch in range(10_000):
        report(epoch, {"val_loss": 1.0})
        (folder / f"begun-{number}").touch()
        time.sleep(0.05)
    return 1.0


def waits_for_a_loss(folder, number, tried, report):
    """The first two trials go on until somebody says that a node was lost."""
    (folder / f"begun-{number}").touch()
    for epoch in range(10_000):
        report(epoch, {"val_loss": 1.0})
        if number > 1 or (folder / "lost").exists():
            return 1.0
        time.sleep(0.05)
    return 1.0


def looks(folder, number, tried, report):
    """Write down the environment of the process."""
    (folder / "environment.json").write_text(json.dumps(dict(os.environ)))
    return 1.0
