"""MixUp and CutMix: images of a batch are mixed in pairs, and their targets likewise.

- MixUp (H. Zhang et al., 2018): the weighted mean of two images.
- CutMix (S. Yun et al., 2019): a rectangle of one image, pasted into the other at the same place.

The weight of the first image is drawn from Beta(alpha, alpha) for each pair. The papers' code draws once per batch,
which has the same distribution for each image.
"""

import cv2
import numpy as np
import numpy.typing as npt

from darkroom.augmentation.streams import stream_seed
from darkroom.base.types import Floats, Integers, Numbers, Pixels
from darkroom.params.augmentation import AugmentationParams


class Mixer:
    """Mixes the images and targets of batches by MixUp, CutMix, or one of the two at random for each batch."""

    def __init__(self, params: AugmentationParams) -> None:
        self._ways = [(way, alpha) for way, alpha in ((mix_up, params.mixup), (cut_mix, params.cutmix)) if alpha]

    def __call__(
        self, images: Pixels, targets: Floats, weights: Floats | None, seed: int
    ) -> tuple[Pixels, Floats, Floats | None]:
        """Mix each image of a batch with another one.

        Args:
            images: uint8 of shape (batch, height, width, channels).
            targets: float32 of shape (batch, classes).
            weights: weight of each image in the loss, float32 of shape (batch,); None if all count the same.
            seed: the same seed and batch give the same result, independent of earlier calls.

        Returns:
            New images, targets and weights of the same shapes. With them, a loss that is linear in the targets, such as
            cross-entropy, is the mean of both images' weighted losses.
        """
        generator = np.random.default_rng(stream_seed(seed, "mix"))
        way, alpha = self._ways[generator.integers(len(self._ways))]
        partners = generator.permutation(len(images))
        mixed, shares = way(images, partners, generator.beta(alpha, alpha, len(images)), generator)
        own = shares if weights is None else shares * weights
        other = (1 - shares) if weights is None else (1 - shares) * weights[partners]
        total = own + other
        soft = (own[:, None] * targets + other[:, None] * targets[partners]) / total[:, None]
        return mixed, soft.astype(np.float32), None if weights is None else total.astype(np.float32)


def mix_up(
    images: Pixels,
    partners: Integers,
    shares: Numbers,
    generator: np.random.Generator,  # noqa: ARG001 - as for cut_mix
) -> tuple[Pixels, Numbers]:
    """Average each image with its partner, rounded to whole values; return the images and the share of the first."""
    mixed = np.empty_like(images)
    for number, (partner, share) in enumerate(zip(partners.tolist(), shares.tolist(), strict=True)):
        blended = cv2.addWeighted(images[number], share, images[partner], 1 - share, 0)
        mixed[number] = blended.reshape(images.shape[1:])
    return mixed, shares


def cut_mix(
    images: Pixels, partners: Integers, shares: Numbers, generator: np.random.Generator
) -> tuple[Pixels, Numbers]:
    """Paste a rectangle of each image's partner into it; return the images and the share of its own pixels.

    The rectangle has the image's aspect, and its centre is anywhere; what lies outside of the image is cut off, and so
    the shares grow.
    """
    height, width = images.shape[1:3]
    mixed = images.copy()
    left_over = np.empty(len(images))
    half = np.sqrt(1 - shares) / 2
    rows = _span(generator.uniform(0, height, len(images)), half * height, height)
    columns = _span(generator.uniform(0, width, len(images)), half * width, width)
    for number, (partner, (top, bottom), (left, right)) in enumerate(
        zip(partners.tolist(), rows.tolist(), columns.tolist(), strict=True)
    ):
        mixed[number, top:bottom, left:right] = images[partner, top:bottom, left:right]
        left_over[number] = 1 - (bottom - top) * (right - left) / (height * width)
    return mixed, left_over


def _span(centre: Numbers, half: Numbers, side: int) -> npt.NDArray[np.int64]:
    """Return first pixel and end of each span along a side, of shape (batch, 2)."""
    return np.stack([centre - half, centre + half], axis=1).round().clip(0, side).astype(np.int64)
