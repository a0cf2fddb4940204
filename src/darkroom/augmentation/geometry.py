"""Parts of augmentation that move or hide pixels.

Areas that enter the frame repeat the border, since a constant fill would be an artefact that real images lack.
"""

import math
import random
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from cv2.typing import MatLike

from darkroom.params.augmentation import AugmentationParams, ResizedCropParams

MID_GREY = 127
ATTEMPTS = 10
"""Crops to draw until one fits into the image; after that, the largest one with a permitted aspect is used."""


class Affine:
    """Rotation, shift, scale and shear in one bilinear interpolation; the matrices of a batch are computed at once.

    It draws the same numbers as albumentations' ``Affine`` image by image, but shifts by real amounts, where the
    library cuts them to whole pixels.
    """

    def __init__(self, params: AugmentationParams) -> None:
        shift, shear, scale, rotation = params.shift, params.shear, params.scale, params.rotation
        ranges = [(-each, each) for each in (shift, shift, shear, shear)]
        ranges += [(1 - scale, 1 + scale)] * 2 + [(-rotation, rotation)]
        self._low, self._high = np.array(ranges).T[..., np.newaxis]

    def vary(self, images: Sequence[MatLike], seed: int) -> list[MatLike]:
        """Apply a random affine transform to each image."""
        height, width = images[0].shape[:2]
        # Positional: keywords would cost 10 % of the time.
        how = (width, height), None, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE
        matrices = self._matrices(len(images), height, width, seed)
        return [cv2.warpAffine(image, matrix, *how) for image, matrix in zip(images, matrices, strict=True)]

    def _matrices(self, count: int, height: int, width: int, seed: int) -> npt.NDArray[np.float64]:
        """Return random affine matrices, of shape (count, 2, 3)."""
        draw = random.Random(seed).random  # noqa: S311 - not used for secrets
        numbers = len(self._low)
        drawn = np.array([draw() for _ in range(count * numbers)]).reshape(count, numbers).T
        right, bottom, across, down, wide, tall, angle = self._low + (self._high - self._low) * drawn
        angle, across, down = np.radians(angle), np.tan(np.radians(-across)), np.tan(np.radians(-down))
        cosine, sine = np.cos(angle), np.sin(angle)
        a, b = (cosine - across * sine) * wide, (sine + across * cosine) * tall
        c, d = (down * cosine - sine) * wide, (down * sine + cosine) * tall
        # Around the centre.
        x, y = (width - 1) / 2, (height - 1) / 2
        rows = [a, b, right * width + x - a * x - b * y], [c, d, bottom * height + y - c * x - d * y]
        return np.ascontiguousarray(np.moveaxis(np.array(rows), -1, 0))


class ResizedCrop:
    """A random part of each image, resized to the whole size with bilinear interpolation."""

    def __init__(self, params: ResizedCropParams) -> None:
        self._area = params.area
        self._aspect = math.log(params.aspect[0]), math.log(params.aspect[1])

    def vary(self, images: Sequence[MatLike], seed: int) -> list[MatLike]:
        """Crop and resize each image."""
        height, width = images[0].shape[:2]
        boxes = self.boxes(len(images), height, width, seed)
        parts = [
            image[top : top + tall, left : left + wide]
            for image, (top, left, tall, wide) in zip(images, boxes.tolist(), strict=True)
        ]
        return [cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR) for part in parts]

    def boxes(self, count: int, height: int, width: int, seed: int) -> npt.NDArray[np.int64]:
        """Return a random box for each image: top, left, height and width in whole pixels, of shape (count, 4)."""
        generator = np.random.default_rng(seed)
        area = generator.uniform(*self._area, (count, ATTEMPTS))
        aspect = np.exp(generator.uniform(*self._aspect, (count, ATTEMPTS)))
        tall, wide = np.sqrt(area / aspect), np.sqrt(area * aspect)
        fits = (tall <= 1) & (wide <= 1)
        first = fits.argmax(axis=1)
        tall, wide = (each[np.arange(count), first] for each in (tall, wide))
        # None fits: keep the aspect, and make the box as large as the image allows.
        shrunk = np.where(fits.any(axis=1), 1, np.maximum(tall, wide))
        sides = np.stack([tall * height, wide * width]) / shrunk
        tall, wide = np.maximum(sides.round().astype(np.int64), 1)
        top, left = (
            np.floor(generator.random(count) * (whole - part + 1)).astype(np.int64)
            for whole, part in ((height, tall), (width, wide))
        )
        return np.stack([top, left, tall, wide], axis=1)


class Crop:
    """A shift in whole pixels: reflection padding, then a random crop of the original size."""

    def __init__(self, by: int) -> None:
        self._by = by

    def vary(self, images: Sequence[MatLike], seed: int) -> list[MatLike]:
        """Shift each image."""
        height, width = images[0].shape[:2]
        draw, by = random.Random(seed).random, self._by  # noqa: S311 - not used for secrets
        varied = []
        for image in images:
            padded = cv2.copyMakeBorder(image, by, by, by, by, cv2.BORDER_REFLECT_101)
            top, left = int((2 * by + 1) * draw()), int((2 * by + 1) * draw())
            varied.append(padded[top : top + height, left : left + width])
        return varied


class Flip:
    """Mirrors every second image, at random."""

    def __init__(self, *, horizontal: bool) -> None:
        self._axis = int(horizontal)

    def vary(self, images: Sequence[MatLike], seed: int) -> list[MatLike]:
        """Mirror random images."""
        draw = random.Random(seed).random  # noqa: S311 - not used for secrets
        return [cv2.flip(image, self._axis) if draw() < 0.5 else image for image in images]  # noqa: PLR2004


class Erase:
    """Paints a mid-grey rectangle at a random place."""

    def __init__(self, share: float) -> None:
        self._share = share

    def vary(self, images: Sequence[MatLike], seed: int) -> list[MatLike]:
        """Erase a rectangle of each image."""
        generator = np.random.default_rng(seed)
        height, width = images[0].shape[:2]
        tall, wide = int(height * self._share), int(width * self._share)
        painted = [image.copy() for image in images]
        for image in painted:
            # The order of albumentations' CoarseDropout, which also draws the sides and a seed for random fills.
            generator.random(2)
            top, left = (int(generator.integers(0, room + 1, 1)[0]) for room in (height - tall, width - wide))
            generator.integers(0, 2**32 - 1)
            image[top : top + tall, left : left + wide] = MID_GREY
        return painted
