"""Batches of packed images for Keras' ``fit``."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from darkroom.backend import keras
from darkroom.datasets import Floats, Integers, Split, batch_seed, one_hot
from darkroom.images import Pixels

Augment = Callable[[Pixels, int], Pixels]


class TrainingBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Whole batches of shuffled, varied training images.

    Order and variation depend on the seed, the epoch and the batch's number alone, so that an epoch can be drawn again.
    """

    def __init__(
        self,
        split: Split,
        classes: int,
        batch_size: int,
        seed: int,
        augment: Augment | None = None,
        class_weights: Floats | None = None,
        first_epoch: int = 0,
    ) -> None:
        super().__init__()
        self._split = split
        self._targets = one_hot(split.classes, classes)
        self._batch_size = batch_size
        self._seed = seed
        self._augment = augment
        self._weights = None if class_weights is None else class_weights[split.classes]
        self._epoch = first_epoch
        self._order = self._shuffled()

    def _shuffled(self) -> Integers:
        return np.random.default_rng((self._seed, self._epoch)).permutation(len(self._targets))

    def __len__(self) -> int:
        return math.ceil(len(self._targets) / self._batch_size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return images (uint8), one-hot targets (float32) and, where classes are weighted, weights (float32)."""
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        images = np.asarray(self._split.images[rows])
        if self._augment is not None:
            images = self._augment(images, batch_seed(self._seed, self._epoch, index))
        if self._weights is None:
            return images, self._targets[rows]
        return images, self._targets[rows], self._weights[rows]

    def on_epoch_end(self) -> None:
        """Shuffle for the next epoch."""
        self._epoch += 1
        self._order = self._shuffled()
