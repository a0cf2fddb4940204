"""Align pairs of images and correlate their detail."""

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from darkroom.base.types import Floats, Pixels
from darkroom.data.splitting.descriptions import COARSE, SIDE, in_threads, product

TOGETHER = 64  # pairs per batch
STEPS = 2  # alignment iterations
SMOOTH = 0.8  # pixels, standard deviation of the blur before alignment
FINE = 0.7  # pixels, standard deviation of the blur that removes effects of recompression and rescaling
DETAIL = 2.0  # pixels, standard deviation of the blur that is subtracted to leave detail
AREA = 8.0  # correlated area of detail, in pixels: 4 pi FINE^2 from the blur, and some from the images
NOISE = 1.0  # detail with a lower standard deviation is noise
MAXIMUM_WARP = 0.25  # maximum deviation of the aligning transform from identity, as a share of the side
OVERLAP = 0.6  # minimum share of the image area that both show


def similarities(thumbnails: Pixels, candidates: npt.NDArray[np.int32]) -> Floats:
    """Return the similarity of each pair, 0 to 1.

    Images are aligned, and their detail between ``FINE`` and ``DETAIL`` pixels is compared by normalised
    cross-correlation, which is invariant to brightness and contrast. If detail is concentrated in few places, such as a
    bird in the sky, high correlations by chance are more likely; therefore the lower bound of the 95 % confidence
    interval is used (R. A. Fisher, On the probable error of a coefficient of correlation deduced from a small sample,
    1921).

    Args:
        thumbnails: uint8 of shape (images, SIDE, SIDE).
        candidates: pairs from ``phase_correlated_pairs``.

    Returns:
        float32 of shape (pairs,); 0 for pairs that cannot be aligned or have no detail.
    """

    def verified(pairs: npt.NDArray[np.int32]) -> Floats:
        first, second = (thumbnails[places].astype(np.float32) for places in pairs[:, :2].T)
        mirrored = pairs[:, 2] > 0
        second[mirrored] = second[mirrored, :, ::-1]
        return _similarities(first, second, pairs[:, 3:] * np.float32(SIDE / COARSE))

    portions = [candidates[start : start + TOGETHER] for start in range(0, len(candidates), TOGETHER)]
    return np.concatenate(
        [
            np.empty(0, np.float32),
            *in_threads(verified, portions, desc="verifying", unit=" portions"),
        ]
    )


def _similarities(first: Floats, second: Floats, shift: Floats) -> Floats:
    side = first.shape[1]
    moves = np.zeros((len(first), 2, 3), np.float32)
    moves[:, :, 0] = shift
    # Large images start with a wide blur, because the shift is only known to a pixel of the coarse thumbnail.
    for deviation in sorted({SMOOTH, max(SMOOTH, SMOOTH * side / SIDE)}, reverse=True):
        smooth = _blur(side, deviation)
        template, image = (product(smooth, images) for images in (first, second))
        for _ in range(STEPS):
            moves += _correction(template, *_moved(image, moves))
    moved, inside = _moved(second, moves)
    fine, wide = _blur(side, FINE), _blur(side, DETAIL)
    detail, other = (product(fine, image) - product(wide, image) for image in (first, moved))
    small = np.abs(moves / (side * np.array([1, 0.5, 0.5]))).max(axis=(1, 2)) <= MAXIMUM_WARP
    aligned = small & (inside.mean(axis=(1, 2)) >= OVERLAP)
    return np.where(aligned, _lower_bound(detail, other, inside), 0).astype(np.float32)


def _blur(side: int, deviation: float) -> Floats:
    """Return the matrix of a Gaussian blur along one axis."""
    return np.asarray(scipy.ndimage.gaussian_filter1d(np.eye(side, dtype=np.float32), deviation, axis=0))


def _moved(images: Floats, moves: Floats) -> tuple[Floats, Floats]:
    """Warp images by affine transforms, with bilinear interpolation.

    Args:
        images: float32 of shape (images, side, side).
        moves: shape (images, 2, 3): for the vertical and horizontal axis, the offset of the source in pixels at the
            centre, and its change towards the lower and the right border.

    Returns:
        The warped images; and 1 where the source is inside the image, 0 elsewhere and in the outermost pixels.
    """
    count, side, _ = images.shape
    place = np.arange(side, dtype=np.float32)
    from_middle = (place - (side - 1) / 2) / np.float32(side / 2)
    one = np.ones(side, np.float32)
    # For each pixel: 1, and its vertical and horizontal position.
    places = np.stack(np.broadcast_arrays(one[:, None], from_middle[:, None], from_middle)).reshape(3, -1)
    down, right = (moves @ places).reshape(count, 2, side, side).swapaxes(0, 1)
    down, right = down + place[:, None], right + place
    top, left = (np.clip(np.floor(source), 0, side - 2) for source in (down, right))
    below, beyond = np.clip(down - top, 0, 1), np.clip(right - left, 0, 1)
    pixels = images.reshape(-1)
    corner = (top * side + left).astype(np.intp) + (np.arange(count) * side * side)[:, None, None]
    corners = [pixels.take(corner + step) for step in (0, 1, side, side + 1)]
    upper = corners[0] + (corners[1] - corners[0]) * beyond
    lower = corners[2] + (corners[3] - corners[2]) * beyond
    inside = (down >= 0) & (down <= side - 1) & (right >= 0) & (right <= side - 1)
    inside[:, [0, -1]] = inside[:, :, [0, -1]] = False
    return upper + (lower - upper) * below, inside.astype(np.float32)


def _correction(first: Floats, moved: Floats, inside: Floats) -> Floats:
    """Return the Gauss-Newton update of the transforms, solved jointly with brightness and contrast."""
    count, side, _ = first.shape
    down, right = np.zeros_like(moved), np.zeros_like(moved)
    down[:, 1:-1] = (moved[:, 2:] - moved[:, :-2]) / 2
    right[:, :, 1:-1] = (moved[:, :, 2:] - moved[:, :, :-2]) / 2
    place = ((np.arange(side) - (side - 1) / 2) / (side / 2)).astype(np.float32)
    changes = [slope * factor for slope in (down, right) for factor in (np.float32(1), place[:, None], place)]
    moved = moved - moved.mean(axis=(1, 2), keepdims=True)
    explaining = np.stack([*changes, moved, np.ones_like(moved)], axis=1) * inside[:, None]
    explaining = explaining.reshape(count, len(changes) + 2, -1)
    products = explaining @ explaining.swapaxes(1, 2)
    # Regularised, so that flat images have a solution: no update.
    diagonal = np.arange(products.shape[1])
    products[:, diagonal, diagonal] = products[:, diagonal, diagonal] * np.float32(1 + 1e-4) + np.float32(1e-3)
    solved = np.linalg.solve(products, explaining @ first.reshape(count, -1, 1))[:, :, 0]
    contrast = np.maximum(solved[:, len(changes)], np.float32(0.1))
    farthest = side / 8
    steps: Floats = np.clip(solved[:, : len(changes)] / contrast[:, None], -farthest, farthest).astype(np.float32)
    return steps.reshape(count, 2, 3)


def _lower_bound(first: Floats, second: Floats, inside: Floats) -> Floats:
    """Return lower confidence bounds of the correlations of images of shape (images, side, side), clipped at 0."""
    count = len(first)
    weights = inside.reshape(count, -1)
    pixels = weights.sum(axis=1)
    one, other = (detail.reshape(count, -1) * weights for detail in (first, second))
    # No centring: subtracting the blur leaves means close to 0.
    energies = np.stack([one * one, other * other])
    totals = energies.sum(axis=2)
    noise = totals.min(axis=0) < NOISE**2 * pixels
    correlation = (one * other).sum(axis=1) / np.sqrt(totals[0] * totals[1] + 1e-6)
    # Effective number of independent pixels: the participation ratio of the energy, divided by the correlated area.
    spread = (totals**2 / ((energies * energies).sum(axis=2) + 1e-6)).min(axis=0)
    independent = np.maximum(spread / AREA, 3.001)  # Fisher's transformation requires more than 3
    bound = np.tanh(np.arctanh(np.clip(correlation, -0.999999, 0.999999)) - 1.96 / np.sqrt(independent - 3))
    return np.where(noise, 0, np.maximum(bound, 0)).astype(np.float32)
