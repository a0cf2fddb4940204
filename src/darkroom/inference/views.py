"""Test-time augmentation: the network predicts several views of each image, and their probabilities are averaged.

Evaluation and the packaged model use this code, so that they agree.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
CROP = 7 / 8
"""Side of a crop, as a share of the image's: 224 of 256 pixels in A. Krizhevsky et al., *ImageNet classification*."""
CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))
BLOCK = 1024
"""Images whose views are in memory at a time."""


def mean_probabilities(
    predict: Callable[[Pixels], npt.NDArray[Any]], images: Pixels, names: Sequence[str]
) -> npt.NDArray[np.float32]:
    """Average the predictions of the views of images.

    Args:
        predict: returns the class probabilities of images, of shape (images, classes); the numbers in further columns,
            such as features, are averaged likewise.
        images: uint8 of shape (images, height, width, channels).
        names: kinds of views, see ``views``; none predicts the images themselves.

    Returns:
        float32 of shape (images, classes).
    """
    if not names:
        return predict(images)
    blocks = [images[start : start + BLOCK] for start in range(0, len(images), BLOCK)]
    means = [np.mean([predict(view) for view in views(block, names)], axis=0, dtype=np.float64) for block in blocks]
    return np.concatenate(means).astype(np.float32)


def views(images: Pixels, names: Sequence[str]) -> Iterator[Pixels]:
    """Yield the images themselves, and then each of their views.

    Args:
        images: uint8 of shape (images, height, width, channels).
        names: any of ``horizontal_flip``, ``vertical_flip``, ``quarter_turns`` (of square images) and ``crops`` (the
            four corners, enlarged); several are combined, so that the number of views is the product.

    Yields:
        Arrays of the same shape.
    """
    if not names:
        yield images
        return
    first, *others = names
    for view in VIEWS[first](images):
        yield from views(view, others)


def _horizontal_flip(images: Pixels) -> Iterator[Pixels]:
    yield images
    yield images[:, :, ::-1]


def _vertical_flip(images: Pixels) -> Iterator[Pixels]:
    yield images
    yield images[:, ::-1]


def _quarter_turns(images: Pixels) -> Iterator[Pixels]:
    for turns in range(4):
        yield np.rot90(images, turns, axes=(1, 2))


def _crops(images: Pixels) -> Iterator[Pixels]:
    yield images
    height, width = images.shape[1:3]
    tall, wide = (max(1, round(CROP * side)) for side in (height, width))
    for down, right in CORNERS:
        top, left = down * (height - tall), right * (width - wide)
        parts = images[:, top : top + tall, left : left + wide]
        yield np.stack([_resized(part, height, width) for part in parts])


def _resized(part: Pixels, height: int, width: int) -> Pixels:
    """Resize pixels of shape (height, width, channels), with 1 or 3 channels."""
    image = Image.fromarray(np.ascontiguousarray(part if part.shape[2] > 1 else part[..., 0]))
    resized = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    return resized.reshape(height, width, part.shape[2])


VIEWS: dict[str, Callable[[Pixels], Iterator[Pixels]]] = {
    "horizontal_flip": _horizontal_flip,
    "vertical_flip": _vertical_flip,
    "quarter_turns": _quarter_turns,
    "crops": _crops,
}
