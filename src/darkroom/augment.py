"""Random variation of training images; the only place that imports albumentations."""

import albumentations
import cv2
import numpy as np

from darkroom.images import Pixels
from darkroom.sections import AugmentationParams

MID_GREY = 127


class Augmenter:
    """Varies batches of images as ``preprocess.augmentation`` says.

    What leaves the frame is lost and what enters repeats the border, because a border of another brightness would be
    a mark that no real image carries.
    """

    def __init__(self, params: AugmentationParams) -> None:
        self._params = params
        self._transforms: dict[tuple[int, int], albumentations.Compose] = {}

    def _transform(self, height: int, width: int) -> albumentations.Compose:
        """Return the transformation of images of one size."""
        params = self._params
        symmetric = [
            albumentations.Affine(
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
        transform = self._transforms.get(size) or self._transforms.setdefault(size, self._transform(*size))
        if not len(transform.transforms):
            return images
        transform.set_random_seed(seed)
        return np.stack([transform(image=image)["image"].reshape(image.shape) for image in images])
