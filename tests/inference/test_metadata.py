"""Metadata never decide over a sound picture: it is used, and turned by its tag if that can be read."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from benchmarks.fuzz import image_files
from darkroom.inference import decoding, images, metadata
from darkroom.params import DataParams
from support.pictures import ingested, write_folder

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
TURNED = (0x112, 3, 1, struct.pack("<HH", 6, 0))
"""Orientation 6, as a telephone writes it."""
RESOLUTION_AS_TEXT = (0x11A, 2, 3, b"72\0\0")


def encoded(kind, **options):
    buffer = io.BytesIO()
    PICTURE.save(buffer, kind, **options)
    return buffer.getvalue()


def block(*entries, count=None):
    """An Exif block of entries of tag, type, count and four bytes."""
    listed = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries) if count is None else count) + listed + bytes(4)


def jpeg(*segments):
    plain = encoded("JPEG", quality=90)
    written = b"".join(b"\xff" + bytes([kind]) + struct.pack(">H", len(data) + 2) + data for kind, data in segments)
    return plain[:2] + written + plain[2:]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks):
    plain = encoded("PNG")
    return plain[:33] + b"".join(chunk(*one) for one in chunks) + plain[33:]


def webp(exif):
    plain = encoded("WEBP", lossless=True, exif=b"Exif\0\0" + b"?" * 400)
    return plain.replace(b"?" * 400, exif.ljust(400, b"\0"))


def tiff(*changed, **options):
    """A TIFF file with tags of other types or values."""
    content = bytearray(encoded("TIFF", **options))
    (start,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, start)
    places = range(start + 2, start + 2 + 12 * count, 12)
    merged = {struct.unpack_from("<H", content, at)[0]: bytes(content[at : at + 12]) for at in places}
    merged |= {tag: struct.pack("<HHI", tag, kind, number) + value for tag, kind, number, value in changed}
    written = struct.pack("<H", len(merged)) + b"".join(merged[tag] for tag in sorted(merged)) + bytes(4)
    return bytes(content[:4] + struct.pack("<I", len(content)) + content[8:] + written)


LARGE = zlib.compress(bytes(1_200_000))
TEXT = b"XML:com.adobe.xmp\0\1\0\0\0"
NO_ORIENTATION = {
    "orientation as text": jpeg((0xE1, b"Exif\0\0" + block((0x112, 2, 2, b"6\0\0\0")))),
    "orientation 9": jpeg((0xE1, b"Exif\0\0" + block((0x112, 3, 1, struct.pack("<HH", 9, 0))))),
    "a cut Exif block": jpeg((0xE1, b"Exif\0\0" + block(TURNED, count=500))),
    "no Exif block": jpeg((0xE1, b"Exif\0\0nothing")),
    "empty application data": jpeg(*((kind, b"") for kind in range(0xE0, 0xF0))),
    "a short JFIF segment": jpeg((0xE0, b"JFIF\0")),
    "a damaged colour profile": jpeg((0xE2, b"ICC_PROFILE\0\1\1" + b"x" * 50)),
    "a damaged index of several pictures": jpeg((0xE2, b"MPF\0II*\0\x08\0\0\0\xff\xff")),
    "a large profile": png((b"iCCP", b"icc\0\0" + LARGE)),
    "a large text": png((b"iTXt", TEXT + LARGE)),
    "many large texts": png(*[(b"zTXt", b"a\0\0" + LARGE)] * 80),
    "damaged text": png((b"zTXt", b"a\0\0damaged"), (b"iTXt", b""), (b"tEXt", b"")),
    "damaged resolution and time": png((b"pHYs", b""), (b"tIME", b"1"), (b"gAMA", b""), (b"cHRM", b"123")),
    "a damaged animation": png((b"acTL", b""), (b"fcTL", b"12")),
    "damaged Exif in WebP": webp(b"II*\0\xff\xff\xff\xff"),
    "resolution of a TIFF as text": tiff(RESOLUTION_AS_TEXT, (0x11B, 2, 3, b"72\0\0"), (0x128, 3, 1, b"\3\0\0\0")),
    "an Exif directory beyond the file": tiff((0x8769, 4, 1, b"\xff\xff\xff\x7f")),
    "a profile beyond the file": tiff((0x8773, 7, 10**9, b"\xff\xff\xff\x7f")),
}
ORIENTED = {
    "resolution as text": jpeg((0xE1, b"Exif\0\0" + block(TURNED, RESOLUTION_AS_TEXT))),
    "width as text": jpeg((0xE1, b"Exif\0\0" + block((0x100, 2, 3, b"60\0\0"), TURNED))),
    "date as a number": jpeg((0xE1, b"Exif\0\0" + block(TURNED, (0x132, 11, 1, struct.pack("<f", 1.0))))),
    "orientation of four bytes": jpeg((0xE1, b"Exif\0\0" + block((0x112, 4, 1, b"\6\0\0\0")))),
    "only in XMP": jpeg((0xE1, b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="6"/>')),
    "after a large text": png((b"iTXt", TEXT + LARGE), (b"eXIf", block(TURNED))),
    "in WebP": webp(block(TURNED)),
    "in TIFF": tiff(TURNED, RESOLUTION_AS_TEXT, (0x132, 11, 1, struct.pack("<f", 1.0))),
    "in a compressed TIFF": tiff(TURNED, RESOLUTION_AS_TEXT, compression="tiff_lzw"),
}


def plain(content):
    """The picture as it is stored."""
    kind = "JPEG" if content.startswith(b"\xff\xd8") else "PNG"
    return np.asarray(Image.open(io.BytesIO(encoded(kind, **({"quality": 90} if kind == "JPEG" else {})))))


@pytest.mark.parametrize("content", NO_ORIENTATION.values(), ids=NO_ORIENTATION)
def test_a_sound_picture_with_odd_metadata_is_used(content):
    assert np.array_equal(np.asarray(images.decode(content)), plain(content))


@pytest.mark.parametrize("content", ORIENTED.values(), ids=ORIENTED)
def test_a_picture_is_turned_whatever_its_other_tags(content):
    decoded = images.decode_for(content, None)
    assert (decoded.width, decoded.height) == (40, 60)
    assert np.array_equal(np.asarray(decoded.image), np.rot90(plain(content), -1))


def test_sound_files_have_the_pixels_that_pillow_gives():
    for ending, content in image_files.files():
        if metadata.strip(content).content != content:
            opened = Image.open(io.BytesIO(content))
            if opened.mode in {"I", "F", "LAB"} or any("16" in str(tile.args) for tile in opened.tile):
                continue
            expected = decoding.to_8_bits(ImageOps.exif_transpose(opened))
            assert np.array_equal(np.asarray(images.decode(content)), np.asarray(expected)), ending


@pytest.mark.parametrize("ending", [".gif", ".png", ".webp", ".tif", ".jpg"])
def test_the_first_of_several_pictures_counts(ending):
    several = [content for end, content in image_files.files() if end == ending]
    frames = [content for content in several if getattr(Image.open(io.BytesIO(content)), "n_frames", 1) > 1]
    for content in frames:
        assert images.decode_for(content, None).format != "MPO"
        first = Image.open(io.BytesIO(content)).convert("RGB")
        assert np.array_equal(np.asarray(images.decode(content).convert("RGB")), np.asarray(first))
    assert frames


@given(st.sampled_from([*metadata._READERS]), st.binary(max_size=100))  # noqa: SLF001
def test_nothing_is_raised_by_damaged_structure(start, content):
    assert metadata.strip(start + content).orientation in range(1, 9)


@pytest.mark.parametrize("content", [b"II+\0\x08\0\0\0" + b"\xff" * 8, b"MM\0+\0\x08\0\0" + b"\x7f" * 40])
def test_a_directory_at_a_position_that_no_file_has(content):
    with pytest.raises(images.ImageError, match=r"damaged|not an image"):
        images.decode(content)


def test_ingest_uses_pictures_with_odd_metadata(tmp_path):
    write_folder(tmp_path / "raw", "ab", 3)
    files = NO_ORIENTATION | ORIENTED
    for number, content in enumerate(files.values()):
        ending = next(
            end
            for start, end in ((b"\xff", "jpg"), (b"\x89", "png"), (b"R", "webp"), (b"I", "tif"))
            if content.startswith(start)
        )
        (tmp_path / "raw" / "a" / f"odd{number}.{ending}").write_bytes(content)
    result = ingested(DataParams(source="folder", path=str(tmp_path / "raw")), tmp_path)
    assert len(result.manifest) == 6 + len(files)
    assert result.quarantine.empty
    assert set(result.manifest["note"]) == {""}
