"""Features of a sample of training images, from which a model tells how unlike them an image is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from darkroom.base.backend import keras
from darkroom.base.damage import reading
from darkroom.base.types import Floats, Integers
from darkroom.data.prepared.datasets import Split
from darkroom.networks import inference, penultimate

ROWS = 2000
BYTES = 8 * 2**20
"""Largest size of the features, 8 MiB: 2,000 rows of 1,280 numbers are 5 MB, with 4,096 numbers 1,024 rows fit."""
ENDING = ".reference.npz"
"""Of the file's name, beside the network's; ``reporting.results`` has the same."""
CHUNK = 512
"""Images that are read from disk at a time."""


@dataclass(frozen=True)
class Reference:
    """Features of training images, without augmentation."""

    features: npt.NDArray[np.float16]
    """Of shape (rows, features), each row divided by its length; no rows if the network has no features."""
    classes: Integers
    """Class numbers of the rows."""
    layer: str
    """See ``penultimate.feature_layer``; empty without features."""

    def save(self, path: Path) -> None:
        """Write as ``.npz``."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, features=self.features, classes=self.classes, layer=np.array(self.layer))

    @classmethod
    def read(cls, path: Path) -> "Reference":
        """Read from ``.npz``."""
        with reading(path), path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            return cls(found["features"], found["classes"].astype(np.int64), str(found["layer"]))


def path_of(model: Path) -> Path:
    """Return the path of a saved network's reference."""
    return model.with_suffix(ENDING)


def balanced_sample(classes: Integers, most: int, seed: int) -> Integers:
    """Return row numbers of at most ``most`` images, in ascending order, with as many of each class as there are.

    Args:
        classes: class numbers.
        most: largest number of images.
        seed: of the choice within a class.
    """
    shuffled = np.random.default_rng(seed).permutation(len(classes))
    of_class = shuffled[np.argsort(classes[shuffled], kind="stable")]
    ordered = classes[of_class]
    turn = np.arange(len(classes)) - np.searchsorted(ordered, ordered)
    return np.sort(of_class[np.argsort(turn, kind="stable")][:most]).astype(np.int64)


def of_training(
    model: keras.Model, split: Split, seed: int, most: int, start: Any = None
) -> tuple[inference.OnImages, Reference]:
    """Return a network's results on training images and the reference, from one pass over the images of both.

    Args:
        model: the trained network.
        split: the training images, or what frozen layers compute from them.
        seed: of the sample.
        most: largest number of images for the results; see ``inference.results_on``.
        start: tensor of the network that ``split`` belongs to; None for the images.
    """
    counted = inference.evenly_spaced(len(split.classes), most)
    layer = penultimate.feature_layer(model)
    if layer is None:
        none = Reference(np.zeros((0, 0), np.float16), np.zeros(0, np.int64), "")
        rest = model if start is None else keras.Model(start, model.output, name=model.name)
        return inference.results_on(rest, split, most), none
    both = penultimate.with_features(model, layer, start)
    width = both.outputs[1].shape[1]
    kept = balanced_sample(split.classes, min(ROWS, BYTES // (2 * width)), seed)
    rows = np.union1d(counted, kept)
    found = np.concatenate(
        [inference.probabilities(both, split.images[rows[at : at + CHUNK]]) for at in range(0, len(rows), CHUNK)]
    )
    of_results, of_reference = (found[np.searchsorted(rows, wanted)] for wanted in (counted, kept))
    classes = found.shape[1] - width
    results = inference.in_short(split.classes[counted], of_results[:, :classes])
    return results, Reference(_unit(of_reference[:, classes:]), split.classes[kept], layer)


def _unit(features: Floats) -> npt.NDArray[np.float16]:
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit: npt.NDArray[np.float16] = np.divide(features, length, out=np.zeros_like(features), where=length > 0).astype(
        np.float16
    )
    return unit
