"""Align pairs of images by affine transforms.

B. Lucas, T. Kanade, An iterative image registration technique, 1981; here the inverse compositional form of S. Baker,
I. Matthews, Lucas-Kanade 20 years on, 2004, with residuals clipped as by P. Huber, Robust estimation of a location
parameter, 1964, so that a logo has little influence.
"""

from typing import NamedTuple

import numpy as np

from darkroom.base.types import Floats
from darkroom.data.splitting.descriptions import SIDE, blur, product


class Level(NamedTuple):
    """Resolution of an alignment."""

    deviation: float
    """Standard deviation of the blur, in pixels."""
    step: int
    """Distance of the compared points, in pixels."""
    iterations: int


COARSE, FULL = Level(1.5, 2, 5), Level(0.8, 1, 2)
CLIPPED = 1.0  # standard deviations of the picture, largest residual
STEADY = 0.02  # share of the mean curvature added to all, so that plain areas do not drift


def aligned(first: Floats, second: Floats, maps: Floats, level: Level) -> Floats:
    """Improve the maps that align the first images with the second.

    Args:
        first: thumbnails, float32 of shape (pairs, SIDE, SIDE).
        second: likewise.
        maps: affine maps from positions (right, down; -1 to 1) in the second image to the first, shape (pairs, 2, 3).
        level: resolution; first ``COARSE``, then ``FULL``.
    """
    smooth = blur(SIDE, level.deviation)
    return _refined(product(smooth, first), product(smooth, second), maps, level.step, level.iterations)


def warped(images: Floats, maps: Floats, step: int = 1) -> tuple[Floats, Floats]:
    """Warp images by affine maps, with bilinear interpolation.

    Args:
        images: float32 of shape (images, SIDE, SIDE).
        maps: as for ``aligned``.
        step: distance of the points at which the warped images are sampled, in pixels.

    Returns:
        The warped images, and 1 where the source is inside the image, 0 elsewhere; shape (images, points, points).
    """
    place = _places(step)
    points = np.stack(np.broadcast_arrays(place, place[:, None], np.float32(1))).reshape(3, -1)
    right, down = ((maps @ points + 1) * np.float32(SIDE / 2) - np.float32(0.5)).swapaxes(0, 1)
    inside = (down >= 0) & (down <= SIDE - 1) & (right >= 0) & (right <= SIDE - 1)
    np.clip(down, 0, SIDE - 1.001, out=down)
    np.clip(right, 0, SIDE - 1.001, out=right)
    top, left = down.astype(np.int32), right.astype(np.int32)
    down -= top
    right -= left
    corner = top * SIDE + left + (np.arange(len(images), dtype=np.int32) * SIDE * SIDE)[:, None]
    pixels = images.reshape(-1)
    corners = [pixels.take(corner + offset) for offset in (0, 1, SIDE, SIDE + 1)]
    upper = corners[0] + (corners[1] - corners[0]) * right
    lower = corners[2] + (corners[3] - corners[2]) * right
    shape = (len(images), len(place), len(place))
    return (upper + (lower - upper) * down).reshape(shape), inside.astype(np.float32).reshape(shape)


def _refined(first: Floats, second: Floats, maps: Floats, step: int, iterations: int) -> Floats:
    count, place = len(second), _places(step)
    across, down = np.zeros_like(second), np.zeros_like(second)
    across[:, :, 1:-1] = second[:, :, 2:] - second[:, :, :-2]
    down[:, 1:-1] = second[:, 2:] - second[:, :-2]
    template = _sampled(second, step)
    middle, deviation = _moments(template, np.ones_like(template))
    # Change of the standardised template with each parameter.
    slopes = [_sampled(slope, step) * np.float32(SIDE / 4) / deviation for slope in (across, down)]
    steepest = np.stack(
        [slope * factor for slope in slopes for factor in (place, place[:, None], np.float32(1))], axis=1
    )
    points = len(place) ** 2
    steepest = steepest.reshape(count, 6, points)
    curvature = steepest @ steepest.swapaxes(1, 2)
    mean = np.trace(curvature, axis1=1, axis2=2)[:, None, None] / 6
    inverse = np.linalg.inv(curvature + (np.float32(STEADY) * mean + np.float32(1e-3)) * np.eye(6, dtype=np.float32))
    for _ in range(iterations):
        moved, inside = warped(first, maps, step)
        average, spread = _moments(moved, inside)
        residual = (moved - average) / spread - (template - middle) / deviation
        residual = np.clip(residual, -CLIPPED, CLIPPED) * inside
        change = (inverse @ (steepest @ residual.reshape(count, points, 1))).reshape(count, 2, 3)
        maps = _composed(maps, np.clip(change, -0.25, 0.25))
    return maps


def _composed(maps: Floats, change: Floats) -> Floats:
    """Return the maps after the inverse of a small change."""
    linear = np.linalg.inv(change[:, :, :2] + np.eye(2, dtype=np.float32))
    offset = -linear @ change[:, :, 2:]
    return np.concatenate([maps[:, :, :2] @ linear, maps[:, :, :2] @ offset + maps[:, :, 2:]], axis=2)


def _moments(images: Floats, inside: Floats) -> tuple[Floats, Floats]:
    pixels = inside.sum(axis=(1, 2), keepdims=True) + np.float32(1e-3)
    mean = (images * inside).sum(axis=(1, 2), keepdims=True) / pixels
    variance = ((images - mean) ** 2 * inside).sum(axis=(1, 2), keepdims=True) / pixels
    return mean, np.sqrt(variance) + np.float32(1)


def _places(step: int) -> Floats:
    """Return the positions of the sampled pixels, from -1 to 1."""
    return ((np.arange(step // 2, SIDE, step) + 0.5) * (2 / SIDE) - 1).astype(np.float32)


def _sampled(images: Floats, step: int) -> Floats:
    return images[:, step // 2 :: step, step // 2 :: step]
