"""Batches of packed images for Keras' ``fit``."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from darkroom.backend import tf
from darkroom.datasets import Floats, Integers, Split, batch_seed, one_hot
from darkroom.images import Pixels

Augment = Callable[[Pixels, int], Pixels]

AHEAD = 6
"""Batches that are drawn before they are needed; with two, a training of small images takes 1 or 2 % longer."""


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
        weights = [] if class_weights is None else [class_weights[split.classes]]
        self._arrays: list[npt.NDArray[Any]] = [split.images, one_hot(split.classes, classes), *weights]
        self._batch_size = batch_size
        self._seed = seed
        self._augment = augment
        # Of two epochs, since the next one's first batches are drawn before this one has ended.
        self._order = lru_cache(2)(self._shuffled)

    def _shuffled(self, epoch: int) -> Integers:
        # Epochs are counted from 1 here.
        return np.random.default_rng((self._seed, epoch + 1)).permutation(len(self._arrays[0]))

    def __len__(self) -> int:
        """Return how many batches an epoch has."""
        return math.ceil(len(self._arrays[0]) / self._batch_size)

    def draw(self, epoch: int, index: int) -> tuple[Any, ...]:
        """Draw one batch.

        Args:
            epoch: from 0.
            index: of the batch in its epoch, from 0.

        Returns:
            Images (uint8), one-hot targets (float32) and, where classes are weighted, weights (float32).
        """
        rows = self._order(epoch)[index * self._batch_size : (index + 1) * self._batch_size]
        images, *others = (np.asarray(array[rows]) for array in self._arrays)
        if self._augment is not None:
            images = self._augment(images, batch_seed(self._seed, epoch + 1, index))
        return images, *others

    def stream(self, first_epoch: int = 0) -> tf.data.Dataset:
        """Return the batches of one epoch after the other, without end, each drawn while earlier ones are computed.

        A ``keras.utils.PyDataset`` would do the same, for 0.2 ms more a batch.
        """

        def draw(step: Any) -> tuple[Any, ...]:
            return self.draw(*divmod(int(step), len(self)))

        def with_shapes(step: Any) -> tuple[Any, ...]:
            parts = tf.numpy_function(draw, [step], [array.dtype for array in self._arrays])
            return tuple(
                tf.ensure_shape(part, (None, *array.shape[1:])) for part, array in zip(parts, self._arrays, strict=True)
            )

        return tf.data.Dataset.counter(first_epoch * len(self)).map(with_shapes).prefetch(AHEAD)
