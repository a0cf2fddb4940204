"""Prediction sets and unknown images, measured on photographs of flowers.

    python -m benchmarks.known [SEEDS] > benchmarks/results/known.md

Features are those of EfficientNet-Lite0 with ImageNet weights, the head is a logistic regression, both thresholds are
computed as evaluation does. Each seed divides the photographs again: 60 % train, 20 % calibrate as the test images of a
pipeline would, and 20 % are fresh images, on which the promise is measured. Features are kept in .darkroom/benchmarks.
Requires the data sets; see benchmarks/published.py.
"""

import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import published
from benchmarks.recipes import machine
from darkroom.base.backend import keras
from darkroom.base.types import Floats, Integers, Numbers, Pixels
from darkroom.evaluation import conformal, known
from darkroom.evaluation.intervals import exact_bounds
from darkroom.inference.images import decode, to_pixels
from darkroom.inference.neighbours import Neighbours
from darkroom.networks import inference
from darkroom.networks.reference import ROWS, balanced_sample
from darkroom.params.network_files import load

SIZE = (224, 224, 3)
SHARES = (0.9, 0.95)
FALSE_ALARMS = 0.05
STRANGERS = 500
"""Images of each other kind that are shown to the model of flowers."""
CHUNK = 256
GROUPED = (1, 2, 20)
"""Sizes of groups; the images of a group are one photograph with noise on its features."""
SPREAD = 0.3
"""Of that noise, as a share of the features' deviation."""


@dataclass(frozen=True)
class Flowers:
    """Features of photographs."""

    features: Floats
    classes: Integers
    names: tuple[str, ...]


def main(seeds: int) -> None:
    """Print the tables as Markdown."""
    flowers, strangers = _flowers(), _strangers()
    print(f"# Prediction sets and unknown images\n\n`python -m benchmarks.known {seeds}`, {machine()['processor']}\n")
    divided = [_Divided(flowers, seed) for seed in range(seeds)]
    _coverage(divided)
    _unknown(divided, strangers)
    _left_out(flowers, max(1, seeds // 4))


class _Divided:
    """One division of the photographs, and a head that is fitted on its training part."""

    def __init__(self, flowers: Flowers, seed: int) -> None:
        order = np.random.default_rng(seed).permutation(len(flowers.classes))
        count = len(order)
        self.train, self.test, self.fresh = np.split(order, [int(0.6 * count), int(0.8 * count)])
        self.flowers, self.seed = flowers, seed
        kept = balanced_sample(flowers.classes[self.train], ROWS, seed)
        self.neighbours = Neighbours(flowers.features[self.train][kept].astype(np.float16))
        self._head = fit(flowers.features[self.train], flowers.classes[self.train])

    def outputs(self, features: Floats) -> known.Outputs:
        """Return what the model makes of images with these features."""
        return known.Outputs(self._head.predict_proba(features).astype(np.float32), features)

    def grouped(self, rows: Integers) -> tuple[known.Outputs, Integers, Integers]:
        """Return outputs, classes and groups of images that come in groups."""
        generator = np.random.default_rng(self.seed)
        groups = np.repeat(np.arange(len(rows)), generator.choice(GROUPED, len(rows)))
        features = self.flowers.features[rows][groups]
        noise = SPREAD * self.flowers.features.std(axis=0) * generator.normal(0, 1, features.shape)
        found = self.outputs((features + noise).astype(np.float32))
        return found, self.flowers.classes[rows][groups], groups


def fit(features: Floats, classes: Integers) -> Pipeline:
    """Fit a logistic regression on standardised features."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=1 / (0.03 * len(classes)), tol=1e-3)).fit(
        features, classes
    )


def _coverage(divided: list[_Divided]) -> None:
    """Print measured against asked coverage, of fresh images and as evaluation reports it."""
    columns = (
        *("images", "asked", "of fresh images, mean of all divisions", "binomial 95 % interval"),
        *("reported by evaluation, mean", "lowest to highest", "reported within its binomial interval"),
        *("classes in a set", "empty sets"),
    )
    print(f"## Coverage\n\n| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for kind in ("independent", "in groups of 1, 2 or 20"):
        for share in SHARES:
            rows = [_covered(each, share, grouped=kind != "independent") for each in divided]
            fresh, reported, sizes, empty, counts = (np.array(column) for column in zip(*rows, strict=True))
            low, high = (float(bound[0]) for bound in exact_bounds(np.array([share]), np.array([counts.sum()])))
            ones = exact_bounds(np.full(len(rows), share), counts.astype(np.float64))
            inside = int(((ones.low <= reported) & (reported <= ones.high)).sum())
            print(
                f"| {kind} | {share:.2f} | {fresh.mean():.4f} | {low:.4f} to {high:.4f} | {reported.mean():.4f} | "
                f"{reported.min():.4f} to {reported.max():.4f} | {inside} of {len(rows)} | {sizes.mean():.2f} | "
                f"{empty.mean():.4f} |",
                flush=True,
            )
    print()


def _covered(one: _Divided, share: float, *, grouped: bool) -> tuple[float, float, float, float, int]:
    """Return coverage of fresh images, reported coverage, size of sets, share of empty ones, number of fresh groups."""
    sides = []
    for rows in (one.test, one.fresh):
        alone = one.outputs(one.flowers.features[rows]), one.flowers.classes[rows], np.arange(len(rows))
        sides.append(one.grouped(rows) if grouped else alone)
    (found, classes, groups), (fresh, fresh_classes, fresh_groups) = sides
    finding = known.prediction_sets(found, known.Calibration(classes, groups), share)
    least = finding.packaged["least_probability"]
    own = fresh.probabilities[np.arange(len(fresh_classes)), fresh_classes]
    sizes = (fresh.probabilities >= least).sum(axis=1)
    weights = conformal.group_weights(fresh_groups)
    return (
        conformal.weighted_share(own >= least, fresh_groups),
        finding.metrics["coverage"],
        float(np.average(sizes, weights=weights)),
        float(np.average(sizes == 0, weights=weights)),
        len(np.unique(fresh_groups)),
    )


def _unknown(divided: list[_Divided], strangers: dict[str, Floats]) -> None:
    """Print what is told at the asked rate of false alarms, by neighbours and by one minus the probability."""
    print(f"## Unknown images at {FALSE_ALARMS:.0%} false alarms, mean of {len(divided)} divisions (lowest)\n")
    print("| shown to a model of flowers | images | neighbours | 1 - probability |\n| --- | --- | --- | --- |")
    told: dict[str, list[tuple[float, float]]] = {}
    for one in divided:
        test, kinds = one.flowers.features[one.test], {"fresh flowers (false alarms)": one.flowers.features[one.fresh]}
        above = [conformal.threshold(values, np.arange(len(test)), 1 - FALSE_ALARMS) for values in _scores(one, test)]
        for kind, features in (kinds | strangers).items():
            shares = [float(np.mean(each > limit)) for each, limit in zip(_scores(one, features), above, strict=True)]
            told.setdefault(kind, []).append((shares[0], shares[1]))
    for kind, pairs in told.items():
        distance, probability = (np.array(column) for column in zip(*pairs, strict=True))
        count = len(strangers.get(kind, divided[0].fresh))
        print(f"| {kind} | {count} | {distance.mean():.3f} ({distance.min():.3f}) | {probability.mean():.3f} |")
    print()


def _scores(one: _Divided, features: Floats) -> tuple[Numbers, Numbers]:
    """Return the score of neighbours and one minus the probability of the label."""
    certain = one.outputs(features).probabilities.max(axis=1).astype(np.float64)
    return one.neighbours.scores(features), 1 - certain


def _left_out(flowers: Flowers, seeds: int) -> None:
    """Print what is told of a class of flowers that the model has never seen."""
    print(f"## A class of flowers left out, mean of {seeds} divisions\n")
    print("| class | neighbours | 1 - probability |\n| --- | --- | --- |")
    means = []
    for number, name in enumerate(flowers.names):
        inside = flowers.classes != number
        rest = Flowers(flowers.features[inside], flowers.classes[inside], flowers.names)
        told = []
        for seed in range(seeds):
            one = _Divided(rest, seed)
            test, own = rest.features[one.test], flowers.features[~inside]
            above = [conformal.threshold(each, np.arange(len(test)), 1 - FALSE_ALARMS) for each in _scores(one, test)]
            told.append([float(np.mean(each > limit)) for each, limit in zip(_scores(one, own), above, strict=True)])
        means.append(np.mean(told, axis=0))
        print(f"| {name} | {means[-1][0]:.3f} | {means[-1][1]:.3f} |", flush=True)
    print(f"| mean | {np.mean(means, axis=0)[0]:.3f} | {np.mean(means, axis=0)[1]:.3f} |")


def _flowers() -> Flowers:
    file = published.CACHE / "flowers-efficientnet_lite0.npz"
    if not file.is_file():
        with zipfile.ZipFile(published.folder() / "flower_photos.zip") as archive:
            paths = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
            labels = sorted({path.split("/")[-2] for path in paths})
            read = (to_pixels(decode(archive.read(path)), SIZE, "bicubic", "stretch") for path in paths)
            classes = np.array([labels.index(path.split("/")[-2]) for path in paths])
            _keep(file.name, features=_features(read), classes=classes, names=np.array(labels))
    with np.load(file) as found:
        return Flowers(found["features"], found["classes"], tuple(found["names"].tolist()))


def _strangers() -> dict[str, Floats]:
    """Return features of images of other kinds."""
    file = published.CACHE / "strangers-efficientnet_lite0.npz"
    if not file.is_file():
        _, _, _, test = published.load("cifar10")
        clothes = published.load("fashion_mnist")[3].images[:STRANGERS]
        digits = (load_digits().images[:STRANGERS] * (255 / 16)).astype(np.uint8)
        noise = np.random.default_rng(0).integers(0, 256, (STRANGERS, *SIZE), dtype=np.uint8)
        kinds: dict[str, Iterator[Pixels]] = {
            "digits": map(_enlarged, digits),
            "clothes": (_enlarged(image[:, :, 0]) for image in clothes),
            "noise": iter(noise),
            "photographs of CIFAR-10": map(_enlarged, test.images[:: len(test.images) // STRANGERS][:STRANGERS]),
        }
        _keep(file.name, **{kind: _features(images) for kind, images in kinds.items()})
    with np.load(file) as found:
        return {kind: found[kind] for kind in found.files}


def _enlarged(image: Pixels) -> Pixels:
    """Return a small image as the pipeline would: decoded from a PNG file and resized."""
    content = BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return to_pixels(decode(content.getvalue()), SIZE, "bicubic", "stretch")


def _features(images: Iterator[Pixels]) -> Floats:
    """Return the features of images, computed in chunks."""
    whole = load("efficientnet_lite0").imagenet()
    part = keras.Model(whole.input, whole.get_layer("average").output, name="features")
    outputs = inference.with_constant_weights(part)
    found, chunk = [], list[Pixels]()
    for image in images:
        chunk.append(image)
        if len(chunk) == CHUNK:
            found.append(outputs(np.stack(chunk)))
            chunk.clear()
    if chunk:
        found.append(outputs(np.stack(chunk)))
    return np.concatenate(found)


def _keep(name: str, **arrays: Floats | Integers) -> None:
    file = published.CACHE / name
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, allow_pickle=False, **arrays)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 20)
