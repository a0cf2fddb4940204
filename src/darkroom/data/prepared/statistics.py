"""Mean and standard deviation of each colour channel."""

import numpy as np

from darkroom.base.errors import InputError
from darkroom.base.types import Pixels
from darkroom.data.formats.arrays import ROWS

LEVELS = 256  # values of 8 bits
COUNTED = 2**24  # pixels at a time; OpenCV's counts are float32, exact up to this number


class ChannelCounts:
    """Histogram of each channel, updated incrementally; gives exact mean and standard deviation."""

    def __init__(self, channels: int) -> None:
        self._counts = np.zeros((channels, LEVELS), dtype=np.int64)

    def add(self, images: Pixels) -> None:
        """Count the values of images: uint8 of shape (images, height, width, channels)."""
        import cv2  # imported here, since those who only read descriptions, such as promotion, do not need it

        pixels = images.reshape(-1, 1, len(self._counts))
        for start in range(0, len(pixels), COUNTED):
            portion = pixels[start : start + COUNTED]
            for channel in range(len(self._counts)):
                counts = cv2.calcHist([portion], [channel], None, [LEVELS], [0, LEVELS])
                self._counts[channel] += counts.ravel().astype(np.int64)

    def mean_and_deviation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and standard deviation per channel.

        Raises:
            InputError: a channel is constant, so that images cannot be normalised.
        """
        values, count = np.arange(LEVELS), self._counts[0].sum()
        mean = self._counts @ values / count
        deviation = np.sqrt(np.maximum(self._counts @ values**2 / count - mean**2, 0))
        if (deviation < 1e-6).any():  # noqa: PLR2004
            raise InputError(
                "a channel has the same value in all training images; check the images and preprocess.size"
            )
        return tuple(mean.tolist()), tuple(deviation.tolist())


def channel_statistics(images: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation per channel of images; see ``ChannelCounts``."""
    counts = ChannelCounts(images.shape[3])
    for start in range(0, len(images), ROWS):
        counts.add(images[start : start + ROWS])
    return counts.mean_and_deviation()
