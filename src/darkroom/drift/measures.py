"""Statistics of individual images."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from darkroom.base.types import Numbers, Pixels

_Value = TypeVar("_Value", float, Numbers)
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow converts


def image_statistics(images: Pixels) -> dict[str, Numbers]:
    """Measure each image.

    Args:
        images: uint8 of shape (images, height, width, channels).

    Returns:
        float64 of shape (images,) for each statistic. Of the grey values, 0 to 255: ``brightness`` and ``contrast``,
        mean and standard deviation; ``sharpness``, the variance of their Laplacian (J. Pech-Pacheco and others, Diatom
        autofocusing in brightfield microscopy, ICPR 2000); ``balance``, the mean of the upper half minus that of the
        lower half; ``direction``, (v - h) / (v + h) of the sums v and h of absolute differences between vertical and
        horizontal neighbours, -1 to 1. Of colour images: ``saturation``, the mean of HSV's S; ``warmth``, the mean of
        red - blue; and ``tint``, the mean of green - (red + blue) / 2.
    """
    # One at a time, so that only one image is in memory as floating point.
    rows = [_statistics(image) for image in images]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _statistics(image: Pixels) -> dict[str, float]:
    grey = image[..., 0].astype(np.float64) if image.shape[2] == 1 else image @ np.array(GREY)
    padded = np.pad(grey, 1, mode="edge")
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    found = {"brightness": grey.mean(), "contrast": grey.std(), "sharpness": (around - 4 * grey).var()}
    half = max(len(grey) // 2, 1)
    vertical, horizontal = (np.abs(np.diff(grey, axis=axis)).sum() for axis in (0, 1))
    found["balance"] = grey[:half].mean() - grey[-half:].mean()
    found["direction"] = (vertical - horizontal) / max(vertical + horizontal, 1)
    if image.shape[2] > 1:
        most = image.max(axis=2).astype(np.float64)
        found["saturation"] = np.mean((most - image.min(axis=2)) / np.maximum(most, 1))
        found |= colour_balance(*image.mean(axis=(0, 1)))
    return {name: float(value) for name, value in found.items()}


def colour_balance(red: _Value, green: _Value, blue: _Value) -> dict[str, _Value]:
    """Return ``warmth`` and ``tint`` from channel means: the two axes of white balance."""
    return {"warmth": red - blue, "tint": green - (red + blue) / 2}


def shape_statistics(widths: Sequence[int], heights: Sequence[int]) -> dict[str, Numbers]:
    """Return width, height (pixels) and aspect ratio of the original images."""
    width, height = np.asarray(widths, dtype=np.float64), np.asarray(heights, dtype=np.float64)
    return {"width": width, "height": height, "aspect": width / height}
