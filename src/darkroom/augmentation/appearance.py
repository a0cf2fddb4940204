"""Parts of augmentation that change values: colour jitter, grey, blur, JPEG compression."""

from collections.abc import Callable, Sequence

import numpy as np
from cv2.typing import MatLike

from darkroom.augmentation import operations
from darkroom.augmentation.streams import Stream
from darkroom.params.augmentation import AugmentationParams


class Adjust:
    """Applies an operation to each image, with an amount drawn uniformly from a range."""

    def __init__(self, operation: Callable[[MatLike, float], MatLike], low: float, high: float) -> None:
        self._operation = operation
        self._range = low, high

    def vary(self, images: Sequence[MatLike], seed: int) -> list[MatLike]:
        """Adjust each image."""
        amounts = np.random.default_rng(seed).uniform(*self._range, len(images)).tolist()
        return [self._operation(image, amount) for image, amount in zip(images, amounts, strict=True)]


class Grey:
    """Removes the colour of random images."""

    def __init__(self, probability: float) -> None:
        self._probability = probability

    def vary(self, images: Sequence[MatLike], seed: int) -> list[MatLike]:
        """Remove the colour of random images."""
        chosen = np.random.default_rng(seed).random(len(images)) < self._probability
        return [operations.grey(image) if is_chosen else image for image, is_chosen in zip(images, chosen, strict=True)]


class Jpeg:
    """Compresses each image with a quality drawn uniformly from a lowest one to 100."""

    def __init__(self, lowest: int) -> None:
        self._lowest = lowest

    def vary(self, images: Sequence[MatLike], seed: int) -> list[MatLike]:
        """Compress each image."""
        qualities = np.random.default_rng(seed).integers(self._lowest, 101, len(images)).tolist()
        return [operations.jpeg(image, quality) for image, quality in zip(images, qualities, strict=True)]


def adjustments(params: AugmentationParams) -> dict[Stream, Adjust]:
    """Return the enabled adjustments by the name of their stream, in the order of application."""
    factors: dict[Stream, tuple[Callable[[MatLike, float], MatLike], float]] = {
        "brightness": (operations.brightness, params.brightness),
        "contrast": (operations.contrast, params.contrast),
        "saturation": (operations.saturation, params.saturation),
    }
    found = {name: Adjust(operation, 1 - by, 1 + by) for name, (operation, by) in factors.items() if by}
    return found | ({"hue": Adjust(operations.hue, -params.hue, params.hue)} if params.hue else {})
