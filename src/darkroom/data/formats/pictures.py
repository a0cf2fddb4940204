"""Identify pictures by what they show, whatever file format holds them."""

import hashlib

import numpy as np
from PIL import Image

from darkroom.inference.images import Decoded, Pixels, bands, decode, to_8_bits

OPAQUE = 255
CHANNELS = {"L": slice(0, 1), "RGB": slice(0, 3), "LA": slice(0, 4, 3), "RGBA": slice(0, 4)}
"""Channels of the simplest mode that holds a picture, of those that are decoded."""
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
    if decoded.box is not None and isinstance(content, bytes):
        return picture_hash(decode(content))
    return picture_hash(decoded.image)


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
    image = to_8_bits(image)
    with_alpha = image.mode == "RGBA" and image.getchannel("A").getextrema() != (OPAQUE, OPAQUE)
    is_grey = image.mode == "L" or all(_is_grey(_shown(band)[..., :3].tobytes()) for _, band in bands(image))
    mode = ("L" if is_grey else "RGB") + "A" * with_alpha
    digest = hashlib.sha256(f"{mode} {image.width} {image.height}\n".encode())
    for _, band in bands(image):
        digest.update(_shown(band)[..., CHANNELS[mode]].tobytes())
    return digest.hexdigest()


def _shown(band: Image.Image) -> Pixels:
    """Return pixels of shape (height, width, channels); those that are wholly transparent are 0."""
    if band.mode != "RGBA":
        return np.asarray(band, dtype=np.uint8).reshape(band.height, band.width, -1)
    pixels = np.array(band, dtype=np.uint8)
    pixels[pixels[..., 3] == 0] = 0
    return pixels


def _is_grey(colour: bytes) -> bool:
    """Return whether red, green and blue are equal in all pixels."""
    # The first pixels tell most colour pictures.
    return all(some[::3] == some[1::3] == some[2::3] for some in (colour[: 3 * SAMPLED], colour))
