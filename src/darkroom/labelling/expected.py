"""What a round of labelling may bring, from how the error fell with the labels that are there."""

import numpy as np
import pandas as pd

from darkroom.base.types import Floats, Integers
from darkroom.labelling import out_of_fold

DRAWS = 3
LEAST = 40  # training images, and validation images


def expected(images: pd.DataFrame, features: Floats, more: int, seed: int = 0) -> str:
    """Return a sentence on the validation accuracy that more labels may bring.

    A linear model is trained on half of the training images and on all of them. If the error falls with a power of the
    number of images, as it mostly does, that tells how it goes on.

    Args:
        images: the labelled images, see ``described.COLUMNS``.
        features: their features.
        more: number of labels to add.
        seed: seed of the halves.
    """
    classes = np.asarray(pd.factorize(images["label"], sort=True)[0], dtype=np.int64)
    scaled, count = out_of_fold.scaled(features), int(classes.max()) + 1
    train, validation = (np.flatnonzero(images["split"] == split) for split in ("train", "validation"))
    if min(len(train), len(validation)) < LEAST:
        return "there are too few labelled pictures to say what a round may bring"
    generator = np.random.default_rng(seed)
    halves = [generator.permutation(train)[: len(train) // 2] for _ in range(DRAWS)]
    half = float(np.mean([_error(scaled, classes, rows, validation, count) for rows in halves]))
    whole = _error(scaled, classes, train, validation, count)
    said = f"validation accuracy of a linear model: {1 - half:.3f} with half of the labels, {1 - whole:.3f} with all"
    noise = float(np.sqrt(max(whole * (1 - whole), 1e-9) / len(validation)))
    if half <= whole or whole == 0:
        return f"{said}; more labels of this kind are not expected to help"
    slope = np.log(half / whole) / np.log(len(train) / (len(train) // 2))
    then = whole * (len(train) / (len(train) + more)) ** slope
    gain = f"about {whole - then:.3f} (known to ± {2 * noise:.3f} only)"
    return f"{said}; {more} more, drawn at random, may add {gain}, and chosen ones seldom add less"


def _error(features: Floats, classes: Integers, rows: Integers, tested: Integers, count: int) -> float:
    predicted = out_of_fold.fit_predict(features[rows], classes[rows], features[tested], count)
    return float(np.mean(predicted.argmax(axis=1) != classes[tested]))
