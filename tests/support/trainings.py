"""Short trainings on drawn images."""

import numpy as np
import pandas as pd

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
