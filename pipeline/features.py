"""Compute the features of one network's frozen layers for training and validation images, once per image."""

import hashlib
import json
from importlib import metadata
from pathlib import Path

from darkroom.base import code, project
from darkroom.base.errors import InputError
from darkroom.base.files import file_digest, read_json, write_json
from darkroom.data.prepared.features import FeatureFolder, FeatureRecord
from darkroom.networks import Network, NetworkParams, weights_file
from darkroom.params import Params
from darkroom.tracking.address import MODEL_ADDRESSES

OF_FROZEN_LAYERS = {"initial_weights", "trainable", "augment", "precision"}
"""Parameters of all networks that frozen layers depend on; a network's own parameters may matter as well."""


def main(params: Params, network: Network, prepared: str, features: str) -> None:
    """Write the features, or why there are none; those that are there already are kept if they still fit."""
    values, folder = params.network(network), FeatureFolder(Path(features))
    weights = _weights_digest(network, values)
    if reason := values.why_no_features:
        folder.write(FeatureRecord(network, weights, reason=reason))
        print(f"{network}: no features before training, because {reason}")
        return
    inputs = _inputs_digest(network, values, Path(prepared), weights)
    memory = project.state_folder() / "features" / f"{network}.json"
    if (key := folder.key()) is not None and _remembered(memory) == [inputs, key]:
        print(f"{network}: the features of images, frozen layers and weights are there already")
        return
    # Building the network takes seconds, and tells exactly what the features depend on.
    from darkroom.data.prepared.prepared import Prepared
    from darkroom.tracking.initial_network import initial_network
    from darkroom.training import TrainingJob, feature_files

    initial = initial_network(network, values)
    job = TrainingJob.from_prepared(Prepared(Path(prepared)), network, values, params, initial)
    feature_files.write_features(job, weights, folder, lambda line: print(f"{network}: {line}", flush=True))
    write_json(memory, [inputs, folder.key()])


def _weights_digest(network: Network, values: NetworkParams) -> str | None:
    """Return the digest of the file with the initial weights; None without any."""
    weights = values.initial_weights
    if weights is None:
        return None
    if weights.startswith(MODEL_ADDRESSES):
        from darkroom.tracking.initial_network import file_of

        file = file_of(network, weights)
    else:
        file = weights_file.find(network, weights)
    if file is None:
        raise InputError(f"train.{network}.initial_weights: {weights} does not exist; run darkroom check")
    found = weights_file.sha256(file)
    weights_file.check(network, values, found)
    return found


def _inputs_digest(network: Network, values: NetworkParams, prepared: Path, weights: str | None) -> str:
    """Return a digest of all that may change the features, without building the network."""
    shared = set(NetworkParams.model_fields) - OF_FROZEN_LAYERS
    known = [
        file_digest(prepared / "dataset.json"),
        weights,
        values.model_dump(mode="json", exclude=shared),
        code.code_digest("features", network, Path.cwd()),
        [f"{each.name} {each.version}" for each in map(_installed, ("keras", "tensorflow", "tensorflow-cpu")) if each],
    ]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()


def _installed(package: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return None


def _remembered(path: Path) -> object:
    """Return the digest of the last call's inputs and the key of its features."""
    try:
        return read_json(path)
    except (OSError, InputError):
        return None
