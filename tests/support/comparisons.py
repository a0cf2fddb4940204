"""What commands compare, for the pages that show it: two models' predictions, and new images with known ones."""

import numpy as np
import pandas as pd

from darkroom.drift import groups, samples
from darkroom.drift.comparison import Comparison, ImageSet
from darkroom.drift.measures import image_statistics
from darkroom.experiments import compare


def predictions(right, seed, images=60, labels=("a", "b"), start=0):
    """Saved predictions of which about so many are right."""
    generator = np.random.default_rng(seed)
    truth = np.arange(images) % len(labels)
    answer = np.where(generator.random(images) < right, truth, (truth + 1) % len(labels))
    probabilities = np.full((images, len(labels)), 0.2 / (len(labels) - 1))
    probabilities[np.arange(images), answer] = 0.8
    names = np.array(labels)
    table = pd.DataFrame(
        {
            "image": [f"{number}.png" for number in range(start, start + images)],
            "sha256": [f"{number:064x}" for number in range(start, start + images)],
            "cluster": range(images),
            "label": names[truth],
            "predicted": names[answer],
        }
    )
    return pd.concat([table, pd.DataFrame(probabilities, columns=[f"p({label})" for label in labels])], axis=1)


def side(table, name="one"):
    return compare.Side(name, "run", table.astype(str))


def drifted(labels):
    """New images, darker than the known ones, with other classes, predictions, features and sites."""
    generator = np.random.default_rng(0)
    shares = np.linspace(1, 3, len(labels)) / np.linspace(1, 3, len(labels)).sum()

    def drawn(kind, brightness, moved):
        count = 60
        names = np.array(labels)
        pixels = generator.integers(0, brightness, (count, 8, 8, 1), dtype=np.uint8)
        classes, predicted = (names[generator.choice(len(labels), count, p=shares[::moved])] for _ in range(2))
        columns = {"site": names[np.arange(count) % 2 + 1]}
        embedded = samples.Embeddings(generator.normal(moved, 1, (count, 6)), predicted, columns=columns)
        measures = image_statistics(pixels)
        sample = samples.Sample(measures, classes, embedded, columns=columns)
        return ImageSet([f"{label}/{kind}.png" for label in classes], pixels, sample, count)

    known, validation, new = drawn("a", 255, 1), drawn("b", 255, 1), drawn("c", 150, -1)
    outcomes, of_groups = groups.compare(known.sample, new.sample, 0.05, 0)
    facts = [f"60 new images against 60 of {labels[-1]}"]
    return Comparison(outcomes, known, new, validation, facts, [f"classes missing: {labels[1]}"], [], of_groups)
