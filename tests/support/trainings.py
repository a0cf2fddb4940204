"""Short trainings on drawn images."""

import numpy as np
import pandas as pd
import pytest

from darkroom import training
from darkroom.data.prepared.datasets import Split
from darkroom.params import AugmentationParams
from darkroom.training import TrainingJob
from support.networks import description
from support.pictures import draw

SOME = AugmentationParams(rotation=10, shift=0.1, scale=0.1, horizontal_flip=True)
NONE = AugmentationParams()


def split(count=64, start=0, size=28):
    pixels = [np.asarray(draw("ab"[n % 2], start + n, (size, size)))[:, :, None] for n in range(count)]
    return Split(np.stack(pixels), np.arange(count) % 2, pd.DataFrame())


def fit(network, values, data, seed=0, augmentation=NONE, on_epoch=()):
    return training.train(job_of(network, values, data, seed=seed, augmentation=augmentation), on_epoch=on_epoch)


def job_of(network, values, data, size=28, seed=0, augmentation=NONE):
    return TrainingJob(network, values, description((size, size, 1), 2), *data, seed=seed, augmentation=augmentation)


class Killed(Exception):  # noqa: N818
    """What ends a training from outside."""


def killed_at(run, checkpoint, *epochs):
    """Train until the last of these epochs, killed there; return what a kill in each of them leaves as checkpoint.

    Args:
        run: trains with a function for ``on_epoch`` and a checkpoint.
        checkpoint: the file.
        epochs: numbers of epochs, from 0.
    """
    left = {}

    def kill(epoch, _):
        if epoch in epochs:
            left[epoch] = checkpoint.read_bytes()
        if epoch == max(epochs):
            raise Killed

    with pytest.raises(Killed):
        run(kill, checkpoint=checkpoint)
    assert checkpoint.read_bytes() == left[max(epochs)]
    return left
