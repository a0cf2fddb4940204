"""Correlate the fine detail of aligned pairs."""

import numpy as np
import scipy.fft

from darkroom.base.types import Flags, Floats, Pixels
from darkroom.data.splitting.alignment import COARSE, FULL, aligned, warped
from darkroom.data.splitting.candidates import Candidates
from darkroom.data.splitting.descriptions import SIDE, blur, in_threads, normalised, product

TOGETHER = 128  # pairs per batch
FINE = 0.7  # pixels, standard deviation of the blur that removes effects of recompression and rescaling
DETAIL = 2.0  # pixels, standard deviation of the blur that is subtracted to leave detail
NOISE = 1.0  # detail with a lower standard deviation is noise
MAXIMUM_WARP = 0.25  # largest change of the map's linear part by alignment
MAXIMUM_SHIFT = 0.5  # largest change of its offset, as a share of half the side
TOLERANCE = 1.1  # factor of both limits after the coarse alignment
OVERLAP = 0.6  # minimum share of the second image that the first shows


FAINT = 1e-3  # relative local energy, added against division by 0
PATCH = 2.5  # pixels, standard deviation of the neighbourhood in which detail is compared
FOREIGN, CLEAR = 0.5, 0.2  # a patch is foreign if its correlation is lower, and its relative energy higher
CROPPED = 0.9  # views of a smaller share of the first image's area are crops
CONTRAST = np.float32(50)  # grey values, of locally normalised images
SHOWN = 0.45  # minimum share of the second image that is compared
AREA = 8.0  # pixels, smallest correlated area of detail: 4 pi FINE^2 from the blur, and some from the images


def similarities(thumbnails: Pixels, pairs: Candidates, maps: Floats) -> Floats:
    """Return the similarity of each pair, -1 to 1, twice: as for most pictures, and as for those with little detail.

    Images are aligned, and their detail between ``FINE`` and ``DETAIL`` pixels is compared by normalised
    cross-correlation, which is invariant to brightness and contrast. Patches whose detail differs, such as a logo, are
    left out, up to a limit. If detail is concentrated in few places, such as a bird in the sky, high correlations by
    chance are more likely; therefore the lower bound of the 95 % confidence interval is used (R. A. Fisher, On the
    probable error of a coefficient of correlation deduced from a small sample, 1921).

    The second similarity allows for smooth detail, such as a digit's, in which many pixels depend on each other: their
    number follows from the autocorrelations (M. S. Bartlett, Some aspects of the time-correlation problem, 1935), and
    the bound is three standard deviations below the correlation.

    Args:
        thumbnails: uint8 of shape (images, SIDE, SIDE).
        pairs: candidates.
        maps: from positions in the second images to those in the first, see ``Phases.correlations``.

    Returns:
        float32 of shape (pairs, 2); -1 for pairs that cannot be aligned or have no detail.
    """

    def verified(rows: slice) -> Floats:
        first, second = (thumbnails[side[rows]].astype(np.float32) for side in (pairs.first, pairs.second))
        return _similarities(first, second, maps[rows])

    portions = [slice(start, start + TOGETHER) for start in range(0, len(maps), TOGETHER)]
    return np.concatenate(
        [np.empty((0, 2), np.float32), *in_threads(verified, portions, desc="verifying", unit=" portions")]
    )


def _similarities(first: Floats, second: Floats, begin: Floats) -> Floats:
    # Local normalisation limits the weight of a logo, but differs at the border of a crop.
    is_crop = np.abs(np.linalg.det(begin[:, :, :2])) < CROPPED
    one, other = (np.where(is_crop[:, None, None], side, CONTRAST * normalised(side)) for side in (first, second))
    maps = aligned(one, other, begin, COARSE)
    bounds = np.full((len(maps), 2), -1, np.float32)
    near = np.flatnonzero(_is_near(maps, begin, TOLERANCE))  # the fine alignment, which takes longer, changes little
    first, second, begin = first[near], second[near], begin[near]
    maps = aligned(one[near], other[near], maps[near], FULL)
    moved, inside = warped(first, maps)
    is_aligned = _is_near(maps, begin) & (inside.mean(axis=(1, 2)) >= OVERLAP)
    inside[:, [0, -1]] = inside[:, :, [0, -1]] = 0
    detail, other = (product(_FINE, images) - product(_WIDE, images) for images in (second, moved))
    alike = _lower_bounds(detail, other, _without_foreign(detail, other, inside))
    bounds[near[is_aligned]] = alike[is_aligned]
    return bounds


def _is_near(maps: Floats, begin: Floats, tolerance: float = 1.0) -> Flags:
    """Return which maps are within the limits of alignment, times a tolerance, of those that it began with."""
    change = np.abs(maps - begin)
    linear, offset = change[:, :, :2].max(axis=(1, 2)), change[:, :, 2].max(axis=1)
    return np.asarray((linear <= tolerance * MAXIMUM_WARP) & (offset <= tolerance * MAXIMUM_SHIFT))


def _without_foreign(first: Floats, second: Floats, inside: Floats) -> Floats:
    """Return weights of the pixels, with 0 also in patches of clear detail that only one image shows."""
    energies = [images * images * inside for images in (first, second)]
    means = [np.sqrt(energy.mean(axis=(1, 2), keepdims=True) + FAINT) for energy in energies]
    near = [product(_PATCH, energy / mean**2) for energy, mean in zip(energies, means, strict=True)]
    common = product(_PATCH, first * second * inside / (means[0] * means[1]))
    foreign = (common < FOREIGN * np.sqrt(near[0] * near[1] + FAINT)) & (np.maximum(*near) > CLEAR)
    return np.asarray(inside * ~foreign, dtype=np.float32)


def _lower_bounds(first: Floats, second: Floats, weights: Floats) -> Floats:
    """Return lower confidence bounds of the correlations, shape (images, 2), from images of (images, SIDE, SIDE)."""
    one, other = first * weights, second * weights
    # No centring: subtracting the blur leaves means close to 0.
    energies = np.stack([one * one, other * other])
    totals = energies.sum(axis=(2, 3))
    pixels = weights.sum(axis=(1, 2))
    correlation = (one * other).sum(axis=(1, 2)) / np.sqrt(totals[0] * totals[1] + 1e-6)
    # Pixels that hold the energy: its participation ratio. Pixels correlated with each: the sum over all shifts of the
    # product of both autocorrelations, here from their spectra.
    spread = (totals**2 / ((energies * energies).sum(axis=(2, 3)) + 1e-6)).min(axis=0)
    spectra = [np.abs(scipy.fft.fft2(images, axes=(1, 2))) ** 2 for images in (one, other)]
    power = spectra[0].sum(axis=(1, 2)) * spectra[1].sum(axis=(1, 2))
    area = (spectra[0] * spectra[1]).sum(axis=(1, 2)) / (power + 1e-6) * SIDE**2
    known = (totals.min(axis=0) > NOISE**2 * pixels) & (pixels >= SHOWN * SIDE**2)
    transformed = np.arctanh(np.clip(correlation, -0.9999, 0.9999))
    bounds = [
        # Fisher's transformation requires more than 3 independent pixels.
        np.tanh(transformed - deviations / np.sqrt(np.maximum(spread / correlated, 3.05) - 3))
        for deviations, correlated in ((1.96, np.maximum(area / 2, AREA)), (3.0, np.maximum(area, 1)))
    ]
    return np.where(known[:, None], np.stack(bounds, axis=1), -1).astype(np.float32)


_FINE, _WIDE, _PATCH = blur(SIDE, FINE), blur(SIDE, DETAIL), blur(SIDE, PATCH)
