"""Operations on the values of one image, as Pillow's ``ImageEnhance`` and ``ImageOps`` define them.

Images are uint8 of shape (height, width, 3) or (height, width). A factor of 1 changes nothing, one of 0 removes all
brightness, contrast, colour or sharpness. Tests compare the results with Pillow's: they differ by at most 1, from
rounding.
"""

import cv2
import numpy as np
import numpy.typing as npt
from cv2.typing import MatLike

from darkroom.base.types import Pixels

LEVELS = np.arange(256)
IDENTITY = LEVELS.astype(np.uint8)
LUMA = 0.299, 0.587, 0.114
"""Weights of red, green and blue in grey (ITU-R 601)."""
SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
"""Pillow's kernel, which leaves the outermost pixels as they are."""


def grey(image: MatLike) -> MatLike:
    """Remove all colour; the shape stays."""
    if image.ndim == 2:  # noqa: PLR2004
        return image
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def brightness(image: MatLike, factor: float) -> MatLike:
    """Multiply all values."""
    # A third of the time of a table.
    return cv2.addWeighted(image, factor, image, 0, 0)


def contrast(image: MatLike, factor: float) -> MatLike:
    """Scale the distances from the image's mean grey."""
    means = cv2.mean(image)
    mean = means[0] if image.ndim == 2 else np.dot(LUMA, means[:3])  # noqa: PLR2004
    return cv2.addWeighted(image, factor, image, 0, int(mean + 0.5) * (1 - factor))


def saturation(image: MatLike, factor: float) -> MatLike:
    """Scale the distances from each pixel's grey; a grey image stays as it is."""
    return image if image.ndim == 2 else cv2.transform(image, factor * np.eye(3) + (1 - factor) * np.array(LUMA))  # noqa: PLR2004


def sharpness(image: MatLike, factor: float) -> MatLike:
    """Scale the distances from a smoothed image."""
    smooth = image.copy()
    smooth[1:-1, 1:-1] = cv2.filter2D(image, -1, SMOOTH)[1:-1, 1:-1]
    return cv2.addWeighted(image, factor, smooth, 1 - factor, 0)


def hue(image: MatLike, shift: float) -> MatLike:
    """Turn all colours by a share of the colour circle; a grey image stays as it is."""
    if image.ndim == 2:  # noqa: PLR2004
        return image
    turned = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    turned[..., 0] += np.uint8(round(shift * 256) % 256)  # wraps around
    return cv2.cvtColor(turned, cv2.COLOR_HSV2RGB_FULL)


def posterize(image: MatLike, bits: int) -> MatLike:
    """Keep the highest bits of each value."""
    return cv2.LUT(image, (LEVELS & ~(2 ** (8 - bits) - 1)).astype(np.uint8))


def solarize(image: MatLike, threshold: float) -> MatLike:
    """Invert the values from a threshold on."""
    return cv2.LUT(image, np.where(threshold > LEVELS, LEVELS, 255 - LEVELS).astype(np.uint8))


def auto_contrast(image: MatLike) -> MatLike:
    """Stretch each channel to the whole range from 0 to 255."""
    tables = []
    for counts in _histograms(image):
        (present,) = counts.nonzero()
        low, high = present[0], present[-1]
        # Pillow's order of operations, for equal rounding.
        scale = 255 / (high - low) if high > low else 1.0
        tables.append((LEVELS * scale - low * scale).clip(0, 255).astype(np.uint8) if high > low else IDENTITY)
    return _looked_up(image, tables)


def equalize(image: MatLike) -> MatLike:
    """Make the values of each channel equally frequent."""
    tables = []
    for counts in _histograms(image):
        (present,) = counts.nonzero()
        step = int(counts.sum() - counts[present[-1]]) // 255
        before = np.concatenate([[0], counts.cumsum()[:-1]])
        spread = (before + step // 2) // step if step and len(present) > 1 else LEVELS
        tables.append(spread.clip(0, 255).astype(np.uint8))
    return _looked_up(image, tables)


def blur(image: MatLike, deviation: float) -> MatLike:
    """Blur with a Gaussian.

    Args:
        image: the image.
        deviation: standard deviation in pixels; 0 changes nothing.
    """
    # Below, the kernel is a single pixel.
    return cv2.GaussianBlur(image, (0, 0), deviation) if deviation > 0.1 else image  # noqa: PLR2004


def jpeg(image: MatLike, quality: int) -> MatLike:
    """Compress and decompress; colours are stored at half the resolution, as by most programs.

    Args:
        image: the image.
        quality: from 1 to 100.
    """
    # OpenCV's order is blue, green, red.
    turned = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)  # noqa: PLR2004
    _, encoded = cv2.imencode(".jpg", turned, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED))
    return decoded if decoded.ndim == 2 else cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)  # noqa: PLR2004


def _histograms(image: MatLike) -> list[npt.NDArray[np.int64]]:
    """Return how often each channel has each value."""
    channels = 1 if image.ndim == 2 else image.shape[2]  # noqa: PLR2004
    counts = [cv2.calcHist([image], [channel], None, [256], [0, 256]) for channel in range(channels)]
    return [each.ravel().astype(np.int64) for each in counts]


def _looked_up(image: MatLike, tables: list[Pixels]) -> MatLike:
    """Replace the values of each channel by its table."""
    return cv2.LUT(image, tables[0] if len(tables) == 1 else np.stack(tables, axis=-1)[np.newaxis])
