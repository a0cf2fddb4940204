"""Choose the pictures whose labels would help a model most: those that it is unsure of, and that differ."""

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from darkroom.base.types import Floats, Integers, Numbers

Probabilities = npt.NDArray[np.floating]
UNSURE = 10
"""Candidates for each picture that is chosen: those with the smallest margins."""


def margins(probabilities: Probabilities) -> Numbers:
    """Return the difference of the two highest probabilities of each picture, 0 to 1."""
    top = np.sort(np.asarray(probabilities, dtype=np.float64), axis=1)[:, -2:]
    return np.asarray(top[:, 1] - top[:, 0])


def choose(features: Floats, probabilities: Probabilities, count: int, seed: int = 0) -> Integers:
    """Choose pictures to label, by F. Zhdanov, Diverse mini-batch active learning (2019).

    The least certain pictures are divided into clusters, with the less certain ones weighing more; of each cluster, the
    picture next to the middle is chosen.

    Args:
        features: of unlabelled pictures without near-duplicates, of shape (pictures, dimensions).
        probabilities: of their classes, of shape (pictures, classes).
        count: number of pictures to choose; fewer are returned if there are fewer.
        seed: of the clustering.

    Returns:
        Rows, the least certain first.
    """
    from sklearn.cluster import KMeans

    margin = margins(probabilities)
    order = np.argsort(margin, kind="stable").astype(np.int64)
    if len(order) <= count:
        return order
    candidates = order[: UNSURE * count]
    units = features[candidates]
    units = units / np.maximum(np.linalg.norm(units, axis=1, keepdims=True), 1e-12)
    with threadpool_limits(1):
        clusters = KMeans(min(count, len(np.unique(units, axis=0))), n_init=1, max_iter=50, random_state=seed)
        clusters.fit(units, sample_weight=1 - margin[candidates] + 1e-6)
        distance = clusters.transform(units)
    chosen: list[int] = []
    for number in range(distance.shape[1]):
        inside = np.flatnonzero(clusters.labels_ == number)
        if len(inside):
            chosen.append(int(inside[distance[inside, number].argmin()]))
    # Clusters may be fewer than asked for: the least certain of the others fill up.
    rest = [row for row in range(len(candidates)) if row not in set(chosen)]
    rows = candidates[sorted([*chosen, *rest[: count - len(chosen)]])]
    return np.asarray(rows, dtype=np.int64)
