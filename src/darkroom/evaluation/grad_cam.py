"""First filters, feature maps and Grad-CAM heat maps of a network."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from darkroom.base.backend import keras, tf
from darkroom.base.types import Floats, Integers, Pixels


def lack_of_maps(model: keras.Model) -> str | None:
    """Return why a network has no heat maps, in one sentence; None if it has."""
    if _stages(model):
        return None
    return f"{model.name} has no convolution with maps larger than 1×1, so it has no heat maps"


def first_filters(model: keras.Model) -> Floats:
    """Return the kernels of the first convolution, which operate on pixels.

    Args:
        model: a network with a convolution, see ``lack_of_maps``.

    Returns:
        float32 of shape (filters, height, width, channels).
    """
    first = next(layer for layer in model.layers if _is_convolution(layer))
    return np.moveaxis(np.asarray(first.kernel, dtype=np.float32), -1, 0)


def feature_maps(model: keras.Model, image: Pixels) -> dict[str, Floats]:
    """Compute an image's feature maps at the end of each stage of a network.

    A stage has convolutions of one height × width; its last layer includes activation and batch norm.

    Args:
        model: a network with a convolution, see ``lack_of_maps``.
        image: uint8 of the network's size (height, width, channels).

    Returns:
        By name of each stage's last layer, float32 of shape (height, width, maps).
    """
    stages = _stages(model)
    inside = keras.Model(model.input, [layer.output for layer in stages])
    # Keras returns no list for a single output.
    computed = keras.tree.flatten(inside(image[None], training=False))
    return {layer.name: np.asarray(maps[0]) for layer, maps in zip(stages, computed, strict=True)}


def heat_maps(model: keras.Model, images: Pixels, classes: Integers | Sequence[int]) -> Floats:
    """Compute Grad-CAM heat maps of the evidence for a class.

    R. Selvaraju and others, Grad-CAM: visual explanations from deep networks via gradient-based localization, ICCV
    2017, section 3: the last convolutional maps are summed, each weighted by the mean gradient of the class's score
    (equation 1), and the positive part (equation 2) is resized to the image.

    Heat maps are less exact for networks that flatten their last maps than for those with global average pooling, since
    the mean gradient ignores positions.

    The score is the logit, as in the paper: near probability 1 the gradients of the probability and of its logarithm
    vanish in rounding errors.

    Args:
        model: a network with a convolution, see ``lack_of_maps``, its weights trainable as ``inference.load`` and
            ``training.train`` leave them.
        images: uint8 of shape (images, height, width, channels), few enough for one batch.
        classes: the class number to explain for each image, usually the predicted one.

    Returns:
        float32 of shape (images, height, width): 1 at the image's maximum, 0 where nothing supports the class, and 0
        everywhere if nothing does. With unpadded convolutions, positions near the border are displaced outwards by up
        to half of the cropped width, as in the paper.
    """
    last_stage = _stages(model)[-1]
    last_layer = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)][-1]
    inside = keras.Model(model.input, [last_stage.output, last_layer.input])
    with tf.GradientTape() as tape:
        maps, values = inside(np.asarray(images), training=False)
        score = tf.reduce_sum(tf.gather(_scores(last_layer, values), classes, batch_dims=1))
    weights = tf.reduce_mean(tape.gradient(score, maps), axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1, keepdims=True))
    stretched = np.asarray(tf.image.resize(heat, images.shape[1:3], method="bilinear"))[..., 0]
    hottest = stretched.max(axis=(1, 2), keepdims=True)
    between_0_and_1: Floats = np.divide(stretched, hottest, out=np.zeros_like(stretched), where=hottest > 0)
    return between_0_and_1


def _stages(model: keras.Model) -> list[Any]:
    """Return the last layer of each map size that a convolution has, from the largest to the smallest.

    Maps of 1×1 have no positions. All paths of a network meet before a reduction, so the last layer is the one that the
    rest of the network uses.
    """
    with_maps = [layer for layer in model.layers if np.prod(_size(layer)) > 1]
    sizes = {_size(layer) for layer in with_maps if _is_convolution(layer)}
    last = {_size(layer): layer for layer in with_maps}
    return sorted((last[size] for size in sizes), key=model.layers.index)


def _size(layer: Any) -> tuple[int, ...]:
    """Return height and width of a layer's maps; empty without maps."""
    return tuple(layer.output.shape[1:-1])


def _is_convolution(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Conv2D)


def _scores(last_layer: Any, values: Any) -> Any:
    """Return the logits of the last layer, of shape (images, classes)."""
    logits = tf.matmul(values, last_layer.kernel) + last_layer.bias
    # One sigmoid unit has opposite evidence for the two classes.
    return tf.concat([-logits, logits], axis=1) if last_layer.units == 1 else logits
