"""Load a saved network and compute its predictions for prepared images."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from darkroom.base.backend import keras, tf
from darkroom.base.errors import DarkroomError
from darkroom.base.pools import in_threads
from darkroom.base.types import Floats, Integers, Pixels
from darkroom.data.prepared.datasets import Split

BATCH = 256
"""Images per step, of at most ``LARGE`` pixels."""
LARGE = 64 * 64
CPU_BATCH = 4
"""Images per step of ``with_constant_weights`` on a processor, and at least of all others: more large ones do not fit
into its caches."""
GPU_BATCH = 64


def batch_for(inputs: np.ndarray[Any, Any]) -> int:
    """Return how many inputs to predict at a time, fewer of large ones: 256 images of 224×224 pixels need 3.6 GB.

    Args:
        inputs: images of shape (images, height, width, channels), or features.
    """
    pixels: int = math.prod(inputs.shape[1:-1])
    return min(BATCH, max(CPU_BATCH, BATCH * LARGE // max(pixels, 1)))


def probabilities(model: keras.Model, images: Pixels) -> Floats:
    """Predict class probabilities, or all outputs of a network with several.

    Args:
        model: a network from ``training.train`` or ``load``, or one of ``penultimate.with_features``.
        images: uint8 of shape (images, height, width, channels).

    Returns:
        float32 of shape (images, classes), followed by the numbers of further outputs.

    Raises:
        DarkroomError: an output is NaN or infinite, from which ``argmax`` would make the first class.
    """
    found = model.predict(np.asarray(images), batch_size=batch_for(images), verbose=0)
    # Further outputs may be bfloat16.
    predicted: Floats = np.concatenate(found, axis=1, dtype=np.float32) if isinstance(found, list) else found
    return _finite(model, predicted)


def with_constant_weights(model: keras.Model) -> Callable[[Pixels], Floats]:
    """Return a function that computes the outputs of a network whose weights will not change.

    TensorFlow folds batch norm and activations into convolutions with constant weights. On a processor,
    EfficientNet-Lite0 takes 0.6 of the time of ``probabilities``; the outputs differ by rounding (1e-5).

    Args:
        model: a network with one output.

    Returns:
        A function from uint8 images of shape (images, height, width, channels) to float32 of shape (images, …). It
        raises DarkroomError where an output is NaN or infinite. Its first call builds the graph (half a second).
    """
    batch = GPU_BATCH if tf.config.list_logical_devices("GPU") else CPU_BATCH

    @functools.cache
    def graph() -> Callable[[tf.Tensor], tf.Tensor]:
        kinds = (model.trainable_variables, model.non_trainable_variables)
        weights = [[np.asarray(weight) for weight in kind] for kind in kinds]
        specification = tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8)
        function = tf.function(lambda images: model.stateless_call(*weights, images, training=False)[0])
        concrete: Callable[[tf.Tensor], tf.Tensor] = function.get_concrete_function(specification)
        return concrete

    def outputs(images: Pixels) -> Floats:
        compute = graph()
        # Several steps at once: within a step, some operations use one core.
        starts = range(0, len(images), batch)
        steps = in_threads(lambda start: compute(tf.constant(images[start : start + batch])), starts)
        return _finite(model, np.concatenate([np.asarray(step, np.float32) for step in steps]))

    return outputs


def _finite(model: keras.Model, predicted: Floats) -> Floats:
    if count := int((~np.isfinite(predicted)).any(axis=tuple(range(1, predicted.ndim))).sum()):
        raise DarkroomError(
            f"{model.name}: the output for {count} of {len(predicted)} images is not a number; its weights are damaged "
            "or overflow: train it again, with a lower learning_rate or precision: float32"
        )
    return predicted


def load(path: str | Path) -> keras.Model:
    """Load a saved model in Keras's safe mode, which rejects embedded code.

    Raises:
        FileNotFoundError: there is no such file.
        DarkroomError: a weight is NaN or infinite. The predictions need not show it: fast kernels of ReLU return 0 for
            NaN.
    """
    Path(path).stat()  # Keras reports a missing file as a wrong value
    model = keras.saving.load_model(path, compile=False, safe_mode=True)
    for layer in model.layers:
        if not all(np.isfinite(weights).all() for weights in layer.get_weights()):
            raise DarkroomError(
                f"{model.name}: layer {layer.name} has weights that are not numbers; train the network again, with a "
                "lower learning_rate or precision: float32"
            )
    return model


@dataclass(frozen=True)
class OnImages:
    """Predictions for some images of a split, in short."""

    accuracy: float
    one_class: float | None
    """See ``one_class_share``."""


def results_on(model: keras.Model, split: Split, most: int) -> OnImages:
    """Return a network's results on a split, without augmentation.

    Args:
        model: the network.
        split: the images and labels.
        most: largest number of images to use, evenly spaced over the split.
    """
    rows = evenly_spaced(len(split.classes), most)
    return in_short(split.classes[rows], probabilities(model, split.images[rows]))


def evenly_spaced(images: int, most: int) -> Integers:
    """Return row numbers of at most ``most`` images, evenly spaced."""
    return np.unique(np.linspace(0, images - 1, most).astype(np.int64))


def in_short(labels: Integers, predicted: Floats) -> OnImages:
    """Summarise predictions.

    Args:
        labels: class numbers.
        predicted: probabilities, of shape (images, classes).
    """
    classes = predicted.argmax(axis=1)
    return OnImages(float(np.mean(classes == labels)), one_class_share(labels, classes))


def one_class_share(labels: Integers, predicted: Integers) -> float | None:
    """Return the share of images of the other classes that are predicted as the class predicted most.

    It is 1 for a network that predicts one class only, and 0 for a perfect one, however unequal the classes are. None
    if there are no images of other classes.

    Args:
        labels: class numbers.
        predicted: predicted class numbers, of the same shape.
    """
    predicted_most = np.bincount(predicted).argmax()
    others = labels != predicted_most
    return float(np.mean(predicted[others] == predicted_most)) if others.any() else None
