"""Near-duplicates: planted ones of each kind are found, and pictures that are merely alike are not."""

import hashlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits, load_sample_images

from darkroom.data.splitting import candidates, descriptions, near_duplicates, similarity
from darkroom.data.splitting.assign import connected
from darkroom.inference.images import from_array, to_pixels

SIDE = 64  # pixels of a photograph that make a tile


def search(images, names):
    return near_duplicates.search(near_duplicates.thumbnails(images), names).pairs


def hashes(images):
    return [hashlib.sha256(image.tobytes()).hexdigest() for image in images]


def resized(image, side=32):
    return cv2.resize(np.ascontiguousarray(image), (side, side), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def photographs():
    """scikit-learn's two photographs: a temple and a flower."""
    return load_sample_images().images


def places(photographs):
    """Where tiles begin that share nothing, far enough from the borders to be shifted.

    Those of plain sky and blurred leaves are left out: in them is nothing that could be told from noise.
    """
    for number, photograph in enumerate(photographs):
        height, width = photograph.shape[:2]
        for top in range(8, height - SIDE - 8, SIDE):
            for left in range(8, width - SIDE - 8, SIDE):
                tile = cut(photographs, (number, top, left)).astype(float)
                if (tile - cv2.GaussianBlur(tile, (0, 0), 4)).std() > 4:
                    yield number, top, left


def cut(photographs, place, down=0, right=0, smaller=0):
    number, top, left = place
    end = SIDE - smaller
    return photographs[number][top + down : top + down + end, left + right : left + right + end]


@pytest.fixture(scope="module")
def tiles(photographs):
    return np.stack([resized(cut(photographs, place)) for place in places(photographs)])


def recompressed(tile):
    return cv2.imdecode(cv2.imencode(".jpg", tile, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)


def rescaled(tile):
    return cv2.resize(resized(tile, 20), (32, 32), interpolation=cv2.INTER_CUBIC)


def brightened(tile):
    return np.clip(tile * 0.7 + 60, 0, 255).astype(np.uint8)


def recoloured(tile):
    return np.clip(tile * np.array([1.15, 0.95, 0.8]) + np.array([0, 10, 5]), 0, 255).astype(np.uint8)


def greyed(tile):
    return cv2.cvtColor(cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def mirrored(tile):
    return tile[:, ::-1]


def found_share(tiles, copies):
    """The share of the tiles that are found to be what their copies show."""
    images = np.concatenate([tiles, copies])
    pairs = search(images, hashes(images))
    found = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    return sum((row, row + len(tiles)) in found for row in range(len(tiles))) / len(tiles)


def test_distinct_tiles_are_no_duplicates(photographs, tiles):
    assert len(tiles) > 60
    assert len(search(tiles, hashes(tiles)).first) == 0
    # Nor are those of sky and leaves, which are far more alike.
    corners = [(number, top, left) for number in (0, 1) for top in range(0, 352, 32) for left in range(0, 576, SIDE)]
    everywhere = np.stack([resized(cut(photographs, place), 28) for place in corners if place[1] % SIDE == 0])
    assert len(search(everywhere, hashes(everywhere)).first) == 0


@pytest.mark.parametrize(
    ("copied", "share"),
    [(recompressed, 0.8), (rescaled, 0.75), (brightened, 0.95), (recoloured, 0.95), (greyed, 0.95), (mirrored, 0.95)],
)
def test_copies_are_found(tiles, copied, share):
    assert found_share(tiles, np.stack([copied(tile) for tile in tiles])) >= share


@pytest.mark.parametrize(
    ("down", "right", "smaller", "share"),
    [(2, 0, 0, 0.95), (0, 4, 0, 0.8), (3, 3, 0, 0.75), (2, 2, 4, 0.9), (0, 0, 6, 0.6)],
)
def test_shifted_and_cropped_copies_are_found(photographs, tiles, down, right, smaller, share):
    # In pixels of the photograph, of which two make one of the tile.
    copies = [resized(cut(photographs, place, down, right, smaller)) for place in places(photographs)]
    assert found_share(tiles, np.stack(copies)) >= share


def test_large_images_are_compared_in_finer_detail(photographs):
    generator = np.random.default_rng(0)
    tiles = np.stack([cut(photographs, place) for place in places(photographs)])
    shifted = np.stack([cut(photographs, place, 3, 2) for place in places(photographs)])
    noisy = np.clip(shifted + generator.normal(0, 4, shifted.shape), 0, 255).astype(np.uint8)
    assert found_share(tiles, noisy) >= 0.75
    assert len(search(tiles, hashes(tiles)).first) == 0


def test_equal_files_are_pairs_with_the_first_of_them(tiles):
    images = np.concatenate([tiles[:4], tiles[:2], tiles[:1]])
    pairs = search(images, hashes(images))
    assert list(zip(*pairs, strict=True)) == [(0, 4, 1.0), (0, 6, 1.0), (1, 5, 1.0)]
    # Blank ones too, of which there is nothing to compare.
    blank = np.zeros((3, 32, 32, 1), np.uint8)
    assert list(zip(*search(blank, ["a", "b", "a"]), strict=True)) == [(0, 2, 1.0)]


def test_what_is_found_does_not_depend_on_the_order(tiles):
    images = np.concatenate([tiles, [recompressed(tile) for tile in tiles], tiles[:5]])
    sha256 = np.array(hashes(images))
    order = np.random.default_rng(0).permutation(len(images))

    def named(pairs, names):
        both = zip(names[pairs.first], names[pairs.second], strict=True)
        return {frozenset(pair): value for pair, value in zip(both, pairs.similarity.round(4), strict=True)}

    one, other = (
        named(search(images, list(sha256)), sha256),
        named(search(images[order], list(sha256[order])), sha256[order]),
    )
    assert one.keys() == other.keys()
    assert all(abs(one[pair] - other[pair]) < 0.02 for pair in one)


def test_different_digits_are_no_duplicates():
    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)
    images = np.stack([to_pixels(from_array(image), (28, 28, 1), "bicubic", "stretch") for image in pixels])
    assert len(search(images, hashes(images)).first) == 0
    copies = np.stack([cv2.imdecode(cv2.imencode(".jpg", image)[1], cv2.IMREAD_GRAYSCALE) for image in images[:40]])
    with_copies = np.concatenate([images, copies[..., None]])
    pairs = search(with_copies, hashes(with_copies))
    assert list(zip(pairs.first, pairs.second, strict=True)) == [(row, row + len(images)) for row in range(40)]


def test_noise_and_flat_images_are_no_duplicates():
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (100, 32, 32, 3), dtype=np.uint8)
    ramps = np.stack([np.tile(np.linspace(0, end, 32), (32, 1)) for end in range(100, 200)]).astype(np.uint8)
    images = np.concatenate([noise, np.repeat(ramps[..., None], 3, axis=3)])
    assert len(search(images, hashes(images)).first) == 0


@pytest.mark.parametrize("shape", [(1, 32, 32, 3), (5, 8, 8, 1), (3, 1, 1, 1), (4, 24, 96, 3), (2, 200, 130, 3)])
def test_images_of_any_number_and_size(shape):
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert len(search(images, hashes(images)).first) == 0


def test_images_on_disk_are_read_in_portions(tiles, tmp_path, monkeypatch):
    images = np.concatenate([tiles, [brightened(tile) for tile in tiles]])
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    before = search(images, hashes(images))
    for module, name, size in (
        (descriptions, "BLOCK", 64),
        (candidates, "BLOCK", 64),
        (candidates, "NARROW", 16),
        (similarity, "TOGETHER", 7),
    ):
        monkeypatch.setattr(module, name, size)
    after = search(mapped, hashes(images))
    np.testing.assert_array_equal(before.first, after.first)
    np.testing.assert_array_equal(before.second, after.second)
    np.testing.assert_allclose(before.similarity, after.similarity, atol=0.01)


@given(st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)).filter(lambda pair: pair[0] < pair[1]), max_size=30))
@settings(max_examples=50)
def test_groups_are_what_pairs_connect(links):
    first, second = (np.array([link[side] for link in links], dtype=np.int64) for side in (0, 1))
    number = connected(30, first, second)
    reached = [{row} for row in range(30)]
    for one, other in links:
        union = reached[one] | reached[other]
        for row in union:
            reached[row] = union
    for row in range(30):
        assert set(np.flatnonzero(number == number[row])) == reached[row]
