"""The documented networks, one module each.

A module has ``SOURCE``, ``PUBLISHED_INPUT`` and ``PUBLISHED_CLASSES``, and a function ``build`` that adds the layers to
an input. Blocks that several networks use are in ``layers.py``.
"""

from importlib import import_module
from types import ModuleType
from typing import Any

from darkroom.networks import Network, NetworkParams


def module(network: Network) -> ModuleType:
    """Return a network's module: by name, so that a change in one concerns that network alone."""
    return import_module(f"darkroom.models.{network}")


def build(network: Network, inputs: Any, classes: int, params: NetworkParams) -> tuple[Any, ...]:
    """Add a network's layers to an input.

    Args:
        network: its name in params.yaml.
        inputs: Keras tensor of shape (batch, height, width, channels), normalised floats.
        classes: how many, at least 2.
        params: the values of ``train.<network>``.

    Returns:
        Keras tensors of shape (batch, classes): the network's probabilities, then those of classifiers at its sides,
        which only help to train.
    """
    built = module(network).build(inputs, classes, params)
    return built if isinstance(built, tuple) else (built,)
