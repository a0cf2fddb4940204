"""Clusters of features, and their places on a map: principal components, then t-SNE (van der Maaten, Hinton, 2008)."""

import numpy as np

from darkroom.base.types import Floats, Integers, Numbers

COMPONENTS = 30
"""Principal components that t-SNE begins with."""
PERPLEXITY = 30.0
FEWEST = 10
"""Images from which on t-SNE has neighbours to keep together."""
STEPS = 350
MOST_CLUSTERS = 20
WIDTH = 1000
"""Coordinates are whole numbers from 0 to this."""


def places(features: Floats, seed: int = 0) -> Integers:
    """Return a place on the map for each image: near ones resemble each other, far ones need not differ.

    Args:
        features: float32 of shape (images, dimensions).
        seed: of t-SNE.

    Returns:
        Whole numbers from 0 to ``WIDTH`` of shape (images, 2).
    """
    reduced = principal_components(features, COMPONENTS)
    flat = _tsne(reduced, seed) if len(features) >= FEWEST else _padded(reduced)
    low = flat.min(axis=0, initial=np.inf)
    extent = np.maximum((flat - low).max(initial=0.0), 1e-12)
    found: Integers = np.rint((flat - low) / extent * WIDTH).astype(np.int64)
    return found


def principal_components(features: Floats, count: int) -> Numbers:
    """Return the coordinates on the first principal components, at most ``count``, each with a sign that is fixed."""
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    values, directions = np.linalg.eigh(centred.T @ centred)
    chosen = directions[:, np.argsort(-values, kind="stable")[:count]]
    # A direction and its opposite are equally good.
    largest = np.abs(chosen).argmax(axis=0)
    chosen = chosen * np.where(chosen[largest, np.arange(chosen.shape[1])] < 0, -1, 1)
    found: Numbers = centred @ chosen
    return found


def _padded(reduced: Numbers) -> Numbers:
    wanted = np.zeros((len(reduced), 2))
    wanted[:, : min(2, reduced.shape[1])] = reduced[:, :2]
    return wanted


def _tsne(reduced: Numbers, seed: int) -> Numbers:
    # Not before it is needed: it takes a second.
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    # Scaled as scikit-learn does for its own start, and with a second column if there is one dimension only.
    start = _padded(reduced)
    start = start / max(start[:, 0].std(), 1e-12) * 1e-4
    # One thread: with more, sums are added in another order, and a map would differ from run to run.
    with threadpool_limits(1):
        perplexity = min(PERPLEXITY, (len(reduced) - 1) / 3)
        method = TSNE(perplexity=perplexity, init=start.astype(np.float32), max_iter=STEPS, random_state=seed)
        found: Numbers = np.asarray(method.fit_transform(reduced.astype(np.float32)), dtype=np.float64)
    return found


def clusters(features: Floats, seed: int = 0) -> Integers:
    """Divide images into clusters of similar ones: k-means on the principal components that t-SNE begins with.

    Args:
        features: float32 of shape (images, dimensions).
        seed: of the first centres.

    Returns:
        The cluster of each image, of shape (images,); 0 is the largest. There are about as many as the root of half of
        the images (K. Mardia et al., Multivariate Analysis, 1979), at most ``MOST_CLUSTERS``.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    reduced = principal_components(features, COMPONENTS)
    count = min(MOST_CLUSTERS, round(np.sqrt(len(reduced) / 2)), len(np.unique(reduced, axis=0)))
    if count <= 1:
        return np.zeros(len(reduced), np.int64)
    with threadpool_limits(1):
        found = KMeans(count, n_init=3, random_state=seed).fit_predict(reduced)
    by_size = np.argsort(-np.bincount(found, minlength=count), kind="stable")
    numbers: Integers = np.argsort(by_size)[found].astype(np.int64)
    return numbers
