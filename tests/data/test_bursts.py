"""Many altered copies of each picture: families stay whole, and those that the source tears are marked."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from darkroom.data.splitting import assign, near_duplicates
from darkroom.data.splitting.kept import NOTHING
from darkroom.params import PreprocessParams

SIDE, COPIES = 48, 12


def tiles(count):
    """Different parts of photographs, those with most detail."""
    cut = [
        photograph[top : top + SIDE, left : left + SIDE]
        for photograph in load_sample_images().images
        for top in range(0, photograph.shape[0] - SIDE, SIDE)
        for left in range(0, photograph.shape[1] - SIDE, SIDE)
    ]
    return sorted(cut, key=lambda tile: np.abs(np.diff(tile.mean(axis=2), axis=0)).mean(), reverse=True)[:count]


def altered(tile, random):
    """Another brightness and contrast, mirrored or not, saved as JPEG."""
    pixels = tile * random.uniform(0.85, 1.15) + random.uniform(-15, 15)
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(pixels[:, ::-1] if random.random() < 0.5 else pixels))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(random.integers(60, 95)))
    return Image.open(io.BytesIO(buffer.getvalue()))


def burst(count, copies):
    """Images of 32×32 pixels, and the picture that each shows."""
    random = np.random.default_rng(0)
    images = [
        Image.fromarray(tile) if copy == 0 else altered(tile, random) for tile in tiles(count) for copy in range(copies)
    ]
    small = np.stack([np.asarray(image.convert("RGB").resize((32, 32))) for image in images])
    return small, np.repeat(np.arange(count), copies)


def split(small, shows, given=None):
    names = [f"{row:064x}" for row in range(len(small))]
    labels = [f"c{picture % 3}" for picture in shows]
    texts = {"name": names, "label": labels, "sha256": names, "picture": names}
    rows = pd.DataFrame({**texts, "group": "", "given_split": given if given is not None else ""})
    found = near_duplicates.search(near_duplicates.thumbnails(small), names)
    assigned = assign.assign(rows, found.pairs, NOTHING, PreprocessParams())
    return assigned.assign(unverified=found.unverified, shows=shows)


def in_training(rows):
    """Test images whose picture is in training."""
    training = set(rows["shows"][rows["split"] == "train"])
    return (rows["split"] == "test") & rows["shows"].isin(training)


@pytest.mark.slow
def test_no_test_image_has_its_picture_in_training_however_many_copies_there_are():
    rows = split(*burst(90, COPIES))
    test = rows["split"] == "test"
    assert 0.1 < test.mean() < 0.3
    assert in_training(rows).sum() <= 0.02 * test.sum()


@pytest.mark.parametrize("copies", [1, 3, 5, 10])
def test_given_test_images_with_altered_copies_in_training_are_marked(copies):
    small, shows = burst(60, copies + 1)
    of_test = np.arange(len(small)) % (copies + 1) == 0
    # A third of the pictures has its original in test and its copies in training; the others are in one split.
    given = np.where(of_test & (shows % 3 == 0), "test", "train").astype(object)
    given[shows % 3 == 1] = "test"
    given[np.flatnonzero(shows == 2)] = "validation"
    rows = split(small, shows, given)
    torn = in_training(rows)
    assert torn.sum() == 20
    assert (rows["leaked"] & torn).sum() >= 19
    assert (rows["leaked"] & ~torn & (rows["split"] == "test")).sum() <= 0.02 * len(rows)
