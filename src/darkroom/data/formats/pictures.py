"""Identify pictures by what they show, whatever file format holds them."""

import hashlib

import numpy as np
from PIL import Image

from darkroom.inference.images import Decoded, Pixels, decode, to_channels

OPAQUE = 255
WITH_ALPHA = {"LA", "PA", "RGBA", "La", "RGBa"}
"""Pillow's modes with transparency; others may have it in ``Image.info``."""
SAMPLED = 64  # pixels that are compared before all are


def picture_of(content: bytes | Pixels, decoded: Decoded) -> str:
    """Return the hash of a sample's picture, see ``picture_hash``.

    Args:
        content: see ``Sample.content``.
        decoded: the same, decoded at any resolution. If it is reduced, the content is decoded again in full: identity
            must not depend on the size that an image is decoded for.

    Raises:
        ImageError: see ``picture_hash``.
    """
    whole = decoded.image if decoded.box is None or not isinstance(content, bytes) else decode(content)
    return picture_hash(whole)


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
    digest.update(pixels)
    return digest.hexdigest()


def _canonical(image: Image.Image) -> tuple[str, bytes]:
    """Return the simplest of the modes L, RGB, LA and RGBA that holds the picture, and its pixels, row by row."""
    if not image.mode.startswith("I;16") and (image.mode in WITH_ALPHA or "transparency" in image.info):
        image = image.convert("RGBA")
        pixels = np.array(image)
        if (pixels[..., 3] != OPAQUE).any():
            pixels[pixels[..., 3] == 0] = 0
            grey = _is_grey(pixels[..., :3].tobytes())
            return ("LA", pixels[..., [0, 3]].tobytes()) if grey else ("RGBA", pixels.tobytes())
        image = image.convert("RGB")
    if image.mode in {"1", "L"}:
        return "L", to_channels(image, 1).tobytes()
    colour = to_channels(image, 3).tobytes()
    return ("L", colour[::3]) if _is_grey(colour) else ("RGB", colour)


def _is_grey(colour: bytes) -> bool:
    """Return whether red, green and blue are equal in all pixels."""
    # The first pixels tell most colour pictures.
    return all(some[::3] == some[1::3] == some[2::3] for some in (colour[: 3 * SAMPLED], colour))
