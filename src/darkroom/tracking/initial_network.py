"""Load the network that provides a training's initial weights."""

from darkroom.base.backend import keras
from darkroom.networks import Network, NetworkParams
from darkroom.tracking.address import MODEL_ADDRESSES
from darkroom.tracking.packaged_parts import PackagedParts
from darkroom.training import initial_weights


def initial_network(network: Network, values: NetworkParams) -> keras.Model | None:
    """Return the network that provides the initial weights; None if ``initial_weights`` is not set.

    Raises:
        InputError: the network does not exist.
    """
    match values.initial_weights:
        case None:
            return None
        case "imagenet":
            return initial_weights.imagenet(network)
        case str(uri) if uri.startswith(MODEL_ADDRESSES):
            return initial_weights.read(PackagedParts.open(uri).network)
        case str(path):
            return initial_weights.read(path)
