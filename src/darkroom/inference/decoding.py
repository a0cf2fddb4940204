"""Decode an image file to 8 bits per channel, upright, in grey, RGB or RGBA.

The one place where Pillow reads files. Whatever goes wrong is an ``ImageError`` of one line.
"""

import io
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from ..base.errors import ImageError, ImageMemoryError
from . import heif, metadata, scans, unidentified

logging.getLogger("PIL").addHandler(logging.NullHandler())
BY_PILLOW = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")
FORMATS = (*BY_PILLOW, "HEIC")
MAXIMUM_PIXELS = 80_000_000
"""Largest number of pixels of an image, counted before it is decoded."""
MAXIMUM_WEBP_PIXELS = 60_000_000
"""Of a WebP file, whose decoder holds four copies of the image: 1 GB."""
MAXIMUM_SIDE = 65_535
"""Largest width and height in pixels, that of JPEG; filters need memory in proportion to the longest side."""
BAND_PIXELS = 2**20
"""Size of the bands in which large images are converted."""
DEPTHS = (8, 10, 12, 14, 16)
"""Bits that the values of 16-bit images may have: those of common cameras, scanners and files."""
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
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SWAPPED_AXES = range(5, 9)
"""Exif orientations that swap width and height."""
LOWER_BYTES = {
    "RGB;16B": "RGB;16L",
    "RGBA;16B": "RGBA;16L",
    "RGB;16L": "RGB;16B",
    "RGBA;16L": "RGBA;16B",
    **{f"{mode};16N": f"{mode};16{'B' if sys.byteorder == 'little' else 'L'}" for mode in ("RGB", "RGBA")},
}
"""Pillow reads the upper byte of each sample of 16-bit colour files; with the other byte order it reads the lower."""
Box = tuple[float, float, float, float]
"""Left, upper, right and lower edge, in pixels."""


class Decoded(NamedTuple):
    """A decoded image with its original size."""

    image: Image.Image
    """In mode L, RGB or RGBA."""
    width: int
    """Width and height in the file, turned upright."""
    height: int
    box: Box | None = None
    """The part of the image that contains the picture; None for all. Reduced-size decoders pad to whole blocks."""
    mode: str = ""
    """Pillow's mode of the file."""
    format: str = ""
    note: str = ""
    """Remark on how the values were read; empty for most images."""


@contextmanager
def guard() -> Iterator[None]:
    """Turn every error of Pillow into an ``ImageError``.

    Damaged files make Pillow raise almost anything, and it handles only some of that, and only in ``Image.open``.
    """
    try:
        yield
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(f"more than {MAXIMUM_PIXELS:,} pixels") from None
    except MemoryError:
        raise ImageMemoryError("too little memory is free to decode it; free some, or shrink the image") from None
    except Exception as error:  # noqa: BLE001 - decoders raise anything on damaged files
        raise ImageError(f"damaged ({' '.join(str(error).split())[:200] or type(error).__name__})") from None


def decode(content: bytes) -> Image.Image:
    """Decode an image file in full; see ``decode_for``."""
    return decode_for(content, None).image


def decode_for(content: bytes, least: int | None) -> Decoded:
    """Decode an image file at sufficient resolution, and turn it by its Exif orientation.

    JPEG files can be decoded at 1/2, 1/4 or 1/8 of their size in a fraction of the time, as Pillow's ``thumbnail``
    does; the decoder averages blocks of pixels.

    Args:
        content: bytes of a file in one of ``FORMATS``; the first frame of an animation is used.
        least: minimum length of each side in pixels; None for full size.

    Raises:
        ImageError: unknown format, damaged, more pixels than ``MAXIMUM_PIXELS`` or ``MAXIMUM_SIDE`` according to the
            header, or more scans than ``scans.MAXIMUM_SCANS``.
    """
    stripped = metadata.strip(content)
    scans.check(stripped.content)
    with guard():
        opened = _open(stripped.content)
        width, height = opened.size
        # Only of JPEG: the thumbnail inside a HEIC file may be another picture.
        may_draft = opened.format == "JPEG" and least is not None and min(width, height) >= 2 * least
        drafted = opened.draft(None, (least, least)) if may_draft and least is not None else None
        decode_lower = _lower_bytes(opened, stripped.content)
        opened.load()
        check_size(*opened.size)  # of a HEIC file, it may differ from the header
        mode, form = opened.mode, opened.format or ""
        image, note = _scaled(opened, decode_lower)
        image = to_8_bits(image)
        box = drafted[1] if drafted is not None else None
        orientation = metadata.of_exif(opened.info.get("exif", b"")) if form == "AVIF" else stripped.orientation
        return _turned(Decoded(image, width, height, box, mode, form, note), orientation)


def declared_size(content: bytes) -> tuple[int, int]:
    """Return width and height in pixels according to a file's header, without decoding it.

    Raises:
        ImageError: unknown format, damaged header, or more pixels than ``MAXIMUM_PIXELS`` or ``MAXIMUM_SIDE``.
    """
    with guard():
        return _open(metadata.strip(content).content).size


def check_size(width: int, height: int, form: str | None = None) -> None:
    """Raise ImageError if an image has no pixels or too many for its format."""
    if width < 1 or height < 1:
        raise ImageError(f"{width}×{height} pixels; at least one was expected")
    if width * height > MAXIMUM_PIXELS:
        raise ImageError(f"{width}×{height} pixels; at most {MAXIMUM_PIXELS:,} are accepted")
    if form == "WEBP" and width * height > MAXIMUM_WEBP_PIXELS:
        raise ImageError(f"{width}×{height} pixels; at most {MAXIMUM_WEBP_PIXELS:,} of a WebP file are accepted")
    if max(width, height) > MAXIMUM_SIDE:
        raise ImageError(f"{width}×{height} pixels; at most {MAXIMUM_SIDE:,} a side are accepted")


def to_8_bits(image: Image.Image) -> Image.Image:
    """Convert an image to mode L, RGB or RGBA; return one that is in such a mode as it is.

    Raises:
        ImageError: the pixel format has no fixed range of values, or cannot be converted.
    """
    if image.mode in {"I", "F"}:
        raise ImageError(f"pixel format {image.mode} has no fixed range; save the image with 8 or 16 bits per channel")
    if image.mode.startswith("I;16"):
        return _scaled(image)[0]
    if image.mode == "LAB":
        raise ImageError("pixel format LAB is not supported; save the image in RGB")
    if image.mode == "RGBA" or (image.mode in {"L", "RGB"} and "transparency" not in image.info):
        return image
    with guard():
        if image.mode in {"LA", "PA", "La", "RGBa"} or "transparency" in image.info:
            return image.convert("RGBA")
        return image.convert("L" if image.mode == "1" else "RGB")


def bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Divide an image into bands of whole rows, so that work on a large one needs little memory.

    Yields:
        The first row of each band, and the band.
    """
    rows = max(BAND_PIXELS // image.width, 1)
    if rows >= image.height:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _open(content: bytes) -> ImageFile.ImageFile:
    """Read a file's header and check its size."""
    try:
        is_heif = heif.is_heif(content)
        image = heif.open_image(content) if is_heif else Image.open(io.BytesIO(content), formats=BY_PILLOW)
    except UnidentifiedImageError:
        raise unidentified.error(content, FORMATS) from None
    check_size(*image.size, image.format)
    return image


def _turned(decoded: Decoded, orientation: int) -> Decoded:
    """Turn an image upright by its Exif orientation."""
    if orientation not in TURNS:
        return decoded
    image, width, height, box = decoded[:4]
    turned = image.transpose(TURNS[orientation])
    if box is not None:
        margins = box[0], box[1], image.width - box[2], image.height - box[3]
        left, top, right, bottom = (margins[edge] for edge in EDGES[orientation])
        box = left, top, turned.width - right, turned.height - bottom
    if orientation in SWAPPED_AXES:
        width, height = height, width
    return Decoded(turned, width, height, box, *decoded[4:])


def _lower_bytes(image: ImageFile.ImageFile, content: bytes) -> Callable[[], Image.Image] | None:
    """Return a function that decodes the lower bytes of a 16-bit colour file; None for other files.

    Args:
        image: opened, but not loaded.
        content: its file.
    """
    if not image.tile or any(_layout(tile.args) not in LOWER_BYTES for tile in image.tile):
        return None

    def decode_lower() -> Image.Image:
        lower = _open(content)
        lower.tile = [tile._replace(args=_lower_layout(tile.args)) for tile in lower.tile]
        lower.load()
        return lower

    return decode_lower


def _layout(arguments: Any) -> Any:
    """Return the layout of the samples from a decoder's arguments."""
    return arguments[0] if isinstance(arguments, tuple) else arguments


def _lower_layout(arguments: Any) -> Any:
    lower = LOWER_BYTES[_layout(arguments)]
    return (lower, *arguments[1:]) if isinstance(arguments, tuple) else lower


def _scaled(image: Image.Image, decode_lower: Callable[[], Image.Image] | None = None) -> tuple[Image.Image, str]:
    """Scale the values of a 16-bit image to 8 bits, by the number of bits that they need.

    Many cameras and scanners store 10, 12 or 14 bits in 16; the upper byte alone would hold few of them.

    Args:
        image: any image; only those of 16 bits are changed.
        decode_lower: decodes the lower bytes of a colour image, of which ``image`` has the upper ones.

    Returns:
        The image, and a note if it needs fewer than 16 bits.
    """
    if image.mode.startswith("I;16"):
        # Pillow's getextrema does not know all of these modes.
        bits = _bits(max(int(np.asarray(band, dtype=np.uint16).max()) for _, band in bands(image)))
        grey = Image.new("L", image.size)
        for top, band in bands(image):
            values = np.asarray(band, dtype=np.uint16) >> (bits - 8)
            grey.paste(Image.fromarray(values.astype(np.uint8)), (0, top))
        return grey, _note(bits)
    if decode_lower is None:
        return image, ""
    uppermost = [most for _, most in cast("tuple[tuple[int, int], ...]", image.getextrema())]
    bits = _bits(max(uppermost[:3]) << 8)
    if bits == DEPTHS[-1]:
        return image, ""
    # Of an alpha channel with larger values than the colours the upper byte counts.
    shifts = [bits - 8 if most << 8 < 1 << bits else 8 for most in uppermost]
    lower = decode_lower()
    for top, band in bands(image):
        below = lower.crop((0, top, band.width, top + band.height))
        values = np.asarray(band).astype(np.uint16) << 8 | np.asarray(below)
        image.paste(Image.fromarray((values >> np.array(shifts, dtype=np.uint16)).astype(np.uint8)), (0, top))
    return image, _note(bits)


def _bits(largest: int) -> int:
    """Return the least of ``DEPTHS`` that holds a value."""
    return next(bits for bits in DEPTHS if largest < 1 << bits)


def _note(bits: int) -> str:
    return "" if bits == DEPTHS[-1] else f"values of {bits} bits in 16; scaled by {bits} bits"
