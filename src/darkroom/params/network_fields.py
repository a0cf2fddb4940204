"""Types of network parameters, with their valid ranges. Network files import them from ``darkroom.networks``."""

import typing
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator

from darkroom.params.section import Count

__all__ = [
    "Activation",
    "BatchNorm",
    "BatchSize",
    "Count",
    "Decay",
    "Dropout",
    "Factor",
    "LearningRate",
    "Optimizer",
    "Sha256",
    "Strategy",
    "Trainable",
    "Units",
    "Widths",
]
Optimizer = Literal["sgd", "adam", "rmsprop", "muon", "lbfgs"]
"""``lbfgs`` fits the last layer on features of frozen ones as a logistic regression."""
Factor = Annotated[float, Field(gt=0, le=1)]
LearningRate = Annotated[float, Field(gt=0, le=10)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Units = Annotated[int, Field(ge=1, le=65536)]
Widths = Annotated[tuple[Units, ...], Field(min_length=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
BatchNorm = Literal["none", "before", "after"]
"""Batch normalisation: none, or before or after the activation."""


def _reject_step(name: Any) -> Any:
    if name == "step":
        raise ValueError("should be a function with a non-zero gradient; with step, nothing is learnt")
    return name


Activation = Annotated[Literal["relu", "leaky_relu", "tanh", "sigmoid"], BeforeValidator(_reject_step)]
"""Activation of hidden layers; the slope of ``leaky_relu`` is 0.01. ``step`` serves for teaching; it cannot train."""


def _batch_size(value: Any) -> int | str:
    if value in {"full", "auto"} or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return typing.cast("int | str", value)
    raise ValueError("should be a positive integer, full or auto")


BatchSize = Annotated[int | str, PlainValidator(_batch_size)]
"""Images per step: a number, ``full`` (all), or ``auto`` (all below 2,000 images, else 64)."""
Trainable = Annotated[str, Field(pattern=r"^(all|head|last [1-9]\d*)$")]
"""Layers that train: ``all``, ``head`` (the last one), or ``last N`` of those with weights."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{16,64}$")]
"""SHA-256 in hexadecimal; the first 16 digits or more."""
Strategy = Literal["none", "mirrored"]
"""``mirrored``: data parallelism over all GPUs of the machine."""
