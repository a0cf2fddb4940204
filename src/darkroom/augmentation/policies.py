"""TrivialAugment and RandAugment: random operations on each image, with their published ranges.

- TrivialAugment (S. Müller, F. Hutter, 2021), the paper's *wide* ranges: one operation, of a random strength.
- RandAugment (E. Cubuk et al., 2020), ranges as for ImageNet: several operations of one strength, from 0 to 30.

Both choose from 14 operations with the same probability; a strength is one of 31 equal steps. As everywhere in
Darkroom, areas that enter the frame repeat the border, where the papers' code fills them with black or grey, and
interpolation is bilinear.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from cv2.typing import MatLike

from darkroom.augmentation import operations
from darkroom.params.augmentation import PolicyParams

STEPS = 31
Apply = Callable[[MatLike, float], MatLike]
"""An operation with its strength."""


@dataclass(frozen=True)
class Ranges:
    """The strongest changes of a policy."""

    shear: float
    """Pixels to the side for each pixel of height."""
    translate: Callable[[int], float]
    """Pixels, from the image's side."""
    rotate: float
    """Degrees."""
    enhance: float
    """Change of the factor of brightness, colour, contrast and sharpness."""
    bits: int
    """Fewest bits that remain."""


TRIVIAL_AUGMENT = Ranges(shear=0.99, translate=lambda side: 32.0, rotate=135, enhance=0.99, bits=2)  # noqa: ARG005
RAND_AUGMENT = Ranges(shear=0.3, translate=lambda side: 150 / 331 * side, rotate=30, enhance=0.9, bits=4)


def operations_of(ranges: Ranges) -> tuple[Apply, ...]:
    """Return the 14 operations; each takes an image and a strength from -1 to 1, of which some use the size alone."""
    most, fewest = ranges.enhance, ranges.bits

    def enhance(operation: Apply) -> Apply:
        return lambda image, strength: operation(image, 1 + most * strength)

    def translate(axis: int) -> Apply:
        def apply(image: MatLike, strength: float) -> MatLike:
            by = ranges.translate(image.shape[1 - axis]) * strength
            return _warp(image, [[1, 0, by * (1 - axis)], [0, 1, by * axis]])

        return apply

    return (
        lambda image, _: image,
        lambda image, strength: _warp(image, [[1, ranges.shear * strength, 0], [0, 1, 0]]),
        lambda image, strength: _warp(image, [[1, 0, 0], [ranges.shear * strength, 1, 0]]),
        translate(0),
        translate(1),
        lambda image, strength: _rotate(image, ranges.rotate * strength),
        enhance(operations.brightness),
        enhance(operations.saturation),
        enhance(operations.contrast),
        enhance(operations.sharpness),
        lambda image, strength: operations.posterize(image, 8 - round((8 - fewest) * abs(strength))),
        lambda image, strength: operations.solarize(image, 255 * (1 - abs(strength))),
        lambda image, _: operations.auto_contrast(image),
        lambda image, _: operations.equalize(image),
    )


def _warp(image: MatLike, matrix: Sequence[Sequence[float]] | npt.NDArray[np.float64]) -> MatLike:
    """Move pixels; the matrix leads from each pixel of the result to its source, from the upper left corner."""
    height, width = image.shape[:2]
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, np.asarray(matrix, float), (width, height), None, how, cv2.BORDER_REPLICATE)


def _rotate(image: MatLike, degrees: float) -> MatLike:
    """Turn around the centre, counter-clockwise."""
    height, width = image.shape[:2]
    return _warp(image, np.asarray(cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1)))


class Policy:
    """Applies random operations to each image."""

    def __init__(self, params: PolicyParams) -> None:
        is_trivial = params.name == "trivial_augment"
        self._operations = operations_of(TRIVIAL_AUGMENT if is_trivial else RAND_AUGMENT)
        self._count = 1 if is_trivial else params.operations
        self._magnitude = None if is_trivial else params.magnitude

    def vary(self, images: Sequence[MatLike], seed: int) -> list[MatLike]:
        """Apply operations to each image."""
        shape, generator = (self._count, len(images)), np.random.default_rng(seed)
        chosen = generator.integers(0, len(self._operations), shape)
        signs = generator.choice((-1, 1), shape)
        any_strength = generator.integers(0, STEPS, shape)
        strengths = signs * (any_strength if self._magnitude is None else self._magnitude) / (STEPS - 1)
        varied = list(images)
        for numbers, amounts in zip(chosen.tolist(), strengths.tolist(), strict=True):
            varied = [
                self._operations[number](image, amount)
                for image, number, amount in zip(varied, numbers, amounts, strict=True)
            ]
        return varied
