"""Describe images by the low frequencies of small grey versions, as a whole, turned, and cropped."""

import os
from collections.abc import Sequence
from functools import cache, partial
from typing import NamedTuple

import cv2
import numpy as np
import scipy.ndimage
from tqdm.contrib.concurrent import thread_map

from darkroom.base.types import Flags, Floats, Pixels
from darkroom.data.formats.arrays import ArrayFile

SIDE = 32  # pixels of a thumbnail
BLOCK = 1024  # images at a time
TOGETHER = 256  # images that are described at a time, so that they fit into the cache
FLAT = 2.0  # images with a lower standard deviation of grey values are not compared
FREQUENCIES = 7  # of the cosine transform, per axis
LOCAL = 6.0  # pixels, standard deviation of the neighbourhood whose mean and contrast are removed
FAINT = 4.0  # grey values added to the local contrast, so that noise is not amplified
# Threads run in parallel, because NumPy, SciPy and OpenCV release the GIL.
in_threads = partial(thread_map, max_workers=os.cpu_count(), disable=None)


class View(NamedTuple):
    """A quarter turn and a square window of a thumbnail."""

    turns: int
    """Number of quarter turns, counter-clockwise."""
    top: float
    left: float
    side: float
    """Window in pixels of the thumbnail."""

    def transform(self) -> Floats:
        """Return the affine map from positions in the view to those in the thumbnail.

        Positions (right, down) reach from -1 to 1. Shape (2, 3).
        """
        scale = self.side / SIDE
        right, down = (2 * start / SIDE + scale - 1 for start in (self.left, self.top))
        window = np.array([[scale, 0, right], [0, scale, down]])
        turn = np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), self.turns)
        return np.asarray(np.column_stack([turn @ window[:, :2], turn @ window[:, 2]]), dtype=np.float32)

    def clipped(self) -> "View":
        """Return the view moved into the thumbnail."""
        top, left = (min(max(start, 0.0), SIDE - self.side) for start in (self.top, self.left))
        return self._replace(top=top, left=left)


WHOLE = View(0, 0, 0, SIDE)
TURNED = tuple(View(turns, 0, 0, SIDE) for turns in (1, 2, 3))


SHIFTED = (View(0, 2.4, 0, SIDE), View(0, 0, 2.4, SIDE), View(0, 2.4, 2.4, SIDE), View(0, 2.4, -2.4, SIDE))
"""Shifts between those that descriptions of whole images tolerate and four pixels; the opposite shift turns up when the
images of a pair change places."""


def _grid(side: float, margin: float, count: int) -> list[View]:
    places = np.linspace(margin, SIDE - side - margin, count)
    return [View(0, float(top), float(left), side) for top in places for left in places]


CROPS = (*_grid(28, 0, 2), View(0, 2, 2, 28), *_grid(24.6, 0.5, 3), *_grid(24.6, 2.2, 2))
"""Windows dense enough that each crop down to 75 % of the side resembles one of them."""


def thumbnails(images: Pixels | ArrayFile) -> Pixels:
    """Return small grey versions of images, from which everything else is computed.

    Args:
        images: uint8 of shape (images, height, width, 1 or 3), in memory or on disk; read in blocks.

    Returns:
        uint8 of shape (images, SIDE, SIDE): 1 kB per image.
    """
    small = np.empty((len(images), SIDE, SIDE), np.uint8)

    def reduced(portion: slice) -> None:
        small[portion] = _grey(images[portion])

    in_threads(reduced, portions(len(images)), desc="reducing", unit=" portions")
    return small


def portions(count: int) -> list[slice]:
    """Divide ``count`` rows into blocks of at most ``BLOCK``."""
    return [slice(start, start + BLOCK) for start in range(0, count, BLOCK)]


def _grey(images: Pixels) -> Pixels:
    count, height, width, channels = images.shape
    rows = np.ascontiguousarray(images).reshape(count * height, width, channels)
    grey = (cv2.cvtColor(rows, cv2.COLOR_RGB2GRAY) if channels > 1 else rows).reshape(count, height, width)
    if (height, width) == (SIDE, SIDE):
        return np.asarray(grey, np.uint8)
    interpolation = cv2.INTER_AREA if min(height, width) > SIDE else cv2.INTER_LINEAR
    return np.stack([cv2.resize(image, (SIDE, SIDE), interpolation=interpolation) for image in grey])


def textured(thumbnails: Pixels) -> Flags:
    """Return which images have enough contrast to be compared."""
    parts = [thumbnails[portion].std(axis=(1, 2)) >= FLAT for portion in portions(len(thumbnails))]
    return np.concatenate([np.empty(0, bool), *parts])


def describe(thumbnails: Pixels, views: Sequence[View]) -> Floats:
    """Describe views of each image by their low frequencies, after local mean and contrast are removed.

    Local normalisation limits the weight of a bright logo. Weights rise with frequency to offset the falling spectrum
    of photographs; otherwise the lowest would dominate.

    Args:
        thumbnails: uint8 of shape (images, SIDE, SIDE).
        views: what is described.

    Returns:
        Unit vectors, float32 of shape (views, images, frequencies). The first ``EVEN`` are equal in a mirror image, the
        others change sign.
    """
    vectors = np.empty((len(views), len(thumbnails), len(_WEIGHTS)), np.float32)
    windows = _by_columns(views)
    for start in range(0, len(thumbnails), TOGETHER):
        rows = slice(start, start + TOGETHER)
        # The axis of images is last: one large matrix product is faster than one for each image.
        images = np.ascontiguousarray(normalised(thumbnails[rows].astype(np.float32)).transpose(2, 1, 0))
        for (left, side), numbers in windows.items():
            across = (_cosines(left, side) @ images.reshape(SIDE, -1)).reshape(FREQUENCIES, SIDE, -1)
            tops = sorted({views[number].top for number in numbers})
            spectra = np.concatenate([_cosines(top, side) for top in tops]) @ across
            for number in numbers:
                begin = tops.index(views[number].top) * FREQUENCIES
                spectrum = spectra[:, begin : begin + FREQUENCIES].swapaxes(0, 1)
                for _ in range(views[number].turns):
                    spectrum = spectrum.swapaxes(0, 1) * _TURNING
                vectors[number, rows] = spectrum[_DOWN, _RIGHT].T * _WEIGHTS
    vectors /= np.sqrt(np.einsum("vif,vif->vi", vectors, vectors))[..., None] + np.float32(1e-6)
    return vectors


def _by_columns(views: Sequence[View]) -> dict[tuple[float, float], list[int]]:
    """Return the numbers of the views that show the same columns, by first column and side."""
    found: dict[tuple[float, float], list[int]] = {}
    for number, view in enumerate(views):
        found.setdefault((view.left, view.side), []).append(number)
    return found


def normalised(images: Floats) -> Floats:
    """Remove the local mean and contrast of images of shape (images, SIDE, SIDE)."""
    images = images - product(_NEIGHBOURHOOD, images)
    return np.asarray(images / (np.sqrt(product(_NEIGHBOURHOOD, images * images)) + np.float32(FAINT)))


def blur(side: int, deviation: float) -> Floats:
    """Return the matrix of a Gaussian blur along one axis."""
    return np.asarray(scipy.ndimage.gaussian_filter1d(np.eye(side, dtype=np.float32), deviation, axis=0))


def product(matrix: Floats, images: Floats) -> Floats:
    """Apply a matrix to the columns and rows of images."""
    return np.asarray(matrix @ images @ matrix.T, dtype=np.float32)


@cache
def _cosines(start: float, side: float) -> Floats:
    """Return the matrix of the cosine transform of a window."""
    place, frequency = (np.arange(SIDE) + 0.5 - start) / side, np.arange(FREQUENCIES)[:, None]
    waves = np.cos(np.pi * frequency * place) / np.sqrt(1 + (frequency == 0))
    return np.where((place > 0) & (place < 1), waves, 0).astype(np.float32)


_NEIGHBOURHOOD = blur(SIDE, LOCAL)
_RADIUS = np.hypot(np.arange(FREQUENCIES)[:, None], np.arange(FREQUENCIES))
_IS_KEPT = (_RADIUS > 0) & (_RADIUS < FREQUENCIES)
_DOWN, _RIGHT = np.nonzero(_IS_KEPT)
_ORDER = np.argsort(_RIGHT % 2, kind="stable")
_DOWN, _RIGHT = _DOWN[_ORDER], _RIGHT[_ORDER]
_WEIGHTS = _RADIUS[_DOWN, _RIGHT].astype(np.float32)
_TURNING = np.where(np.arange(FREQUENCIES) % 2, -1, 1).astype(np.float32)[:, None, None]  # of a transposed spectrum
EVEN = int((_RIGHT % 2 == 0).sum())
