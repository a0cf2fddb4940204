"""What networks are made of: layers, parameters and multiply-adds, as `darkroom models` shows them."""

import math
from collections.abc import Iterator
from typing import Any

from darkroom import models, training
from darkroom.backend import keras
from darkroom.datasets import Description
from darkroom.errors import InputError
from darkroom.networks import NETWORKS, PARAMS, Network, NetworkParams, check_classes


def networks() -> Iterator[dict[str, Any]]:
    """Describe every documented network as it was published."""
    for network in NETWORKS:
        module = models.module(network)
        values = PARAMS[network]()
        model = built(network, values, module.PUBLISHED_INPUT, module.PUBLISHED_CLASSES)
        yield {
            "name": network,
            "input": shown(module.PUBLISHED_INPUT),
            "classes": module.PUBLISHED_CLASSES,
            "parameters": model.count_params(),
            "multiply-adds": sum(multiply_adds(layer) for layer in model.layers),
            "smallest input": shown((values.smallest_side, values.smallest_side)),
            "source": module.SOURCE,
        }


def built(network: Network, values: NetworkParams, size: tuple[int, int, int], classes: int) -> keras.Model:
    """Build a network for images of a size, as it will be saved.

    Raises:
        InputError: the size is too small, or the output is not for so many classes.
    """
    check_classes(network, values, classes)
    if min(size[:2]) < values.smallest_side:
        needed = shown((values.smallest_side, values.smallest_side))
        raise InputError(f"{shown(size)} is too small for {network}, which needs at least {needed}; give a larger one")
    keras.backend.clear_session()
    anything = Description(
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
    return training.served(training.build_model(network, values, anything))


def layers(model: keras.Model) -> list[dict[str, Any]]:
    """Describe each layer of a network: its output's shape, its parameters and its multiply-adds for one image."""
    return [
        {
            "layer": layer.name,
            "kind": type(layer).__name__,
            "output": shown(layer.output.shape[1:]),
            "parameters": layer.count_params(),
            "multiply-adds": multiply_adds(layer),
        }
        for layer in model.layers
    ]


def multiply_adds(layer: keras.layers.Layer) -> int:
    """Count the products that a convolution or a fully connected layer sums up for one image; biases not counted."""
    if not isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
        return 0
    return int(math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1]))


def shown(shape: tuple[int, ...]) -> str:
    """Write a shape as ``28×28×1``."""
    return "×".join(map(str, shape))
