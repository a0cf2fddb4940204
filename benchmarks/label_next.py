"""Labels saved by choosing pictures instead of drawing them, by simulation on a labelled data set.

    python -m benchmarks.label_next FOLDER|ZIP [--seeds N]

A fifth of the pictures is for testing. A linear model starts with 50 labels drawn at random; each round labels 50 more,
drawn at random or chosen by ``darkroom label-next``. Compared is the number of labels for the accuracy that random
labels reach at the end.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from benchmarks.label_audit import described
from benchmarks.recipes import machine
from darkroom.base import environment
from darkroom.base.types import Floats, Integers
from darkroom.labelling import out_of_fold, selection

START, ROUND, ROUNDS = 50, 50, 13
RESULTS = Path("benchmarks/results/label_next.json")


def main(place: str, seeds: int) -> None:
    """Print and record accuracies by number of labels, and the share of labels needed."""
    _, labels, features = described(place, 6000)
    classes = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    curves: dict[str, list[list[float]]] = {"random": [], "chosen": []}
    for seed in range(seeds):
        for way, found in curves.items():
            found.append(simulate(out_of_fold.scaled(features), classes, seed, chosen=way == "chosen"))
            print(seed, way, [round(one, 4) for one in found[-1]], flush=True)
    labelled = START + ROUND * np.arange(ROUNDS + 1)
    random, chosen = (np.mean(curves[way], axis=0) for way in curves)
    result = {
        "data": Path(place).stem,
        "seeds": seeds,
        "labels": labelled.tolist(),
        "random": random.round(4).tolist(),
        "chosen": chosen.round(4).tolist(),
        "share of labels needed": {
            str(int(count)): round(labels_for(level, labelled, chosen) / int(count), 3)
            for count, level in zip(labelled, random, strict=True)
            if count >= 300  # noqa: PLR2004 - before, a model knows too little to choose
        },
        **machine(),
    }
    print(json.dumps(result["share of labels needed"]))
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


def simulate(features: Floats, classes: Integers, seed: int, *, chosen: bool) -> list[float]:
    """Return the test accuracy after each round."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(classes))
    test, pool = order[: len(order) // 5], order[len(order) // 5 :]
    count = int(classes.max()) + 1
    labelled, found = list(pool[:START]), []
    for _ in range(ROUNDS + 1):
        known = features[labelled], classes[labelled]
        predicted = out_of_fold.fit_predict(*known, features[test], count)
        found.append(float(np.mean(predicted.argmax(axis=1) == classes[test])))
        rest = pool[~np.isin(pool, labelled)]
        if chosen:
            probabilities = out_of_fold.fit_predict(*known, features[rest], count)
            labelled += list(rest[selection.choose(features[rest], probabilities, ROUND)])
        else:
            labelled += list(rest[:ROUND])
    return found


def labels_for(level: float, labelled: Integers, accuracies: np.ndarray) -> float:
    """Return the number of labels at which the accuracy is first reached, interpolated; infinite if never."""
    above = np.flatnonzero(accuracies >= level)
    if not len(above):
        return float("inf")
    first = int(above[0])
    if first == 0:
        return float(labelled[0])
    before, after = accuracies[first - 1 : first + 1]
    return float(labelled[first - 1] + (labelled[first] - labelled[first - 1]) * (level - before) / (after - before))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("place")
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    environment.prepare()
    main(given.place, given.seeds)
