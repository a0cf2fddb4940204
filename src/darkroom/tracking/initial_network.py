"""Load the network that provides a training's initial weights."""

from pathlib import Path

import mlflow

from darkroom.base.backend import keras
from darkroom.networks import Network, NetworkParams, weights_file
from darkroom.tracking.address import MODEL_ADDRESSES
from darkroom.tracking.opening import loading
from darkroom.tracking.packaged_parts import PackagedParts
from darkroom.training import initial_weights


def initial_network(network: Network, values: NetworkParams) -> keras.Model | None:
    """Return the network that provides the initial weights; None if ``initial_weights`` is not set.

    Raises:
        InputError: the network does not exist, or is not the one of ``initial_weights_sha256``.
    """
    weights = values.initial_weights
    if weights is None:
        return None
    file = file_of(network, weights)
    if file is not None and values.initial_weights_sha256:
        weights_file.check(network, values, weights_file.sha256(file))
    if weights == "imagenet":
        return initial_weights.imagenet(network)
    if file is not None and file.suffix == ".h5":
        return initial_weights.imagenet(network, file)
    return initial_weights.read(file or weights)


def file_of(network: Network, weights: str) -> Path | None:
    """Return the file with initial weights, see ``weights_file.find``; also of the address of a model.

    Raises:
        InputError: see ``weights_file.find``; or the store lacks the model.
    """
    if weights.startswith(MODEL_ADDRESSES):
        return PackagedParts.open(weights).network
    return weights_file.find(network, weights)


def tags(network: Network, values: NetworkParams) -> dict[str, str]:
    """Return the tags that identify a training's initial weights; none without initial weights.

    An alias such as ``@champion`` moves, so the model that it names now is recorded.
    """
    weights = values.initial_weights
    if weights is None:
        return {}
    file = file_of(network, weights)
    if file is None:
        return {weights_file.NAME: weights}
    if weights.startswith(MODEL_ADDRESSES):
        with loading(weights):
            model = mlflow.models.get_model_info(weights).model_id
        weights = f"models:/{model}" if model else weights
    return {weights_file.NAME: weights, weights_file.SHA256: weights_file.sha256(file)}
