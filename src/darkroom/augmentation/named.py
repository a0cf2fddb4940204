"""Transforms of albumentations, which params.yaml names."""

from collections.abc import Sequence

from cv2.typing import MatLike

from darkroom.augmentation.streams import named_seed
from darkroom.params import transforms
from darkroom.params.augmentation import NamedTransform


class Named:
    """One of albumentations' transforms, applied image by image."""

    def __init__(self, params: NamedTransform, occurrence: int) -> None:
        self._transform = transforms.create(params.name, params.parameters)
        self._name = params.name
        self._occurrence = occurrence

    def vary(self, images: Sequence[MatLike], seed: int) -> list[MatLike]:
        """Apply the transform to each image.

        Args:
            images: the images.
            seed: the batch's seed.
        """
        self._transform.set_random_seed(named_seed(seed, self._name, self._occurrence))
        return [self._transform(image=image)["image"].reshape(image.shape) for image in images]
