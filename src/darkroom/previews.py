"""What augmentation makes of training images, drawn by the same code that varies them in training."""

from pathlib import Path

import numpy as np
import pandas as pd

from darkroom import figures
from darkroom.augment import Augmenter
from darkroom.datasets import batch_seed
from darkroom.sections import AugmentationParams

IMAGES = 8
VARIANTS = 6


def draw_augmentation(prepared: Path, augmentation: AugmentationParams, seed: int, path: str | Path) -> None:
    """Draw training images of different classes beside variants of them.

    Args:
        prepared: folder of the packed images.
        augmentation: how they are varied.
        seed: of the training.
        path: where the picture goes.
    """
    labels = pd.read_parquet(prepared / "train" / "manifest.parquet", columns=["label"])["label"]
    # Round robin over the classes: the first image of each, then the second of each, …
    turns = labels.groupby(labels).cumcount().rename("turn")
    labels = pd.concat([turns, labels], axis=1)[turns < IMAGES].sort_values(["turn", "label"])["label"][:IMAGES]
    originals = np.load(prepared / "train" / "images.npy", mmap_mode="r")[labels.index]
    augmenter = Augmenter(augmentation)
    variants = [augmenter(originals, batch_seed(seed, epoch, 0)) for epoch in range(VARIANTS)]
    figures.augmentation(originals, variants, list(labels), path)
