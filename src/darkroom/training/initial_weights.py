"""Transfer learning: initial weights of a training.

See *Deep Learning for Vision Systems*, chapter 6: a network trained on one data set is a feature extractor for another.
"""

from pathlib import Path

import numpy as np

from darkroom.base.backend import keras
from darkroom.base.errors import InputError
from darkroom.base.failures import first_line
from darkroom.networks import Network, inference, load

HEAD = "output"


def read(path: str | Path) -> keras.Model:
    """Load a network that Darkroom saved.

    Raises:
        InputError: the file is missing or cannot be loaded.
    """
    if not Path(path).is_file():
        raise InputError(
            f"initial_weights: {path} does not exist; name a copy of a file models/<network>.keras, or models:/NAME"
        )
    try:
        return inference.load(path)
    except (ValueError, OSError) as error:
        raise InputError(f"initial_weights: {path} is not a network that can be loaded ({first_line(error)})") from None


def imagenet(network: Network, file: Path | None = None) -> keras.Model:
    """Return a network with ImageNet weights.

    Args:
        network: the network.
        file: weights that Keras wrote for this network (HDF5); None for the published ones.

    Raises:
        InputError: the weights are not installed, cannot be downloaded, or are those of another network.
    """
    module = load(network)
    if file is not None and not hasattr(module, "BACKBONE"):
        raise InputError(
            f"initial_weights: {file} has weights of keras.applications, of which {network} is not one; name a file "
            "that Darkroom saved (.keras)"
        )
    try:
        published: keras.Model = module.imagenet() if file is None else module.imagenet(file)
    except InputError as error:
        raise InputError(f"initial_weights: {error}") from None
    return published


def normalisation(model: keras.Model, channels: int) -> tuple[list[float], list[float]]:
    """Return scale and offset per channel with which a network normalises its images.

    Raises:
        InputError: the network expects another number of channels.
    """
    expected = model.input.shape[-1]
    if expected != channels:
        raise InputError(
            f"initial_weights: the weights expect images of {expected} channels, but preprocess.size[2] is {channels}; "
            f"set {expected}"
        )
    if "normalise" not in {layer.name for layer in model.layers}:
        raise InputError(
            "initial_weights: the weights are of a network that Darkroom did not save, so that the scaling of its "
            "images is unknown; name a copy of a file models/<network>.keras"
        )
    layer = model.get_layer("normalise")
    return np.ravel(layer.scale).tolist(), np.ravel(layer.offset).tolist()


def transfer(source: keras.Model, target: keras.Model) -> None:
    """Copy the weights of one network to another with the same layers.

    The last layer, with one unit per class, stays untrained if its shape differs; so do auxiliary classifiers.

    Raises:
        InputError: any other layer is missing in either network, or has another shape in the source.
    """
    known, taken = _weighted(source), _weighted(target)
    if extra := [name for name in known if name not in taken and name != HEAD]:
        raise InputError(
            f"initial_weights: the weights have a layer {extra[0]}, which {target.name} lacks as configured; set "
            f"train.{target.name} as for those weights"
        )
    for layer in taken.values():
        own = layer.get_weights()
        if layer.name not in known:
            raise InputError(
                f"initial_weights: the weights have no layer {layer.name}, which {target.name} has; they belong to "
                "another network or to other parameters"
            )
        given = known[layer.name].get_weights()
        shapes, expected = ([weight.shape for weight in weights] for weights in (given, own))
        if shapes == expected:
            layer.set_weights(given)
        elif layer.name != HEAD:
            raise InputError(
                f"initial_weights: layer {layer.name} has weights of {shapes[0]}, but {target.name} as configured "
                f"needs {expected[0]}; set preprocess.size and train.{target.name} as for those weights"
            )


def _weighted(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """Return the layers with weights by name, without auxiliary classifiers."""
    return {layer.name: layer for layer in model.layers if layer.weights and not layer.name.startswith("side_")}
