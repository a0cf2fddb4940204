"""Decoding and resizing, held against Pillow itself."""

import contextlib
import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_image

from darkroom.base.errors import ImageError
from darkroom.inference import decoding, images


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


COLOUR = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_formats_keep_every_pixel(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    assert np.array_equal(np.asarray(images.decode(encoded(COLOUR, kind, **options))), np.asarray(COLOUR))


def test_jpeg_and_gif_are_read():
    assert images.decode(encoded(COLOUR, "JPEG")).size == (30, 20)
    assert images.decode(encoded(COLOUR.convert("P"), "GIF")).size == (30, 20)


def test_the_first_frame_of_an_animation():
    frames = [Image.new("L", (8, 8), value) for value in (10, 200)]
    animation = images.decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert np.asarray(images.to_channels(animation, 1)).max() == 10


def test_the_rotation_tag_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    assert images.decode(encoded(COLOUR, "JPEG", exif=exif)).size == (20, 30)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"hello", "not an image"),
        (encoded(COLOUR)[:-200], "damaged"),
        (encoded(COLOUR, "JPEG")[:300], "damaged"),
        (encoded(COLOUR, "PPM"), "not an image in a supported format"),
    ],
)
def test_what_cannot_be_decoded(content, words):
    with pytest.raises(ImageError, match=words):
        images.decode(content)


def test_a_bomb_is_refused_by_its_header(monkeypatch):
    monkeypatch.setattr(decoding, "MAXIMUM_PIXELS", 599)
    with pytest.raises(ImageError, match="30×20 pixels; at most 599"):
        images.decode(encoded(COLOUR))


def test_a_webp_file_may_have_fewer_pixels(monkeypatch):
    monkeypatch.setattr(decoding, "MAXIMUM_WEBP_PIXELS", 599)
    with pytest.raises(ImageError, match="30×20 pixels; at most 599 of a WebP file"):
        images.decode(encoded(COLOUR, "WEBP"))
    assert images.decode(encoded(COLOUR)).size == (30, 20)


# Pillow warns of odd tags in files that are still usable.
@pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::PIL.Image.DecompressionBombWarning")
@given(st.binary(max_size=200))
def test_no_bytes_escape_as_another_error(content):
    for start in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"BM", b"GIF89a", b"II*\x00"):
        with contextlib.suppress(ImageError):
            images.decode(start + content)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::PIL.Image.DecompressionBombWarning")
@given(st.integers(0, 2**32 - 1))
def test_damaged_files_raise_nothing_but_image_errors(seed):
    generator = np.random.default_rng(seed)
    for kind in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP"):
        content = bytearray(encoded(COLOUR.convert("P") if kind == "GIF" else COLOUR, kind))
        for place in generator.integers(0, len(content), 8):
            content[place] = generator.integers(0, 256)
        with contextlib.suppress(ImageError):
            images.to_pixels(images.decode(bytes(content)), (8, 8, 3), "bilinear", "stretch")


def test_a_damaged_type_of_a_tag():
    content = bytearray(encoded(COLOUR, "TIFF"))
    strip_offsets = content.index(struct.pack("<HH", 273, 4))  # TIFF 6.0, tag StripOffsets: of type LONG,
    content[strip_offsets + 2] = 11  # but now FLOAT
    with pytest.raises(ImageError, match="damaged"):
        images.decode(bytes(content))


def test_sixteen_bits_are_scaled_not_cut():
    deep = Image.fromarray(np.full((4, 4), 256 * 77, dtype=np.uint16))
    assert set(np.asarray(images.to_channels(images.decode(encoded(deep)), 1)).ravel()) == {77}


def test_what_is_transparent_shows_white():
    glass = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert np.asarray(images.to_channels(images.decode(encoded(glass)), 3)).min() == 255
    palette = Image.new("P", (4, 4), 3)
    palette.putpalette(range(120))
    assert np.asarray(images.to_channels(images.decode(encoded(palette, transparency=3)), 1)).min() == 255


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_becomes_grey_or_colour(mode, channels):
    pixels = images.to_pixels(COLOUR.convert(mode), (10, 15, channels), "bilinear", "stretch")
    assert pixels.shape == (10, 15, channels)
    assert pixels.dtype == np.uint8
    reference = COLOUR.convert(mode).convert("RGBA").convert("L" if channels == 1 else "RGB")
    expected = np.asarray(reference.resize((15, 10), Image.Resampling.BILINEAR)).reshape(10, 15, channels)
    assert np.abs(pixels.astype(int) - expected).max() <= 1


def test_a_float_image_is_refused():
    with pytest.raises(ImageError, match="no fixed range"):
        images.to_channels(Image.new("F", (4, 4)), 1)


def test_the_rules_for_proportions():
    wide = Image.new("L", (40, 20), 255)
    padded = images.to_pixels(wide, (10, 10, 1), "nearest", "pad")[:, :, 0]
    assert padded[5].min() == 255
    assert padded[0].max() == 0
    assert padded[-1].max() == 0
    for aspect in ("crop", "stretch"):
        assert images.to_pixels(wide, (10, 10, 1), "nearest", aspect).min() == 255
    halves = Image.fromarray(np.repeat(np.array([[0, 100, 100, 255]], dtype=np.uint8), 10, axis=1).repeat(20, axis=0))
    assert set(images.to_pixels(halves, (10, 10, 1), "nearest", "crop").ravel()) == {100}


def of_pillow(image, size, aspect, resampling=Image.Resampling.BICUBIC):
    """What Pillow's own functions make of an image."""
    height, width, channels = size
    image, shape = image.convert("L" if channels == 1 else "RGB"), (width, height)
    match aspect:
        case "stretch":
            resized = image.resize(shape, resampling)
        case "pad":
            resized = ImageOps.pad(image, shape, resampling)
        case "crop":
            resized = ImageOps.fit(image, shape, resampling)
    return np.asarray(resized).reshape(size)


SIDES = st.integers(1, 60)


@given(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES, st.sampled_from([1, 3])), st.sampled_from(["pad", "crop"]))
def test_padding_and_cropping_are_those_of_pillow(shape, size, aspect):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8))
    assert np.array_equal(images.to_pixels(image, size, "bicubic", aspect), of_pillow(image, size, aspect))


PHOTOGRAPH = Image.fromarray(load_sample_image("china.jpg"))


@pytest.mark.parametrize("turned", range(1, 9))
@pytest.mark.parametrize("aspect", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_photograph_is_decoded_no_larger_than_needed_and_looks_the_same(turned, aspect, mode):
    exif, size = Image.Exif(), (40, 50, 3)
    exif[0x0112] = turned
    content = encoded(PHOTOGRAPH.convert(mode), "JPEG", exif=exif, quality=90)
    decoded = images.decode_for(content, images.least_side(size, "bicubic"))
    whole = images.decode(content)
    assert (decoded.width, decoded.height) == whole.size
    assert sorted(decoded.image.size) == [107, 160]
    pixels = images.to_pixels(decoded.image, size, "bicubic", aspect, box=decoded.box).astype(int)
    difference = np.abs(pixels - of_pillow(whole, size, aspect))
    assert difference.mean() < 2
    # Without the box the picture is moved by the squares that the decoder fills up.
    moved = images.to_pixels(decoded.image, size, "bicubic", aspect).astype(int)
    assert difference.mean() < np.abs(moved - of_pillow(whole, size, aspect)).mean()


def test_where_each_pixel_counts_a_photograph_is_decoded_in_full():
    content = encoded(PHOTOGRAPH, "JPEG")
    assert images.decode_for(content, images.least_side((8, 8, 3), "nearest")).image.size == PHOTOGRAPH.size
    small = images.decode_for(content, images.least_side((8, 8, 3), "box"))
    assert (small.image.size, small.width, small.height) == ((80, 54), *PHOTOGRAPH.size)
    with pytest.raises(ImageError, match="damaged"):
        images.decode_for(content[:-2000], 12)


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 3, 4]))))
def test_pixels_and_a_png_of_them_are_the_same_image(pixels):
    image = images.from_array(pixels)
    again = images.decode(encoded(image))
    for channels in (1, 3):
        one, other = (images.to_pixels(each, (5, 7, channels), "bicubic", "stretch") for each in (image, again))
        assert np.array_equal(one, other)


@pytest.mark.parametrize("shape", [(3,), (4, 4, 2), (4, 4, 5), (2, 4, 4, 3), (0, 4), (4, 0, 3)])
def test_shapes_that_are_no_image(shape):
    with pytest.raises(ImageError, match="was expected"):
        images.from_array(np.zeros(shape, dtype=np.uint8))


def test_other_numbers_are_refused():
    with pytest.raises(ImageError, match="float64"):
        images.from_array(np.zeros((4, 4)))
