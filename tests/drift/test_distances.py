"""The statistics of drift by their definitions, their p-values by hand, and what is said of them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import cdist

from darkroom.drift import distances, permutation, samples
from darkroom.drift.blocks import Blocks
from darkroom.drift.measures import image_statistics, shape_statistics


def value_of(distance, values, sizes):
    return distance(values, np.ones(len(values)))(np.repeat([False, True], sizes)[None])[0]


few = st.lists(st.integers(-5, 5), min_size=1, max_size=12)


@given(few, few)
def test_kolmogorov_smirnov_is_the_largest_distance_of_the_distribution_functions(some, others):
    values = np.array([*some, *others], dtype=float)
    apart = [abs(np.mean(np.array(some) <= value) - np.mean(np.array(others) <= value)) for value in values]
    found = value_of(distances.kolmogorov_smirnov, values, (len(some), len(others)))
    assert found == pytest.approx(max(apart))


@given(few, few)
def test_energy_distance_is_scipys(some, others):
    found = value_of(distances.energy, np.array([*some, *others], dtype=float)[:, None], (len(some), len(others)))
    assert found == pytest.approx(stats.energy_distance(some, others) ** 2, abs=1e-6)


@given(few, few)
def test_chi_square_is_scipys(some, others):
    labels = sorted({*some, *others})
    table = [[of.count(label) for label in labels] for of in (some, others)]
    found = value_of(distances.chi_square, np.array([*some, *others]).astype(str), (len(some), len(others)))
    assert found == pytest.approx(stats.chi2_contingency(table, correction=False).statistic, abs=1e-6)


def test_holm_by_hand():
    # The smallest times 4, the next times 3, and never less than the one before.
    assert permutation.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert permutation.holm([0.6, 0.5]) == [1.0, 1.0]
    assert permutation.holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_nothing_and_bonferroni(p_values):
    corrected = permutation.holm(p_values)
    assert all(p <= of_all <= min(1, len(p_values) * p) for p, of_all in zip(p_values, corrected, strict=True))
    assert [corrected[index] for index in np.argsort(p_values)] == sorted(corrected)


@given(st.integers(1, 20), st.floats(0.001, 0.5))
def test_a_corrected_p_value_can_fall_below_the_level(tests, level):
    assert tests / (1 + permutation.required_permutations(tests, level)) <= level / 10 * (1 + 1e-9)


def test_permutations_by_hand():
    assert permutation.required_permutations(9, 0.01) == 8999
    assert permutation.required_permutations(1, 0.3) == 33


def test_a_p_value_counts_the_deals_that_lie_as_far_apart():
    distance = distances.kolmogorov_smirnov(np.array([1.0, 2, 3, 4]), np.ones(4))
    blocks = Blocks.of(np.arange(2), np.arange(2))
    (found,) = permutation.permutation_tests({"x": distance}, blocks, 5999, np.random.default_rng(0)).values()
    # Of the six ways to take two of four, two set the small ones apart from the large ones.
    assert found == (1.0, pytest.approx(2 / 6, abs=0.02))


@pytest.mark.parametrize(("less", "is_as_far"), [(0, True), (0.9e-9, True), (1e-9, True), (1.1e-9, False)])
def test_permutations_that_are_as_far_within_rounding_count(less, is_as_far):
    blocks = Blocks.of(np.arange(1), np.arange(1))
    # Of both ways to choose the new block, the actual one is as far as 1.
    found = permutation.permutation_tests(
        {"x": lambda permuted: np.where(permuted[:, 1], 1.0, 1.0 - less)}, blocks, 599, np.random.default_rng(0)
    )
    generator = np.random.default_rng(0)
    actual = sum(
        int(generator.permuted(np.tile([False, True], (count, 1)), axis=1)[:, 1].sum()) for count in (256, 256, 87)
    )
    assert 250 < actual < 350
    assert found == {"x": (1.0, 1.0 if is_as_far else (1 + actual) / 600)}


def test_values_are_rounded_to_twelve_digits():
    blocks = Blocks.of(np.arange(1), np.arange(1))
    found = permutation.permutation_tests(
        {"x": lambda permuted: np.full(len(permuted), 0.1234567890123456)}, blocks, 1, np.random.default_rng(0)
    )
    assert found == {"x": (0.123456789012, 1.0)}


def test_what_one_sample_lacks_is_not_compared():
    labels = np.array(["a"] * 10 + ["b"] * 8 + ["c"] * 2)
    embeddings = samples.Embeddings(np.arange(40.0).reshape(20, 2), labels)
    full = samples.Sample({"x": np.arange(20.0)}, labels, embeddings)
    plain = samples.Sample({"x": np.arange(20.0)})
    for one, other, tests in (
        (full, full, ["labels", "x", "predictions", "features"]),
        (full, plain, ["x"]),
        (plain, full, ["x"]),
        (full, samples.Sample(full.measures, labels), ["labels", "x"]),
        (full, samples.Sample(full.measures, None, embeddings), ["x", "predictions", "features"]),
    ):
        assert [outcome.test for outcome in permutation.compare(one, other, 0.5, 0)] == tests


def test_what_moved_most_is_said():
    numbers = np.arange(20.0)
    one = samples.Sample({"x": numbers}, np.array(["a"] * 10 + ["b"] * 8 + ["c"] * 2))
    other = samples.Sample({"x": 3 * numbers}, np.array(["a"] * 12 + ["b"] * 2 + ["c"] * 6))
    labels, x = permutation.compare(one, other, 0.5, 0)
    assert labels.moved == "b: 40.0% → 10.0%"
    assert x.moved == "median 9.5 → 28.5"


def test_a_result_as_cells_of_a_table():
    found = permutation.Outcome("contrast", "Kolmogorov-Smirnov", 1234.5678, "median 1 to 2", 0.00001, 0.0312, True)
    assert list(found.cells().values()) == [
        "contrast",
        "Kolmogorov-Smirnov",
        "1,235",
        "median 1 to 2",
        "< 0.0001",
        "0.0312",
        "yes",
    ]
    assert replace(found, drift=False).cells()["drift"] == "no"
    assert list(found.row()) == list(found.cells())


def test_a_corrected_p_value_that_equals_the_level_is_drift():
    same = samples.Sample({"x": np.full(3, 7.0)})
    assert [one.corrected_p for one in permutation.compare(same, same, 1.0, 0)] == [1.0]
    assert [one.drift for one in permutation.compare(same, same, 1.0, 0)] == [True]
    assert [one.drift for one in permutation.compare(same, same, 0.99, 0)] == [False]


def test_features_are_standardised_by_hand():
    # Mean (1 + 1 + 2 * 4) / 4 = 2.5, variance (2 * 2.25 + 2 * 2.25) / 4 = 2.25.
    points = np.array([[1.0, 5], [1, 5], [4, 5]])
    found = distances.standardised(points, np.array([1.0, 1, 2]))
    np.testing.assert_allclose(found, [[-1, 0], [-1, 0], [1, 0]])


def test_distances_are_scipys():
    some, others = np.random.default_rng(0).normal(size=(2, 60, 7)) * 0.1
    np.testing.assert_allclose(distances.distances_between(some, others), cdist(some, others))
    np.testing.assert_allclose(distances.distances_between(some, some), cdist(some, some), atol=1e-7)


def test_what_never_varies_has_not_drifted():
    constant = samples.Sample(
        {"x": np.full(30, 7.0)}, np.full(30, "a"), samples.Embeddings(np.ones((30, 4)), np.full(30, "a"))
    )
    outcomes = permutation.compare(constant, constant, 0.01, 0)
    assert [(outcome.value, outcome.p, outcome.drift) for outcome in outcomes] == [(0, 1, False)] * 4


def test_image_statistics_by_hand():
    red = np.zeros((4, 4, 3), dtype=np.uint8)
    red[..., 0] = 100
    board = np.repeat((np.indices((4, 4)).sum(axis=0) % 2 * 200)[..., None], 3, axis=2).astype(np.uint8)
    found = image_statistics(np.stack([red, board]))
    np.testing.assert_allclose(found["brightness"], [29.9, 100])
    np.testing.assert_allclose(found["contrast"], [0, 100], atol=1e-9)
    np.testing.assert_allclose(found["saturation"], [1, 0])
    assert found["sharpness"][0] == pytest.approx(0)
    assert found["sharpness"][1] > 100_000
    grey = image_statistics(board[None, ..., :1])
    assert list(grey) == ["brightness", "contrast", "sharpness", "balance", "direction"]
    np.testing.assert_allclose(grey["sharpness"], found["sharpness"][1])
    assert shape_statistics([30], [20])["aspect"] == [1.5]
