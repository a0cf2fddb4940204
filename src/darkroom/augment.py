"""Random variation of training images; the only place that imports albumentations."""

import albumentations
import cv2
import numpy as np

from darkroom.images import Pixels
from darkroom.params import AugmentationParams


class Augmenter:
    """Varies batches of images as ``preprocess.augmentation`` says.

    What leaves the frame is lost and what enters repeats the border, because a border of another brightness would be
    a mark that no real image carries.
    """

    def __init__(self, params: AugmentationParams) -> None:
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
        self._transform = albumentations.Compose(symmetric * moves + flips)

    def __call__(self, images: Pixels, seed: int) -> Pixels:
        """Vary each image of a batch by itself.

        Args:
            images: uint8 of shape (batch, height, width, channels).
            seed: the same seed varies the same batch in the same way, whatever came before.

        Returns:
            A new array of the same shape and type.
        """
        if not len(self._transform.transforms):
            return images
        self._transform.set_random_seed(seed)
        return np.stack([self._transform(image=image)["image"].reshape(image.shape) for image in images])
