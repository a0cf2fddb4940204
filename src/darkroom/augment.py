"""Random variation of training images; the only place that imports albumentations."""

from collections.abc import Sequence

import albumentations
import cv2
import numpy as np
import numpy.typing as npt
from cv2.typing import MatLike

from darkroom.images import Pixels
from darkroom.sections import AugmentationParams

MID_GREY = 127

# The library's parts, each with a way to ``vary`` many images that draws what the library draws for one after the
# other, but leaves out what it asks and prepares for each: where an image is small, that is most of the time.


class _Affine(albumentations.Affine):  # type: ignore[misc]
    """The matrices of all images are computed at once, without the arrays that the library multiplies each from."""

    def vary(self, images: Sequence[MatLike]) -> list[MatLike]:
        """Move images."""
        height, width = images[0].shape[:2]
        # Their names would take a tenth of the time.
        how = (width, height), None, self.interpolation, self.border_mode, self.fill
        matrices = self._matrices(len(images), height, width)
        return [cv2.warpAffine(image, matrix, *how) for image, matrix in zip(images, matrices, strict=True)]

    def _matrices(self, count: int, height: int, width: int) -> npt.NDArray[np.float64]:
        """Draw what the library draws, in its order; return the matrices that take images there, (count, 2, 3)."""
        ranges = [*self.translate_percent.values(), *self.shear.values(), *self.scale.values(), self.rotate]
        low, high = np.array(ranges).T[..., np.newaxis]
        draw = self.py_random.random
        drawn = np.array([draw() for _ in range(count * len(ranges))]).reshape(count, len(ranges)).T
        right, bottom, across, down, wide, tall, angle = low + (high - low) * drawn
        angle, across, down = np.radians(angle), np.tan(np.radians(-across)), np.tan(np.radians(-down))
        cosine, sine = np.cos(angle), np.sin(angle)
        a, b = (cosine - across * sine) * wide, (sine + across * cosine) * tall
        c, d = (down * cosine - sine) * wide, (down * sine + cosine) * tall
        # Around the middle, and by whole pixels.
        x, y = (width - 1) / 2, (height - 1) / 2
        right, bottom = np.trunc(right * width), np.trunc(bottom * height)
        rows = [a, b, right + x - a * x - b * y], [c, d, bottom + y - c * x - d * y]
        return np.ascontiguousarray(np.moveaxis(np.array(rows), -1, 0))


class _Pad(albumentations.Pad):  # type: ignore[misc]
    def vary(self, images: Sequence[MatLike]) -> list[MatLike]:
        """Put a border around images."""
        by = self.padding
        return [cv2.copyMakeBorder(image, by, by, by, by, self.border_mode) for image in images]


class _RandomCrop(albumentations.RandomCrop):  # type: ignore[misc]
    def vary(self, images: Sequence[MatLike]) -> list[MatLike]:
        """Cut pieces out of images."""
        shape = {"shape": images[0].shape}
        pieces = (self.get_params_dependent_on_data(shape, {})["crop_coords"] for _ in images)
        return [image[top:bottom, left:right] for image, (left, top, right, bottom) in zip(images, pieces, strict=True)]


class _HorizontalFlip(albumentations.HorizontalFlip):  # type: ignore[misc]
    def vary(self, images: Sequence[MatLike]) -> list[MatLike]:
        """Mirror some of the images, left for right."""
        return [cv2.flip(image, 1) if self.should_apply() else image for image in images]


class _VerticalFlip(albumentations.VerticalFlip):  # type: ignore[misc]
    def set_random_seed(self, seed: int | None) -> None:
        """Draw other numbers than the other flip: with the same seed, both would mirror the same images."""
        super().set_random_seed(None if seed is None else seed + 1)

    def vary(self, images: Sequence[MatLike]) -> list[MatLike]:
        """Mirror some of the images, top for bottom."""
        return [cv2.flip(image, 0) if self.should_apply() else image for image in images]


class _CoarseDropout(albumentations.CoarseDropout):  # type: ignore[misc]
    def vary(self, images: Sequence[MatLike]) -> list[MatLike]:
        """Paint a part of images over."""
        shape = {"shape": images[0].shape}
        painted = [image.copy() for image in images]
        for image in painted:
            for left, top, right, bottom in self.get_params_dependent_on_data(shape, {})["holes"]:
                image[top:bottom, left:right] = self.fill
        return painted


class Augmenter:
    """Varies batches of images as ``preprocess.augmentation`` says.

    What leaves the frame is lost and what enters repeats the border, because a border of another brightness would be
    a mark that no real image carries.
    """

    def __init__(self, params: AugmentationParams) -> None:
        # Training has all cores already; dividing one image among OpenCV's own threads costs as much again.
        cv2.setNumThreads(1)
        self._params = params
        self._transforms: dict[tuple[int, int], albumentations.Compose] = {}

    def transform_of(self, height: int, width: int) -> albumentations.Compose:
        """Return the transformation of images of one size."""
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
        """Vary each image of a batch by itself.

        Args:
            images: uint8 of shape (batch, height, width, channels).
            seed: the same seed varies the same batch in the same way, whatever came before.

        Returns:
            A new array of the same shape and type.
        """
        size = images.shape[1], images.shape[2]
        transform = self._transforms.get(size) or self._transforms.setdefault(size, self.transform_of(*size))
        if not len(transform.transforms):
            return images
        transform.set_random_seed(seed)
        # OpenCV takes the axis of a single channel away.
        varied: Sequence[MatLike] = list(images if images.shape[3] > 1 else images[..., 0])
        # One part after the other: each has a generator of its own.
        for part in transform.transforms:
            varied = part.vary(varied)
        return np.stack(varied, dtype=np.uint8).reshape(images.shape)
