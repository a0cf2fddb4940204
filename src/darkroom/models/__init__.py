"""The documented networks, one module each with a function ``build`` that adds the layers to an input."""

from importlib import import_module
from typing import Any

from darkroom.params import Network, NetworkParams


def build(network: Network, inputs: Any, classes: int, params: NetworkParams) -> Any:
    """Add a network's layers to an input.

    Args:
        network: its name in params.yaml.
        inputs: Keras tensor of shape (batch, height, width, channels), normalised floats.
        classes: how many, at least 2.
        params: the values of ``train.<network>``.

    Returns:
        Keras tensor of shape (batch, classes): probabilities.
    """
    # By name, so that a change in one network's module concerns that network alone.
    return import_module(f"darkroom.models.{network}").build(inputs, classes, params)
