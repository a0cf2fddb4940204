"""Operations on single images, compared with Pillow, whose definitions the published policies use."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps

from darkroom.augmentation import operations

ENHANCED = {
    "brightness": ImageEnhance.Brightness,
    "contrast": ImageEnhance.Contrast,
    "saturation": ImageEnhance.Color,
    "sharpness": ImageEnhance.Sharpness,
}


@st.composite
def pictures(draw):
    """Smooth, noisy, plain and two-valued pictures, grey or in colour."""
    shape = (draw(st.integers(1, 20)), draw(st.integers(1, 20)), draw(st.sampled_from([1, 3])))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low, high = sorted((draw(st.integers(0, 255)), draw(st.integers(0, 255))))
    pixels = generator.integers(low, high + 1, shape)
    if draw(st.booleans()):
        pixels = np.sort(pixels, axis=draw(st.integers(0, 1)))
    if draw(st.booleans()):
        pixels = np.where(pixels < (low + high) / 2, low, high)
    return pixels.astype(np.uint8).squeeze(axis=2) if shape[2] == 1 else pixels.astype(np.uint8)


def difference(ours, theirs):
    assert ours.dtype == np.uint8
    assert ours.shape == np.asarray(theirs).shape
    return np.abs(ours.astype(int) - np.asarray(theirs).astype(int)).max()


@pytest.mark.parametrize("name", ENHANCED)
@given(pictures(), st.floats(0, 2))
def test_enhancements_are_pillows(name, picture, factor):
    theirs = ENHANCED[name](Image.fromarray(picture)).enhance(factor)
    # Pillow cuts what we round, rounds the mean and the smoothed image before, and doubles these differences at most.
    assert difference(getattr(operations, name)(picture, factor), theirs) <= 3


@pytest.mark.parametrize("name", ENHANCED)
@given(pictures())
def test_a_factor_of_one_changes_nothing(name, picture):
    assert np.array_equal(getattr(operations, name)(picture, 1.0), picture)


@given(pictures(), st.integers(1, 8))
def test_posterize_is_pillows(picture, bits):
    assert difference(operations.posterize(picture, bits), ImageOps.posterize(Image.fromarray(picture), bits)) == 0


@given(pictures(), st.integers(0, 256))
def test_solarize_is_pillows(picture, threshold):
    theirs = ImageOps.solarize(Image.fromarray(picture), threshold)
    assert difference(operations.solarize(picture, threshold), theirs) == 0


@given(pictures())
def test_equalize_and_auto_contrast_are_pillows(picture):
    assert difference(operations.equalize(picture), ImageOps.equalize(Image.fromarray(picture))) == 0
    assert difference(operations.auto_contrast(picture), ImageOps.autocontrast(Image.fromarray(picture))) == 0


@given(pictures(), st.floats(-0.5, 0.5))
def test_hue_keeps_the_largest_and_the_smallest_value(picture, shift):
    turned = operations.hue(picture, shift)
    if picture.ndim == 2:
        assert np.array_equal(turned, picture)
        return
    for end in (np.min, np.max):
        # OpenCV's saturation has 8 bits.
        assert np.abs(end(turned, axis=2).astype(int) - end(picture, axis=2)).max() <= 2


def test_a_third_of_the_circle_exchanges_the_primary_colours():
    red, green, blue = np.eye(3, dtype=np.uint8)[:, None, None] * 255
    for shift, becomes in ((1 / 3, green), (-1 / 3, blue), (0.0, red)):
        # The circle has 256 steps.
        assert difference(operations.hue(red, shift), becomes) <= 6


@given(pictures())
def test_grey_is_pillows(picture):
    grey = operations.grey(picture)
    theirs = Image.fromarray(picture).convert("L")
    assert difference(grey, theirs if picture.ndim == 2 else theirs.convert("RGB")) <= 1


def test_blur_spreads_a_point_as_a_gaussian():
    point = np.zeros((41, 41), dtype=np.uint8)
    point[20, 20] = 255
    places = np.arange(41) - 20
    for deviation in (1.0, 2.5):
        # Widened before, so that rounding to whole values does not matter.
        broad = operations.blur(np.kron(point, np.ones((1, 1), np.uint8)), deviation).astype(float)
        across = broad.sum(axis=0) / broad.sum()
        assert np.sqrt((across * places**2).sum()) == pytest.approx(deviation, rel=0.15)
    assert np.array_equal(operations.blur(point, 0.0), point)


@given(st.integers(1, 100), st.sampled_from([1, 3]), st.integers(8, 40))
def test_jpeg_is_that_of_pillow(quality, channels, side):
    rows, columns = np.mgrid[0:side, 0:side] * (255 // side)
    picture = np.stack([rows, columns, (rows + columns) // 2], axis=-1).astype(np.uint8)
    picture = picture if channels == 3 else picture[..., 0]
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    theirs = np.asarray(Image.open(file))
    # The same tables; the decoders differ in rounding and in how they enlarge the colours.
    assert difference(operations.jpeg(picture, quality), theirs) <= 12
    error = np.abs(operations.jpeg(picture, quality).astype(int) - picture).mean()
    assert error <= np.abs(theirs.astype(int) - picture).mean() + 1
