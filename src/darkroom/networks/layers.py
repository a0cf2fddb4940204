"""Building blocks for network files. Each function adds layers to a tensor and returns the last layer's output."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from darkroom.networks.lazy import Tensor, keras
from darkroom.params import NetworkParams
from darkroom.params.network_fields import BatchNorm

LEAKY_SLOPE = 0.01


@dataclass(frozen=True)
class Style:
    """Settings that all hidden layers of a network share."""

    activation: str
    batch_norm: BatchNorm = "none"
    l2: float = 0.0
    """L2 penalty on each kernel."""


def activated(x: Tensor, activation: str, name: str) -> Tensor:
    """Add the activation of a hidden layer."""
    if activation == "leaky_relu":
        return keras.layers.LeakyReLU(LEAKY_SLOPE, name=name)(x)
    return keras.layers.Activation(activation, name=name)(x)


def step(x: Any) -> Any:
    """The perceptron's step activation: 1 for positive inputs, else 0. Its gradient is 0, so it cannot be trained."""
    return keras.ops.cast(keras.ops.greater(x, 0), "float32")


def _activate_and_normalise(x: Tensor, style: Style, name: str) -> Tensor:
    """Add activation and batch norm, in the order that ``style.batch_norm`` sets."""

    def normalised(x: Tensor) -> Tensor:
        return keras.layers.BatchNormalization(name=f"{name}_bn")(x)

    if style.batch_norm == "before":
        x = normalised(x)
    x = activated(x, style.activation, f"{name}_{style.activation}")
    return normalised(x) if style.batch_norm == "after" else x


def convolution(
    x: Tensor, filters: int, kernel: int, style: Style, name: str, *, strides: int = 1, padding: str = "same"
) -> Tensor:
    """Add a convolution, its activation and, if set, batch norm before or after the activation."""
    x = bare_convolution(x, filters, kernel, style.l2, name, strides=strides, padding=padding)
    return _activate_and_normalise(x, style, name)


def bare_convolution(
    x: Tensor, filters: int, kernel: int, l2: float, name: str, *, strides: int = 1, padding: str = "same"
) -> Tensor:
    """Add a convolution without activation or batch norm."""
    layer = keras.layers.Conv2D(
        filters, kernel, strides=strides, padding=padding, kernel_regularizer=penalty(l2), name=name
    )
    return layer(x)


def hidden(x: Tensor, units: int, style: Style, name: str) -> Tensor:
    """Add a fully connected layer, its activation and, if set, batch norm before or after the activation."""
    x = keras.layers.Dense(units, kernel_regularizer=penalty(style.l2), name=name)(x)
    return _activate_and_normalise(x, style, name)


def dropout(x: Tensor, rate: float, name: str) -> Tensor:
    """Add dropout unless the rate is 0."""
    return keras.layers.Dropout(rate, name=name)(x) if rate else x


def probabilities(x: Tensor, classes: int, params: NetworkParams, name: str = "output") -> Tensor:
    """Add the output layer (softmax or sigmoid); it returns float32 probabilities of shape (batch, classes).

    One sigmoid unit is equivalent to two softmax units whose weights differ by the sigmoid's, so its output is expanded
    to two probabilities, as cross-entropy and the metrics expect.
    """
    if params.output == "softmax":
        return keras.layers.Dense(classes, activation="softmax", dtype="float32", name=name)(x)
    second = keras.layers.Dense(1, activation="sigmoid", dtype="float32", name=name)(x)
    first = keras.layers.Rescaling(-1.0, 1.0, dtype="float32", name=f"{name}_complement")(second)
    return keras.layers.Concatenate(dtype="float32", name=f"{name}_both")([first, second])


def penalty(l2: float) -> Any:
    """Return the L2 regularizer of a kernel; None for 0."""
    return keras.regularizers.L2(l2) if l2 else None


def repeat(values: Sequence[float], count: int) -> tuple[float, ...]:
    """Repeat a single value ``count`` times; return several values unchanged."""
    return tuple(values) * (count if len(values) == 1 else 1)
