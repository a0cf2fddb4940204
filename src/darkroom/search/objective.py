"""The objective of the search: train one trial. MLflow and Optuna are not imported, so that workers start fast."""

import math
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from darkroom import training
from darkroom.base.backend import keras, limit_threads, tf
from darkroom.data.prepared.prepared import Prepared
from darkroom.networks import Network
from darkroom.params import Params
from darkroom.search.executors.node_files import INITIAL, prepared_here
from darkroom.search.executors.protocol import Objective, Report
from darkroom.search.executors.ray_node import Fetch
from darkroom.training import Features, TrainingJob, initial_weights


def epochs_of(network: Network, params: Params) -> int:
    """Return the maximum epochs of one trial, in both phases: those of the search, or of the training if fewer."""
    return params.network(network).shortened(params.search.epochs).all_epochs


def _clear_line() -> str:
    """Return the escape sequence that clears the progress line in a terminal; empty elsewhere."""
    return "\x1b[K" if sys.stdout.isatty() else ""


def objective(
    network: Network, params: Params, prepared: Prepared, initial: keras.Model | None, features: Path | None = None
) -> Objective:
    """Return the function that trains one trial.

    Args:
        network: its name.
        params: params.yaml.
        prepared: the prepared images.
        initial: network with the initial weights of each trial.
        features: the folder of the stage ``features``; None computes features of frozen layers in memory.
    """
    # TensorFlow warns of retracing, but each trial has its own model and graph.
    tf.get_logger().setLevel("ERROR")
    job = TrainingJob.from_prepared(prepared, network, params.network(network), params, initial)
    kept = Features(features)
    at_once = math.ceil((params.search.budget.trials or 1) / (params.search.workers or 1))

    def train(number: int, tried: dict[str, Any], report: Report) -> float:
        def on_epoch(epoch: int, values: Mapping[str, float]) -> None:
            report(epoch, values)

        trained = training.train(
            job.with_values(tried).shortened(params.search.epochs),
            features=kept,
            # Only the first trial prints the estimated duration.
            report=None if number else lambda line: print(f"{_clear_line()}{network}: {line}", flush=True),
            trials=at_once,
            on_epoch=[on_epoch],
        )
        return trained.best["val_loss"]

    return train


def objective_in_worker(
    network: Network, params: Params, folder: Path, initial: Path | None, threads: int, *, features: Path | None = None
) -> Objective:
    """Return ``objective`` for a worker process with a limited number of threads.

    Args:
        network: its name.
        params: params.yaml.
        folder: the prepared folder.
        initial: file of the network with the initial weights of each trial.
        threads: threads of this worker.
        features: the folder of the stage ``features``.
    """
    limit_threads(threads)
    return objective(network, params, Prepared(folder), initial and initial_weights.read(initial), features)


def objective_on_node(
    network: Network, params: Params, place: Path, digest: str, fetch: Fetch, *, initial: bool
) -> Objective:
    """Return ``objective`` for a cluster node; the prepared folder is fetched if the node does not have it.

    Args:
        network: its name.
        params: params.yaml.
        place: absolute path of the prepared folder on the search host.
        digest: ``Prepared.digest`` of that folder.
        fetch: fetches the folder's files by name, and the network as ``INITIAL``.
        initial: whether there is a network with initial weights.
    """
    limit_threads(params.search.ray.cpus)
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / INITIAL
        if initial:
            fetch(INITIAL, first)
        return objective(
            network, params, prepared_here(place, digest, fetch), initial_weights.read(first) if initial else None
        )
