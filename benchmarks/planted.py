"""Copies of images, changed as people and programs change them, to plant among others."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from darkroom.inference.images import Pixels

PICTURES = 100  # of each kind
COPIES = 2  # of each picture
BURSTS = (1, 3, 5, 10, 20)  # altered copies of one picture
Change = Callable[[Pixels, np.random.Generator], npt.NDArray[Any]]


class Planted(NamedTuple):
    """Changed copies."""

    images: Pixels
    original: np.ndarray
    """Row of each copy's original."""
    kind: np.ndarray
    """Index of ``names``."""
    names: list[str]


def plant(images: Pixels, seed: int = 0) -> Planted:
    """Change ``PICTURES`` random images in each way, each ``COPIES`` times; for bursts, as often as the kind says."""
    generator = np.random.default_rng(seed)
    names: list[str] = []
    copies, original, kind = [], [], []
    for name, count, change in _kinds(images):
        for row in generator.choice(len(images), min(PICTURES, len(images)), replace=False):
            for _ in range(count):
                copies.append(change(images[row], generator).astype(np.uint8).reshape(images.shape[1:]))
                original.append(row)
                kind.append(len(names))
        names.append(name)
    return Planted(np.stack(copies), np.array(original), np.array(kind), names)


def _kinds(images: Pixels) -> Iterator[tuple[str, int, Change]]:
    for quality in (75, 50, 25):
        yield f"JPEG of quality {quality}", COPIES, _jpeg(quality)
    yield "shrunk to 60 % and back", COPIES, shrunk
    yield "contrast of 70 %, brighter by 40", COPIES, lambda image, _: image * 0.7 + 40
    if images.shape[3] > 1:
        yield "tinted", COPIES, lambda image, _: np.clip(image * np.array([1.15, 0.95, 0.8]), 0, 255)
    yield "mirrored", COPIES, lambda image, _: image[:, ::-1]
    for turns in (1, 2, 3):
        yield f"turned by {90 * turns}°", COPIES, _turned(turns)
    for share in (0.94, 0.87, 0.75):
        yield f"middle {share:.0%} of the side", COPIES, _middle(share)
    for share in (0.87, 0.75):
        yield f"random {share:.0%} of the side", COPIES, _somewhere(share)
    yield "random 75 to 100 %, half of them mirrored", COPIES, _cropped_and_mirrored
    yield "logo in a corner", COPIES, with_logo
    yield "caption across", COPIES, with_caption
    for count in BURSTS:
        yield f"{count} altered copies", count, altered


def _jpeg(quality: int) -> Change:
    return lambda image, _: recompressed(image, quality)


def _turned(turns: int) -> Change:
    return lambda image, _: np.rot90(image, turns)


def _middle(share: float) -> Change:
    return lambda image, _: cropped(image, share, 0.5, 0.5)


def _somewhere(share: float) -> Change:
    return lambda image, generator: cropped(image, share, *generator.random(2))


def recompressed(image: Pixels, quality: int) -> Pixels:
    """Compress an image as JPEG and decode it."""
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED))


def shrunk(image: Pixels, _: np.random.Generator) -> Pixels:
    """Reduce an image to 60 % of its side, and enlarge it again."""
    return _resized(_resized(image, (len(image) * 6 // 10,) * 2), image)


def cropped(image: Pixels, share: float, top: float, left: float) -> Pixels:
    """Crop a share of the side, resized to the whole, as JPEG of quality 85."""
    side = [round(length * share) for length in image.shape[:2]]
    start = [round((length - kept) * at) for length, kept, at in zip(image.shape, side, (top, left), strict=False)]
    return recompressed(_resized(image[start[0] : start[0] + side[0], start[1] : start[1] + side[1]], image), 85)


def _cropped_and_mirrored(image: Pixels, generator: np.random.Generator) -> Pixels:
    crop = cropped(image, generator.uniform(0.75, 1), *generator.random(2))
    return crop[:, ::-1] if generator.random() < 0.5 else crop  # noqa: PLR2004 - half


def with_logo(image: Pixels, generator: np.random.Generator) -> Pixels:
    """Cover 6 to 14 % of an image with a box in a corner, a disc on it; as JPEG of quality 85."""
    changed = image.copy().reshape(*image.shape[:2], -1)
    height, width = (int(length * generator.uniform(0.25, 0.38)) for length in image.shape[:2])
    top, left = (
        generator.integers(2) * (length - size) for length, size in zip(image.shape, (height, width), strict=False)
    )
    box = np.zeros((height, width, changed.shape[2]), np.uint8) + generator.integers(0, 256, changed.shape[2], np.uint8)
    cv2.circle(box, (width // 2, height // 2), height // 3, generator.integers(0, 256, changed.shape[2]).tolist(), -1)
    changed[top : top + height, left : left + width] = box
    return recompressed(changed, 85)


def with_caption(image: Pixels, generator: np.random.Generator) -> Pixels:
    """Write across an image in white or black; as JPEG of quality 85."""
    height, width = image.shape[:2]
    large = _resized(image, (8 * width, 8 * height))
    at = (8, int(generator.uniform(0.2, 0.95) * 8 * height))
    cv2.putText(large, "(c) ABC", at, cv2.FONT_HERSHEY_SIMPLEX, 0.06 * width, [int(generator.integers(2)) * 255] * 3, 6)
    return recompressed(_resized(large, image), 85)


def altered(image: Pixels, generator: np.random.Generator) -> Pixels:
    """Change contrast and brightness, mirror half of the copies, compress as JPEG of quality 60 to 94."""
    changed = np.clip(image * generator.uniform(0.85, 1.15) + generator.uniform(-15, 15), 0, 255).astype(np.uint8)
    if generator.random() < 0.5:  # noqa: PLR2004 - half
        changed = np.ascontiguousarray(changed[:, ::-1])
    return recompressed(changed, int(generator.integers(60, 95)))


def _resized(image: Pixels, like: Pixels | tuple[int, int]) -> Pixels:
    size = like if isinstance(like, tuple) else (like.shape[1], like.shape[0])
    shrinking = size[0] < image.shape[1]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC), np.uint8)
