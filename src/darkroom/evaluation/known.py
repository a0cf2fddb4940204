"""What a model may say of its own answers: prediction sets of promised coverage, and whether an image is unknown.

A set has all classes that are at least as probable as a threshold (M. Sadinle, J. Lei, L. Wasserman, Least ambiguous
set-valued classifiers with bounded error levels, 2019). An image is unknown if it is more unlike the training images
than a threshold (``inference.neighbours``). Both thresholds come from test images, which have neither trained nor
stopped nor chosen the network; without those that have a near-duplicate in training or validation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from darkroom.base.backend import keras
from darkroom.base.types import Flags, Floats, Integers, Numbers, Pixels
from darkroom.evaluation import conformal
from darkroom.evaluation.intervals import exact_bounds
from darkroom.inference.neighbours import Neighbours
from darkroom.inference.views import mean_probabilities
from darkroom.networks import inference, penultimate
from darkroom.networks.reference import Reference

ROUNDING = 1e-6
"""So that the last digits, which depend on batch sizes, change no answer for an image of the calibration itself."""
NOISE = 100
"""Number of images of noise that are shown to the model."""
LEFT_OUT = 10
"""Most classes that are left out, one at a time."""


@dataclass(frozen=True)
class Outputs:
    """What a network makes of images."""

    probabilities: Floats
    """Of shape (images, classes)."""
    features: Floats | None
    """Of shape (images, features); None for a network without."""


class Shown:
    """A network with its features and views, as the packaged model has them.

    Args:
        network: the network.
        layer: see ``penultimate.feature_layer``; None or empty for the network alone.
        views: test-time augmentation, see ``inference.views``.
    """

    def __init__(self, network: keras.Model, layer: str | None, views: Sequence[str]) -> None:
        self._classes = int(network.outputs[0].shape[1])
        self._network = penultimate.with_features(network, layer) if layer else network
        self._views = views
        self.size: tuple[int, ...] = tuple(network.input.shape[1:])
        """Height, width and channels of an image."""

    def __call__(self, images: Pixels) -> Outputs:
        """Return the outputs for images, uint8 of shape (images, height, width, channels)."""
        joined = mean_probabilities(partial(inference.probabilities, self._network), images, self._views)
        return Outputs(joined[:, : self._classes], joined[:, self._classes :] if self._has_features else None)

    @property
    def _has_features(self) -> bool:
        return len(self._network.outputs) > 1


@dataclass(frozen=True)
class Calibration:
    """Images from which thresholds come, all labelled."""

    classes: Integers
    """Class numbers."""
    groups: Integers
    """Group numbers."""

    @property
    def count(self) -> int:
        """The number of groups."""
        return len(np.unique(self.groups))


@dataclass(frozen=True)
class Finding:
    """What the packaged model needs, what was measured, and a line about it."""

    packaged: dict[str, Any]
    metrics: dict[str, float]
    line: str


def prediction_sets(found: Outputs, images: Calibration, coverage: float) -> Finding:
    """Calibrate prediction sets.

    Args:
        found: the network's outputs for the images.
        images: the images.
        coverage: share of images whose label is to be in the set.

    Returns:
        With too few images, sets of all classes. The coverage is measured with thresholds from other groups.
    """
    needed = conformal.least_groups(coverage)
    packaged: dict[str, Any] = {"coverage": coverage, "least_probability": 0.0, "groups": images.count}
    if images.count < needed:
        line = f"prediction sets of coverage {coverage:g} are all classes: {_too_few(needed, images.count)}"
        metrics = {"coverage_asked": coverage, "set_size": float(found.probabilities.shape[1])}
        return Finding(packaged, metrics, line)
    own = found.probabilities[np.arange(len(images.classes)), images.classes].astype(np.float64)
    packaged["least_probability"] = _least(conformal.threshold(-own, images.groups, coverage))
    leasts = np.array([_least(each) for each in conformal.kept_thresholds(-own, images.groups, coverage)])
    weights = conformal.group_weights(images.groups)
    sizes = (found.probabilities >= leasts[:, None]).sum(axis=1)
    metrics = {
        "coverage_asked": coverage,
        **_share("coverage", own >= leasts, images.groups),
        "set_size": float(np.average(sizes, weights=weights)),
        "empty_sets": float(np.average(sizes == 0, weights=weights)),
    }
    line = (
        f"prediction sets of coverage {coverage:g}: measured {metrics['coverage']:.4f}, "
        f"{metrics['set_size']:.2f} classes on average"
    )
    return Finding(packaged, metrics, line)


def _too_few(needed: int, there: int) -> str:
    return f"{needed} independent test images are needed, and {there} are there; collect more"


def _least(negative: float) -> float:
    """Return the least probability of a class in a set, from the threshold of negative probabilities."""
    return 0.0 if np.isinf(negative) else max(0.0, -negative - ROUNDING)


def _share(name: str, flags: Flags, groups: Integers) -> dict[str, float]:
    """Return a share of groups with its exact 95 % interval, in which each group counts once."""
    share, count = conformal.weighted_share(flags, groups), len(np.unique(groups))
    low, high = exact_bounds(np.array([share]), np.array([count], dtype=np.float64))
    return {name: share, f"{name}_low": float(low[0]), f"{name}_high": float(high[0])}


@dataclass(frozen=True)
class Strangers:
    """Decides on images unlike the training images; measures how well."""

    reference: Reference
    false_alarms: float
    """Share of images like the test images that may be called unknown."""

    def calibrate(self, found: Outputs, images: Calibration, show: "Shown") -> Finding:
        """Set the threshold, and measure false alarms and the share of unknown images that are found.

        Args:
            found: the network's outputs for the images.
            images: the images.
            show: returns the network's outputs for other images.

        Returns:
            Nothing for the package if the network has no features.
        """
        if found.features is None:
            return Finding({}, {}, "whether an image is unknown cannot be said: the network has no layer of features")
        share = 1 - self.false_alarms
        packaged: dict[str, Any] = {"layer": self.reference.layer, "above": None, "false_alarms": self.false_alarms}
        if images.count < conformal.least_groups(share):
            too_few = _too_few(conformal.least_groups(share), images.count)
            line = f"whether an image is unknown cannot be said: {too_few}"
            return Finding(packaged, {"unknown_false_alarms_asked": self.false_alarms}, line)
        neighbours = Neighbours(self.reference.features)
        scores = _scores(neighbours, found)
        above = conformal.threshold(scores, images.groups, share)
        packaged["above"] = above + ROUNDING
        kept = conformal.kept_thresholds(scores, images.groups, share)
        metrics = {
            "unknown_false_alarms_asked": self.false_alarms,
            **_share("unknown_false_alarms", scores > kept, images.groups),
        }
        noise = np.random.default_rng(0).integers(0, 256, (NOISE, *show.size), dtype=np.uint8)
        metrics["unknown_noise_caught"] = float(np.mean(_scores(neighbours, show(noise)) > above))
        if (share_of_classes := self._classes_caught(found, images)) is not None:
            metrics["unknown_classes_caught"] = share_of_classes
        line = (
            f"unknown images at {self.false_alarms:g} false alarms (measured {metrics['unknown_false_alarms']:.4f}): "
            f"{metrics['unknown_noise_caught']:.2f} of noise"
        )
        if "unknown_classes_caught" in metrics:
            line += f", {metrics['unknown_classes_caught']:.2f} of the images of a class left out"
        return Finding(packaged, metrics, line)

    def _classes_caught(self, found: Outputs, images: Calibration) -> float | None:
        """Return the share of images that are unknown to the training images of all other classes; the classes' mean.

        The threshold is that of the images of the other classes. The network itself has seen the class, so that this
        is exact only for features that are not trained.
        """
        shares = []
        present = np.unique(images.classes)
        for number in present[np.unique(np.linspace(0, len(present) - 1, LEFT_OUT).astype(np.int64))]:
            others, own = self.reference.classes != number, images.classes == number
            if not others.any() or own.all():
                continue
            scores = _scores(Neighbours(self.reference.features[others]), found)
            above = conformal.threshold(scores[~own], images.groups[~own], 1 - self.false_alarms)
            shares.append(float(np.mean(scores[own] > above)))
        return float(np.mean(shares)) if shares else None


def _scores(neighbours: Neighbours, found: Outputs) -> Numbers:
    if found.features is None:
        raise ValueError("a network without features has no neighbours")
    return neighbours.scores(found.features)
