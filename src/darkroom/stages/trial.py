"""A trial of the search: a training. MLflow and Optuna are not imported, so that a worker starts without them."""

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from darkroom import initial_weights, training
from darkroom.backend import keras, limit_threads, tf
from darkroom.datasets import Description, read_split
from darkroom.networks import Network
from darkroom.params import Params, with_values
from darkroom.search.trials import Objective, Report


def epochs_of(network: Network, params: Params) -> int:
    """Return the epochs of one trial at most: those of the search, or of the training where it has fewer."""
    return min(params.search.epochs, params.network(network).epochs)


def _clear_line() -> str:
    """Return what takes away the line that is alive in a terminal."""
    return "\x1b[K" if sys.stdout.isatty() else ""


def objective(network: Network, params: Params, prepared: Path, initial: keras.Model | None) -> Objective:
    """Return the function that trains one trial.

    Args:
        network: its name.
        params: the whole of params.yaml.
        prepared: folder of the packed images.
        initial: the network whose weights each trial begins with.
    """
    # Each trial has a model of its own, and a graph of its own is no mistake.
    tf.get_logger().setLevel("ERROR")
    description = Description.read(prepared / "dataset.json")
    data = (read_split(prepared / "train", description.labels), read_split(prepared / "validation", description.labels))
    own, epochs, features = params.network(network), epochs_of(network, params), initial_weights.Features()
    at_once = math.ceil((params.search.budget.trials or 1) / params.search.workers)

    def train(number: int, tried: dict[str, Any], report: Report) -> float:
        def on_epoch(epoch: int, values: Mapping[str, float]) -> None:
            report(epoch, values)

        trained = training.train(
            network,
            with_values(own, {**tried, "epochs": epochs}),
            description,
            data,
            seed=params.train.seed,
            augmentation=params.preprocess.augmentation,
            initial=initial,
            features=features,
            # The first trial alone says how long all will take.
            say=None if number else lambda line: print(f"{_clear_line()}{network}: {line}", flush=True),
            trials=at_once,
            on_epoch=[on_epoch],
        )
        return trained.best["val_loss"]

    return train


def objective_in_worker(
    network: Network, params: Params, prepared: Path, initial: Path | None, threads: int
) -> Objective:
    """Return ``objective`` in a process that has a share of the cores; the initial network comes in a file."""
    limit_threads(threads)
    return objective(network, params, prepared, initial and initial_weights.read(initial))
