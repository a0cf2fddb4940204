"""Identify pictures by what they show, whatever file format holds them."""

import hashlib

import numpy as np
from PIL import Image

from darkroom.base.types import Pixels
from darkroom.inference.images import to_channels

OPAQUE = 255
WITH_ALPHA = {"LA", "PA", "RGBA", "La", "RGBa"}
"""Pillow's modes with transparency; others may have it in ``Image.info``."""
SAMPLED_ROWS = 64  # every so many rows are compared before all are


def picture_hash(image: Image.Image) -> str:
    """Return the SHA-256 of a picture's mode, width, height and pixels as displayed.

    Lossless copies in any format have the same hash. The mode is grey if all channels are equal, and has transparency
    only if a pixel is transparent; colours of wholly transparent pixels do not count. Values have 8 bits, as in
    ``to_channels``.

    Args:
        image: a decoded image in full resolution, with its Exif orientation applied.

    Raises:
        ImageError: the pixel format has no fixed range of values.
    """
    mode, pixels = _canonical(image)
    digest = hashlib.sha256(f"{mode} {image.width} {image.height}\n".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def _canonical(image: Image.Image) -> tuple[str, Pixels]:
    """Return the simplest of the modes L, RGB, LA and RGBA that holds the picture, and its pixels."""
    if not image.mode.startswith("I;16") and (image.mode in WITH_ALPHA or "transparency" in image.info):
        pixels = np.array(image.convert("RGBA"))
        if (pixels[..., 3] != OPAQUE).any():
            pixels[pixels[..., 3] == 0] = 0
            return ("LA", pixels[..., [0, 3]]) if _is_grey(pixels) else ("RGBA", pixels)
        pixels = pixels[..., :3]
    else:
        pixels = np.asarray(to_channels(image, 1 if image.mode in {"1", "L"} else 3))
    if pixels.ndim == 2:  # noqa: PLR2004 - height and width
        return "L", pixels
    return ("L", pixels[..., 0]) if _is_grey(pixels) else ("RGB", pixels)


def _is_grey(pixels: Pixels) -> bool:
    # A few rows tell most colour pictures apart.
    return all(
        bool((some[..., 0] == some[..., 1]).all() and (some[..., 0] == some[..., 2]).all())
        for some in (pixels[::SAMPLED_ROWS], pixels)
    )
