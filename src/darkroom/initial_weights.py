"""Transfer learning: weights that a training begins with, and the part of a network that it leaves as it is.

See *Deep Learning for Vision Systems*, chapter 6: a network that was trained on one set of images is a feature
extractor for another.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from darkroom import inference
from darkroom.backend import keras
from darkroom.datasets import Floats
from darkroom.errors import InputError
from darkroom.images import Pixels
from darkroom.models import module
from darkroom.networks import Network

HEAD = "output"


def read(path: str | Path) -> keras.Model:
    """Read a network that Darkroom saved.

    Raises:
        InputError: the file is missing or is not such a network.
    """
    if not Path(path).is_file():
        raise InputError(
            f"initial_weights: {path} does not exist; name a copy of a file models/<network>.keras, or models:/NAME"
        )
    try:
        return inference.load(path)
    except (ValueError, OSError) as error:
        line = str(error).strip().splitlines()[0]
        raise InputError(f"initial_weights: {path} is not a network that can be loaded ({line})") from None


def imagenet(network: Network) -> keras.Model:
    """Return a network with the weights that Keras publishes for ImageNet; they are fetched once (100 MB).

    Raises:
        InputError: they cannot be fetched.
    """
    try:
        published: keras.Model = module(network).imagenet()
    except Exception as error:  # noqa: BLE001 - Keras raises bare Exception where a download fails
        line = str(error).strip().splitlines()[0]
        raise InputError(
            f"initial_weights: imagenet cannot be fetched ({line}); put the file into ~/.keras/models, or connect"
        ) from None
    return published


def normalisation(model: keras.Model, channels: int) -> tuple[list[float], list[float]]:
    """Return scale and offset of each channel that a network's weights expect their images brought to.

    Raises:
        InputError: they expect another number of channels.
    """
    expected = model.input.shape[-1]
    if expected != channels:
        raise InputError(
            f"initial_weights: the weights take images of {expected} channels, and preprocess.size[2] is {channels}; "
            f"set {expected}"
        )
    layer = model.get_layer("normalise")
    return np.ravel(layer.scale).tolist(), np.ravel(layer.offset).tolist()


def transfer(source: keras.Model, target: keras.Model) -> None:
    """Give a network the weights of another one of the same kind.

    The last layer stays new where its shape differs, since it has a unit for each class; so do side classifiers.

    Raises:
        InputError: another layer is missing in one of both, or has another shape in the source.
    """
    known, taken = _weighted(source), _weighted(target)
    if left := [name for name in known if name not in taken and name != HEAD]:
        raise InputError(
            f"initial_weights: the weights have a layer {left[0]}, and {target.name} as it is set has none; set "
            f"train.{target.name} as it was for those weights"
        )
    for layer in taken.values():
        own = layer.get_weights()
        if layer.name not in known:
            raise InputError(
                f"initial_weights: the weights have no layer {layer.name}, which {target.name} has; they are of "
                "another network, or one that was set differently"
            )
        given = known[layer.name].get_weights()
        shapes, expected = ([weight.shape for weight in weights] for weights in (given, own))
        if shapes == expected:
            layer.set_weights(given)
        elif layer.name != HEAD:
            raise InputError(
                f"initial_weights: layer {layer.name} has weights of {shapes[0]}, and {target.name} as it is set "
                f"needs {expected[0]}; set preprocess.size and train.{target.name} as they were for those weights"
            )


def _weighted(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """Return the layers that have weights by name, but for those of classifiers at the sides."""
    return {layer.name: layer for layer in model.layers if layer.weights and not layer.name.startswith("side_")}


def freeze(model: keras.Model, trainable: str) -> None:
    """Let only the end of a network learn.

    The part that is left as it is works as in prediction: its batch norm keeps its statistics, dropout drops nothing.

    Args:
        model: a network without classifiers at its sides.
        trainable: ``all``, ``head`` or ``last N``, counting layers that have weights.

    Raises:
        InputError: there are not so many layers.
    """
    if trainable == "all":
        return
    weighted = [layer for layer in model.layers if layer.weights]
    count = 1 if trainable == "head" else int(trainable.removeprefix("last "))
    if count > len(weighted):
        raise InputError(
            f"train.{model.name}.trainable: {trainable} given, and {model.name} has {len(weighted)} layers with weights"
        )
    kept = weighted[:-count]
    for layer in kept:
        layer.trainable = False
    for layer in model.layers[: model.layers.index(kept[-1])] if kept else []:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0


def cut(model: keras.Model) -> Any:
    """Return the last tensor before all that learns or drops, and that nothing goes around.

    Before it nothing changes in a training, so that an image's values there need to be computed only once.

    Returns:
        A Keras tensor; the model's input where no layer with weights is left as it is.
    """
    made_by = {
        id(tensor): number for number, layer in enumerate(model.layers) for tensor in keras.tree.flatten(layer.output)
    }
    sources = [
        [made_by[id(tensor)] for tensor in keras.tree.flatten(layer.input) if id(tensor) in made_by]
        for layer in model.layers
    ]
    first_weighted = next(number for number, layer in enumerate(model.layers) if layer.weights)
    first_changing = next(number for number, layer in enumerate(model.layers) if _changes(layer))
    for number in reversed(range(first_weighted, first_changing)):
        if all(source >= number for later in sources[number + 1 :] for source in later):
            return model.layers[number].output
    return model.input


def _changes(layer: keras.layers.Layer) -> bool:
    """Say whether what a layer answers for an image differs from one step of a training to the next."""
    return bool(layer.trainable_weights) or (isinstance(layer, keras.layers.Dropout) and layer.rate > 0)


class Features:
    """What the part of a network that is left as it is makes of images, computed once for all trainings on them."""

    def __init__(self) -> None:
        self._of = ""
        self._kept: tuple[Floats, ...] = ()

    def before(self, model: keras.Model, at: Any, images: Sequence[Pixels]) -> tuple[Floats, ...]:
        """Compute the values of images at a tensor of a network, as in prediction, unless they are those of last time.

        Args:
            model: the network.
            at: one of its tensors.
            images: uint8 arrays of shape (images, height, width, channels), the same ones each time.

        Returns:
            float32 arrays of shape (images, …).
        """
        part = keras.Model(model.input, at, name="part")
        digest = hashlib.sha256(part.to_json().encode())
        for weight in part.get_weights():
            digest.update(weight.tobytes())
        if self._of != digest.hexdigest():
            # The old ones go first, so that there is never memory for both taken.
            self._kept = ()
            self._kept = tuple(inference.probabilities(part, each) for each in images)
            self._of = digest.hexdigest()
        return self._kept
