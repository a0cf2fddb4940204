"""What augmentation makes of training images, drawn by the same code that varies them in training."""

from pathlib import Path

import numpy as np

from darkroom import figures
from darkroom.augment import Augmenter
from darkroom.datasets import Description, batch_seed, read_split
from darkroom.sections import AugmentationParams

IMAGES = 8
VARIANTS = 6


def draw_augmentation(
    prepared: Path, description: Description, augmentation: AugmentationParams, seed: int, path: str | Path
) -> None:
    """Draw training images of different classes beside variants of them.

    Args:
        prepared: folder of the packed images.
        description: of the data.
        augmentation: how they are varied.
        seed: of the training.
        path: where the picture goes.
    """
    training = read_split(prepared / "train", description.labels)
    # Round robin over the classes: the first image of each, then the second of each, …
    turn = training.manifest.groupby("label").cumcount()
    rows = np.lexsort((training.classes, turn))[:IMAGES]
    originals = np.asarray(training.images[rows])
    augmenter = Augmenter(augmentation)
    variants = [augmenter(originals, batch_seed(seed, epoch, 0)) for epoch in range(VARIANTS)]
    figures.augmentation(originals, variants, list(training.manifest["label"].iloc[rows]), path)
