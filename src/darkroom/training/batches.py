"""Batches of packed images for Keras' ``fit``."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from darkroom.base.backend import tf
from darkroom.base.types import Floats, Integers, Pixels
from darkroom.data.prepared.datasets import Split
from darkroom.data.prepared.targets import batch_seed, one_hot

Augment = Callable[[Pixels, int], Pixels]
Mix = Callable[[Pixels, Floats, Floats | None, int], tuple[Pixels, Floats, Floats | None]]
"""Mixes the images, targets and weights of a batch, see ``augmentation.mixing``."""
AHEAD = 6
"""Batches to prefetch; with 2, training on small images takes 1 to 2 % longer."""


class TrainingBatches:
    """Batches of shuffled, augmented and perhaps mixed training images.

    Order and augmentation depend only on the seed, the epoch and the batch's index, so that any epoch can be repeated.
    """

    def __init__(
        self,
        split: Split,
        classes: int,
        batch_size: int,
        seed: int,
        augment: Augment | None = None,
        class_weights: Floats | None = None,
        mix: Mix | None = None,
    ) -> None:
        weights = [] if class_weights is None else [class_weights[split.classes]]
        self._arrays: list[npt.NDArray[Any]] = [split.images, one_hot(split.classes, classes), *weights]
        self._batch_size = batch_size
        self._seed = seed
        self._augment, self._mix = augment, mix
        # Two epochs: prefetching starts the next one before the current one has ended.
        self._order = lru_cache(2)(self._shuffled)

    def _shuffled(self, epoch: int) -> Integers:
        # The seed counts epochs from 1.
        return np.random.default_rng((self._seed, epoch + 1)).permutation(len(self._arrays[0]))

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return math.ceil(len(self._arrays[0]) / self._batch_size)

    def draw(self, epoch: int, index: int) -> tuple[Any, ...]:
        """Load one batch.

        Args:
            epoch: from 0.
            index: the batch's index in its epoch, from 0.

        Returns:
            Images (uint8), targets (float32), one-hot unless images are mixed, and, if classes are weighted, sample
            weights (float32).
        """
        rows = self._order(epoch)[index * self._batch_size : (index + 1) * self._batch_size]
        images, targets, *weights = (np.asarray(array[rows]) for array in self._arrays)
        seed = batch_seed(self._seed, epoch + 1, index)
        if self._augment is not None:
            images = self._augment(images, seed)
        if self._mix is not None:
            images, targets, mixed = self._mix(images, targets, weights[0] if weights else None, seed)
            weights = [] if mixed is None else [mixed]
        return images, targets, *weights

    def stream(self, first_epoch: int = 0) -> tf.data.Dataset:
        """Return an endless, prefetched data set of the batches of successive epochs.

        A ``keras.utils.PyDataset`` would cost 0.2 ms more per batch.
        """

        def draw(step: Any) -> tuple[Any, ...]:
            return self.draw(*divmod(int(step), len(self)))

        def with_shapes(step: Any) -> tuple[Any, ...]:
            parts = tf.numpy_function(draw, [step], [array.dtype for array in self._arrays])
            return tuple(
                tf.ensure_shape(part, (None, *array.shape[1:])) for part, array in zip(parts, self._arrays, strict=True)
            )

        # Converted by AutoGraph, it would leave a file in the temporary folder after each training.
        plain = tf.autograph.experimental.do_not_convert(with_shapes)
        return tf.data.Dataset.counter(first_epoch * len(self)).map(plain).prefetch(AHEAD)
