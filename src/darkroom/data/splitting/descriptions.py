"""Describe images by low frequencies of their grey values."""

import os
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt
import scipy.ndimage
from tqdm.contrib.concurrent import thread_map

from darkroom.base.types import Flags, Floats, Pixels
from darkroom.data.formats.arrays import ArrayFile

Spectra = npt.NDArray[np.complex64]
# Correlation of descriptions.
SIDE = 32  # pixels of the grey thumbnail
FLAT = 2.0  # images with a lower standard deviation of grey values are not compared
FREQUENCIES = 6  # of the cosine transform, per axis
BLOCK, NARROW = 1024, 256  # rows and columns of one matrix product, which fits the cache of a core
# Phase correlation.
COARSE = SIDE // 2  # pixels of the coarse thumbnail
KEPT = 6  # frequencies per axis: 0 to 5
# Threads run in parallel, because NumPy, SciPy and OpenCV release the GIL.
in_threads = partial(thread_map, max_workers=os.cpu_count(), disable=None)


@dataclass(frozen=True)
class Descriptions:
    """Descriptions of all images, about 0.7 kB each."""

    vectors: Floats
    """Unit vectors of shape (images, frequencies); the even frequencies come first."""
    even: int
    """Number of even frequencies, equal in a mirror image; the others change sign."""
    spectra: Spectra
    """Shape (images, 2 * KEPT - 1, KEPT), for phase correlation."""
    textured: Flags
    """Whether an image has enough contrast to be compared."""


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

    portions = [slice(start, start + BLOCK) for start in range(0, len(images), BLOCK)]
    in_threads(reduced, portions, desc="reducing", unit=" portions")
    return small


def describe(thumbnails: Pixels) -> Descriptions:
    """Describe images by their thumbnails, in blocks."""
    portions = [slice(start, start + BLOCK) for start in range(0, len(thumbnails), BLOCK)]
    parts = in_threads(
        lambda portion: _describe(thumbnails[portion].astype(np.float32)), portions, desc="describing", unit=" portions"
    )
    vectors, spectra, textured = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Descriptions(vectors, int(_FREQUENCY_IS_EVEN.sum()), spectra, textured)


def _grey(images: Pixels) -> Pixels:
    count, height, width, channels = images.shape
    rows = np.ascontiguousarray(images).reshape(count * height, width, channels)
    grey = (cv2.cvtColor(rows, cv2.COLOR_RGB2GRAY) if channels > 1 else rows).reshape(count, height, width)
    if (height, width) == (SIDE, SIDE):
        return grey
    interpolation = cv2.INTER_AREA if min(height, width) > SIDE else cv2.INTER_LINEAR
    return np.stack([cv2.resize(image, (SIDE, SIDE), interpolation=interpolation) for image in grey])


def _cosines() -> tuple[Floats, Floats, Flags]:
    """Return the matrix of the cosine transform, the weights of its frequencies, and which frequencies are kept.

    Weights rise with frequency to offset the falling spectrum of photographs; otherwise the lowest would dominate.
    """
    place, frequency = np.arange(SIDE), np.arange(FREQUENCIES)
    matrix = np.cos(np.pi * frequency[:, None] * (2 * place + 1) / (2 * SIDE)) / np.sqrt(1 + (frequency[:, None] == 0))
    radius = np.hypot(frequency[:, None], frequency)
    return matrix.astype(np.float32), radius.astype(np.float32), (radius > 0) & (radius < FREQUENCIES)


_COSINES, _RADIUS, _IS_KEPT = _cosines()
_ORDER = np.argsort(np.nonzero(_IS_KEPT)[1] % 2, kind="stable")
_FREQUENCY_IS_EVEN = np.nonzero(_IS_KEPT)[1][_ORDER] % 2 == 0
ROWS = np.r_[0:KEPT, 1 - KEPT : 0]  # vertical frequencies; horizontal ones are 0 to KEPT - 1
_SPECTRUM = np.hypot(ROWS[:, None], np.arange(KEPT)).astype(np.float32) / COARSE
# Middle frequencies, which recompression and rescaling preserve.
_BAND = _SPECTRUM * np.exp(-12.5 * _SPECTRUM**2)
_TWICE = np.where(np.arange(KEPT) > 0, 2, 1)  # horizontal frequencies represent their negative counterparts too


def _describe(grey: Floats) -> tuple[Floats, Spectra, Flags]:
    cosines = product(_COSINES, _centred(grey)) * _RADIUS
    vectors = cosines[:, _IS_KEPT][:, _ORDER]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + np.float32(1e-6)

    coarse = (grey[:, ::2, ::2] + grey[:, ::2, 1::2] + grey[:, 1::2, ::2] + grey[:, 1::2, 1::2]) / np.float32(4)
    place = (np.arange(COARSE) - (COARSE - 1) / 2) / (COARSE / 2)
    # Fade towards the borders, where shifted pictures differ.
    fading = (1 - 0.7 * place**4).astype(np.float32)
    faded: Floats = (coarse - coarse.mean(axis=(1, 2), keepdims=True)) * fading[:, None] * fading
    spectra = (scipy.fft.rfft2(faded)[:, ROWS, :KEPT] * _BAND).astype(np.complex64)
    # Between plain correlation, dominated by the strongest frequency, and pure phase, which amplifies noise.
    spectra /= np.sqrt(np.abs(spectra) + np.float32(1e-6))
    power = (np.abs(spectra) ** 2 * _TWICE).sum(axis=(1, 2), keepdims=True)
    spectra *= COARSE / (np.sqrt(power) + np.float32(1e-6))
    return vectors, spectra, grey.std(axis=(1, 2)) >= FLAT


def _centred(grey: Floats) -> Floats:
    """Shift pictures so that the centroid of their edges is at the centre."""
    down, across = grey[:, 1:] - grey[:, :-1], grey[:, :, 1:] - grey[:, :, :-1]
    np.abs(down, out=down)
    np.abs(across, out=across)
    place = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
    between, one = place[:-1] + np.float32(0.5), np.ones(SIDE, np.float32)
    # Matrix products take a tenth of the time of sums along axes.
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


def product(matrix: Floats, images: Floats) -> Floats:
    """Apply a matrix to the columns and rows of images."""
    return np.asarray(matrix @ images @ matrix.T, dtype=np.float32)
