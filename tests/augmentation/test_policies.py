"""TrivialAugment and RandAugment: their operations, how often each is chosen, and how strong it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps

from darkroom.augmentation.augmenter import Augmenter
from darkroom.augmentation.policies import RAND_AUGMENT, STEPS, TRIVIAL_AUGMENT, operations_of
from darkroom.params import AugmentationParams
from darkroom.params.augmentation import OPERATIONS, PolicyParams

SIDE = 100
NAMES = (
    *("identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate", "brightness", "colour", "contrast"),
    *("sharpness", "posterize", "solarize", "auto_contrast", "equalize"),
)
STRONGEST = {
    "trivial_augment": (TRIVIAL_AUGMENT, 0.99, 32, 135, 0.99, 2),
    "rand_augment": (RAND_AUGMENT, 0.3, 150 / 331 * SIDE, 30, 0.9, 4),
}
"""Shear, translation in pixels, rotation in degrees, change of the factors, and bits, as published."""


def picture():
    """Smooth, so that interpolation does not matter."""
    down, across = np.mgrid[0:SIDE, 0:SIDE]
    return np.stack([40 + across, 60 + down, 50 + (across + down) // 3], axis=-1).astype(np.uint8)


def moved(image, move):
    """What Pillow makes of an image, as in the papers' code, and which pixels come from inside of it."""
    return np.asarray(move(Image.fromarray(image))), np.asarray(move(Image.new("L", (SIDE, SIDE), 255))) == 255


def affine(*matrix):
    how = (SIDE, SIDE), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
    return lambda image: image.transform(*how)


@pytest.mark.parametrize("name", STRONGEST)
@pytest.mark.parametrize("strength", [-1.0, -0.5, 0.0, 0.3, 1.0])
def test_operations_have_their_published_ranges(name, strength):
    ranges, shear, translate, rotate, enhance, bits = STRONGEST[name]
    image = picture()
    found = dict(zip(NAMES, (apply(image, strength) for apply in operations_of(ranges)), strict=True))
    pillow = Image.fromarray(image)
    geometric = {
        "shear_x": affine(1, shear * strength, 0, 0, 1, 0),
        "shear_y": affine(1, 0, 0, shear * strength, 1, 0),
        "translate_x": affine(1, 0, translate * strength, 0, 1, 0),
        "translate_y": affine(1, 0, 0, 0, 1, translate * strength),
        "rotate": lambda image: image.rotate(rotate * strength, Image.Resampling.BILINEAR),
    }
    for key, move in geometric.items():
        theirs, inside = moved(image, move)
        assert inside.sum() > 0.1 * SIDE**2
        assert np.abs(found[key].astype(int) - theirs)[inside].max() <= 3, key
    kinds = {
        "brightness": ImageEnhance.Brightness,
        "colour": ImageEnhance.Color,
        "contrast": ImageEnhance.Contrast,
        "sharpness": ImageEnhance.Sharpness,
    }
    values = {key: kind(pillow).enhance(1 + enhance * strength) for key, kind in kinds.items()}
    values["posterize"] = ImageOps.posterize(pillow, 8 - round((8 - bits) * abs(strength)))
    values["solarize"] = ImageOps.solarize(pillow, 255 * (1 - abs(strength)))
    values |= {"auto_contrast": ImageOps.autocontrast(pillow), "equalize": ImageOps.equalize(pillow), "identity": image}
    for key, theirs in values.items():
        assert np.abs(found[key].astype(int) - np.asarray(theirs)).max() <= 3, key
    assert {*geometric, *values} == set(NAMES)


def test_there_are_as_many_operations_as_the_parameters_know():
    assert len(operations_of(TRIVIAL_AUGMENT)) == len(operations_of(RAND_AUGMENT)) == OPERATIONS


@pytest.mark.parametrize("name", STRONGEST)
@given(st.tuples(st.integers(1, 30), st.integers(1, 30), st.sampled_from([1, 3])), st.floats(-1, 1), st.integers(0, 9))
def test_operations_keep_shape_and_type(name, shape, strength, seed):
    image = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    image = image if shape[2] == 3 else image[..., 0]
    before = image.copy()
    for apply in operations_of(STRONGEST[name][0]):
        varied = apply(image, strength)
        assert (varied.shape, varied.dtype) == (image.shape, np.uint8)
    assert np.array_equal(image, before)


def test_trivial_augment_chooses_each_operation_and_strength_as_often():
    """Of plain grey images, only brightness, posterize and solarize change values, and each step in its own way."""
    plain = np.full((20_000, 2, 2, 3), 200, np.uint8)
    varied = Augmenter(AugmentationParams(policy=PolicyParams(name="trivial_augment")))(plain, 1)[:, 0, 0, 0]
    brightness = [np.clip(round(200 * (1 + sign * 0.99 * step / 30)), 0, 255) for sign in (-1, 1) for step in range(31)]
    posterized = [200 & ~(2 ** (8 - bits) - 1) for step in range(STEPS) for bits in [8 - round(6 * step / 30)]]
    solarized = [200 if 255 * (1 - step / 30) > 200 else 55 for step in range(STEPS)]
    expected = np.full(256, 0.0)
    expected[200] = 11 / 14
    for values in (brightness, posterized, solarized):
        expected += np.bincount(values, minlength=256) / len(values) / 14
    found = np.bincount(varied, minlength=256) / len(varied)
    assert set(np.flatnonzero(found)) <= set(np.flatnonzero(expected))
    assert np.abs(found - expected).max() < 4.5 * np.sqrt(expected.max() * (1 - expected.max()) / len(plain))
    common = expected > 0.001
    assert np.all(np.abs(found - expected)[common] < 4.5 * np.sqrt(expected[common] / len(plain)))


def test_rand_augment_applies_several_operations_of_one_strength():
    plain = np.full((20_000, 2, 2, 3), 200, np.uint8)

    def values(**params):
        params = AugmentationParams(policy=PolicyParams(name="rand_augment", **params))
        return np.bincount(Augmenter(params)(plain, 1)[:, 0, 0, 0], minlength=256) / len(plain)

    def close(share, expected):
        return share == pytest.approx(expected, abs=4.5 * np.sqrt(expected * (1 - expected) / len(plain)))

    # 0.9 · 9 / 30 = 0.27 darker or brighter; posterize keeps 8 - 1 bits, and 200 is even; solarize begins at 178.
    once = values(operations=1, magnitude=9)
    assert set(np.flatnonzero(once)) == {146, 254, 55, 200}
    assert all(close(once[value], share) for value, share in ((146, 1 / 28), (254, 1 / 28), (55, 1 / 14)))
    twice = values(operations=2, magnitude=9)
    # Both operations leave the value, or solarize is chosen twice.
    assert close(twice[200], (12 / 14) ** 2 + (1 / 14) ** 2)
    assert set(np.flatnonzero(values(operations=1, magnitude=0))) == {200}
