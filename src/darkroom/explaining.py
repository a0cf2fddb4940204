"""What a network sees: the filters it begins with, the maps it makes of an image, and where it looked to decide."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from darkroom.backend import keras, tf
from darkroom.datasets import Floats, Integers
from darkroom.images import Pixels


def lack_of_maps(model: keras.Model) -> str | None:
    """Return why nothing can be drawn of a network, in one sentence; None where it has maps."""
    if _stages(model):
        return None
    return f"{model.name} has no convolution with maps larger than 1×1, so nothing can be drawn of where it looks"


def first_filters(model: keras.Model) -> Floats:
    """Return the kernels of the first convolution, the only ones that see colours or grey.

    Args:
        model: a network with a convolution, see ``lack_of_maps``.

    Returns:
        float32 of shape (filters, height, width, channels).
    """
    first = next(layer for layer in model.layers if _is_convolution(layer))
    return np.moveaxis(np.asarray(first.kernel, dtype=np.float32), -1, 0)


def feature_maps(model: keras.Model, image: Pixels) -> dict[str, Floats]:
    """Compute what each stage of a network makes of an image.

    A stage is what lies between two reductions of height × width and has a convolution; its last layer speaks for it,
    with activation and batch norm.

    Args:
        model: a network with a convolution, see ``lack_of_maps``.
        image: uint8 of the network's size (height, width, channels).

    Returns:
        For each stage the name of its last layer, with float32 of shape (height, width, maps).
    """
    stages = _stages(model)
    inside = keras.Model(model.input, [layer.output for layer in stages])
    # Of a single output, Keras makes no list.
    computed = keras.tree.flatten(inside(image[None], training=False))
    return {layer.name: np.asarray(maps[0]) for layer, maps in zip(stages, computed, strict=True)}


def heat_maps(model: keras.Model, images: Pixels, classes: Integers | Sequence[int]) -> Floats:
    """Compute what in each image speaks for a class, as Grad-CAM does.

    R. Selvaraju and others, Grad-CAM: visual explanations from deep networks via gradient-based localization, ICCV
    2017, section 3: the last convolutional maps are summed, each weighted by the mean gradient of the class's score
    (equation 1), and what is left above 0 (equation 2) is stretched to the image.

    A network that flattens its maps tells the places apart, which the mean gradient does not: its heat is a rougher
    guess than that of a network that averages its maps.

    The score is the sum before the softmax or sigmoid, as in the paper: a network that is sure has a probability, and a
    logarithm of it, that no longer moves, and gradients of nothing but rounding.

    Args:
        model: a network with a convolution, see ``lack_of_maps``, its weights trainable as ``inference.load`` and
            ``training.train`` leave them.
        images: uint8 of shape (images, height, width, channels), few enough for one batch.
        classes: of each image, the class number to ask about; as a rule the predicted one.

    Returns:
        float32 of shape (images, height, width): 1 at the image's hottest place, 0 where nothing speaks for the class,
        and 0 everywhere if no place does. Where convolutions do not pad, places near the border come out displaced
        outwards by up to half of what was cut off, as in the paper.
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
    """Return the last layer of each size of maps, from the largest to the smallest, where a convolution has that size.

    Maps of 1×1 say nothing of a place. All paths of a network meet before it reduces its size, so the last layer is the
    one that the rest of the network sees.
    """
    with_maps = [layer for layer in model.layers if np.prod(_size(layer)) > 1]
    sizes = {_size(layer) for layer in with_maps if _is_convolution(layer)}
    last = {_size(layer): layer for layer in with_maps}
    return sorted((last[size] for size in sizes), key=model.layers.index)


def _size(layer: Any) -> tuple[int, ...]:
    """Return height and width of a layer's maps; nothing where it has none."""
    return tuple(layer.output.shape[1:-1])


def _is_convolution(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Conv2D)


def _scores(last_layer: Any, values: Any) -> Any:
    """Return the last layer's sums, of shape (images, classes), without its softmax or sigmoid."""
    sums = tf.matmul(values, last_layer.kernel) + last_layer.bias
    # One sigmoid unit stands for two of a softmax: as much for one class as against the other.
    return tf.concat([-sums, sums], axis=1) if last_layer.units == 1 else sums
