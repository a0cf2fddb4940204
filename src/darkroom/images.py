"""From encoded bytes or pixel arrays to one size and colour depth; preprocessing and the served model both run this.

Nothing but Pillow and NumPy is imported, and nothing of Darkroom but its errors: a packaged model carries a copy.
"""

import io
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from .errors import ImageError

Pixels = npt.NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
MAXIMUM_PIXELS = 80_000_000
BACKGROUNDS = {"white": (255, 255, 255), "black": (0, 0, 0), "grey": (127, 127, 127)}
Background = Literal["white", "black", "grey"]


def decode(content: bytes) -> Image.Image:
    """Decode an image file, its rotation tag applied.

    Args:
        content: the bytes of a file in one of ``FORMATS``; of an animation the first frame is taken.

    Raises:
        ImageError: not such a file, damaged, or of more than ``MAXIMUM_PIXELS`` pixels (known from its header).
    """
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        if image.width * image.height > MAXIMUM_PIXELS:
            raise ImageError(f"{image.width}×{image.height} pixels; at most {MAXIMUM_PIXELS:,} are accepted")
        image.load()
    except UnidentifiedImageError:
        raise ImageError(f"not an image in a format that is read ({', '.join(FORMATS)})") from None
    except Image.DecompressionBombError:
        raise ImageError(f"more than {MAXIMUM_PIXELS:,} pixels") from None
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, OverflowError) as error:
        # What Pillow's decoders raise on damaged files.
        raise ImageError(f"damaged ({error})") from None
    upright = ImageOps.exif_transpose(image)
    if upright.mode != image.mode:
        upright = upright.convert(image.mode)
    upright.format = image.format
    return upright


def from_array(pixels: Pixels) -> Image.Image:
    """Make an image of pixels.

    Args:
        pixels: uint8 of shape (height, width), or (height, width, channels) with 1, 3 or 4 channels.

    Raises:
        ImageError: another shape or type of numbers.
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
    """Convert to grey (1 channel) or colour (3 channels), 8 bits each, on a background where transparent."""
    if image.mode in {"I", "F"}:
        raise ImageError(f"pixel format {image.mode} has no fixed range; save the image with 8 or 16 bits per channel")
    if image.mode.startswith("I;16"):
        # Pillow's own conversion would cut off everything above 255.
        image = Image.fromarray((np.asarray(image, dtype=np.uint16) >> 8).astype(np.uint8))
    if image.mode in {"LA", "PA", "RGBA", "La", "RGBa"} or "transparency" in image.info:
        transparent = image.convert("RGBA")
        image = Image.new("RGBA", image.size, (*BACKGROUNDS[background], 255))
        image.alpha_composite(transparent)
    return image.convert("L" if channels == 1 else "RGB")


def to_pixels(
    image: Image.Image,
    size: tuple[int, int, int],
    interpolation: Literal["nearest", "box", "bilinear", "bicubic", "lanczos"],
    aspect: Literal["stretch", "pad", "crop"],
    background: Background = "white",
) -> Pixels:
    """Bring an image to the size of the pipeline.

    Args:
        image: of any size and mode.
        size: height, width and channels (1 or 3) of the result.
        interpolation: Pillow's resampling filter; all but ``nearest`` average over the whole area when shrinking.
        aspect: ``stretch`` ignores the proportions, ``pad`` adds a black border, ``crop`` cuts off what sticks out.
        background: what shows through where the image is transparent.

    Returns:
        uint8 of shape ``size``.
    """
    height, width, channels = size
    image = to_channels(image, channels, background)
    resampling = Image.Resampling[interpolation.upper()]
    match aspect:
        case "stretch":
            image = image.resize((width, height), resampling)
        case "pad":
            image = ImageOps.pad(image, (width, height), resampling)
        case "crop":
            image = ImageOps.fit(image, (width, height), resampling)
    return np.asarray(image, dtype=np.uint8).reshape(size)
