"""Convert images to one size and number of channels, in preprocessing and in packaged models.

Imports only Pillow, NumPy and ``base.errors``, because packaged models contain a copy.
"""

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..base.errors import ImageError
from .decoding import (
    Box,
    Decoded,
    bands,
    check_size,
    decode,
    decode_for,
    guard,
    to_8_bits,
)

__all__ = [
    "Aspect",
    "Background",
    "Box",
    "Decoded",
    "Interpolation",
    "Pixels",
    "Size",
    "bands",
    "decode",
    "decode_for",
    "from_array",
    "guard",
    "least_side",
    "to_8_bits",
    "to_channels",
    "to_pixels",
]

Pixels = npt.NDArray[np.uint8]
ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".webp", ".bmp"),
    *(".tif", ".tiff", ".gif", ".avif", ".heic", ".heif"),
)
"""Endings of image files, in lower case; browsers on Windows save JPEG files as ``.jfif``."""
BACKGROUNDS = {"white": (255, 255, 255), "black": (0, 0, 0), "grey": (127, 127, 127)}
Background = Literal["white", "black", "grey"]
Interpolation = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]
Aspect = Literal["stretch", "pad", "crop"]
Size = tuple[int, int, int]
"""Height, width, channels."""
OVERSAMPLING = 1.5
"""Minimum size of a reduced-size decode, per axis, as a multiple of the target size."""


def least_side(size: Size, interpolation: Interpolation) -> int | None:
    """Return the minimum side in pixels for resizing to ``size``; None if the full resolution is needed."""
    return None if interpolation == "nearest" else math.ceil(OVERSAMPLING * max(size[:2]))


def from_array(pixels: Pixels) -> Image.Image:
    """Convert pixels to an image.

    Args:
        pixels: uint8 of shape (height, width), or (height, width, channels) with 1, 3 or 4 channels.

    Raises:
        ImageError: wrong shape or dtype.
    """
    if pixels.dtype != np.uint8:
        raise ImageError(f"pixels of type {pixels.dtype}; uint8 (0 to 255) was expected")
    if pixels.ndim == 3 and pixels.shape[2] == 1:  # noqa: PLR2004 - height, width, channels
        pixels = pixels[:, :, 0]
    colour = pixels.ndim == 3 and pixels.shape[2] in {3, 4}  # noqa: PLR2004
    if not (pixels.ndim == 2 or colour) or 0 in pixels.shape:  # noqa: PLR2004
        raise ImageError(f"pixels of shape {pixels.shape}; (height, width) or (height, width, 1, 3 or 4) was expected")
    check_size(pixels.shape[1], pixels.shape[0])
    return Image.fromarray(np.ascontiguousarray(pixels))


def to_channels(image: Image.Image, channels: int, background: Background = "white") -> Image.Image:
    """Convert to 8-bit grey (1 channel) or RGB (3 channels); transparent pixels show the background.

    Raises:
        ImageError: the pixel format has no fixed range of values.
    """
    mode = "L" if channels == 1 else "RGB"
    with guard():
        image = to_8_bits(image)
        if image.mode != "RGBA":
            return image if image.mode == mode else image.convert(mode)
        opaque = Image.new(mode, image.size)
        for top, band in bands(image):
            ground = Image.new("RGBA", band.size, (*BACKGROUNDS[background], 255))
            ground.alpha_composite(band)
            opaque.paste(ground.convert(mode), (0, top))
        return opaque


def to_pixels(
    image: Image.Image,
    size: Size,
    interpolation: Interpolation,
    aspect: Aspect,
    background: Background = "white",
    box: Box | None = None,
) -> Pixels:
    """Resize an image with the same result as Pillow's ``resize``, ``ImageOps.pad`` or ``ImageOps.fit``.

    Args:
        image: image of any size and mode.
        size: height, width and channels (1 or 3) of the result.
        interpolation: Pillow's resampling filter; all but ``nearest`` are antialiased when shrinking.
        aspect: ``stretch`` changes the aspect ratio, ``pad`` adds a black border, ``crop`` cuts the longer side.
        background: colour behind transparent pixels.
        box: part of the image to use; see ``Decoded``.

    Returns:
        uint8 of shape ``size``.
    """
    with guard():
        return _resized(to_channels(image, size[2], background), size, interpolation, aspect, box)


def _resized(image: Image.Image, size: Size, interpolation: Interpolation, aspect: Aspect, box: Box | None) -> Pixels:
    """Resize an image that has the channels of ``size``."""
    height, width, _ = size
    left, top, right, bottom = box or (0, 0, *image.size)
    across, down = right - left, bottom - top
    inner = (width, height)
    # Same order of operations as Pillow, for equal rounding.
    if aspect == "pad" and across / down > width / height:
        inner = (width, round(down / across * width))
    elif aspect == "pad":
        inner = (round(across / down * height), height)
    elif aspect == "crop" and across / down > width / height:
        left += (across - width / height * down) * 0.5
        right = left + width / height * down
    elif aspect == "crop" and across / down < width / height:
        top += (down - across / (width / height)) * 0.5
        bottom = top + across / (width / height)
    if 0 in inner:  # extreme aspect ratio: the picture shrinks to nothing
        return np.zeros(size, dtype=np.uint8)
    resized = image
    if image.size != inner or (left, top, right, bottom) != (0, 0, *inner):
        resized = image.resize(inner, Image.Resampling[interpolation.upper()], (left, top, right, bottom))
    if inner == (width, height):
        return np.asarray(resized, dtype=np.uint8).reshape(size)
    padded = Image.new(resized.mode, (width, height))
    padded.paste(resized, (round((width - inner[0]) * 0.5), round((height - inner[1]) * 0.5)))
    return np.asarray(padded, dtype=np.uint8).reshape(size)
