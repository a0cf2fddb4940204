"""Augmentation of training images."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Protocol

import cv2
import numpy as np
from cv2.typing import MatLike

from darkroom.augmentation import appearance, geometry, operations
from darkroom.augmentation.named import Named
from darkroom.augmentation.policies import Policy
from darkroom.augmentation.streams import Stream, stream_seed
from darkroom.base.types import Pixels
from darkroom.params import AugmentationParams


class Part(Protocol):
    """A part of augmentation."""

    def vary(self, images: Sequence[MatLike], seed: int, /) -> list[MatLike]:
        """Vary each image at random; the images themselves stay as they are.

        Args:
            images: uint8 of one shape, (height, width, 3) or (height, width).
            seed: of the part's random numbers.
        """


def parts(params: AugmentationParams) -> Iterator[tuple[Stream, Part]]:
    """Yield the enabled parts with their streams, in the order of application, up to ``transforms``."""
    if params.resized_crop is not None:
        yield "resized_crop", geometry.ResizedCrop(params.resized_crop)
    if any((params.rotation, params.shift, params.scale, params.shear)):
        yield "affine", geometry.Affine(params)
    if params.crop:
        yield "crop", geometry.Crop(params.crop)
    if params.horizontal_flip:
        yield "horizontal_flip", geometry.Flip(horizontal=True)
    if params.vertical_flip:
        yield "vertical_flip", geometry.Flip(horizontal=False)
    if params.policy is not None:
        yield "policy", Policy(params.policy)
    yield from appearance.adjustments(params).items()
    if params.grey:
        yield "grey", appearance.Grey(params.grey)
    if params.blur:
        yield "blur", appearance.Adjust(operations.blur, 0, params.blur)
    if params.jpeg is not None:
        yield "jpeg", appearance.Jpeg(params.jpeg)


class Augmenter:
    """Augments batches of images as ``preprocess.augmentation`` specifies, except for mixing."""

    def __init__(self, params: AugmentationParams) -> None:
        # Training uses all cores already; OpenCV's own threads would double the cost.
        cv2.setNumThreads(1)
        self._parts = list(parts(params))
        seen: Counter[str] = Counter()
        self._named = []
        for each in params.transforms:
            self._named.append(Named(each, seen[each.name]))
            seen[each.name] += 1
        self._erase = geometry.Erase(params.erase) if params.erase else None

    def __call__(self, images: Pixels, seed: int) -> Pixels:
        """Augment each image of a batch, independently of the others, and with each part independent of the others.

        Args:
            images: uint8 of shape (batch, height, width, channels).
            seed: the same seed and batch give the same result, independent of earlier calls.

        Returns:
            A new array of the same shape and type.
        """
        if not (self._parts or self._named or self._erase):
            return images
        # OpenCV drops the axis of a single channel.
        varied: Sequence[MatLike] = list(images if images.shape[3] > 1 else images[..., 0])
        for name, part in self._parts:
            varied = part.vary(varied, stream_seed(seed, name))
        for transform in self._named:
            varied = transform.vary(varied, seed)
        if self._erase is not None:
            varied = self._erase.vary(varied, stream_seed(seed, "erase"))
        return np.stack(varied, dtype=np.uint8).reshape(images.shape)
