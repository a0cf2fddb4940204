"""Statistics of individual images."""

from collections.abc import Sequence

import numpy as np

from darkroom.base.types import Numbers, Pixels

GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow converts


def image_statistics(images: Pixels) -> dict[str, Numbers]:
    """Measure each image.

    Args:
        images: uint8 of shape (images, height, width, channels).

    Returns:
        float64 of shape (images,) for each statistic: ``brightness`` and ``contrast``, mean and standard deviation of
        the grey values, 0 to 255; ``sharpness``, the variance of their Laplacian (J. Pech-Pacheco and others, Diatom
        autofocusing in brightfield microscopy, ICPR 2000); for colour images ``saturation``, the mean of HSV's S.
    """
    # One at a time, so that only one image is in memory as floating point.
    rows = [_statistics(image) for image in images]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _statistics(image: Pixels) -> dict[str, float]:
    grey = image[..., 0].astype(np.float64) if image.shape[2] == 1 else image @ np.array(GREY)
    padded = np.pad(grey, 1, mode="edge")
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    found = {"brightness": grey.mean(), "contrast": grey.std(), "sharpness": (around - 4 * grey).var()}
    if image.shape[2] > 1:
        most = image.max(axis=2).astype(np.float64)
        found["saturation"] = np.mean((most - image.min(axis=2)) / np.maximum(most, 1))
    return {name: float(value) for name, value in found.items()}


def shape_statistics(widths: Sequence[int], heights: Sequence[int]) -> dict[str, Numbers]:
    """Return width, height (pixels) and aspect ratio of the original images."""
    width, height = np.asarray(widths, dtype=np.float64), np.asarray(heights, dtype=np.float64)
    return {"width": width, "height": height, "aspect": width / height}
