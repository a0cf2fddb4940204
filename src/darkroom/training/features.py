"""Features: what the frozen layers of a network compute from each image, once."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from darkroom.base.backend import keras, tf
from darkroom.base.types import Floats, Pixels
from darkroom.data.prepared.datasets import Description
from darkroom.data.prepared.features import FeatureFolder
from darkroom.networks import inference

CHUNK = 512
"""Images between two reports, and between two points at which a killed stage resumes."""
METHOD = "constant weights"
"""Part of the key of features: another way to compute them rounds in another way."""
Outputs = Callable[[Pixels], Floats]
WITHOUT_EFFECT = ("trainable", "rate")
"""Settings of layers that do not change what they compute in inference; so do regularizers."""


class Features:
    """Features of a network's frozen layers, from the stage ``features`` or computed in memory.

    Args:
        folder: the folder that the stage wrote for these images; used if it fits images, layers and weights.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = None if folder is None else FeatureFolder(folder)
        self._of = ""
        self._kept: tuple[Floats, ...] = ()

    def of(self, part: keras.Model, description: Description, images: Sequence[Pixels]) -> tuple[Floats, ...]:
        """Return the features of images: those of the folder or the last call, if they fit, or compute them.

        Args:
            part: the frozen layers, from images to features.
            description: description of the data.
            images: uint8 arrays of the training and validation images, of shape (images, height, width, channels); the
                same at each call.

        Returns:
            float32 arrays of shape (images, …).
        """
        key = feature_key(part, description)
        if (there := self._there(key, images)) is not None:
            return there
        # Free the old ones first, so that memory never holds both.
        self._kept = ()
        outputs = inference.with_constant_weights(part)
        self._kept = tuple(_in_memory(outputs, part.output_shape[1:], each) for each in images)
        self._of = key
        return self._kept

    def known(self, part: keras.Model, description: Description, images: Sequence[Pixels]) -> tuple[Floats, ...] | None:
        """Return what ``of`` would return, or None if it had to be computed."""
        return self._there(feature_key(part, description), images)

    def _there(self, key: str, images: Sequence[Pixels]) -> tuple[Floats, ...] | None:
        if self._folder is not None:
            stored = self._folder.arrays(key)
            if stored is not None and [len(one) for one in stored] == [len(one) for one in images]:
                return stored
        return self._kept if self._of == key else None


def feature_key(part: keras.Model, description: Description) -> str:
    """Return a digest of all that features depend on: images, layers, weights and versions.

    Args:
        part: the frozen layers, from images to features.
        description: description of the data.
    """
    computation = _computation(json.loads(part.to_json()))
    # Descriptions by earlier versions do not know their images.
    images: Any = [description.images, description.preparation] if description.images else asdict(description)
    known = [METHOD, images, computation, keras.__version__, tf.__version__]
    digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode())
    for weight in part.get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()


def _computation(config: Any) -> Any:
    """Return a network's configuration without settings that matter in training only."""
    if isinstance(config, list):
        return [_computation(each) for each in config]
    if not isinstance(config, dict):
        return config
    return {
        name: _computation(value)
        for name, value in config.items()
        if name not in WITHOUT_EFFECT and not name.endswith("_regularizer")
    }


def _in_memory(outputs: Outputs, shape: tuple[int, ...], images: Pixels) -> Floats:
    found = np.empty((len(images), *shape), np.float32)
    compute(outputs, images, found)
    return found


def compute(
    outputs: Outputs, images: Pixels, into: Floats, first: int = 0, on_chunk: Callable[[int], None] | None = None
) -> None:
    """Compute features, in inference mode.

    Chunks have the same images wherever the computation starts, so that the results are bit-identical.

    Args:
        outputs: the frozen layers, see ``inference.with_constant_weights``.
        images: uint8 of shape (images, height, width, channels).
        into: float32 of shape (images, …), which is filled in.
        first: number of images whose features are there already, a multiple of ``CHUNK``.
        on_chunk: called after each chunk with the number of images done.
    """
    for start in range(first, len(images), CHUNK):
        chunk = np.asarray(images[start : start + CHUNK])
        into[start : start + len(chunk)] = outputs(chunk)
        if on_chunk is not None:
            on_chunk(start + len(chunk))
