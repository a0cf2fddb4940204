"""Near-duplicates: planted ones of each kind are found, and pictures that are merely alike are not."""

import hashlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits, load_sample_images

from darkroom.data.splitting import candidates, descriptions, near_duplicates, phase, similarity
from darkroom.data.splitting.relations import connected
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


def recompressed(tile, quality=40):
    return cv2.imdecode(cv2.imencode(".jpg", tile, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


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


def turned_left(tile):
    return np.rot90(tile)


def turned_over(tile):
    return np.rot90(tile, 2)


def turned_right(tile):
    return np.rot90(tile, 3)


def with_logo(tile):
    changed = tile.copy()
    changed[:9, 23:] = (160, 90, 90)
    changed[3:6, 25:30] = 200
    return changed


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
    [
        (recompressed, 0.8),
        (rescaled, 0.75),
        (brightened, 0.95),
        (recoloured, 0.95),
        (greyed, 0.95),
        (mirrored, 0.95),
        (turned_left, 0.95),
        (turned_over, 0.95),
        (turned_right, 0.95),
        (with_logo, 0.7),
    ],
)
def test_copies_are_found(tiles, copied, share):
    assert found_share(tiles, np.stack([copied(tile) for tile in tiles])) >= share


@pytest.mark.parametrize(
    ("down", "right", "smaller", "share"),
    [
        (2, 0, 0, 0.95),
        (0, 4, 0, 0.8),
        (3, 3, 0, 0.75),
        (2, 2, 4, 0.9),
        (0, 0, 6, 0.6),
        # Down to 75 % of the side, from photographs of twice the resolution: the middle, a corner, and between.
        (8, 8, 16, 0.75),
        (0, 16, 16, 0.65),
        (5, 11, 16, 0.65),
        (3, 6, 9, 0.8),
    ],
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

    listed = search(images[order], list(sha256[order]))
    one, other = named(search(images, list(sha256)), sha256), named(listed, sha256[order])
    in_order = list(zip(listed.first, listed.second, strict=True))
    assert in_order == sorted(in_order)
    assert one.keys() == other.keys()
    assert all(abs(one[pair] - other[pair]) < 0.02 for pair in one)


def altered(tile, generator):
    changed = np.clip(tile * generator.uniform(0.85, 1.15) + generator.uniform(-15, 15), 0, 255).astype(np.uint8)
    changed = changed[:, ::-1] if generator.random() < 0.5 else changed
    return recompressed(np.ascontiguousarray(changed), int(generator.integers(60, 95)))


def families(images):
    found = near_duplicates.search(near_duplicates.thumbnails(images), hashes(images))
    return connected(len(images), found.pairs.first, found.pairs.second), found.unverified


@pytest.mark.parametrize(("pictures", "copies"), [(12, 3), (6, 20), (2, 100)])
def test_families_are_whole(tiles, pictures, copies):
    generator = np.random.default_rng(0)
    detail = [(tile - cv2.GaussianBlur(tile.astype(float), (0, 0), 2)).std() for tile in tiles]
    chosen = tiles[np.argsort(detail)[-pictures - 20 : -20]]
    images = np.stack([altered(tile, generator) for tile in chosen for _ in range(copies)])
    family, unverified = families(images)
    shown = np.repeat(np.arange(pictures), copies)
    for number in np.unique(family):
        assert len(set(shown[family == number])) == 1
    assert len(np.unique(family)) == pictures
    assert not unverified.any()


def test_what_a_limit_leaves_unverified_is_said(tiles, monkeypatch):
    generator = np.random.default_rng(0)
    images = np.stack([*(altered(tiles[0], generator) for _ in range(12)), tiles[20], tiles[40], tiles[20]])
    monkeypatch.setattr(candidates, "MOST", 2)
    monkeypatch.setattr(near_duplicates, "MOST", 8)
    monkeypatch.setattr(near_duplicates, "PASSES", 1)
    _, unverified = families(images)
    assert unverified[:12].any()
    assert not unverified[12:].any()
    # Another pass finds the others, outside the families found so far.
    monkeypatch.setattr(near_duplicates, "PASSES", 4)
    family, unverified = families(images)
    assert len(np.unique(family)) == 3
    assert not unverified.any()


def test_eight_rejected_candidates_settle_an_image_and_nothing_left_ends_the_search(tiles, monkeypatch):
    asked = []

    class Watched(near_duplicates.Rounds):
        def settled(self, rejected):
            asked.append(rejected)
            return super().settled(rejected)

    monkeypatch.setattr(near_duplicates, "Rounds", Watched)
    assert len(search(tiles[:5], hashes(tiles[:5])).first) == 0
    assert asked == [8]


@given(st.sets(st.integers(0, 59), max_size=40), st.booleans())
@settings(max_examples=4, deadline=None)
def test_unrelated_images_change_no_verdict(tiles_and_unrelated, chosen, digits):
    tiles, scans, photographs = tiles_and_unrelated
    images = np.concatenate([tiles[:8], [recompressed(with_logo(tile)) for tile in tiles[:8]]])
    unrelated = (scans if digits else photographs)[sorted(chosen)]
    alone, among = search(images, hashes(images)), search(both := np.concatenate([images, unrelated]), hashes(both))
    inside = among.second < len(images)
    assert list(zip(alone.first, alone.second, strict=True)) == list(
        zip(among.first[inside], among.second[inside], strict=True)
    )
    np.testing.assert_allclose(alone.similarity, among.similarity[inside], atol=1e-4)


@pytest.fixture(scope="module")
def tiles_and_unrelated(tiles):
    scans = np.round(load_digits().images[:60] * (255 / 16)).astype(np.uint8)
    scans = np.stack([resized(np.repeat(scan[..., None], 3, axis=2)) for scan in scans])
    return tiles[:16], scans, np.resize(tiles[16:], (60, 32, 32, 3))


def test_of_digits_and_some_copies_only_the_copies_are_duplicates():
    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)
    images = np.stack([to_pixels(from_array(image), (28, 28, 1), "bicubic", "stretch") for image in pixels])
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


def plain(kind):
    """Pictures without detail: ``1`` has a slope down, ``2`` a bright spot, ``3`` a broad wave."""
    down, right = np.mgrid[0:32, 0:32] / 31
    values = {1: down * 0.7, 2: np.exp(-((down - 0.3) ** 2 + (right - 0.6) ** 2) * 6), 3: np.sin(4 * right + down) / 2}
    return np.repeat((60 + 120 * values[kind])[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("kind", [1, 2, 3])
@pytest.mark.parametrize(
    "change", [brightened, lambda tile: tile[:, ::-1], lambda tile: np.clip(tile * 1.1, 0, 255).astype(np.uint8)]
)
def test_what_has_too_little_detail_to_be_judged_is_said(tiles, kind, change):
    images = np.concatenate([tiles[:20], [plain(kind), change(plain(kind))]])
    found = near_duplicates.search(near_duplicates.thumbnails(images), hashes(images))
    linked = (20, 21) in zip(found.pairs.first.tolist(), found.pairs.second.tolist(), strict=True)
    assert linked or found.unverified[20:].all()
    assert not found.unverified[:20].any()


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
        (candidates, "QUERIES", 64),
        (candidates, "AREA", 1024),
        (phase, "BLOCK", 64),
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
