"""Find candidate pairs of near-duplicates from their descriptions."""

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from threadpoolctl import threadpool_limits

from darkroom.base.types import Floats, Integers
from darkroom.data.splitting.descriptions import BLOCK, COARSE, KEPT, NARROW, ROWS, Descriptions, in_threads

MINIMUM_CORRELATION = 0.6  # of two descriptions
SUFFICIENT_CORRELATION = 0.77  # above this correlation only ``PARTNERS`` limits the pairs
FEW_PARTNERS, PARTNERS = 3, 20  # average pairs per image: limit below ``SUFFICIENT_CORRELATION``, and overall limit
LARGEST_SHIFT = 5  # pixels of the coarse thumbnail
MINIMUM_PHASE_CORRELATION = 0.67
MAXIMUM_CANDIDATES = 5000  # pairs; half the number of images if that is more


def correlated_pairs(described: Descriptions, rows: Integers) -> npt.NDArray[np.int32]:
    """Return the pairs of images whose descriptions correlate, also if one is mirrored.

    Args:
        described: descriptions of all images.
        rows: images to compare; each is paired with at most ``PARTNERS`` later ones.

    Returns:
        Indices of both images, int32 of shape (pairs, 2).
    """
    even, odd = (np.ascontiguousarray(part[rows]) for part in np.split(described.vectors, [described.even], axis=1))

    least = _least_correlation(even, odd)

    def compared(start: int) -> npt.NDArray[np.int32]:
        found = [np.empty((0, 2), np.int32)]
        correlations = [np.empty(0, np.float32)]
        here = slice(start, start + BLOCK)
        # Reused buffers stay in the processor's cache.
        products = np.empty((2, len(rows[here]), NARROW), np.float32)
        for other in range(start, len(rows), NARROW):
            there = slice(other, other + NARROW)
            same, changing = products[:, :, : len(rows[there])]
            np.matmul(even[here], even[there].T, out=same)
            np.matmul(odd[here], odd[there].T, out=changing)
            # The mirror image's correlation is same - changing; take the larger of both.
            same += np.abs(changing, out=changing)
            first, second = np.divmod(np.flatnonzero(same > least), same.shape[1])
            later = first + start < second + other
            first, second = first[later], second[later]
            found.append(np.stack([first + start, second + other], axis=1).astype(np.int32))
            correlations.append(same[first, second])
        return _best(np.concatenate(found), np.concatenate(correlations), PARTNERS)

    # One BLAS thread: the products are small, and in_threads runs them in parallel.
    with threadpool_limits(1):
        parts = in_threads(compared, range(0, len(rows), BLOCK), desc="comparing", unit=" blocks")
    places: npt.NDArray[np.int32] = rows.astype(np.int32)[np.concatenate([np.empty((0, 2), np.int32), *parts])]
    return places


def _least_correlation(even: Floats, odd: Floats) -> float:
    """Return the minimum correlation of candidate pairs, estimated on random pairs.

    It is low for few images, so that large shifts are found too, and higher for many or uniform images, to limit the
    number of pairs per image.
    """
    generator = np.random.default_rng(0)
    some, others = (generator.permutation(len(even))[:count] for count in (NARROW, 8 * BLOCK))
    correlations = even[some] @ even[others].T + np.abs(odd[some] @ odd[others].T)

    def threshold(partners: int) -> float:
        # Twice, as each pair counts for both images; plus the correlation of each image with itself.
        count = int(2 * partners / max(len(even), 1) * correlations.size) + len(some)
        return float(np.partition(correlations, -count, axis=None)[-count]) if count < correlations.size else -1.0

    return max(MINIMUM_CORRELATION, min(threshold(FEW_PARTNERS), SUFFICIENT_CORRELATION), threshold(PARTNERS))


def _best(pairs: npt.NDArray[np.int32], values: Floats, count: int) -> npt.NDArray[np.int32]:
    """Return the pairs with the largest values, at most ``count`` per first image."""
    order = np.lexsort((-values, pairs[:, 0]))
    pairs = pairs[order]
    _, begin, sizes = np.unique(pairs[:, 0], return_index=True, return_counts=True)
    rank = np.arange(len(pairs)) - np.repeat(begin, sizes)
    return pairs[rank < count]


def phase_correlated_pairs(
    described: Descriptions, pairs: npt.NDArray[np.int32], least: float, count: int
) -> npt.NDArray[np.int32]:
    """Return the pairs with a high phase correlation at some shift, also if one image is mirrored.

    Args:
        described: descriptions of all images.
        pairs: indices of both images, of shape (pairs, 2).
        least: minimum phase correlation.
        count: maximum number of pairs; those with the highest correlation are kept.

    Returns:
        int32 of shape (pairs, 5): indices of both images, 1 if the second must be mirrored, and its shift down and to
        the right afterwards, in pixels of the coarse thumbnail.
    """
    reach = np.arange(-LARGEST_SHIFT, LARGEST_SHIFT + 1)
    # Indices and factors that turn a spectrum into that of the mirrored image.
    opposite, turned = -np.arange(len(ROWS)), np.exp(2j * np.pi * np.arange(KEPT) / COARSE).astype(np.complex64)

    def compared(start: int) -> tuple[npt.NDArray[np.int32], Floats]:
        portion = pairs[start : start + 4 * BLOCK]
        first, second = described.spectra[portion[:, 0]].conj(), described.spectra[portion[:, 1]]
        peaks, places = [], []
        for spectrum in (second, second[:, opposite].conj() * turned):
            product = np.zeros((len(portion), COARSE, KEPT), np.complex64)
            np.multiply(first, spectrum, out=spectrum)
            product[:, ROWS] = spectrum
            correlation = scipy.fft.irfft(scipy.fft.ifft(product, axis=1), n=COARSE, axis=2)
            correlation = correlation[:, reach][:, :, reach].reshape(len(portion), -1)
            places.append(correlation.argmax(axis=1))
            peaks.append(correlation.max(axis=1))
        mirrored = peaks[1] > peaks[0]
        down, right = np.divmod(np.where(mirrored, places[1], places[0]), len(reach))
        found = np.column_stack([portion, mirrored, down - LARGEST_SHIFT, right - LARGEST_SHIFT]).astype(np.int32)
        height = np.maximum(*peaks)
        return found[height > least], height[height > least]

    parts = in_threads(compared, range(0, len(pairs), 4 * BLOCK), desc="correlating", unit=" portions")
    found = np.concatenate([np.empty((0, 5), np.int32), *(part for part, _ in parts)])
    heights = np.concatenate([np.empty(0, np.float32), *(height for _, height in parts)])
    return found[np.argsort(-heights, kind="stable")[:count]]
