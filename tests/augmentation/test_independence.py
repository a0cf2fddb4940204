"""Each part of augmentation draws on its own: planted pictures whose variations can be read back."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.augmentation.augmenter import Augmenter
from darkroom.augmentation.geometry import MID_GREY
from darkroom.data.prepared.datasets import Split
from darkroom.data.prepared.targets import batch_seed
from darkroom.params import AugmentationParams
from darkroom.training.batches import TrainingBatches

SIDE, STEP, FIRST = 25, 8, 20
PLACE = FIRST + STEP * np.arange(SIDE)
# The first channel tells the row that a pixel comes from, the second the column.
ROW_AND_COLUMN = np.stack(np.meshgrid(PLACE, PLACE, indexing="ij"), axis=-1)
PICTURE = np.dstack([ROW_AND_COLUMN, np.full((SIDE, SIDE), 200)]).astype(np.uint8)
MIDDLE = np.arange(8, 17)
BATCHES = 1000


def moves(images):
    """The affine transforms from pixels to their sources, shape (images, 2, 3): offset at the centre, down, across."""
    inside = images[:, MIDDLE[:, None], MIDDLE, :2].reshape(len(images), -1, 2).astype(float)
    down, across = np.meshgrid(MIDDLE, MIDDLE, indexing="ij")
    places = np.stack([np.ones(down.size), down.ravel() - SIDE // 2, across.ravel() - SIDE // 2])
    return ((inside - FIRST) / STEP - SIDE // 2).swapaxes(1, 2) @ np.linalg.pinv(places)


def erased(images):
    """Row and column of the corner of the square."""
    grey = (images == MID_GREY).all(axis=-1)
    return grey.any(axis=2).argmax(axis=1), grey.any(axis=1).argmax(axis=1)


# What is read of a part, if it alone is enabled.
PARTS = {
    "rotation": ({"rotation": 20}, lambda images: [np.arctan2(*moves(images)[:, ::-1, 2].T)]),
    "shift": ({"shift": 0.1}, lambda images: [*moves(images)[:, :, 0].T]),
    "scale": ({"scale": 0.2}, lambda images: [moves(images)[:, 0, 1], moves(images)[:, 1, 2]]),
    "shear": ({"shear": 15}, lambda images: [moves(images)[:, 0, 2], moves(images)[:, 1, 1]]),
    "crop": ({"crop": 4}, lambda images: [*moves(images)[:, :, 0].T]),
    "horizontal_flip": ({"horizontal_flip": True}, lambda images: [moves(images)[:, 1, 2]]),
    "vertical_flip": ({"vertical_flip": True}, lambda images: [moves(images)[:, 0, 1]]),
    "erase": ({"erase": 0.3}, erased),
}


def drawn(size, places):
    """What each part draws for some places of batches of a size, one column per number, and the columns' names."""
    images, columns = np.stack([PICTURE] * size), {}
    for name, (params, read) in PARTS.items():
        augmenter = Augmenter(AugmentationParams(**params))
        varied = np.concatenate([augmenter(images, batch_seed(0, 1, batch))[places] for batch in range(BATCHES)])
        columns |= {f"{name} {number}": values for number, values in enumerate(read(varied))}
    return pd.DataFrame(columns)


@pytest.mark.parametrize(("size", "places"), [(1, [0]), (3, [0]), (3, [2])])
def test_no_two_numbers_are_correlated(size, places):
    found = drawn(size, places)
    assert (found.std() > 0).all()
    correlations = found.corr().to_numpy()
    pairs = correlations[np.triu_indices(len(correlations), 1)]
    # Of 78 pairs, the largest is beyond 4 standard errors in 1 of 200 cases.
    assert np.abs(pairs).max() < 4 / np.sqrt(BATCHES)
    assert np.abs(pairs).mean() == pytest.approx(np.sqrt(2 / np.pi / BATCHES), rel=0.3)


@pytest.mark.parametrize("size", [1, 2])
def test_a_flip_does_not_tell_where_an_image_was_cropped(size):
    augmenter = Augmenter(AugmentationParams(horizontal_flip=True, vertical_flip=True, crop=2))
    images = np.stack([PICTURE] * size)
    found = moves(np.stack([augmenter(images, batch_seed(0, 1, batch))[0] for batch in range(BATCHES)]))
    numbers = [found[:, 1, 2] < 0, found[:, 0, 1] < 0, *found[:, :, 0].T]
    for one, other in itertools.combinations(numbers, 2):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(BATCHES)
    assert np.unique(np.stack(numbers, axis=1).round(), axis=0).shape == (2 * 2 * 5 * 5, 4)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_what_one_part_draws_is_the_same_with_and_without_others(seed, size):
    images = np.stack([PICTURE] * size)
    whole = Augmenter(AugmentationParams(horizontal_flip=True, vertical_flip=True, crop=3, erase=0.2))(images, seed)
    parts = ({"crop": 3}, {"horizontal_flip": True}, {"vertical_flip": True}, {"erase": 0.2})
    varied = images
    for part in parts:
        varied = Augmenter(AugmentationParams(**part))(varied, seed)
    assert np.array_equal(whole, varied)


@pytest.mark.parametrize("share", [0.1, 0.15])
def test_shifts_are_uniform_over_the_real_numbers(share):
    # Steep around the centre, so that 1/25 of a pixel shows.
    steep = (128 + 25 * ((PICTURE.astype(int) - FIRST) / STEP - SIDE // 2)).clip(0, 255).astype(np.uint8)
    varied = Augmenter(AugmentationParams(shift=share))(np.stack([steep] * 2000), 3)
    middle = varied[:, SIDE // 2, SIDE // 2, :2].astype(float)
    for shifts in ((128 - middle) / 25).T:
        # The largest difference from the distribution function, which is beyond 1.63 / sqrt(n) in 1 % of samples.
        expected = (np.sort(shifts) / (share * SIDE) + 1) / 2
        assert np.abs(expected - np.arange(0.5, 2000) / 2000).max() < 1.63 / np.sqrt(2000)
        assert np.abs(shifts).max() <= share * SIDE + 1 / 25
        # Whole pixels no more often than others.
        assert np.mean(np.abs(shifts - shifts.round()) < 0.1) == pytest.approx(0.2, abs=4 * np.sqrt(0.2 * 0.8 / 2000))


def test_crops_are_whole_pixels_each_as_often():
    images = np.stack([PICTURE] * 5000)
    for shifts in moves(Augmenter(AugmentationParams(crop=2))(images, 3))[:, :, 0].T:
        whole = shifts.round()
        assert np.abs(shifts - whole).max() < 1e-6
        places, counts = np.unique(whole, return_counts=True)
        assert places.tolist() == [-2, -1, 0, 1, 2]
        assert np.abs(counts - 1000).max() < 4 * np.sqrt(5000 * 0.2 * 0.8)


def test_a_batch_is_the_same_whenever_it_is_drawn():
    images = Split(np.stack([PICTURE] * 12), np.arange(12) % 2, pd.DataFrame())
    params = AugmentationParams(rotation=10, shift=0.1, crop=2, horizontal_flip=True, vertical_flip=True, erase=0.2)
    batches, again = (TrainingBatches(images, 2, 5, seed=3, augment=Augmenter(params)) for _ in range(2))
    whole = {(epoch, index): batches.draw(epoch, index)[0] for epoch in range(3) for index in range(3)}
    # From the last to the first, as after a restart.
    for place, expected in reversed(whole.items()):
        assert np.array_equal(again.draw(*place)[0], expected)
    assert len({batch.tobytes() for batch in whole.values()}) == len(whole)
