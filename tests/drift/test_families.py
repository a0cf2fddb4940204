"""Drift with images that belong together: exact p-values, the level on bursts, near-duplicates found, and colours."""

import itertools

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st

from darkroom.data.splitting.pairs import NO_PAIRS, Pairs
from darkroom.drift import comparison, distances, families, permutation
from darkroom.drift.blocks import Blocks, sample_rows
from darkroom.drift.families import HIGHEST_SIMILARITY, SIMILARITY
from darkroom.drift.measures import colour_balance, image_statistics
from darkroom.drift.samples import Embeddings, Sample

sizes = st.lists(st.integers(1, 5), min_size=1, max_size=8)


def families_of(counts):
    return np.repeat(np.arange(len(counts)), counts)


@given(sizes, sizes)
def test_each_block_weighs_one_and_belongs_to_one_sample(known, new):
    blocks = Blocks.of(families_of(known), families_of(new))
    assert (blocks.known, blocks.new) == (len(known), len(new))
    assert np.bincount(blocks.numbers).tolist() == [*known, *new]
    assert np.bincount(blocks.numbers, blocks.weights) == pytest.approx(1)
    assert blocks.actual.tolist() == [False] * len(known) + [True] * len(new)


@pytest.mark.parametrize("statistic", [distances.kolmogorov_smirnov, distances.chi_square, distances.energy])
@given(known=sizes, new=sizes, seed=st.integers(0, 1000))
def test_copies_do_not_change_a_statistic(statistic, known, new, seed):
    values = np.random.default_rng(seed).integers(0, 5, len(known) + len(new)).astype(float)
    blocks = Blocks.of(families_of(known), families_of(new))

    def value(of, weights, actual):
        shaped = of.astype(str) if statistic is distances.chi_square else of
        return statistic(shaped[:, None] if statistic is distances.energy else shaped, weights)(actual[None])[0]

    expected = value(values, np.ones(len(values)), blocks.actual)
    assert value(values[blocks.numbers], blocks.weights, blocks.actual[blocks.numbers]) == pytest.approx(expected)


def sample(values, blocks=None):
    embeddings = Embeddings(np.stack([values, values**2], axis=1), (values > 0).astype(str), blocks)
    return Sample({"x": values}, (values > 1).astype(str), embeddings, blocks)


@given(st.lists(st.integers(1, 4), min_size=20, max_size=30), st.integers(0, 100))
def test_copies_do_not_change_a_p_value(counts, seed):
    generator = np.random.default_rng(seed)
    known, new = generator.normal(size=30), generator.normal(0.5, size=len(counts))
    single = permutation.compare(sample(known), sample(new), 0.2, seed)
    copied = permutation.compare(sample(known), sample(new[families_of(counts)], families_of(counts)), 0.2, seed)
    for one, other in zip(single, copied, strict=True):
        assert (other.test, other.p, other.corrected_p) == (one.test, one.p, one.corrected_p)
        assert other.value == pytest.approx(one.value)


def test_blocks_are_permuted_as_a_whole():
    # Two blocks of three and two of one: of the six ways to choose two blocks, the values are apart in two.
    blocks = Blocks.of(np.array([5, 5, 5, 7]), np.array([5, 9, 9, 9]))
    values = np.array([1.0, 1, 1, 2, 3, 4, 4, 4])
    assert blocks.numbers.tolist() == [0, 0, 0, 1, 2, 3, 3, 3]
    distance = distances.kolmogorov_smirnov(values, blocks.weights)
    ways = [np.isin(np.arange(4), chosen)[blocks.numbers] for chosen in itertools.combinations(range(4), 2)]
    assert distance(np.array(ways)) == pytest.approx([1, 0.5, 0.5, 0.5, 0.5, 1])
    (found,) = permutation.permutation_tests({"x": distance}, blocks, 5999, np.random.default_rng(0)).values()
    assert found == (1.0, pytest.approx(2 / 6, abs=0.02))


@pytest.mark.parametrize("counts", [(2,) * 30, (10,) * 20, (60, *(1,) * 39)])
def test_bursts_raise_no_more_alarms_than_the_level(counts, monkeypatch):
    monkeypatch.setattr(permutation, "MARGIN", 4)
    draws, level, alarms = 300, 0.05, np.zeros(2)
    for seed in range(draws):
        generator = np.random.default_rng(seed)
        known, new = generator.normal(size=100), generator.normal(size=len(counts))[families_of(counts)]
        new += generator.normal(0, 0.05, len(new))
        for column, blocks in enumerate((families_of(counts), None)):
            (outcome,) = permutation.compare(Sample({"x": known}), Sample({"x": new}, families=blocks), level, seed)
            alarms[column] += outcome.drift
    by_block, by_image = alarms / draws
    assert by_block <= level + 2.5 * np.sqrt(level * (1 - level) / draws)
    # What images alone would do.
    assert by_image > 2 * level


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40).map(np.array), st.integers(1, 50), st.integers(0, 99))
def test_of_each_block_an_image_is_sampled_before_a_second(blocks, most, seed):
    rows = sample_rows(blocks, most, seed)
    assert rows == sorted(set(rows))
    assert len(rows) == min(most, len(blocks))
    chosen, all_of = np.bincount(blocks[rows], minlength=10), np.bincount(blocks, minlength=10)
    for one, other in itertools.permutations(np.unique(blocks), 2):
        assert chosen[one] >= min(chosen[other] - 1, all_of[one])
    assert rows == sample_rows(blocks, most, seed)


def test_each_image_of_a_block_is_as_likely_to_be_sampled():
    blocks = np.array([0, 0, 0, 0, 1])
    counts = np.bincount(np.concatenate([sample_rows(blocks, 2, seed) for seed in range(800)]), minlength=5)
    assert counts[4] == 800
    assert np.abs(counts[:4] - 200).max() < 4 * np.sqrt(800 * 0.25 * 0.75)


def pairs_of(*rows):
    first, second, similarity = zip(*rows, strict=True)
    return Pairs(np.array(first), np.array(second), np.array(similarity, dtype=np.float32))


def least_of(pairs, of):
    return families.minimum_similarity(pairs, of, (SIMILARITY, HIGHEST_SIMILARITY))


def test_the_least_similarity_is_that_of_different_known_images():
    apart = np.arange(201)
    assert least_of(NO_PAIRS, apart) == SIMILARITY
    # Of 201 images, the third best is at the quantile.
    assert least_of(pairs_of((3, 7, 0.9)), apart) == SIMILARITY
    two = pairs_of((3, 7, 0.9), (4, 8, 0.95))
    assert least_of(two, apart) == pytest.approx(0.9)
    # The best of each image counts.
    assert least_of(pairs_of((3, 7, 0.85), (3, 8, 0.95), (4, 9, 0.9)), apart) == pytest.approx(0.9)
    # Pairs within a family tell nothing.
    apart[7] = 3
    assert least_of(two, apart) == SIMILARITY
    equal = pairs_of(*((row, row + 1, 1.0) for row in range(10, 20)))
    assert least_of(equal, apart) == HIGHEST_SIMILARITY == 0.99


@pytest.mark.parametrize(("better", "least"), [(8, 0.9), (10, 0.95)])
def test_one_in_a_hundred_known_images_may_be_more_similar(better, least):
    # The ninth best of 801 is at the quantile.
    pairs = pairs_of(*((row, row + 400, 0.95 if row < better / 2 else 0.9) for row in range(10)))
    assert least_of(pairs, np.arange(801)) == pytest.approx(least)


def photographs(count, seed, side=32):
    """Smooth noise, brighter and bluer above, with colour."""
    generator = np.random.default_rng(seed)
    noise = scipy.ndimage.gaussian_filter(generator.normal(size=(count, side, side, 1)), (0, 2, 1, 0)) * 250
    tones = generator.normal(0, 8, (count, 1, 1, 3))
    falling = np.linspace(1, -1, side)[:, None, None]
    colour = np.array([8, 0, -8]) - falling * np.array([6, 0, -6])
    pixels = 120 + noise + tones + 15 * falling + colour
    return np.clip(pixels, 0, 255).astype(np.uint8)


def test_versions_of_a_picture_are_a_family():
    known, new = photographs(80, 0), photographs(40, 1)
    copies = [np.clip(new * factor + shift, 0, 255).astype(np.uint8) for factor, shift in ((0.9, 8), (1.1, -6))]
    noise = np.random.default_rng(2).normal(0, 3, new.shape)
    copies.append(np.clip(new + noise, 0, 255).astype(np.uint8))
    found = families.find(np.concatenate([new, *copies]), known, np.arange(80), 0)
    assert len(np.unique(found)) == 40
    assert np.array_equal(found, np.tile(found[:40], 4))
    assert len(np.unique(families.find(new, known, np.arange(80), 0))) == 40


@pytest.mark.parametrize("seed", range(5))
def test_known_images_that_are_equal_raise_the_least_correlation_to_its_limit(seed):
    # Too faint for detail. One pixel that differs by 1 leaves a correlation of 0.9998, one that differs by 3 of 0.998.
    known, one, other = np.random.default_rng(seed).choice([101, 104], (3, 32, 32, 1)).astype(np.uint8)
    altered = [one.copy(), other.copy()]
    altered[0][0, 0] = one[0, 0].clip(102, 103)
    altered[1][0, 0] = 205 - other[0, 0]
    found = families.find(np.stack([one, *altered, other]), np.stack([known, known]), np.array([0, 1]), seed)
    assert found.tolist() == [0, 0, 1, 2]


def test_correlated_pairs_by_hand():
    generator = np.random.default_rng(0)
    one, other = generator.normal(size=(2, 32 * 32))
    one, other = ((vector - vector.mean()) / (vector - vector.mean()).std() for vector in (one, other))
    mixed = [share * one + np.sqrt(1 - share**2) * other for share in (1, 0.98, 0.9, -1)]
    images = np.clip(np.round(128 + 30 * np.stack(mixed)), 0, 255).astype(np.uint8).reshape(-1, 32, 32, 1)
    images = np.concatenate([images, images[:1] // 2, np.full((2, 32, 32, 1), 9, dtype=np.uint8)])
    expected = np.triu(np.corrcoef(images[:5].reshape(5, -1)), 1)
    found = families.correlated(images)
    assert list(zip(found.first, found.second, strict=True)) == list(zip(*np.nonzero(expected > 0.95), strict=True))
    assert found.similarity == pytest.approx(expected[found.first, found.second], abs=1e-5)
    assert {(0, 1), (0, 4)} <= set(zip(found.first.tolist(), found.second.tolist(), strict=True))


def outcomes(known, new, seed=0):
    samples = (Sample(image_statistics(images)) for images in (known, new))
    return {outcome.test for outcome in permutation.compare(*samples, 0.01, seed) if outcome.drift}


@pytest.mark.parametrize(
    ("change", "tests"),
    [
        (lambda images: images, set()),
        (lambda images: images[..., ::-1], {"warmth"}),
        (lambda images: (images - np.array([0, 8, 0])).clip(0, 255).astype(np.uint8), {"tint"}),
        (lambda images: np.rot90(images, 1, (1, 2)), {"balance", "direction"}),
        (lambda images: np.rot90(images, 2, (1, 2)), {"balance"}),
    ],
)
def test_changed_colours_and_turned_pictures_are_drift(change, tests):
    found = outcomes(photographs(200, 0), change(photographs(100, 1)))
    assert found >= tests
    assert not found - tests - {"brightness", "saturation"}
    assert bool(found) == bool(tests)


def test_colour_and_orientation_by_hand():
    image = np.zeros((4, 2, 3), dtype=np.uint8)
    image[:2] = [100, 40, 20]
    found = {name: values[0] for name, values in image_statistics(image[None]).items()}
    grey = 0.299 * 100 + 0.587 * 40 + 0.114 * 20
    assert found["balance"] == pytest.approx(grey)
    assert found["direction"] == pytest.approx(1)
    assert found["warmth"] == pytest.approx(40)
    assert found["tint"] == pytest.approx(20 - (50 + 10) / 2)
    assert found["saturation"] == pytest.approx((100 - 20) / 100 / 2)
    assert image_statistics(np.array([[[[1, 0, 0]]]], dtype=np.uint8))["saturation"] == [1]
    board = np.array([[0, 10, 0], [0, 10, 0], [30, 0, 30]], dtype=np.uint8)[None, ..., None]
    found = {name: values[0] for name, values in image_statistics(board).items()}
    # The middle row belongs to neither half; the Laplacian continues the border.
    assert found["balance"] == pytest.approx(10 / 3 - 20)
    laplacian = [[10, -20, 10], [40, -30, 40], [-60, 70, -60]]
    assert found["sharpness"] == pytest.approx(np.var(laplacian))
    vertical, horizontal = 30 + 10 + 30, 4 * 10 + 2 * 30
    assert found["direction"] == pytest.approx((vertical - horizontal) / (vertical + horizontal))
    rows = np.array([10, 20, 40, 80, 160, 250], dtype=np.uint8)
    for count, expected in ((6, (10 + 20 + 40) / 3 - (80 + 160 + 250) / 3), (5, 15 - 120), (4, 15 - 60), (2, -10)):
        stripes = np.repeat(rows[:count, None, None], 3, axis=1)
        assert image_statistics(stripes[None])["balance"] == pytest.approx([expected])
    flat = image_statistics(np.full((1, 1, 1, 1), 9, dtype=np.uint8))
    assert (flat["balance"][0], flat["direction"][0]) == (0, 0)
    assert colour_balance(30.0, 20.0, 50.0) == {"warmth": -20, "tint": -20}


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_turning_and_swapping_change_the_sign(height, width, seed):
    images = np.random.default_rng(seed).integers(0, 256, (3, height, width, 3), dtype=np.uint8)
    found = image_statistics(images)
    for name, changed in (
        ("balance", images[:, ::-1]),
        ("direction", images.swapaxes(1, 2)),
        ("warmth", images[..., ::-1]),
    ):
        np.testing.assert_allclose(image_statistics(changed)[name], -found[name], atol=1e-9)
    np.testing.assert_allclose(image_statistics(images[..., ::-1])["tint"], found["tint"], atol=1e-9)


def of_families(count, each):
    numbers = np.repeat(np.arange(count), each)
    values = np.random.default_rng(0).normal(size=len(numbers))
    return comparison.ImageSet(
        [f"{number}.png" for number in numbers],
        np.zeros((len(numbers), 1, 1, 1), dtype=np.uint8),
        Sample({"x": values}, families=numbers),
        len(numbers),
    )


def test_few_groups_of_training_images_are_said():
    least = permutation.MEASURED_AT_LEAST
    assert comparison.too_few_groups(of_families(least, 3)) == []
    (note,) = comparison.too_few_groups(of_families(least - 1, 3))
    assert note.startswith("57 training images form only 19 groups")
