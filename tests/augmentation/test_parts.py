"""All parts of augmentation: what each does to planted pictures, and what holds for any combination."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.augmentation.augmenter import Augmenter
from darkroom.augmentation.geometry import MID_GREY, ResizedCrop
from darkroom.augmentation.operations import LUMA
from darkroom.augmentation.streams import STREAMS
from darkroom.data.prepared.targets import batch_seed
from darkroom.params import AugmentationParams
from darkroom.params.augmentation import NamedTransform, PolicyParams, ResizedCropParams

PARTS = {
    "resized_crop": {"resized_crop": ResizedCropParams()},
    "affine": {"rotation": 10.0, "scale": 0.1},
    "crop": {"crop": 3},
    "horizontal_flip": {"horizontal_flip": True},
    "vertical_flip": {"vertical_flip": True},
    "policy": {"policy": PolicyParams(name="trivial_augment")},
    "brightness": {"brightness": 0.3},
    "contrast": {"contrast": 0.3},
    "saturation": {"saturation": 0.6},
    "hue": {"hue": 0.3},
    "grey": {"grey": 0.4},
    "blur": {"blur": 2.0},
    "jpeg": {"jpeg": 10},
    "noise": {"transforms": (NamedTransform(name="GaussNoise", std_range=[0.05, 0.1]),)},
    "erase": {"erase": 0.3},
}
"""One of each, in the order of application."""
OF_PARTS = st.lists(st.sampled_from(list(PARTS)), unique=True)


def params_of(names):
    return AugmentationParams(**{key: value for name in names for key, value in PARTS[name].items()})


def noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def photograph(count=1, side=48):
    """A smooth coloured picture, many times."""
    down, across = np.mgrid[0:side, 0:side] / side
    picture = np.stack([down, across, 0.5 + 0.4 * np.sin(9 * down * across)], axis=-1)
    return np.stack([(20 + 200 * picture).astype(np.uint8)] * count)


def test_every_stream_but_that_of_mixing_has_a_part():
    assert set(STREAMS) - {"mix"} == set(PARTS) - {"noise"}


@given(
    OF_PARTS,
    st.tuples(st.integers(1, 4), st.integers(2, 24), st.integers(2, 24), st.sampled_from([1, 3])),
    st.integers(0, 2**32 - 1),
)
def test_shape_type_seed_and_input(names, shape, seed):
    images = noise(shape)
    images.setflags(write=False)
    augmenter = Augmenter(params_of(names))
    one, _, again = augmenter(images, seed), augmenter(images[:1], seed + 1), augmenter(images, seed)
    assert (one.shape, one.dtype) == (images.shape, np.uint8)
    assert np.array_equal(one, again)
    assert np.array_equal(one, Augmenter(params_of(names))(images, seed))
    assert np.array_equal(images, noise(shape))


@given(st.lists(st.sampled_from(list(PARTS)), unique=True, min_size=1), st.integers(0, 2**32 - 1))
def test_what_a_part_draws_does_not_depend_on_the_others(names, seed):
    images = photograph(2)
    ordered = [name for name in PARTS if name in names]
    varied = images
    for name in ordered:
        varied = Augmenter(params_of([name]))(varied, seed)
    assert np.array_equal(Augmenter(params_of(names))(images, seed), varied)


@pytest.mark.parametrize("name", PARTS)
def test_each_part_changes_images_and_seeds_differ(name):
    images = photograph(16)
    augmenter = Augmenter(params_of([name]))
    one, other = augmenter(images, batch_seed(0, 1, 0)), augmenter(images, batch_seed(0, 1, 1))
    assert not np.array_equal(one, images)
    assert not np.array_equal(one, other)
    assert len({image.tobytes() for image in one}) > 1


def amounts(name, read, count=2000):
    """What is read of many variations of one picture."""
    return np.array([read(image.astype(float)) for image in Augmenter(params_of([name]))(photograph(count, 24), 5)])


def spread_over(found, low, high):
    """Whether numbers look uniform between two bounds (Kolmogorov and Smirnov, 1 %), but for rounding to values."""
    places = (np.sort(found) - low) / (high - low)
    return np.abs(places - np.arange(0.5, len(found)) / len(found)).max() < 1.63 / np.sqrt(len(found)) + 0.02


ORIGINAL = photograph(1, 24)[0].astype(float)
LUMINANCE = ORIGINAL @ LUMA


def test_brightness_and_contrast_keep_to_their_ranges():
    # 20 to 220 stays within 255 up to a factor of 1.15.
    assert spread_over(amounts("brightness", lambda image: np.median(image / ORIGINAL)), 0.7, 1.3)
    centre = LUMINANCE.mean()
    factors = amounts("contrast", lambda image: np.median((image - centre) / (ORIGINAL - centre)))
    assert spread_over(factors, 0.7, 1.3)


def test_saturation_keeps_grey_and_scales_colour():
    colour = ORIGINAL - LUMINANCE[..., None]
    clear = np.abs(colour) > 20
    found = amounts("saturation", lambda image: np.median(((image - LUMINANCE[..., None]) / colour)[clear]))
    assert spread_over(found, 0.4, 1.6)


def test_grey_images_are_as_many_as_the_probability_says():
    chosen = amounts("grey", lambda image: np.ptp(image, axis=2).max() == 0)
    assert np.mean(chosen) == pytest.approx(0.4, abs=4 * np.sqrt(0.4 * 0.6 / len(chosen)))


def test_blur_and_jpeg_lose_detail():
    sharp = noise((300, 24, 24, 3))
    blurred = Augmenter(params_of(["blur"]))(sharp, 1).std(axis=(1, 2, 3))
    assert blurred.min() < 0.15 * sharp.std() < 0.9 * sharp.std() < blurred.max()
    smooth = photograph(300, 24)
    errors = np.abs(Augmenter(params_of(["jpeg"]))(smooth, 1).astype(int) - smooth).mean(axis=(1, 2, 3))
    assert np.abs(Augmenter(AugmentationParams(jpeg=100))(smooth, 1).astype(int) - smooth).mean() < 2
    assert errors.min() < 2
    assert errors.max() > 4


def test_hue_turns_colours_without_making_them_grey():
    red = np.zeros((500, 4, 4, 3), dtype=np.uint8)
    red[..., 0] = 255
    turned = Augmenter(AugmentationParams(hue=0.5))(red, 3)[:, 0, 0]
    assert np.all(turned.max(axis=1) >= 250)
    assert np.all(turned.min(axis=1) <= 5)
    assert all(np.any(turned[:, channel] >= 250) for channel in range(3))
    near = Augmenter(AugmentationParams(hue=0.05))(red, 3)[:, 0, 0]
    assert np.all(near[:, 0] >= 250)
    assert np.all(near[:, 1:] <= 0.35 * 255)


def test_erase_paints_one_square_anywhere():
    images = np.zeros((3000, 20, 30, 3), dtype=np.uint8)
    grey = (Augmenter(AugmentationParams(erase=0.3))(images, 1) == MID_GREY).all(axis=-1)
    assert np.all(grey.sum(axis=(1, 2)) == 6 * 9)
    tops, lefts = grey.any(axis=2).argmax(axis=1), grey.any(axis=1).argmax(axis=1)
    for places, room in ((tops, 14), (lefts, 21)):
        counts = np.bincount(places, minlength=room + 1)
        assert len(counts) == room + 1
        assert np.abs(counts - len(images) / (room + 1)).max() < 4.5 * np.sqrt(len(images) / (room + 1))


@given(
    st.tuples(st.floats(0.05, 1), st.floats(0.05, 1)).map(sorted),
    st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)).map(sorted),
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.integers(0, 2**32 - 1),
)
def test_boxes_lie_within_the_image(area, aspect, size, seed):
    params = ResizedCropParams(area=tuple(area), aspect=tuple(aspect))
    top, left, tall, wide = ResizedCrop(params).boxes(20, *size, seed).T
    assert np.all((top >= 0) & (left >= 0) & (tall >= 1) & (wide >= 1))
    assert np.all((top + tall <= size[0]) & (left + wide <= size[1]))


def test_boxes_have_the_area_and_the_aspect():
    params = ResizedCropParams(area=(0.2, 0.5), aspect=(0.75, 4 / 3))
    top, left, tall, wide = ResizedCrop(params).boxes(5000, 1000, 2000, 1).T
    shares, aspects = tall * wide / 2e6, (wide / 2000) / (tall / 1000)
    assert spread_over(shares, 0.2, 0.5)
    assert spread_over(np.log(aspects), np.log(0.75), np.log(4 / 3))
    # Anywhere, the edges included.
    for place, part, side in ((top, tall, 1000), (left, wide, 2000)):
        assert spread_over(place / (side - part), 0, 1)


def test_a_box_that_fits_nowhere_is_as_large_as_possible():
    params = ResizedCropParams(area=(1.0, 1.0), aspect=(2.0, 2.0))
    found = ResizedCrop(params).boxes(9, 100, 100, 1)
    assert np.all(found[:, 2:] == (50, 100))
    assert len(set(found[:, 0])) > 1


def test_a_resized_crop_shows_a_part_of_the_image():
    rows = np.broadcast_to(np.arange(200, dtype=np.uint8)[:, None, None], (200, 200, 3))
    params = AugmentationParams(resized_crop=ResizedCropParams(area=(0.25, 0.25), aspect=(1.0, 1.0)))
    for image in Augmenter(params)(np.stack([rows] * 50), 2).astype(int):
        assert image.max() - image.min() == pytest.approx(99, abs=1)
        assert np.all(np.diff(image[:, 0, 0]) >= 0)
