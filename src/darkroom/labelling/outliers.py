"""Images unlike the others of their class: far from their nearest neighbours in the features."""

import numpy as np

from darkroom.base.types import Floats, Integers, Numbers

NEIGHBOURS = 5
COMPARED_WITH = 2000
"""Most images of a class that each image is compared with."""
DEVIATIONS = 2.5
"""Robust standard deviations above the class's median distance from which on an image is listed. Of the 20 first of
flower_photos, 16 show no flower or a drawn one: a bridge, a bus, a sign that says "Roses"."""
MOST_SHARE = 0.01
"""Most images that are listed, as a share of all."""
LEAST_IMAGES = 20
"""Images of a class from which on anything is said about it."""
PORTION = 1024


def distances(features: Floats, classes: Integers, groups: Integers) -> Numbers:
    """Return the mean distance of each image to its nearest neighbours of the same class, its own group left out.

    Args:
        features: of shape (images, dimensions); compared by their directions.
        classes: class numbers.
        groups: number of each image's group of near-duplicates.

    Returns:
        Euclidean distances between unit vectors, 0 to 2; NaN where a class has too few other images.
    """
    units = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    found = np.full(len(features), np.nan)
    for number in np.unique(classes):
        rows = np.flatnonzero(classes == number)
        others = rows[np.unique(np.linspace(0, len(rows) - 1, COMPARED_WITH).astype(np.int64))]
        for start in range(0, len(rows), PORTION):
            some = rows[start : start + PORTION]
            squared = np.maximum(2 - 2 * (units[some] @ units[others].T), 0).astype(np.float64)
            squared[groups[some][:, None] == groups[others][None]] = np.nan
            if len(others) > NEIGHBOURS:
                nearest = np.sort(np.sqrt(squared), axis=1)[:, :NEIGHBOURS]  # NaN comes last
                found[some] = nearest.mean(axis=1)
    return found


def odd_ones(distance: Numbers, classes: Integers) -> tuple[Integers, Numbers]:
    """Return the images that are far from all others of their class, the farthest first.

    Args:
        distance: what ``distances`` returned.
        classes: class numbers.

    Returns:
        Rows, and for each how many times as far it is as the median image of its class.
    """
    deviations, times = np.full(len(distance), -np.inf), np.ones(len(distance))
    for number in np.unique(classes):
        rows = np.flatnonzero((classes == number) & np.isfinite(distance))
        if len(rows) < LEAST_IMAGES:
            continue
        median = np.median(distance[rows])
        spread = 1.4826 * np.median(np.abs(distance[rows] - median))
        if spread > 0 and median > 0:
            deviations[rows] = (distance[rows] - median) / spread
            times[rows] = distance[rows] / median
    listed = np.flatnonzero(deviations > DEVIATIONS)
    most = max(LEAST_IMAGES, round(MOST_SHARE * len(distance)))
    listed = listed[np.argsort(-deviations[listed], kind="stable")][:most]
    return listed, times[listed]
