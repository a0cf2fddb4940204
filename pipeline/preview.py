"""Draw augmented training images: for ``preprocess.augmentation``, and for each network with its own augmentation."""

from pathlib import Path

import numpy as np
import pandas as pd

from darkroom.augmentation.augmenter import Augmenter
from darkroom.augmentation.mixing import Mixer
from darkroom.base.types import Floats
from darkroom.data.prepared.prepared import Prepared
from darkroom.data.prepared.targets import batch_seed, one_hot
from darkroom.params import AugmentationParams, Params
from darkroom.reporting import figures

IMAGES = 8
VARIANTS = 6


def main(params: Params, prepared: str, folder: str) -> None:
    """Write ``default.png``, and ``NETWORK.png`` for each network with its own augmentation."""
    drawn = {"default": params.preprocess.augmentation}
    for name in params.models:
        values = params.network(name)
        if values.augments and values.augmentation is not None:
            drawn[name] = values.augmentation
    for name, augmentation in drawn.items():
        draw_augmentation(Prepared(Path(prepared)), augmentation, params.train.seed, Path(folder) / f"{name}.png")
    print(f"augmented training images are in {folder}")


def draw_augmentation(prepared: Prepared, augmentation: AugmentationParams, seed: int, path: Path) -> None:
    """Draw training images of different classes next to augmented variants, with the code of training.

    Args:
        prepared: packed images.
        augmentation: parameters of the augmentation.
        seed: seed of the training.
        path: PNG file to write.
    """
    labels = prepared.manifest("train", ["label"])["label"]
    # Round robin over the classes: the first image of each, then the second of each, …
    turns = labels.groupby(labels).cumcount().rename("turn")
    labels = pd.concat([turns, labels], axis=1)[turns < IMAGES].sort_values(["turn", "label"])["label"][:IMAGES]
    originals = prepared.images("train")[labels.index]
    augmenter, mixer = Augmenter(augmentation), Mixer(augmentation) if augmentation.mixes else None
    kinds = sorted(set(labels))
    targets = one_hot(np.array([kinds.index(label) for label in labels]), len(kinds))
    variants, captions = [], []
    for epoch in range(VARIANTS):
        drawn = batch_seed(seed, epoch, 0)
        images = augmenter(originals, drawn)
        if mixer is not None:
            images, mixed, _ = mixer(images, targets, None, drawn)
            captions.append([shares(row, kinds) for row in mixed])
        variants.append(images)
    figures.augmentation(originals, variants, list(labels), path, captions)


def shares(target: Floats, labels: list[str]) -> str:
    """Return the classes of a mixed image with their shares, one per line, the larger one first."""
    chosen = [number for number in np.argsort(-target, kind="stable") if round(100 * float(target[number]))]
    return "\n".join(f"{target[number]:.0%} {figures.short(labels[number])}" for number in chosen)
