"""Layers of a network with parameters and multiply-adds, for ``darkroom models NETWORK``."""

import math
from typing import Any

from darkroom import training
from darkroom.base.backend import keras
from darkroom.base.errors import InputError
from darkroom.data.prepared.datasets import Description
from darkroom.networks import Network, NetworkParams, check_classes
from darkroom.networks.catalogue import format_shape


def build(network: Network, values: NetworkParams, size: tuple[int, int, int], classes: int) -> keras.Model:
    """Build the inference model of a network for an image size.

    Raises:
        InputError: the size is too small, or the output does not support the number of classes.
    """
    check_classes(network, values, classes)
    if min(size[:2]) < values.smallest_side:
        needed = format_shape((values.smallest_side, values.smallest_side))
        raise InputError(
            f"{format_shape(size)} is too small for {network}, which needs at least {needed}; give a larger --input"
        )
    keras.backend.clear_session()
    description = Description(
        labels=tuple(map(str, range(classes))),
        size=size,
        interpolation="bicubic",
        aspect="stretch",
        mean=(0.0,) * size[2],
        deviation=(1.0,) * size[2],
        source="",
        counts={},
        training_counts={},
        digest="",
    )
    return training.inference_model(training.build_model(network, values, description))


def layers(model: keras.Model) -> list[dict[str, Any]]:
    """Return a row per layer: output shape, parameters and multiply-adds for one image."""
    return [
        {
            "layer": layer.name,
            "kind": type(layer).__name__,
            "output": format_shape(layer.output.shape[1:]),
            "parameters": layer.count_params(),
            "multiply-adds": multiply_adds(layer),
        }
        for layer in model.layers
    ]


def multiply_adds(layer: keras.layers.Layer) -> int:
    """Count the multiply-adds of convolutions and dense layers for one image, without biases."""
    if isinstance(layer, keras.Sequential):
        return sum(map(multiply_adds, layer.layers))
    if not isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D | keras.layers.Dense):
        return 0
    return int(math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1]))
