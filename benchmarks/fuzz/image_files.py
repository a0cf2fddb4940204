"""Sound image files of many formats, pixel modes and metadata: what is mutated."""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from PIL import Image

SIZE = (40, 30)
"""Width and height."""
PNG_START = b"\x89PNG\r\n\x1a\n"
WORDS = {
    ".png": (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf", b"iTXt", b"zTXt", b"iCCP", b"acTL", b"fcTL"),
    ".jpg": (b"\xff\xc0", b"\xff\xc2", b"\xff\xc4", b"\xff\xd8", b"\xff\xda", b"\xff\xdb", b"\xff\xe1", b"Exif\0\0"),
    ".gif": (b"GIF87a", b"\x21\xf9\x04", b"\x21\xff\x0b", b"\x2c", b"\x3b"),
    ".tif": (b"\x00\x01", b"\x01\x01", b"\x11\x01", b"\x12\x01", b"\x02\x01", b"\x03\x01", b"\x06\x01", b"\x53\x01"),
    ".webp": (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"ICCP"),
}
"""Names of blocks, markers and tags, by file extension."""


def files() -> list[tuple[str, bytes]]:
    """Return file extensions and contents."""
    return [*_plain(), *_with_metadata(), *_of_16_bits(), *_of_other_kinds()]


def with_checksums(content: bytes) -> bytes:
    """Correct the checksums of a PNG file, so that changes of its chunks reach the code behind them."""
    if not content.startswith(PNG_START):
        return content
    fixed, place = bytearray(content), len(PNG_START)
    while place + 12 <= len(fixed):
        (length,) = struct.unpack_from(">I", fixed, place)
        end = place + 8 + length
        if end + 4 > len(fixed):
            break
        struct.pack_into(">I", fixed, end, zlib.crc32(fixed[place + 4 : end]))
        place = end + 4
    return bytes(fixed)


def _picture() -> Image.Image:
    """A smooth picture with some noise."""
    width, height = SIZE
    rows, columns = np.mgrid[0:height, 0:width]
    waves = np.dstack([127 + 100 * np.sin(rows / 5), 127 + 100 * np.cos(columns / 7), rows + columns])
    noise = np.random.default_rng(0).integers(0, 20, (height, width, 3))
    return Image.fromarray(np.clip(waves + noise, 0, 255).astype(np.uint8))


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _plain() -> Iterator[tuple[str, bytes]]:
    """Each format in the pixel modes that it has."""
    picture = _picture()
    modes = {
        "PNG": ("1", "L", "LA", "P", "RGB", "RGBA"),
        "JPEG": ("L", "RGB", "CMYK"),
        "GIF": ("L", "P"),
        "BMP": ("1", "L", "P", "RGB", "RGBA"),
        "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"),
        "WEBP": ("RGB", "RGBA"),
        "PPM": ("1", "L", "RGB"),
    }
    endings = {"JPEG": ".jpg", "TIFF": ".tif"}
    for kind, names in modes.items():
        for mode in names:
            lab = picture.convert("RGB")
            image = Image.merge("LAB", lab.split()) if mode == "LAB" else picture.convert(mode)
            yield endings.get(kind, f".{kind.lower()}"), _encoded(image, kind)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield ".tif", _encoded(picture, "TIFF", compression=compression)
    yield ".tif", _encoded(picture.convert("1"), "TIFF", compression="group4")
    yield ".jpg", _encoded(picture, "JPEG", progressive=True)
    yield ".webp", _encoded(picture, "WEBP", lossless=True)
    yield ".jpg", _encoded(picture.resize((400, 300)), "JPEG")  # large enough to be decoded at a fraction


def _with_metadata() -> Iterator[tuple[str, bytes]]:
    picture, exif = _picture(), Image.Exif()
    exif[0x0112], exif[0x011A], exif[0x0132] = 6, 72.0, "2020:01:01 00:00:00"
    xmp, profile = b'<x:xmpmeta><rdf tiff:Orientation="8"/></x:xmpmeta>', bytes(500)
    yield ".jpg", _encoded(picture, "JPEG", exif=exif, icc_profile=profile, xmp=xmp, comment=b"a comment", dpi=(72, 72))
    yield ".png", _encoded(picture, "PNG", exif=exif, icc_profile=profile)
    yield ".webp", _encoded(picture, "WEBP", exif=exif, icc_profile=profile, xmp=xmp)
    yield ".tif", _encoded(picture, "TIFF", exif=exif, icc_profile=profile, dpi=(72, 72))
    palette = picture.convert("P")
    yield ".png", _encoded(palette, "PNG", transparency=bytes(range(256)))
    yield ".gif", _encoded(palette, "GIF", transparency=3)
    yield ".png", _encoded(picture, "PNG", transparency=(1, 2, 3))


def _of_16_bits() -> Iterator[tuple[str, bytes]]:
    colours = np.asarray(_picture()).astype(np.uint16) << 4
    grey = Image.fromarray(colours[..., 0])
    yield ".png", _encoded(grey, "PNG")
    yield ".tif", _encoded(grey, "TIFF")
    for ending in (".png", ".tiff"):
        for pixels in (colours, np.dstack([colours, colours[..., 0]])):
            yield ending.replace("ff", "f"), cv2.imencode(ending, pixels)[1].tobytes()


def _of_other_kinds() -> Iterator[tuple[str, bytes]]:
    """Several pictures in a file, values without a range, formats that Darkroom does not read."""
    picture = _picture()
    frames = [picture.rotate(turn) for turn in (0, 90, 180)]
    for ending, kind in ((".gif", "GIF"), (".png", "PNG"), (".webp", "WEBP"), (".tif", "TIFF"), (".jpg", "MPO")):
        yield ending, _encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    yield ".tif", _encoded(picture.convert("F"), "TIFF")
    yield ".tif", _encoded(picture.convert("I"), "TIFF")
    yield ".tif", _encoded(picture, "TIFF", big_tiff=True)
    yield ".ico", _encoded(picture, "ICO")
    yield ".jp2", _encoded(picture, "JPEG2000")
    yield ".tga", _encoded(picture, "TGA")
