"""Blocks that the networks share. Each adds layers to a tensor and returns the last one's output."""

from collections.abc import Sequence
from typing import Any

from darkroom.backend import keras
from darkroom.networks import BatchNorm, NetworkParams

LEAKY_SLOPE = 0.01


def activated(x: keras.KerasTensor, activation: str, name: str) -> keras.KerasTensor:
    """Apply a hidden layer's activation function."""
    if activation == "leaky_relu":
        return keras.layers.LeakyReLU(LEAKY_SLOPE, name=name)(x)
    return keras.layers.Activation(activation, name=name)(x)


def step(x: Any) -> Any:
    """The perceptron's activation: 1 where the sum is positive, else 0. Its gradient is 0: nothing learns with it."""
    return keras.ops.cast(keras.ops.greater(x, 0), "float32")


def _finished(
    x: keras.KerasTensor, activation: str, batch_norm: BatchNorm, name: str, epsilon: float = 1e-3
) -> keras.KerasTensor:
    """Add activation and batch norm in the order asked for."""

    def normalised(x: keras.KerasTensor) -> keras.KerasTensor:
        return keras.layers.BatchNormalization(epsilon=epsilon, name=f"{name}_bn")(x)

    if batch_norm == "before":
        x = normalised(x)
    x = activated(x, activation, f"{name}_{activation}")
    return normalised(x) if batch_norm == "after" else x


def convolution(  # noqa: PLR0913 - what a row of a paper's table says
    x: keras.KerasTensor,
    filters: int,
    kernel: int,
    params: NetworkParams,
    name: str,
    *,
    activation: str,
    strides: int = 1,
    padding: str = "same",
    batch_norm: BatchNorm = "none",
) -> keras.KerasTensor:
    """Add a convolution with its activation, and batch norm before or after that."""
    x = bare_convolution(x, filters, kernel, params, name, strides=strides, padding=padding)
    return _finished(x, activation, batch_norm, name)


def bare_convolution(
    x: keras.KerasTensor,
    filters: int,
    kernel: int,
    params: NetworkParams,
    name: str,
    *,
    strides: int = 1,
    padding: str = "same",
) -> keras.KerasTensor:
    """Add a convolution, with nothing behind it."""
    layer = keras.layers.Conv2D(
        filters, kernel, strides=strides, padding=padding, kernel_regularizer=penalty(params), name=name
    )
    return layer(x)


def hidden(
    x: keras.KerasTensor,
    units: int,
    params: NetworkParams,
    name: str,
    *,
    activation: str,
    batch_norm: BatchNorm = "none",
) -> keras.KerasTensor:
    """Add a fully connected layer with its activation, and batch norm before or after that."""
    x = keras.layers.Dense(units, kernel_regularizer=penalty(params), name=name)(x)
    return _finished(x, activation, batch_norm, name)


def dropout(x: keras.KerasTensor, rate: float, name: str) -> keras.KerasTensor:
    """Add dropout where there is any."""
    return keras.layers.Dropout(rate, name=name)(x) if rate else x


def probabilities(x: keras.KerasTensor, classes: int, params: NetworkParams, name: str = "output") -> keras.KerasTensor:
    """Add the last layer; whatever it is, what comes out are float32 probabilities of shape (batch, classes).

    One sigmoid unit is the same as two softmax units whose weights differ by its weights, so cross-entropy and
    everything after it see two probabilities in either case.
    """
    if params.output == "softmax":
        return keras.layers.Dense(classes, activation="softmax", dtype="float32", name=name)(x)
    second = keras.layers.Dense(1, activation="sigmoid", dtype="float32", name=name)(x)
    first = keras.layers.Rescaling(-1.0, 1.0, dtype="float32", name=f"{name}_complement")(second)
    return keras.layers.Concatenate(dtype="float32", name=f"{name}_both")([first, second])


def penalty(params: NetworkParams) -> Any:
    """Return the L2 penalty on a kernel, or None."""
    return keras.regularizers.L2(params.l2) if params.l2 else None


def repeated(values: Sequence[float], count: int) -> tuple[float, ...]:
    """Return one number as often as it is needed, and several as they are."""
    return tuple(values) * (count if len(values) == 1 else 1)
