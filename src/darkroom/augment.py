"""Random variation of training images; the only place that imports albumentations."""

import math
from typing import Any

import albumentations
import cv2
import numpy as np

from darkroom.images import Pixels
from darkroom.sections import AugmentationParams

MID_GREY = 127


class _Affine(albumentations.Affine):  # type: ignore[misc]
    """The same variation in a third of the time: only what small images need is computed, and not by way of arrays."""

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Draw what the library draws, in its order; return the matrix of shape (2, 3) that takes an image there."""
        shape = params["shape"][:2]
        shift = self._get_translate_params(shape)
        shear = self._get_shear_params()
        scale = self._get_scale(self.scale, self.keep_ratio, self.balanced_scale, self.py_random)
        angle = math.radians(self.py_random.uniform(*self.rotate))
        across, down = (math.tan(math.radians(shear[axis])) for axis in "xy")
        cosine, sine = math.cos(angle), math.sin(angle)
        a, b = (cosine - across * sine) * scale["x"], (sine + across * cosine) * scale["y"]
        c, d = (down * cosine - sine) * scale["x"], (down * sine + cosine) * scale["y"]
        # Around the middle.
        x, y = (shape[1] - 1) / 2, (shape[0] - 1) / 2
        matrix = np.array([[a, b, shift["x"] + x - a * x - b * y], [c, d, shift["y"] + y - c * x - d * y]])
        return {"matrix": matrix, "output_shape": shape}

    def apply(self, img: Pixels, matrix: Any, output_shape: tuple[int, int], **_: Any) -> Pixels:
        """Move an image."""
        moved: Pixels = cv2.warpAffine(  # type: ignore[assignment]
            img,
            matrix,
            output_shape[::-1],
            flags=self.interpolation,
            borderMode=self.border_mode,
            borderValue=self.fill,
        )
        return moved.reshape(img.shape)


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
        flips = [albumentations.HorizontalFlip(p=0.5)] * params.horizontal_flip + [
            albumentations.VerticalFlip(p=0.5)
        ] * params.vertical_flip
        crop = [
            albumentations.Pad(padding=params.crop, border_mode=cv2.BORDER_REFLECT_101, p=1.0),
            albumentations.RandomCrop(height, width, p=1.0),
        ]
        erase = [
            albumentations.CoarseDropout(
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
        return np.stack([_varied(transform, image) for image in images])


def _varied(transform: albumentations.Compose, image: Pixels) -> Pixels:
    """Do with an image what the whole would do, without its questions for masks and boxes, a third of the time."""
    # The whole would draw whether it does anything at all.
    transform.py_random.random()
    varied = image
    for part in transform.transforms:
        varied = part(image=varied)["image"]
    return varied.reshape(image.shape)
