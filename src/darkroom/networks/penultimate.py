"""What a network's last layer with weights gets of each image: its features."""

from typing import Any

from darkroom.base.backend import keras


def feature_layer(model: keras.Model) -> str | None:
    """Return the layer whose inputs are the features: the last one with weights.

    If those inputs are maps, as of a last convolution, it is the first later layer that gets numbers without a place.

    Args:
        model: a network with one output.

    Returns:
        The layer's name; None if no such layer gets a single tensor of shape (batch, features).
    """
    weighted = [number for number, layer in enumerate(model.layers) if layer.weights]
    if not weighted:
        return None
    return next((layer.name for layer in model.layers[weighted[-1] :] if _is_flat(layer)), None)


def only_last_trains(model: keras.Model) -> bool:
    """Return whether all layers with weights but the last one are frozen."""
    weighted = [bool(layer.trainable_weights) for layer in model.layers if layer.weights]
    return len(weighted) > 1 and weighted[-1] and not any(weighted[:-1])


def _is_flat(layer: keras.layers.Layer) -> bool:
    try:
        tensor: Any = layer.input
    except (AttributeError, ValueError):  # without inputs, or used several times
        return False
    return hasattr(tensor, "shape") and len(tensor.shape) == 2 and tensor.shape[1] is not None  # noqa: PLR2004


def with_features(model: keras.Model, layer: str, start: Any = None) -> keras.Model:
    """Return the network with two outputs: its own and the inputs of a layer; see ``feature_layer``.

    Args:
        model: the network.
        layer: name of the layer.
        start: tensor of the network that becomes the input; None for the images.

    ``inference.classifier`` builds the same in a packaged model.
    """
    return keras.Model(
        model.input if start is None else start, [model.outputs[0], model.get_layer(layer).input], name=model.name
    )
