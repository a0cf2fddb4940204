"""A trial of the search: a training. MLflow and Optuna are not imported, so that a worker starts without them."""

import hashlib
import math
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

from darkroom import initial_weights, training
from darkroom.backend import keras, limit_threads, tf
from darkroom.datasets import TRAINED_ON, Description, read_split
from darkroom.errors import DarkroomError
from darkroom.networks import Network
from darkroom.params import Params, with_values
from darkroom.search.ray_node import Fetch
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
    at_once = math.ceil((params.search.budget.trials or 1) / (params.search.workers or 1))

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


INITIAL = "initial.keras"
"""Name under which a node asks for the network whose weights each trial begins with."""


def digest_of(prepared: Path) -> str:
    """Condense what a prepared folder says of its images: their own digest, and how they were brought to one size."""
    return hashlib.sha256((prepared / "dataset.json").read_bytes()).hexdigest()[:16]


def objective_on_node(
    network: Network, params: Params, prepared: Path, digest: str, fetch: Fetch, *, initial: bool
) -> Objective:
    """Return ``objective`` on a node of a cluster, which may have the prepared folder or not.

    Args:
        network: its name.
        params: the whole of params.yaml.
        prepared: where the searching process has the folder, as an absolute path.
        digest: ``digest_of`` it.
        fetch: gets the folder's files by their names, and the network by ``INITIAL``.
        initial: whether there is a network to begin with.
    """
    limit_threads(params.search.ray.cpus)
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / INITIAL
        if initial:
            fetch(INITIAL, first)
        return objective(
            network, params, prepared_here(prepared, digest, fetch), initial_weights.read(first) if initial else None
        )


def prepared_here(prepared: Path, digest: str, fetch: Fetch) -> Path:
    """Return a prepared folder that this machine can read: the one that was named, or else a copy, fetched once.

    The copy stays in the temporary folder for the searches that follow.

    Raises:
        DarkroomError: others can write where it would lie, or the data changed meanwhile.
    """
    if _has(prepared, digest):
        return prepared
    place = _own_folder() / digest
    with FileLock(place.with_suffix(".lock")):
        if not _has(place, digest):
            parts = place.with_suffix(".part")
            shutil.rmtree(parts, ignore_errors=True)
            for name in TRAINED_ON:
                (parts / name).parent.mkdir(parents=True, exist_ok=True)
                fetch(name, parts / name)
            if not _has(parts, digest):
                raise DarkroomError(f"{prepared} was changed while nodes fetched it; run dvc repro again")
            shutil.rmtree(place, ignore_errors=True)
            parts.rename(place)
    return place


def _own_folder() -> Path:
    """Return a folder in the temporary one that nobody else can write into, or put a link in the place of."""
    folder = Path(tempfile.gettempdir()) / f"darkroom-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise DarkroomError(f"{folder}: a folder that you alone can use was expected; remove it, or set TMPDIR")
    return folder


def _has(folder: Path, digest: str) -> bool:
    return all((folder / name).is_file() for name in TRAINED_ON) and digest_of(folder) == digest
