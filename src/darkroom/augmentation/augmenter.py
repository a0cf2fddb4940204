"""Augmentation of training images; the only module that imports albumentations."""

from collections.abc import Sequence

import albumentations
import cv2
import numpy as np
import numpy.typing as npt
from cv2.typing import MatLike

from darkroom.base.types import Pixels
from darkroom.params import AugmentationParams

MID_GREY = 127


RANDOM_PARTS = (
    albumentations.Affine,
    albumentations.RandomCrop,
    albumentations.HorizontalFlip,
    albumentations.VerticalFlip,
    albumentations.CoarseDropout,
)
"""Transforms that draw random numbers. A transform's place in the list identifies its stream; append new ones."""


# The library's transforms, with a method ``vary`` for batches. It draws the same random numbers as the library does
# image by image, without the library's checks and preparation per image, which dominate for small images. The library
# also cuts translations to whole pixels, towards 0; these do not.


class _Affine(albumentations.Affine):  # type: ignore[misc]
    """Affine transform that computes the matrices of all images at once."""

    def vary(self, images: Sequence[MatLike]) -> list[MatLike]:
        """Apply a random affine transform to each image."""
        height, width = images[0].shape[:2]
        # Positional: keywords would cost 10 % of the time.
        how = (width, height), None, self.interpolation, self.border_mode, self.fill
        matrices = self._matrices(len(images), height, width)
        return [cv2.warpAffine(image, matrix, *how) for image, matrix in zip(images, matrices, strict=True)]

    def _matrices(self, count: int, height: int, width: int) -> npt.NDArray[np.float64]:
        """Draw the library's random numbers, in its order; return the affine matrices, of shape (count, 2, 3)."""
        ranges = [*self.translate_percent.values(), *self.shear.values(), *self.scale.values(), self.rotate]
        low, high = np.array(ranges).T[..., np.newaxis]
        draw = self.py_random.random
        drawn = np.array([draw() for _ in range(count * len(ranges))]).reshape(count, len(ranges)).T
        right, bottom, across, down, wide, tall, angle = low + (high - low) * drawn
        angle, across, down = np.radians(angle), np.tan(np.radians(-across)), np.tan(np.radians(-down))
        cosine, sine = np.cos(angle), np.sin(angle)
        a, b = (cosine - across * sine) * wide, (sine + across * cosine) * tall
        c, d = (down * cosine - sine) * wide, (down * sine + cosine) * tall
        # Around the centre.
        x, y = (width - 1) / 2, (height - 1) / 2
        rows = [a, b, right * width + x - a * x - b * y], [c, d, bottom * height + y - c * x - d * y]
        return np.ascontiguousarray(np.moveaxis(np.array(rows), -1, 0))


class _Pad(albumentations.Pad):  # type: ignore[misc]
    def vary(self, images: Sequence[MatLike]) -> list[MatLike]:
        """Pad each image."""
        by = self.padding
        return [cv2.copyMakeBorder(image, by, by, by, by, self.border_mode) for image in images]


class _RandomCrop(albumentations.RandomCrop):  # type: ignore[misc]
    def vary(self, images: Sequence[MatLike]) -> list[MatLike]:
        """Crop each image at a random position."""
        shape = {"shape": images[0].shape}
        pieces = (self.get_params_dependent_on_data(shape, {})["crop_coords"] for _ in images)
        return [image[top:bottom, left:right] for image, (left, top, right, bottom) in zip(images, pieces, strict=True)]


class _HorizontalFlip(albumentations.HorizontalFlip):  # type: ignore[misc]
    def vary(self, images: Sequence[MatLike]) -> list[MatLike]:
        """Flip random images horizontally."""
        return [cv2.flip(image, 1) if self.should_apply() else image for image in images]


class _VerticalFlip(albumentations.VerticalFlip):  # type: ignore[misc]
    def vary(self, images: Sequence[MatLike]) -> list[MatLike]:
        """Flip random images vertically."""
        return [cv2.flip(image, 0) if self.should_apply() else image for image in images]


class _CoarseDropout(albumentations.CoarseDropout):  # type: ignore[misc]
    def vary(self, images: Sequence[MatLike]) -> list[MatLike]:
        """Erase a random rectangle of each image."""
        shape = {"shape": images[0].shape}
        painted = [image.copy() for image in images]
        for image in painted:
            for left, top, right, bottom in self.get_params_dependent_on_data(shape, {})["holes"]:
                image[top:bottom, left:right] = self.fill
        return painted


def seed_parts(transform: albumentations.Compose, seed: int) -> None:
    """Seed the transforms of a composed one, each with its own stream of random numbers.

    ``Compose.set_random_seed`` would give all the same seed, and then their decisions are correlated. A stream depends
    on the seed and the kind of the transform only, not on what else is enabled.
    """
    for number, kind in enumerate(RANDOM_PARTS):
        for part in transform.transforms:
            if isinstance(part, kind):
                part.set_random_seed(
                    int(np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(1, np.uint64)[0])
                )


class Augmenter:
    """Augments batches of images as ``preprocess.augmentation`` specifies.

    Areas that enter the frame repeat the border, since a constant fill would be an artefact that real images lack.
    """

    def __init__(self, params: AugmentationParams) -> None:
        # Training uses all cores already; OpenCV's own threads would double the cost.
        cv2.setNumThreads(1)
        self._params = params
        self._transforms: dict[tuple[int, int], albumentations.Compose] = {}

    def transform_of(self, height: int, width: int) -> albumentations.Compose:
        """Return the composed transform for images of one size."""
        params = self._params
        symmetric = [
            _Affine(
                rotate=(-params.rotation, params.rotation),
                translate_percent=(-params.shift, params.shift),
                scale=(1 - params.scale, 1 + params.scale),
                shear=(-params.shear, params.shear),
                interpolation=cv2.INTER_LINEAR,
                border_mode=cv2.BORDER_REPLICATE,
                p=1.0,
            )
        ]
        moves = any((params.rotation, params.shift, params.scale, params.shear))
        flips = [_HorizontalFlip(p=0.5)] * params.horizontal_flip + [_VerticalFlip(p=0.5)] * params.vertical_flip
        crop = [
            _Pad(padding=params.crop, border_mode=cv2.BORDER_REFLECT_101, p=1.0),
            _RandomCrop(height, width, p=1.0),
        ]
        erase = [
            _CoarseDropout(
                num_holes_range=(1, 1),
                hole_height_range=(params.erase, params.erase),
                hole_width_range=(params.erase, params.erase),
                fill=MID_GREY,
                p=1.0,
            )
        ]
        return albumentations.Compose(symmetric * moves + crop * bool(params.crop) + flips + erase * bool(params.erase))

    def __call__(self, images: Pixels, seed: int) -> Pixels:
        """Augment each image of a batch, independently of the others, and with each part independent of the others.

        Args:
            images: uint8 of shape (batch, height, width, channels).
            seed: the same seed and batch give the same result, independent of earlier calls.

        Returns:
            A new array of the same shape and type.
        """
        size = images.shape[1], images.shape[2]
        transform = self._transforms.get(size) or self._transforms.setdefault(size, self.transform_of(*size))
        if not len(transform.transforms):
            return images
        seed_parts(transform, seed)
        # OpenCV drops the axis of a single channel.
        varied: Sequence[MatLike] = list(images if images.shape[3] > 1 else images[..., 0])
        # Transform by transform: each has its own random generator.
        for step in transform.transforms:
            varied = step.vary(varied)
        return np.stack(varied, dtype=np.uint8).reshape(images.shape)
