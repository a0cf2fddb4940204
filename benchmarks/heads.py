"""Compare heads on the frozen features of a network: ``python -m benchmarks.heads data/features/efficientnet_lite0``.

Training and validation images are put together and split again at random, with a quarter of each class, or all but a
few images of it, for validation. No test image is read. Prints, for each number of training images a class and each
scaling of the features, the means over the splits with the penalty of the lowest mean loss, and the lowest and highest
accuracy of a split.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from darkroom.base.types import Integers, Numbers
from darkroom.data.prepared.features import FeatureFolder
from darkroom.data.prepared.prepared import Prepared

PENALTIES = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
BINS = 10


def scaled(name: str, training: Numbers, validation: Numbers) -> tuple[Numbers, Numbers]:
    """Return the features of both splits with another scale; all have about the same variance then."""
    if name == "unit":
        training, validation = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (training, validation))
    mean = training.mean(axis=0)
    one_by_one = name == "standardised"
    deviation = np.maximum(training.std(axis=0), 1e-6) if one_by_one else np.sqrt(training.var(axis=0).mean())
    return (training - mean) / deviation, (validation - mean) / deviation


def calibration_error(predicted: Numbers, classes: Integers) -> float:
    """Return the expected calibration error over bins of equally many images."""
    confidence, correct = predicted.max(axis=1), predicted.argmax(axis=1) == classes
    bins = np.array_split(np.argsort(confidence), BINS)
    return float(sum(len(each) * abs(confidence[each].mean() - correct[each].mean()) for each in bins) / len(classes))


def split(classes: Integers, images: int | None, seed: int) -> tuple[Integers, Integers]:
    """Return the rows of training and validation images."""
    rng, training, validation = np.random.default_rng(seed), [], []
    for number in np.unique(classes):
        rows = rng.permutation(np.flatnonzero(classes == number))
        count = images or 3 * len(rows) // 4
        training.append(rows[:count])
        validation.append(rows[count:])
    return np.concatenate(training), np.concatenate(validation)


def measure(features: Numbers, classes: Integers, images: int | None, scaling: str, splits: int) -> str:
    """Return the results of one scaling as a line."""
    found = np.zeros((splits, len(PENALTIES), 3))
    for seed in range(splits):
        training, validation = split(classes, images, seed)
        own, others = scaled(scaling, features[training], features[validation])
        model, truth = LogisticRegression(max_iter=300, tol=1e-3, warm_start=True), classes[validation]
        for number, penalty in enumerate(PENALTIES):
            model.set_params(C=1 / (penalty * len(training)))
            predicted = model.fit(own, classes[training]).predict_proba(others)
            loss = -np.log(predicted[np.arange(len(truth)), truth]).mean()
            accuracy = (predicted.argmax(axis=1) == truth).mean()
            found[seed, number] = accuracy, loss, calibration_error(predicted, truth)
    best = found[:, :, 1].mean(axis=0).argmin()
    accuracy, loss, error = found[:, best].mean(axis=0)
    spread = f"{found[:, best, 0].min():.4f} to {found[:, best, 0].max():.4f}"
    return (
        f"{images or 'three quarters'} a class, {scaling}: accuracy {accuracy:.4f} ({spread}), loss {loss:.3f}, "
        f"calibration error {error:.3f}, penalty {PENALTIES[best]:g}"
    )


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="features of a network, data/features/NETWORK")
    parser.add_argument("--prepared", type=Path, default=Path("data/prepared"))
    parser.add_argument("--splits", type=int, default=5)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    folder, prepared = FeatureFolder(chosen.folder), Prepared(chosen.prepared)
    stored = folder.arrays(folder.key() or "")
    if stored is None:
        parser.error(f"{chosen.folder} has no features; run dvc repro features")
    features = np.concatenate(stored).astype(np.float64)
    classes = np.concatenate([prepared.training.classes, prepared.validation.classes])
    for images in (None, 20, 8):
        for scaling in ("raw", "standardised", "unit"):
            print(measure(features, classes, images, scaling, chosen.splits), flush=True)


if __name__ == "__main__":
    main()
