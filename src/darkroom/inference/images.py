"""Decode images and convert them to one size and colour depth, in preprocessing and in packaged models.

Imports only Pillow, NumPy and ``base.errors``, because packaged models contain a copy.
"""

import io
import math
import struct
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ..base.errors import ImageError

Pixels = npt.NDArray[np.uint8]
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
MAXIMUM_PIXELS = 80_000_000
DAMAGE = (OSError, ValueError, SyntaxError, OverflowError, IndexError, TypeError, KeyError, EOFError, struct.error)
"""Exceptions of Pillow's decoders on damaged files. Pillow handles IndexError and those after it when it opens a file
(``ImageFile.__init__``), but not when it loads one."""
BACKGROUNDS = {"white": (255, 255, 255), "black": (0, 0, 0), "grey": (127, 127, 127)}
Background = Literal["white", "black", "grey"]
EDGES = {
    2: (2, 1, 0, 3),
    3: (2, 3, 0, 1),
    4: (0, 3, 2, 1),
    5: (1, 0, 3, 2),
    6: (3, 0, 1, 2),
    7: (3, 2, 1, 0),
    8: (1, 2, 3, 0),
}
"""Edge of the file that becomes the left, upper, right and lower edge, by Exif orientation (Exif 2.3)."""
SWAPPED_AXES = range(5, 9)
"""Exif orientations that swap width and height."""
Interpolation = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]
Aspect = Literal["stretch", "pad", "crop"]
Size = tuple[int, int, int]
"""Height, width, channels."""
Box = tuple[float, float, float, float]
"""Left, upper, right and lower edge, in pixels."""
OVERSAMPLING = 1.5
"""Minimum size of a reduced-size decode, per axis, as a multiple of the target size."""


class Decoded(NamedTuple):
    """A decoded image with its original size."""

    image: Image.Image
    width: int
    """Width and height in the file."""
    height: int
    box: Box | None = None
    """The part of the image that contains the picture; None for all. Reduced-size decoders pad to whole blocks."""


def decode(content: bytes) -> Image.Image:
    """Decode an image file in full; see ``decode_for``."""
    return decode_for(content, None).image


def least_side(size: Size, interpolation: Interpolation) -> int | None:
    """Return the minimum side in pixels for resizing to ``size``; None if the full resolution is needed."""
    return None if interpolation == "nearest" else math.ceil(OVERSAMPLING * max(size[:2]))


def decode_for(content: bytes, least: int | None) -> Decoded:
    """Decode an image file at sufficient resolution, and apply its Exif orientation.

    JPEG files can be decoded at 1/2, 1/4 or 1/8 of their size in a fraction of the time, as Pillow's ``thumbnail``
    does; the decoder averages blocks of pixels.

    Args:
        content: bytes of a file in one of ``FORMATS``; the first frame of an animation is used.
        least: minimum length of each side in pixels; None for full size.

    Raises:
        ImageError: unknown format, damaged, or more than ``MAXIMUM_PIXELS`` pixels according to the header.
    """
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        width, height = image.size
        if width * height > MAXIMUM_PIXELS:
            raise ImageError(f"{width}×{height} pixels; at most {MAXIMUM_PIXELS:,} are accepted")
        drafted = image.draft(None, (least, least)) if least is not None and min(width, height) >= 2 * least else None
        image.load()
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except UnidentifiedImageError:
        raise ImageError(f"not an image in a supported format ({', '.join(FORMATS)})") from None
    except Image.DecompressionBombError:
        raise ImageError(f"more than {MAXIMUM_PIXELS:,} pixels") from None
    except DAMAGE as error:
        raise ImageError(f"damaged ({error})") from None
    box: Box | None = drafted[1] if drafted is not None else None
    if orientation not in EDGES:
        return Decoded(image, width, height, box)
    upright = ImageOps.exif_transpose(image)
    if upright.mode != image.mode:
        upright = upright.convert(image.mode)
    upright.format = image.format
    if box is not None:
        margins = box[0], box[1], image.width - box[2], image.height - box[3]
        left, top, right, bottom = (margins[edge] for edge in EDGES[orientation])
        box = left, top, upright.width - right, upright.height - bottom
    return Decoded(upright, *((height, width) if orientation in SWAPPED_AXES else (width, height)), box)


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
    if pixels.shape[0] * pixels.shape[1] > MAXIMUM_PIXELS:
        raise ImageError(f"{pixels.shape[1]}×{pixels.shape[0]} pixels; at most {MAXIMUM_PIXELS:,} are accepted")
    return Image.fromarray(np.ascontiguousarray(pixels))


def to_channels(image: Image.Image, channels: int, background: Background = "white") -> Image.Image:
    """Convert to 8-bit grey (1 channel) or RGB (3 channels); transparent pixels show the background.

    Raises:
        ImageError: the pixel format has no fixed range of values.
    """
    if image.mode in {"I", "F"}:
        raise ImageError(f"pixel format {image.mode} has no fixed range; save the image with 8 or 16 bits per channel")
    if image.mode.startswith("I;16"):
        # Pillow's own conversion would clip values above 255.
        image = Image.fromarray((np.asarray(image, dtype=np.uint16) >> 8).astype(np.uint8))
    if image.mode in {"LA", "PA", "RGBA", "La", "RGBa"} or "transparency" in image.info:
        transparent = image.convert("RGBA")
        image = Image.new("RGBA", image.size, (*BACKGROUNDS[background], 255))
        image.alpha_composite(transparent)
    mode = "L" if channels == 1 else "RGB"
    return image if image.mode == mode else image.convert(mode)


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
    height, width, channels = size
    image = to_channels(image, channels, background)
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
