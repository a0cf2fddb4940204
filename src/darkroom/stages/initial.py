"""Where the weights that a training begins with come from."""

from darkroom import initial_weights, services, tracking
from darkroom.backend import keras
from darkroom.networks import Network, NetworkParams


def initial_network(network: Network, values: NetworkParams) -> keras.Model | None:
    """Return the network whose weights the training begins with, if any.

    Raises:
        InputError: there is no such network.
    """
    match values.initial_weights:
        case None:
            return None
        case "imagenet":
            return initial_weights.imagenet(network)
        case str(address) if address.startswith(services.MODEL_ADDRESSES):
            return initial_weights.read(tracking.packaged_files(address)["network"])
        case str(path):
            return initial_weights.read(path)
