"""Near-duplicates among packed images: the same picture recompressed, rescaled, recoloured, shifted, cropped, mirrored.

Three steps, each more exact than the one before, and on fewer pairs:

1. An image is described by its low frequencies, about the middle of its edges, so that a shift changes little. All
   pairs of descriptions are compared by blocked matrix products.
2. Pairs that are alike are compared by phase correlation (C. Kuglin, D. Hines, The phase correlation image alignment
   method, 1975), which also says whether one is mirrored, and how far it is shifted.
3. What is left is aligned by an affine transform (G. Evangelidis, E. Psarakis, Parametric image alignment using
   enhanced correlation coefficient maximization, PAMI 2008), and the fine detail of the pixels is correlated. Two skies
   or two white backgrounds are alike without being copies; in their fine detail they are not.
"""

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from darkroom.datasets import Floats, Integers
from darkroom.images import Pixels
from darkroom.splits import Pairs

Spectra = npt.NDArray[np.complex64]
Flags = npt.NDArray[np.bool_]

SIMILARITY = 0.75
"""Of a pair at least; docs/data.md says what was found with it."""
UNIFORM_SIMILARITY = 0.98
"""The same among images of one kind, such as digits or clothes on black, where different ones are alike too."""
SAMPLE = 500  # random pairs, which say whether images are of one kind
UNIFORM = 0.03  # share of them that is alike in detail, from which on they are

# The first step.
SIDE = 32  # pixels, of the grey thumbnail
FLAT = 2.0  # standard deviation of grey values, below which there is no picture to compare
FREQUENCIES = 7  # of the cosine transform, in each direction
ALIKE = 0.74  # least correlation of two descriptions
PARTNERS = 20  # for each image on average, and later ones for any; those most alike go on
BLOCK = 512  # images

# The second.
COARSE = 16  # pixels, of the thumbnail
KEPT = 6  # of its frequencies: 0 to 5
FARTHEST = 5  # pixels of it, of a shift
IN_PHASE = 0.70  # least phase correlation
BUDGET = 5000  # pairs that go on, and half as many as there are images where that is more; those most alike

# The third.
FINEST = 64  # pixels of a side, at most
DETAIL = 2.0  # pixels, standard deviation of the blur that is taken off
FAINT = 1.0  # standard deviation of detail below which it is noise
WARPED = 0.25  # how far the aligning transform may be from none, as a share
OVERLAP = 0.6  # least share of the image that both show

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


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


def search(images: Pixels, sha256: Sequence[str], least: float | None = None) -> Pairs:
    """Find the pairs of near-duplicates.

    What is found does not depend on the order of the images.

    Args:
        images: uint8 of shape (images, height, width, 1 or 3), which may be mapped from disk: they are read in portions.
        sha256: of the files. Those that are equal are pairs, each with the first of them.
        least: similarity of a pair, from 0 to 1; by default ``SIMILARITY``, or ``UNIFORM_SIMILARITY`` where the images
            are of one kind.
    """
    _, originals, copy_of = np.unique(np.asarray(sha256), return_index=True, return_inverse=True)
    copies = np.flatnonzero(originals[copy_of] != np.arange(len(images)))
    described = describe(images)
    rows = originals[described.textured[originals]]
    if least is None:
        least = UNIFORM_SIMILARITY if is_uniform(images, described, rows) else SIMILARITY
    candidates = in_phase(described, alike(described, rows), IN_PHASE, max(BUDGET, len(rows) // 2))
    found = _similarities(images, candidates)
    kept = found >= least
    pairs = np.concatenate([candidates[kept, :2], np.stack([originals[copy_of[copies]], copies], axis=1)])
    values = np.concatenate([found[kept], np.ones(len(copies), dtype=np.float32)])
    pairs.sort(axis=1)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    first, second = pairs[order].astype(np.int64).T
    return Pairs(first, second, values[order])


def is_uniform(images: Pixels, described: Descriptions, rows: Integers) -> bool:
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
    return bool((_similarities(images, in_phase(described, pairs, -1.0, len(pairs))) > 0).mean() > UNIFORM)


def _similarities(images: Pixels, candidates: npt.NDArray[np.int32]) -> Floats:
    def one(candidate: npt.NDArray[np.int32]) -> float:
        first, second, mirrored, down, right = candidate.tolist()
        other = images[second][:, ::-1] if mirrored else images[second]
        return similarity(images[first], other, (down / COARSE, right / COARSE))

    portions = np.array_split(candidates, max(1, len(candidates) // 64))
    parts = _in_threads(lambda portion: [one(candidate) for candidate in portion], portions, "verifying", "portions")
    return np.asarray([value for part in parts for value in part], dtype=np.float32)


def groups(count: int, pairs: Pairs) -> Integers:
    """Number the groups that pairs make: images with a chain of pairs between them have equal numbers.

    Each link of a chain is a pair that was verified by itself; its ends may be less alike.
    """
    links = coo_array((np.ones(len(pairs.first), dtype=np.int8), (pairs.first, pairs.second)), shape=(count, count))
    return connected_components(links, directed=False)[1].astype(np.int64)


def describe(images: Pixels) -> Descriptions:
    """Describe images, a portion at a time."""
    portions = [slice(start, start + BLOCK) for start in range(0, len(images), BLOCK)]
    parts = _in_threads(lambda portion: _describe(_grey(images[portion])), portions, "describing", "portions")
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
    cosines = _COSINES @ _centred(grey) @ _COSINES.T * _RADIUS
    vectors = cosines[:, _IS_KEPT][:, _ORDER]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + np.float32(1e-6)

    step = SIDE // COARSE
    coarse = grey.reshape(-1, COARSE, step, COARSE, step).mean(axis=(2, 4))
    place = (np.arange(COARSE) - (COARSE - 1) / 2) / (COARSE / 2)
    # Fading out towards the borders, where shifted pictures show different things.
    fading = (1 - 0.7 * place**4).astype(np.float32)
    faded = (coarse - coarse.mean(axis=(1, 2), keepdims=True)) * fading[:, None] * fading
    spectra = (scipy.fft.rfft2(faded)[:, _ROWS, :KEPT] * _BAND).astype(np.complex64)
    # Between correlation, where the strongest frequency speaks alone, and pure phase, where noise speaks too.
    spectra /= np.sqrt(np.abs(spectra) + np.float32(1e-6))
    power = (np.abs(spectra) ** 2 * _TWICE).sum(axis=(1, 2), keepdims=True)
    spectra *= COARSE / (np.sqrt(power) + np.float32(1e-6))
    return vectors, spectra, grey.std(axis=(1, 2)) >= FLAT


def _centred(grey: Floats) -> Floats:
    """Shift pictures so that the middle of their edges is in the middle of the image."""
    down, across = np.abs(np.diff(grey, axis=1)), np.abs(np.diff(grey, axis=2))
    place = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
    between = place[:-1] + np.float32(0.5)
    total = down.sum(axis=(1, 2)) + across.sum(axis=(1, 2)) + np.float32(1e-6)
    middle_down = (down.sum(axis=2) @ between + across.sum(axis=2) @ place) / total
    middle_right = (across.sum(axis=1) @ between + down.sum(axis=1) @ place) / total
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
        products = np.empty((2, len(rows[here]), BLOCK), np.float32)
        for other in range(start, len(rows), BLOCK):
            there = slice(other, other + BLOCK)
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
        parts = _in_threads(compared, range(0, len(rows), BLOCK), "comparing", "blocks")
    places: npt.NDArray[np.int32] = rows.astype(np.int32)[np.concatenate([np.empty((0, 2), np.int32), *parts])]
    return places


def _least_correlation(even: Floats, odd: Floats) -> float:
    """Return ``ALIKE``, or what leaves ``PARTNERS`` for an image on average where there would be more."""
    generator = np.random.default_rng(0)
    some, others = (generator.permutation(len(even))[:count] for count in (BLOCK // 2, 16 * BLOCK))
    correlations = even[some] @ even[others].T + np.abs(odd[some] @ odd[others].T)
    share = PARTNERS / max(len(even), 1)
    count = int(share * correlations.size) + len(some)  # each with itself
    if count >= correlations.size:
        return ALIKE
    return max(ALIKE, float(np.partition(correlations, -count, axis=None)[-count]))


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
        portion = pairs[start : start + 8 * BLOCK]
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

    parts = _in_threads(compared, range(0, len(pairs), 8 * BLOCK), "correlating", "portions")
    found = np.concatenate([np.empty((0, 5), np.int32), *(part for part, _ in parts)])
    heights = np.concatenate([np.empty(0, np.float32), *(height for _, height in parts)])
    return found[np.argsort(-heights, kind="stable")[:count]]


def similarity(first: Pixels, second: Pixels, shift: tuple[float, float] = (0.0, 0.0)) -> float:
    """Say how certainly two images show the same picture.

    They are aligned, and what a blur of ``DETAIL`` pixels takes away is correlated: normalised cross-correlation, which
    brightness and contrast do not change. Where the detail is in few places, as of a bird in the sky, a high correlation
    comes by chance more easily; so the lower bound of its 95 % confidence interval is returned (R. A. Fisher, 1915).

    Args:
        first: uint8 of shape (height, width, 1 or 3).
        second: the same, mirrored where that makes them alike.
        shift: by how much the second shows things further down and to the right, as shares of the sides.

    Returns:
        0, where they cannot be aligned or have no detail, to 1.
    """
    side = min(FINEST, max(first.shape[:2]))
    template, image = (_grey(pixels[None], side)[0] for pixels in (first, second))
    down, right = (share * side for share in shift)
    transform = _aligned(template, image, np.array([[1, 0, right], [0, 1, down]], np.float32))
    if transform is None:
        return 0.0
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_CUBIC
    warped = cv2.warpAffine(image, transform, (side, side), flags=flags, borderMode=cv2.BORDER_REFLECT)
    inside = cv2.warpAffine(np.ones_like(image), transform, (side, side), flags=cv2.WARP_INVERSE_MAP) > 0.99  # noqa: PLR2004
    inside[[0, -1]] = inside[:, [0, -1]] = False
    if inside.mean() < OVERLAP:
        return 0.0
    return _lower_bound(_detail(template)[inside], _detail(warped)[inside])


def _aligned(template: Floats, image: Floats, start: Floats) -> Floats | None:
    """Return the affine transform that brings an image onto a template; None where there is none that is small."""
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 3, 1e-3)
    try:
        _, transform = cv2.findTransformECC(template, image, start, cv2.MOTION_AFFINE, criteria, None, 3)
    except cv2.error:  # what OpenCV raises where it does not converge
        return None
    linear = transform[:, :2] - np.eye(2)
    middle = (len(template) - 1) / 2
    moved = (transform @ np.array([middle, middle, 1]) - middle) / len(template)
    return transform if max(np.abs(linear).max(), np.abs(moved).max()) <= WARPED else None


def _detail(grey: Floats) -> Floats:
    return grey - cv2.GaussianBlur(grey, (0, 0), DETAIL, borderType=cv2.BORDER_REFLECT)


def _lower_bound(first: Floats, second: Floats) -> float:
    """Return the lower bound of the correlation, 0 at least."""
    first, second = first - first.mean(), second - second.mean()
    energies = first * first, second * second
    totals = float(energies[0].sum()), float(energies[1].sum())
    if min(totals) < FAINT**2 * first.size:
        return 0.0
    correlation = float(first @ second) / math.sqrt(totals[0] * totals[1])
    # Independent pixels: as many as would hold the same energy evenly, by the area in which detail is one.
    spread = min(total**2 / float(energy @ energy) for total, energy in zip(totals, energies, strict=True))
    independent = spread / (2 * DETAIL)
    if independent <= 3:  # noqa: PLR2004 - Fisher's transformation wants more
        return 0.0
    return max(0.0, math.tanh(math.atanh(min(correlation, 1 - 1e-6)) - 1.96 / math.sqrt(independent - 3)))


def _in_threads(function: Callable[[_Item], _Result], items: Sequence[_Item], what: str, unit: str) -> list[_Result]:
    """Apply a function on all cores (NumPy, SciPy and OpenCV free the interpreter), in order."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(tqdm(pool.map(function, items), total=len(items), desc=what, unit=f" {unit}", disable=None))
