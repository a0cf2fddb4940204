"""Near-duplicates among packed images: the same picture recompressed, rescaled, recoloured, shifted, cropped, mirrored.

Three steps, each more exact than the one before, and on fewer pairs:

1. An image is described by its low frequencies, about the middle of its edges, so that a shift changes little. All
   pairs of descriptions are compared by blocked matrix products.
2. Pairs that are alike are compared by phase correlation (C. Kuglin, D. Hines, The phase correlation image alignment
   method, 1975), which also says whether one is mirrored, and how far it is shifted.
3. What is left is aligned by an affine transform (B. Lucas, T. Kanade, An iterative image registration technique,
   1981), and the detail of the pixels is correlated. Two skies or two white backgrounds are alike without being copies;
   in their detail they are not.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage
from threadpoolctl import threadpool_limits
from tqdm.contrib.concurrent import thread_map

from darkroom.arrays import ArrayFile
from darkroom.datasets import Floats, Integers
from darkroom.images import Pixels
from darkroom.splits import Pairs

Spectra = npt.NDArray[np.complex64]
Flags = npt.NDArray[np.bool_]

SIMILARITY = 0.8
"""Of a pair at least; docs/data.md says what was found with it."""
UNIFORM_SIMILARITY = 0.99
"""The same among images of one kind, such as digits or clothes on black, where different ones are alike too."""
SAMPLE = 500  # random pairs, which say whether images are of one kind
UNIFORM = 0.03  # share of them that is alike in detail, from which on they are

# The first step.
SIDE = 32  # pixels, of the grey thumbnail
FLAT = 2.0  # standard deviation of grey values, below which there is no picture to compare
FREQUENCIES = 6  # of the cosine transform, in each direction
ALIKE = 0.6  # least correlation of two descriptions
ENOUGH = 0.77  # correlation at which no more than ``PARTNERS`` limit what goes on
FEW, PARTNERS = 3, 20  # pairs for each image on average: so many go on below ``ENOUGH``, and so many at all
BLOCK, NARROW = 1024, 256  # images by images, in one product: what fits the cache of a core

# The second.
COARSE = SIDE // 2  # pixels, of the thumbnail
KEPT = 6  # of its frequencies: 0 to 5
FARTHEST = 5  # pixels of it, of a shift
IN_PHASE = 0.67  # least phase correlation
BUDGET = 5000  # pairs that go on at most, or half as many as there are images where that is more

# The third.
FINEST = 64  # pixels of a side, at most
TOGETHER = 64  # pairs
STEPS = 2  # of the alignment
SMOOTH = 0.8  # pixels, standard deviation of the blur under which images are aligned
FINE = 0.7  # pixels, standard deviation of the blur that takes off what recompressing and rescaling change
DETAIL = 2.0  # pixels, that of the blur that is taken off, so that detail is left
AREA = 8.0  # pixels, in which detail is one: 4 pi FINE^2 by the blur alone, and something by the images
FAINT = 1.0  # standard deviation of detail below which it is noise
WARPED = 0.25  # how far the aligning transform may be from none, as a share
OVERLAP = 0.6  # least share of the image that both show

# NumPy, SciPy and OpenCV free the interpreter.
_in_threads = partial(thread_map, max_workers=os.cpu_count(), disable=None)


@dataclass(frozen=True)
class Descriptions:
    """What the search keeps of each image: about 0.7 kB."""

    vectors: Floats
    """Of shape (images, frequencies), of length 1; first the ``even`` ones, which a mirror image has too."""
    even: int
    """The others have the opposite sign in a mirror image."""
    spectra: Spectra
    """Of shape (images, 2 * KEPT - 1, KEPT), for phase correlation."""
    textured: Flags
    """Whether there is a picture to compare."""


def search(images: Pixels | ArrayFile, sha256: Sequence[str], least: float | None = None) -> Pairs:
    """Find the pairs of near-duplicates.

    What is found does not depend on the order of the images.

    Args:
        images: uint8 of shape (images, height, width, 1 or 3). They are read in portions: they may be on disk.
        sha256: of the files. Those that are equal are pairs, each with the first of them.
        least: similarity of a pair, from 0 to 1; by default ``SIMILARITY``, or ``UNIFORM_SIMILARITY`` where the images
            are of one kind.

    Returns:
        Pairs, ``first`` < ``second``, sorted; the similarity of equal files is 1.
    """
    _, originals, copy_of = np.unique(np.asarray(sha256), return_index=True, return_inverse=True)
    copies = np.flatnonzero(originals[copy_of] != np.arange(len(images)))
    described = describe(images)
    rows = originals[described.textured[originals]]
    if least is None:
        least = UNIFORM_SIMILARITY if is_uniform(images, described, rows) else SIMILARITY
    candidates = in_phase(described, alike(described, rows), IN_PHASE, max(BUDGET, len(rows) // 2))
    found = similarities(images, candidates)
    kept = found >= least
    pairs = np.concatenate([candidates[kept, :2], np.stack([originals[copy_of[copies]], copies], axis=1)])
    values = np.concatenate([found[kept], np.ones(len(copies), dtype=np.float32)])
    pairs.sort(axis=1)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    first, second = pairs[order].astype(np.int64).T
    return Pairs(first, second, values[order])


def is_uniform(images: Pixels | ArrayFile, described: Descriptions, rows: Integers) -> bool:
    """Say whether images are of one kind: whether random pairs of them are alike in their detail.

    Args:
        images: all.
        described: the same.
        rows: those that are drawn from.
    """
    if len(rows) < 2:  # noqa: PLR2004 - a pair
        return False
    drawn = np.random.default_rng(0).integers(0, len(rows), (SAMPLE, 2))
    pairs = rows[drawn[drawn[:, 0] != drawn[:, 1]]].astype(np.int32)
    return bool((similarities(images, in_phase(described, pairs, -1.0, len(pairs))) > 0).mean() > UNIFORM)


def describe(images: Pixels | ArrayFile) -> Descriptions:
    """Describe images, a portion at a time."""
    portions = [slice(start, start + BLOCK) for start in range(0, len(images), BLOCK)]
    parts = _in_threads(
        lambda portion: _describe(_grey(images[portion])), portions, desc="describing", unit=" portions"
    )
    vectors, spectra, textured = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Descriptions(vectors, int(_FREQUENCY_IS_EVEN.sum()), spectra, textured)


def _grey(images: Pixels, side: int = SIDE) -> Floats:
    """Return grey thumbnails, float32 of shape (images, side, side)."""
    count, height, width, channels = images.shape
    rows = np.ascontiguousarray(images).reshape(count * height, width, channels)
    grey = (cv2.cvtColor(rows, cv2.COLOR_RGB2GRAY) if channels > 1 else rows).reshape(count, height, width)
    if (height, width) != (side, side):
        interpolation = cv2.INTER_AREA if side < min(height, width) else cv2.INTER_LINEAR
        grey = np.stack([cv2.resize(image, (side, side), interpolation=interpolation) for image in grey])
    return grey.astype(np.float32)


def _cosines() -> tuple[Floats, Floats, Flags]:
    """Return the cosine transform's matrix, the weights of its frequencies, and which of these are kept.

    Weights rise with the frequency, as the spectrum of photographs falls, so that the lowest do not speak alone.
    """
    place, frequency = np.arange(SIDE), np.arange(FREQUENCIES)
    matrix = np.cos(np.pi * frequency[:, None] * (2 * place + 1) / (2 * SIDE)) / np.sqrt(1 + (frequency[:, None] == 0))
    radius = np.hypot(frequency[:, None], frequency)
    return matrix.astype(np.float32), radius.astype(np.float32), (radius > 0) & (radius < FREQUENCIES)


_COSINES, _RADIUS, _IS_KEPT = _cosines()
_ORDER = np.argsort(np.nonzero(_IS_KEPT)[1] % 2, kind="stable")
_FREQUENCY_IS_EVEN = np.nonzero(_IS_KEPT)[1][_ORDER] % 2 == 0

_ROWS = np.r_[0:KEPT, 1 - KEPT : 0]  # the frequencies down; those across are 0 to KEPT - 1
_SPECTRUM = np.hypot(_ROWS[:, None], np.arange(KEPT)).astype(np.float32) / COARSE
# A band of middle frequencies, where copies that were recompressed or rescaled still agree.
_BAND = _SPECTRUM * np.exp(-12.5 * _SPECTRUM**2)
_TWICE = np.where(np.arange(KEPT) > 0, 2, 1)  # frequencies across stand for their negative ones too


def _describe(grey: Floats) -> tuple[Floats, Spectra, Flags]:
    cosines = _product(_COSINES, _centred(grey)) * _RADIUS
    vectors = cosines[:, _IS_KEPT][:, _ORDER]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + np.float32(1e-6)

    coarse = (grey[:, ::2, ::2] + grey[:, ::2, 1::2] + grey[:, 1::2, ::2] + grey[:, 1::2, 1::2]) / np.float32(4)
    place = (np.arange(COARSE) - (COARSE - 1) / 2) / (COARSE / 2)
    # Fading out towards the borders, where shifted pictures show different things.
    fading = (1 - 0.7 * place**4).astype(np.float32)
    faded: Floats = (coarse - coarse.mean(axis=(1, 2), keepdims=True)) * fading[:, None] * fading
    spectra = (scipy.fft.rfft2(faded)[:, _ROWS, :KEPT] * _BAND).astype(np.complex64)
    # Between correlation, where the strongest frequency speaks alone, and pure phase, where noise speaks too.
    spectra /= np.sqrt(np.abs(spectra) + np.float32(1e-6))
    power = (np.abs(spectra) ** 2 * _TWICE).sum(axis=(1, 2), keepdims=True)
    spectra *= COARSE / (np.sqrt(power) + np.float32(1e-6))
    return vectors, spectra, grey.std(axis=(1, 2)) >= FLAT


def _centred(grey: Floats) -> Floats:
    """Shift pictures so that the middle of their edges is in the middle of the image."""
    down, across = grey[:, 1:] - grey[:, :-1], grey[:, :, 1:] - grey[:, :, :-1]
    np.abs(down, out=down)
    np.abs(across, out=across)
    place = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
    between, one = place[:-1] + np.float32(0.5), np.ones(SIDE, np.float32)
    # Matrix products, which take a tenth of the time that sums along axes do.
    rows, columns = (down @ one, across @ one[1:]), (one[1:] @ down, one @ across)
    total = rows[0] @ one[1:] + rows[1] @ one + np.float32(1e-6)
    middle_down = (rows[0] @ between + rows[1] @ place) / total
    middle_right = (columns[0] @ place + columns[1] @ between) / total
    return np.stack(
        [
            cv2.warpAffine(image, np.array([[1, 0, -x], [0, 1, -y]]), (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)
            for image, x, y in zip(grey, middle_right, middle_down, strict=True)
        ]
    )


def alike(described: Descriptions, rows: Integers) -> npt.NDArray[np.int32]:
    """Return the pairs of images whose descriptions correlate, one of the two perhaps mirrored.

    Args:
        described: all images.
        rows: those that are compared. Each has at most ``PARTNERS`` of those that come later here.

    Returns:
        The places of both, of shape (pairs, 2).
    """
    even, odd = (np.ascontiguousarray(part[rows]) for part in np.split(described.vectors, [described.even], axis=1))

    least = _least_correlation(even, odd)

    def compared(start: int) -> npt.NDArray[np.int32]:
        found = [np.empty((0, 2), np.int32)]
        correlations = [np.empty(0, np.float32)]
        here = slice(start, start + BLOCK)
        # Written over again and again, so that they stay in the processor's cache.
        products = np.empty((2, len(rows[here]), NARROW), np.float32)
        for other in range(start, len(rows), NARROW):
            there = slice(other, other + NARROW)
            same, changing = products[:, :, : len(rows[there])]
            np.matmul(even[here], even[there].T, out=same)
            np.matmul(odd[here], odd[there].T, out=changing)
            # The mirror image's correlation is same - changing; the greater one counts.
            same += np.abs(changing, out=changing)
            first, second = np.divmod(np.flatnonzero(same > least), same.shape[1])
            later = first + start < second + other
            first, second = first[later], second[later]
            found.append(np.stack([first + start, second + other], axis=1).astype(np.int32))
            correlations.append(same[first, second])
        return _best(np.concatenate(found), np.concatenate(correlations), PARTNERS)

    # One thread for each product: they are small, and what is done with them takes as long.
    with threadpool_limits(1):
        parts = _in_threads(compared, range(0, len(rows), BLOCK), desc="comparing", unit=" blocks")
    places: npt.NDArray[np.int32] = rows.astype(np.int32)[np.concatenate([np.empty((0, 2), np.int32), *parts])]
    return places


def _least_correlation(even: Floats, odd: Floats) -> float:
    """Return the correlation from which on pairs go on.

    Where images are few, that is a low one, at which large shifts are found too; where they are many or of one kind, it
    is what leaves few pairs for each image.
    """
    generator = np.random.default_rng(0)
    some, others = (generator.permutation(len(even))[:count] for count in (NARROW, 8 * BLOCK))
    correlations = even[some] @ even[others].T + np.abs(odd[some] @ odd[others].T)

    def leaving(partners: int) -> float:
        # Twice, as a pair is one of both images; and each image is alike to itself.
        count = int(2 * partners / max(len(even), 1) * correlations.size) + len(some)
        return float(np.partition(correlations, -count, axis=None)[-count]) if count < correlations.size else -1.0

    return max(ALIKE, min(leaving(FEW), ENOUGH), leaving(PARTNERS))


def _best(pairs: npt.NDArray[np.int32], values: Floats, count: int) -> npt.NDArray[np.int32]:
    """Return the pairs with the greatest values, so many at most for each first image."""
    order = np.lexsort((-values, pairs[:, 0]))
    pairs = pairs[order]
    _, begin, sizes = np.unique(pairs[:, 0], return_index=True, return_counts=True)
    rank = np.arange(len(pairs)) - np.repeat(begin, sizes)
    return pairs[rank < count]


def in_phase(described: Descriptions, pairs: npt.NDArray[np.int32], least: float, count: int) -> npt.NDArray[np.int32]:
    """Return those pairs whose phases correlate at some shift, one of the two perhaps mirrored.

    Args:
        described: all images.
        pairs: the places of both, of shape (pairs, 2).
        least: phase correlation.
        count: of pairs that are returned at most: those whose phases correlate most.

    Returns:
        Of shape (pairs, 5): the places of both, 1 where the second has to be mirrored, and by how many pixels of
        ``COARSE`` the second then shows things further down and further to the right.
    """
    reach = np.arange(-FARTHEST, FARTHEST + 1)
    # The mirrored image's spectrum, from that of the image.
    opposite, turned = -np.arange(len(_ROWS)), np.exp(2j * np.pi * np.arange(KEPT) / COARSE).astype(np.complex64)

    def compared(start: int) -> tuple[npt.NDArray[np.int32], Floats]:
        portion = pairs[start : start + 4 * BLOCK]
        first, second = described.spectra[portion[:, 0]].conj(), described.spectra[portion[:, 1]]
        peaks, places = [], []
        for spectrum in (second, second[:, opposite].conj() * turned):
            product = np.zeros((len(portion), COARSE, KEPT), np.complex64)
            np.multiply(first, spectrum, out=spectrum)
            product[:, _ROWS] = spectrum
            correlation = scipy.fft.irfft(scipy.fft.ifft(product, axis=1), n=COARSE, axis=2)
            correlation = correlation[:, reach][:, :, reach].reshape(len(portion), -1)
            places.append(correlation.argmax(axis=1))
            peaks.append(correlation.max(axis=1))
        mirrored = peaks[1] > peaks[0]
        down, right = np.divmod(np.where(mirrored, places[1], places[0]), len(reach))
        found = np.column_stack([portion, mirrored, down - FARTHEST, right - FARTHEST]).astype(np.int32)
        height = np.maximum(*peaks)
        return found[height > least], height[height > least]

    parts = _in_threads(compared, range(0, len(pairs), 4 * BLOCK), desc="correlating", unit=" portions")
    found = np.concatenate([np.empty((0, 5), np.int32), *(part for part, _ in parts)])
    heights = np.concatenate([np.empty(0, np.float32), *(height for _, height in parts)])
    return found[np.argsort(-heights, kind="stable")[:count]]


def similarities(images: Pixels | ArrayFile, candidates: npt.NDArray[np.int32]) -> Floats:
    """Say how certainly two images show the same picture.

    They are aligned, and their detail between ``FINE`` and ``DETAIL`` pixels is correlated: normalised
    cross-correlation, which brightness and contrast do not change. Where the detail is in few places, as of a bird in
    the sky, a high correlation comes by chance more easily; so the lower bound of its 95 % confidence interval counts
    (R. A. Fisher, On the probable error of a coefficient of correlation deduced from a small sample, 1921).

    Args:
        images: uint8 of shape (images, height, width, 1 or 3).
        candidates: pairs, as ``in_phase`` returns them.

    Returns:
        For each pair 0, where the two cannot be aligned or have no detail, to 1.
    """
    side = min(FINEST, max(images.shape[1:3]))

    def verified(pairs: npt.NDArray[np.int32]) -> Floats:
        first, second = (_grey(images[places], side) for places in pairs[:, :2].T)
        mirrored = pairs[:, 2] > 0
        second[mirrored] = second[mirrored, :, ::-1]
        return _similarities(first, second, pairs[:, 3:] * np.float32(side / COARSE))

    portions = [candidates[start : start + TOGETHER] for start in range(0, len(candidates), TOGETHER)]
    return np.concatenate(
        [
            np.empty(0, np.float32),
            *_in_threads(verified, portions, desc="verifying", unit=" portions"),
        ]
    )


def _similarities(first: Floats, second: Floats, shift: Floats) -> Floats:
    side = first.shape[1]
    moves = np.zeros((len(first), 2, 3), np.float32)
    moves[:, :, 0] = shift
    # Large images first under a wide blur: the shift is known to a pixel of ``COARSE`` alone.
    for deviation in sorted({SMOOTH, max(SMOOTH, SMOOTH * side / SIDE)}, reverse=True):
        smooth = _blur(side, deviation)
        template, image = (_product(smooth, images) for images in (first, second))
        for _ in range(STEPS):
            moves += _correction(template, *_moved(image, moves))
    moved, inside = _moved(second, moves)
    fine, wide = _blur(side, FINE), _blur(side, DETAIL)
    detail, other = (_product(fine, image) - _product(wide, image) for image in (first, moved))
    small = np.abs(moves / (side * np.array([1, 0.5, 0.5]))).max(axis=(1, 2)) <= WARPED
    aligned = small & (inside.mean(axis=(1, 2)) >= OVERLAP)
    return np.where(aligned, _lower_bound(detail, other, inside), 0).astype(np.float32)


def _blur(side: int, deviation: float) -> Floats:
    """Return the matrix that blurs a column of pixels."""
    return np.asarray(scipy.ndimage.gaussian_filter1d(np.eye(side, dtype=np.float32), deviation, axis=0))


def _product(matrix: Floats, images: Floats) -> Floats:
    """Apply a matrix to the columns and the rows of images."""
    return np.asarray(matrix @ images @ matrix.T, dtype=np.float32)


def _moved(images: Floats, moves: Floats) -> tuple[Floats, Floats]:
    """Take images from other places, between pixels too.

    Args:
        images: float32 of shape (images, side, side).
        moves: of shape (images, 2, 3): how many pixels further down, and to the right, the middle is taken from; and
            how many more that is at the lower, and at the right border.

    Returns:
        The moved images, and 1 where they are from inside, but for the outermost pixels.
    """
    count, side, _ = images.shape
    place = np.arange(side, dtype=np.float32)
    from_middle = (place - (side - 1) / 2) / np.float32(side / 2)
    one = np.ones(side, np.float32)
    # Of each pixel: 1, its place down and its place to the right.
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
    """Return by how much more the second images should move.

    It is the step of Gauss and Newton, for brightness and contrast too.
    """
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
    # So that flat images, too, have a solution: no correction.
    diagonal = np.arange(products.shape[1])
    products[:, diagonal, diagonal] = products[:, diagonal, diagonal] * np.float32(1 + 1e-4) + np.float32(1e-3)
    solved = np.linalg.solve(products, explaining @ first.reshape(count, -1, 1))[:, :, 0]
    contrast = np.maximum(solved[:, len(changes)], np.float32(0.1))
    farthest = side / 8
    steps: Floats = np.clip(solved[:, : len(changes)] / contrast[:, None], -farthest, farthest).astype(np.float32)
    return steps.reshape(count, 2, 3)


def _lower_bound(first: Floats, second: Floats, inside: Floats) -> Floats:
    """Return the lower bounds of the correlations of images of shape (images, side, side), 0 at least."""
    count = len(first)
    weights = inside.reshape(count, -1)
    pixels = weights.sum(axis=1)
    one, other = (detail.reshape(count, -1) * weights for detail in (first, second))
    # Their means are close to 0, as the blur is taken off.
    energies = np.stack([one * one, other * other])
    totals = energies.sum(axis=2)
    noise = totals.min(axis=0) < FAINT**2 * pixels
    correlation = (one * other).sum(axis=1) / np.sqrt(totals[0] * totals[1] + 1e-6)
    # Independent pixels: as many as would hold the same energy evenly, by the area in which detail is one.
    spread = (totals**2 / ((energies * energies).sum(axis=2) + 1e-6)).min(axis=0)
    independent = np.maximum(spread / AREA, 3.001)  # Fisher's transformation wants more than three
    bound = np.tanh(np.arctanh(np.clip(correlation, -0.999999, 0.999999)) - 1.96 / np.sqrt(independent - 3))
    return np.where(noise, 0, np.maximum(bound, 0)).astype(np.float32)
