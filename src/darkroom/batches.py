"""Batches of packed images for Keras' ``fit``."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from darkroom.backend import tf
from darkroom.datasets import Floats, Integers, Split, batch_seed, one_hot
from darkroom.images import Pixels

Augment = Callable[[Pixels, int], Pixels]

AHEAD = 6
"""Batches that are drawn before they are needed: so many that drawing fits into moments in which a core is idle."""


class TrainingBatches:
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
    ) -> None:
        self._split = split
        self._targets = one_hot(split.classes, classes)
        self._batch_size = batch_size
        self._seed = seed
        self._augment = augment
        self._weights = None if class_weights is None else class_weights[split.classes]
        # Of two epochs, since the next one's first batches are drawn before this one has ended.
        self._order = lru_cache(2)(self._shuffled)

    def _shuffled(self, epoch: int) -> Integers:
        # Epochs are counted from 1 here.
        return np.random.default_rng((self._seed, epoch + 1)).permutation(len(self._targets))

    def __len__(self) -> int:
        """Return how many batches an epoch has."""
        return math.ceil(len(self._targets) / self._batch_size)

    def draw(self, epoch: int, index: int) -> tuple[Any, ...]:
        """Draw one batch.

        Args:
            epoch: from 0.
            index: of the batch in its epoch, from 0.

        Returns:
            Images (uint8), one-hot targets (float32) and, where classes are weighted, weights (float32).
        """
        rows = self._order(epoch)[index * self._batch_size : (index + 1) * self._batch_size]
        images = np.asarray(self._split.images[rows])
        if self._augment is not None:
            images = self._augment(images, batch_seed(self._seed, epoch + 1, index))
        if self._weights is None:
            return images, self._targets[rows]
        return images, self._targets[rows], self._weights[rows]

    def stream(self, first_epoch: int = 0) -> tf.data.Dataset:
        """Return the batches of one epoch after the other, without end, each drawn while earlier ones are computed.

        A ``keras.utils.PyDataset`` would do the same, for 0.2 ms more a batch.
        """
        specs = [tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in self.draw(first_epoch, 0)]

        def draw(step: Any) -> tuple[Any, ...]:
            return self.draw(*divmod(int(step), len(self)))

        def with_shapes(step: Any) -> tuple[Any, ...]:
            parts = tf.numpy_function(draw, [step], [spec.dtype for spec in specs])
            return tuple(tf.ensure_shape(part, spec.shape) for part, spec in zip(parts, specs, strict=True))

        return tf.data.Dataset.counter(first_epoch * len(self)).map(with_shapes).prefetch(AHEAD)
