"""A picture is the same in every file that shows the same pixels, and in no other."""

import hashlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from darkroom.data.formats.pictures import picture_hash
from darkroom.data.ingestion.decoding import describe
from darkroom.inference import images
from darkroom.params import DataParams, PreprocessParams
from support.pictures import draw, ingested, write_folder

TURN = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 6: "ROTATE_90", 8: "ROTATE_270"}
"""Exif orientations, and how the stored picture is turned so that it is displayed as it was."""


def colours(height=13, width=9, channels=3, seed=0):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def hash_of(image, kind, **options):
    return picture_hash(images.decode(encoded(image, kind, **options)))


def with_text():
    extra = PngImagePlugin.PngInfo()
    extra.add_text("Software", "exported again")
    return extra


LOSSLESS = [
    ("PNG", {"optimize": True}),
    ("PNG", {"compress_level": 0, "pnginfo": with_text()}),
    ("WEBP", {"lossless": True}),
    ("BMP", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
]


@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 3]), st.integers(0, 99), st.sampled_from(LOSSLESS))
def test_a_picture_is_the_same_in_every_lossless_format(height, width, channels, seed, form):
    image = images.from_array(colours(height, width, channels, seed))
    kind, options = form
    assert hash_of(image, kind, **options) == picture_hash(image)


@pytest.mark.parametrize("orientation", TURN)
def test_a_picture_is_the_same_turned_by_its_exif_or_stored_so(orientation):
    shown = Image.fromarray(colours())
    stored = shown.transpose(Image.Transpose[TURN[orientation]])
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert hash_of(stored, "PNG", exif=exif) == picture_hash(shown)
    assert hash_of(stored, "PNG") != picture_hash(shown)


def test_grey_is_the_same_in_one_channel_or_in_three():
    grey = Image.fromarray(colours(channels=1))
    palette = Image.fromarray(colours(channels=1) // 64 * 64)
    for image in (grey, palette):
        for mode in ("RGB", "RGBA", "LA"):
            assert picture_hash(image.convert(mode)) == picture_hash(image)
    assert picture_hash(palette.convert("P", palette=Image.Palette.ADAPTIVE)) == picture_hash(palette)
    assert picture_hash(grey.convert("1")) == picture_hash(grey.convert("1").convert("L"))
    deep = (colours(channels=1).astype(np.uint16) << 8) + 77
    assert hash_of(Image.fromarray(deep), "PNG") == picture_hash(grey)


def test_a_single_coloured_pixel_is_no_grey_picture():
    pixels = np.repeat(colours(200, 3, 1)[..., None], 3, axis=2)
    grey = picture_hash(Image.fromarray(pixels))
    for row, channel in ((0, 1), (101, 2), (199, 0)):
        coloured = pixels.copy()
        coloured[row, 1, channel] ^= 1
        assert picture_hash(Image.fromarray(coloured)) != grey


def test_transparency_counts_where_it_shows():
    plain = colours(channels=4)
    plain[..., 3] = 255
    assert picture_hash(Image.fromarray(plain)) == picture_hash(Image.fromarray(plain[..., :3].copy()))
    glass = plain.copy()
    glass[3, 4] = (10, 20, 30, 0)
    hidden = glass.copy()
    hidden[3, 4] = (200, 100, 0, 0)
    assert picture_hash(Image.fromarray(glass)) != picture_hash(Image.fromarray(plain))
    assert picture_hash(Image.fromarray(glass)) == picture_hash(Image.fromarray(hidden))
    assert hash_of(Image.fromarray(glass), "WEBP", lossless=True) == picture_hash(Image.fromarray(glass))
    half = glass.copy()
    half[3, 4, 3] = 1
    assert picture_hash(Image.fromarray(half)) != picture_hash(Image.fromarray(glass))
    grey = Image.fromarray(colours(channels=1)).convert("LA")
    grey.putalpha(100)
    assert picture_hash(grey) == picture_hash(grey.convert("RGBA"))


def test_the_hash_is_of_mode_size_and_pixels():
    """As written in existing manifests and splits: a change would make every picture new."""
    pixels = colours(2, 3)
    expected = hashlib.sha256(b"RGB 3 2\n" + pixels.tobytes()).hexdigest()
    assert picture_hash(Image.fromarray(pixels)) == expected
    wide, tall = (Image.fromarray(np.arange(6, dtype=np.uint8).reshape(shape)) for shape in ((2, 3), (3, 2)))
    assert picture_hash(wide) == hashlib.sha256(b"L 3 2\n" + bytes(range(6))).hexdigest()
    assert picture_hash(tall) != picture_hash(wide)


def test_a_large_photograph_is_the_same_for_every_size_and_as_png():
    """JPEG files are decoded at a fraction of their size for small networks, but a picture is what is in the file."""
    photograph = draw("a", 0, (400, 300), "RGB")
    content = encoded(photograph, "JPEG", quality=90)
    found = {
        describe(file, PreprocessParams(size=(side, side, 3)))[0].picture
        for side in (16, 64, 300)
        for file in (content, encoded(images.decode(content), "PNG"), np.asarray(images.decode(content)))
    }
    assert found == {picture_hash(images.decode(content))}


def test_a_manifest_has_the_picture_of_each_image_also_after_a_restart(tmp_path):
    folder = write_folder(tmp_path / "raw", "ab", 3)
    draw("a", 0).save(folder / "b" / "again.bmp")
    data = DataParams(source="folder", path=str(folder))
    first = ingested(data, tmp_path / "out").manifest.set_index("name")
    assert first["picture"]["a/000.png"] == first["picture"]["b/again.bmp"] == picture_hash(draw("a", 0))
    assert first["picture"].nunique() == 6
    assert first["sha256"].nunique() == 7
    again = ingested(data, tmp_path / "out").manifest.set_index("name")
    assert again["picture"].to_dict() == first["picture"].to_dict()
    digits = ingested(DataParams(source="digits", path="data/digits"), tmp_path / "digits").manifest
    assert digits["picture"].str.fullmatch("[0-9a-f]{64}").all()
