"""Build a network from its file; errors in the file become one-line messages with file and line."""

from typing import Any

from darkroom.base.errors import DarkroomError, InputError
from darkroom.base.failures import of_machine
from darkroom.networks.lazy import Tensor, keras
from darkroom.params import NetworkParams, network_files


def build(network: str, inputs: Tensor, classes: int, params: NetworkParams) -> tuple[Tensor, ...]:
    """Add a network's layers to an input.

    Args:
        network: its name in params.yaml.
        inputs: Keras tensor of shape (batch, height, width, channels), normalised floats.
        classes: number of classes, at least 2.
        params: the values of ``train.<network>``.

    Returns:
        Keras tensors of shape (batch, classes): the network's probabilities, then those of auxiliary classifiers, which
        are used in training only.

    Raises:
        InputError: the network's file raises an error or returns anything else; with file and line.
    """
    module = network_files.load(network)
    try:
        built = module.build(inputs, classes, params)
    except DarkroomError:
        raise
    except Exception as error:  # build is the user's code, so any error of it is the user's
        if of_machine(error):
            raise
        size = "×".join(map(str, inputs.shape[1:]))
        raise InputError(
            f"{network_files.error_location(network, error)}: {network_files.describe_error(error)} (images of {size}, "
            f"{classes} classes); correct the network, or set preprocess.size to a size that it accepts"
        ) from error
    outputs = built if isinstance(built, tuple) else (built,)
    line = network_files.location(network, network_files.line_of(module.build))
    for output in outputs:
        _check_output(output, classes, line)
    if not network_files.is_documented(network):
        _check_layers(inputs, outputs, line)
    return outputs


def _check_output(output: Any, classes: int, line: str) -> None:
    """Check that a network returns a probability for each class."""
    if not isinstance(output, keras.KerasTensor):
        raise InputError(
            f"{line}: build returns {type(output).__name__}, expected a tensor; return the output of the last layer, "
            "as from layers.probabilities"
        )
    if len(output.shape) != 2 or output.shape[1] != classes or output.dtype != "float32":  # noqa: PLR2004
        raise InputError(
            f"{line}: build returns {output.dtype} of shape (batch, {', '.join(map(str, output.shape[1:]))}), expected "
            f"class probabilities: float32 of shape (batch, {classes}); end with "
            "layers.probabilities(x, classes, params)"
        )


def _check_layers(inputs: Tensor, outputs: tuple[Tensor, ...], line: str) -> None:
    """Check that all layers are Keras's own, so that a packaged model can be loaded without the network's file."""
    for layer in keras.Model(inputs, list(outputs)).layers:
        kind = type(layer)
        if not kind.__module__.startswith("keras.") or isinstance(layer, keras.layers.Lambda):
            raise InputError(
                f"{line}: layer {layer.name} is a {kind.__name__}, which cannot be loaded from a packaged model; use "
                "Keras's layers and operations, except Lambda"
            )


def try_build(network: str, params: NetworkParams, size: tuple[int, int, int], classes: int) -> None:
    """Build a network once, to find errors in its file before the pipeline starts.

    Args:
        network: its name.
        params: its values.
        size: height, width and channels of the images.
        classes: number of classes.

    Raises:
        InputError: see ``build``.
    """
    keras.backend.clear_session()
    build(network, keras.Input(size, name="image"), classes, params)
