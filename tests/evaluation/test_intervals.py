"""Confidence intervals, compared with SciPy, with what can be worked out by hand, and with the truth by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from darkroom.evaluation import calibration, intervals, losses
from darkroom.evaluation.cells import Cells, ratio
from darkroom.evaluation.intervals import UNKNOWN, Bounds, Interval, cluster_interval, mean_interval, share_intervals
from darkroom.evaluation.scored import accuracy_intervals, score
from darkroom.evaluation.scores import OF_TWO, OVERALL, Predictions, estimate, names
from evaluation.test_scores import random_predictions


def exact(hits, count):
    """The binomial interval by its definition, for sample sizes that need not be whole."""
    low = stats.beta.ppf(0.025, hits, count - hits + 1) if hits else 0
    return low, stats.beta.ppf(0.975, hits + 1, count - hits) if hits < count else 1


def of_share(hits, groups):
    (found,) = share_intervals(Cells.count(hits, np.asarray(groups), np.zeros(len(groups), dtype=int), 1))
    return found


def all_right(images, classes=2):
    labels = np.arange(images) % classes
    return Predictions(labels, np.eye(classes, dtype=np.float32)[labels])


def test_an_interval_as_text():
    assert str(Interval(0.12345, 1)) == "0.1235 to 1.0000"
    assert str(UNKNOWN) == "not known"


def test_cells_by_hand():
    cells = Cells.count([1, 0, 1, 1], np.array([0, 0, 0, 1]), np.array([0, 0, 2, 0]), 3)
    assert cells.group.tolist() == [0, 0, 1]
    assert cells.column.tolist() == [0, 2, 0]
    assert cells.images.tolist() == [2, 1, 1]
    assert cells.hits.tolist() == [1, 1, 1]
    assert cells.groups.tolist() == [2, 0, 1]
    assert cells.shares == pytest.approx([2 / 3, 0, 1])
    assert cells.deviations == pytest.approx([1 - 4 / 3, 0, 1 / 3])
    assert cells.most_columns == 2
    assert ratio([1, 1], [2, 0], 7).tolist() == [0.5, 7]


@settings(max_examples=50)
@given(st.integers(5, 400), st.floats(0, 1))
def test_of_independent_images_the_interval_is_the_exact_binomial_one(images, share):
    hits = round(images * share)
    found = of_share(np.arange(images) < hits, np.arange(images))
    expected = stats.binomtest(hits, images).proportion_ci(0.95, method="exact")
    assert found == pytest.approx((expected.low, expected.high), abs=1e-9)


@given(st.integers(5, 60), st.floats(0, 1), st.integers(2, 9))
def test_copies_are_no_further_images(images, share, copies):
    right = np.arange(images) < round(images * share)
    once = of_share(right, np.arange(images))
    assert of_share(np.tile(right, copies), np.tile(np.arange(images), copies)) == pytest.approx(once, abs=1e-9)


@given(st.integers(0, 10_000), st.integers(5, 12), st.integers(13, 80))
def test_groups_never_make_an_interval_narrower(seed, count, images):
    generator = np.random.default_rng(seed)
    groups = np.append(np.arange(count), generator.integers(0, count, images - count))
    right = generator.random(images) < generator.random()
    found, single = of_share(right, groups), of_share(right, np.arange(images))
    assert found.low <= single.low + 1e-12
    assert found.high >= single.high - 1e-12
    assert 0 <= found.low <= right.mean() <= found.high <= 1


def test_the_effective_sample_size_by_hand():
    # Five groups of 8 images, with 2, 4, 6, 8 and 8 hits: 28 of 40.
    hits, share = np.array([2, 4, 6, 8, 8]), 0.7
    right, groups = np.concatenate([np.arange(8) < each for each in hits]), np.repeat(np.arange(5), 8)
    with_groups = 5 / 4 * ((hits - 5.6) ** 2).sum() / 40**2
    independent = share * (1 - share) / 39
    correlation = (with_groups / independent - 1) / 7
    errors = 12 / (1 + 7 * correlation)
    correlation = (errors * correlation + 1) / (errors + 1)
    size = 40 / (1 + 7 * correlation) * (stats.t.ppf(0.975, 39) / stats.t.ppf(0.975, 4)) ** 2
    assert size < 5  # so that the number of groups counts
    assert of_share(right, groups) == pytest.approx(exact(3.5, 5))
    # The same with as many errors in all groups but one.
    hits = np.array([5, 6, 6, 5, 6])
    right = np.concatenate([np.arange(8) < each for each in hits])
    correlation = 1 / (12 + 1)  # the groups differ by less than chance
    size = 40 / (1 + 7 * correlation) * (stats.t.ppf(0.975, 39) / stats.t.ppf(0.975, 4)) ** 2
    assert size == pytest.approx(13.79, abs=0.01)
    assert of_share(right, groups) == pytest.approx(exact(0.7 * size, size))


def test_the_effective_sample_size_of_groups_that_agree_in_part():
    # Twenty groups of four images.
    hits = np.array([4, 4, 4, 4, 3, 2, 4, 3, 4, 4, 2, 4, 4, 3, 4, 4, 1, 4, 3, 4])
    share, right = hits.sum() / 80, np.concatenate([np.arange(4) < each for each in hits])
    with_groups = 20 / 19 * ((hits - 4 * share) ** 2).sum() / 80**2
    correlation = (with_groups / (share * (1 - share) / 79) - 1) / 3
    errors = 80 * (1 - share) / (1 + 3 * correlation)
    correlation = (errors * correlation + 1) / (errors + 1)
    size = 80 / (1 + 3 * correlation) * (stats.t.ppf(0.975, 79) / stats.t.ppf(0.975, 19)) ** 2
    assert 0.1 < correlation < 0.9
    assert 20 < size < 80
    assert of_share(right, np.repeat(np.arange(20), 4)) == pytest.approx(exact(share * size, size))


@given(st.integers(0, 10_000), st.integers(5, 12), st.integers(13, 80))
def test_hits_and_misses_mirror_each_other(seed, count, images):
    generator = np.random.default_rng(seed)
    groups = np.append(np.arange(count), generator.integers(0, count, images - count))
    right = generator.random(images) < generator.random()
    low, high = of_share(right, groups)
    assert of_share(~right, groups) == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_groups_of_unequal_size_count_as_their_effective_number():
    groups = np.array([0, 1, 2, 3, 4, 4, 4, 4])
    assert intervals.effective_groups(groups) == 64 / 20
    assert of_share(np.ones(8), groups) == pytest.approx((0.025 ** (20 / 64), 1))


def test_with_four_groups_nothing_is_known():
    assert np.isnan(of_share(np.ones(40), np.arange(40) % 4)).all()
    assert of_share(np.ones(40), np.arange(40) % 5) == pytest.approx((0.025**0.2, 1))
    assert np.isnan(cluster_interval(np.arange(8.0), np.arange(8) % 4)).all()
    assert np.isfinite(cluster_interval(np.arange(8.0), np.arange(8) % 5)).all()
    found = score(all_right(40), np.arange(40) % 4)
    assert all(np.isnan(interval).all() for interval in found.intervals.values())
    assert np.isfinite([*found.estimates.values()]).all()
    members = np.ones((8, 2), dtype=bool)
    members[4:, 1] = False
    known, unknown = accuracy_intervals(np.ones(8, dtype=bool), members, np.arange(8))
    assert known == pytest.approx((0.025 ** (1 / 8), 1))
    assert np.isnan(unknown).all()


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(5, 50))
def test_the_interval_of_a_mean_is_that_of_student(seed, count):
    values = np.random.default_rng(seed).normal(3, 2, count)
    expected = stats.t.interval(0.95, count - 1, values.mean(), stats.sem(values))
    assert cluster_interval(values, np.arange(count)) == pytest.approx(expected)
    assert cluster_interval(np.repeat(values, 3), np.repeat(np.arange(count), 3)) == pytest.approx(expected)


def test_one_large_group_is_hardly_more_than_one():
    groups, values = np.append(np.zeros(96, dtype=int), [1, 2, 3, 4]), np.append(np.zeros(96), [1, 1, 1, 1])
    assert intervals.effective_groups(groups) == pytest.approx(1e4 / (96**2 + 4))
    sums = np.append(-96 * 0.04, np.full(4, 0.96)) / 100
    half = stats.t.ppf(0.975, 0.1) * np.sqrt((sums**2).sum() * 5 / 4)
    assert cluster_interval(values, groups) == pytest.approx((0.04 - half, 0.04 + half))


def test_the_mean_over_columns_by_hand():
    columns = np.repeat([0, 1], 10)
    hits = np.concatenate([np.arange(10) < 8, np.arange(10) < 9]).astype(float)
    values, bounds = np.array([0.8, 0.9]), Bounds(np.array([0.5, 0.5]), np.array([0.95, 1.0]))
    apart = mean_interval(values, bounds, Cells.count(hits, np.arange(20), columns, 2), 1)
    assert apart == pytest.approx((0.85 - np.hypot(0.3, 0.4) / 2, 0.85 + np.hypot(0.15, 0.1) / 2))
    # Groups of one image of each class that err together: the distances add up.
    hits = np.tile(np.arange(10) < 8, 2).astype(float)
    values = np.array([0.8, 0.8])
    together = mean_interval(values, bounds, Cells.count(hits, np.tile(np.arange(10), 2), columns, 2), 1)
    assert together == pytest.approx((0.8 - 0.3, 0.8 + (0.15 + 0.2) / 2))
    # Without deviations, it has to be said how many columns may deviate at once.
    cells = Cells.count(np.ones(20), np.arange(20), columns, 2)
    for at_once in (1, 2):
        low, high = mean_interval(np.ones(2), bounds, cells, at_once)
        assert low == pytest.approx(1 - np.sqrt(at_once * 0.5) / 2)
        assert high == 1
    assert mean_interval(np.zeros(2), Bounds(np.zeros(2), np.ones(2)), cells, 4) == (0, 1)
    # No bound is below 0 or above 1.
    assert mean_interval(np.full(2, 0.1), Bounds(np.zeros(2), np.full(2, 0.1)), cells, 4) == pytest.approx((0, 0.1))
    assert mean_interval(np.full(2, 0.9), Bounds(np.full(2, 0.9), np.ones(2)), cells, 4) == pytest.approx((0.9, 1))


def test_a_score_that_is_no_share_of_images():
    groups, influence = np.arange(100), np.tile([0.01, -0.01], 50)
    # Variance .01, as a share of .9 has at 9 images.
    assert intervals.share_interval(0.9, influence, groups, 5) == pytest.approx(exact(8.1, 9))
    assert intervals.share_interval(0.9, influence, groups, 20) == pytest.approx(exact(18, 20))
    # Never more than the number of images.
    assert intervals.share_interval(0.9, influence / 10, groups, 5) == pytest.approx(exact(90, 100))
    assert intervals.share_interval(1.0, np.zeros(100), groups, 5) == pytest.approx((0.025**0.2, 1))
    # Fifty groups of two images, of which thirty agree.
    influence = np.concatenate([np.tile([0.01, 0.01, -0.01, -0.01], 15), np.tile([0.01, -0.01], 20)]) / 4
    correlation = (50 / 49 * 30 * 0.02**2) / (100 / 99 * 100 * 0.01**2) - 1
    independent = 100
    errors = independent * 0.1 / (1 + correlation)
    correlation = (errors * correlation + 1) / (errors + 1)
    size = independent / (1 + correlation) * (stats.t.ppf(0.975, 39) / stats.t.ppf(0.975, 19)) ** 2
    assert size == pytest.approx(71.98, abs=0.01)
    found = intervals.share_interval(0.9, influence, groups // 2, 20)
    assert found == pytest.approx(exact(0.9 * size, size))


def macro_scores(labels, predicted, weights, classes):
    """The three means over classes as functions of image weights."""
    present, called, hits = (
        np.bincount(of, counted, classes)
        for of, counted in ((labels, weights), (predicted, weights), (labels, weights * (labels == predicted)))
    )
    return np.array([(hits / present).mean(), (hits / called).mean(), (2 * hits / (present + called)).mean()])


def shares_with_the_variance_of_the_means(labels, predicted, groups):
    """The intervals of the three means, by numerical derivatives."""
    ones, step, classes = np.ones(len(labels)), 1e-5 * np.eye(len(labels)), labels.max() + 1
    influence = [
        (macro_scores(labels, predicted, ones + one, classes) - macro_scores(labels, predicted, ones - one, classes))
        / 2e-5
        for one in step
    ]
    values = macro_scores(labels, predicted, ones, classes)
    least = intervals.effective_groups(groups)
    found = [
        intervals.share_interval(value, of_images, groups, least)
        for value, of_images in zip(values, np.transpose(influence), strict=True)
    ]
    return dict(zip(OVERALL[1:4], found, strict=True))


def test_means_over_classes_are_as_uncertain_as_a_share_with_their_variance():
    """Seven mistakes in classes of ten: where many classes have no mistake, their own upper bounds are too close."""
    labels = np.arange(100) % 10
    predicted = labels.copy()
    predicted[:7] = (labels[:7] + np.array([1, 1, 2, 3, 1, 1, 3])) % 10
    found = score(Predictions(labels, np.eye(10, dtype=np.float32)[predicted]), np.arange(100)).intervals
    for name, (low, high) in shares_with_the_variance_of_the_means(labels, predicted, np.arange(100)).items():
        assert found[name].high == pytest.approx(high, abs=1e-6)
        assert found[name].low < low


def test_means_over_classes_of_groups_that_err_together():
    """Every third image is wrong, in groups of five."""
    labels, groups = np.arange(100) % 10, np.arange(100) // 5
    predicted = np.where(np.arange(100) % 3 == 0, (labels + 1) % 10, labels)
    found = score(Predictions(labels, np.eye(10, dtype=np.float32)[predicted]), groups).intervals
    for name, expected in shares_with_the_variance_of_the_means(labels, predicted, groups).items():
        assert found[name] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("sizes", "every"), [((80, 10), 7), ((40, 10), 4), ((70, 10, 10), 5)])
def test_means_over_unequal_classes_are_as_uncertain_as_a_share_with_their_variance(sizes, every):
    """Every so many images are wrong, in groups of five: a mistake in a small class changes the mean most."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    groups, wrong = np.arange(len(labels)) // 5, np.arange(len(labels)) % every == 0
    predicted = np.where(wrong, (labels + 1) % len(sizes), labels)
    found = score(Predictions(labels, np.eye(len(sizes), dtype=np.float32)[predicted]), groups).intervals
    expected = shares_with_the_variance_of_the_means(labels, predicted, groups)
    for name in ("macro_precision", "macro_f1"):
        assert found[name] == pytest.approx(expected[name], abs=1e-6)
    # The interval of the small class's recall is wider.
    assert found["balanced_accuracy"].high == pytest.approx(expected["balanced_accuracy"][1], abs=1e-6)
    assert found["balanced_accuracy"].low < expected["balanced_accuracy"][0]


def test_of_twenty_right_answers_it_does_not_follow_that_all_are():
    found = score(all_right(20), np.arange(20)).intervals
    low = 0.025 ** (1 / 20)
    of_ten = 0.025 ** (1 / 10)
    assert found["accuracy"] == found["top_k_accuracy"] == pytest.approx((low, 1))
    assert found["recall/0"] == found["precision/1"] == pytest.approx((of_ten, 1))
    assert found["f1/0"] == pytest.approx((2 * of_ten / (1 + of_ten), 1))
    assert found["balanced_accuracy"] == found["macro_precision"] == pytest.approx((1 - (1 - of_ten) / np.sqrt(2), 1))
    assert found["macro_f1"] == pytest.approx((2 * of_ten / (1 + of_ten), 1))
    assert found["roc_auc"] == found["average_precision"] == pytest.approx((of_ten, 1))
    assert found["log_loss"] == pytest.approx((0, (1 - low) * -np.log(1e-7)))
    assert found["brier"] == pytest.approx((0, (1 - low) * 2))
    assert found["calibration_error"] == pytest.approx((0, 1 - low))


def test_one_image_more_that_is_wrong_lowers_two_f_scores():
    low = 0.025 ** (1 / 10)
    found = score(all_right(40, 4), np.arange(40)).intervals["macro_f1"]
    assert found == pytest.approx((1 - (1 - 2 * low / (1 + low)) * np.sqrt(2 * 4) / 4, 1))


def test_all_right_groups_of_several_classes_may_be_wrong_in_all_of_them():
    # Twenty groups, half of them with an image of the classes 0 and 1, half with one of 2 and 3.
    groups = np.repeat(np.arange(20), 2)
    labels = np.tile([0, 1, 2, 3], 10)
    found = score(Predictions(labels, np.eye(4, dtype=np.float32)[labels]), groups).intervals
    low = 0.025 ** (1 / 10)
    assert found["recall/3"] == pytest.approx((low, 1))
    for name in ("balanced_accuracy", "macro_precision"):
        assert found[name] == pytest.approx((1 - (1 - low) / np.sqrt(2), 1))
    assert found["macro_f1"] == pytest.approx((2 * low / (1 + low), 1))


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(5, 80), st.integers(2, 4), st.integers(1, 3))
def test_every_interval_holds_its_score_and_has_a_width(seed, count, classes, copies):
    predictions = random_predictions(seed, count * copies, classes)
    found = score(predictions, np.arange(count * copies) % count)
    assert list(found.estimates) == list(found.intervals) == names(classes)
    assert found.estimates == pytest.approx(estimate(predictions, np.arange(count * copies) % count), nan_ok=True)
    for name, (low, high) in found.intervals.items():
        assert np.isnan(low) == np.isnan(high)
        if np.isfinite(low):
            assert 0 <= low <= found.estimates[name] + 1e-9, name
            assert found.estimates[name] <= high + 1e-9, name
            assert high > low, name
    assert all(np.isfinite(found.intervals[name]).all() for name in ("accuracy", "log_loss", "brier"))


def test_a_class_with_few_groups_has_no_interval():
    labels = np.array([0] * 20 + [1] * 8)
    probabilities = np.eye(2, dtype=np.float32)[labels] * 0.8 + 0.1
    for of_second in (1, 2, 4, 5):
        groups = np.append(np.arange(20), 20 + np.arange(8) % of_second)
        found = score(Predictions(labels, probabilities), groups).intervals
        known = {name for name, interval in found.items() if np.isfinite(interval).all()}
        expected = {name for name in OVERALL if of_second >= 2 or not name.startswith(("macro", "balanced"))}
        expected |= {"precision/0", "recall/0", "f1/0"}
        if of_second >= 5:
            expected |= {*OF_TWO, "precision/1", "recall/1", "f1/1"}
        assert known == expected


def test_what_is_predicted_as_a_class_does_not_make_it_known():
    for of_third in (0, 4, 5):
        labels = np.where(np.arange(60) < of_third, 2, np.arange(60) % 2)
        predicted = np.where(np.arange(60) < 20, 2, labels)
        found = score(Predictions(labels, np.eye(3, dtype=np.float32)[predicted]), np.arange(60)).intervals
        known = of_third == 5
        assert [np.isfinite(found[f"{name}/2"]).all() for name in ("precision", "recall", "f1")] == [known] * 3
        assert np.isfinite(found["f1/1"]).all()
        assert np.isfinite(found["macro_f1"]).all() == (of_third > 0)


def test_a_mean_loss_by_hand():
    right = np.arange(20) < 16
    observed = np.where(right, 0.1, np.where(np.arange(20) < 18, 1.0, 3.0))
    imagined = losses.Losses(observed, np.full(20, 0.2), np.full(20, 5.0))
    accuracy = Interval(0.6, 0.9)
    gap = (8 + 5) / 5 - (1.6 + 0.2) / 17
    half = stats.t.ppf(0.975, 19) * np.sqrt(4 * (1 / 20) ** 2 * 20 / 19)
    found = losses.mean_interval(imagined, right, np.arange(20), accuracy)
    assert found == pytest.approx((max(0, 0.48 - np.hypot(0.1 * gap, half)), 0.48 + np.hypot(0.2 * gap, half)))
    # All right: the mean is as uncertain as before, and a mistake costs 5.
    every = np.ones(20, dtype=bool)
    varied = losses.Losses(np.where(np.arange(20) < 10, 0.1, 0.3), np.full(20, 0.2), np.full(20, 5.0))
    high = 0.2 + np.hypot(0.1 * (5 - 0.2), stats.t.ppf(0.975, 19) * 0.1 / np.sqrt(19))
    assert losses.mean_interval(varied, every, np.arange(20), Interval(0.9, 1)).high == pytest.approx(high)
    # Where groups have more mistakes and worse ones, both distances go together.
    groups = np.array([0, 1, 2, 3] * 4 + [4, 5, 4, 4])
    of_share = np.array([4 * -0.2] * 4 + [3 * 0.8, 0.8])
    of_means = np.array([0, 0, 0, 0, -1 + 1 + 1, -1]) / 20
    correlation = of_share @ of_means / np.linalg.norm(of_share) / np.linalg.norm(of_means)
    half = stats.t.ppf(0.975, 400 / 74 - 1) * np.sqrt((of_means**2).sum() * 6 / 5)
    a = 0.2 * gap
    found = losses.mean_interval(imagined, right, groups, accuracy)
    assert found.high == pytest.approx(0.48 + np.sqrt(a**2 + half**2 + 2 * correlation * a * half))
    # Where groups with more mistakes have smaller ones, the distances do not make up for each other.
    groups = np.array([0, 1, 2, 3] * 4 + [4, 4, 5, 4])
    found = losses.mean_interval(imagined, right, groups, accuracy)
    assert found.high == pytest.approx(0.48 + np.hypot(a, half))


def test_the_standard_error_of_the_calibration_error_by_hand():
    confidence = np.full(8, 0.9)
    # One bin with a gap of .15, less than chance: only the noise counts, with one more mistake.
    noise = 2 * (8 / 56 * (8 * 0.1875 + 0.81) * 8 / 7) ** 2
    few = calibration.squared_error(confidence, np.arange(8) < 6, np.arange(8))
    assert few.value == pytest.approx(0.15**2 - 0.1875 / 7)
    assert few.error == pytest.approx(np.sqrt(noise) / 8)
    # A gap of .65: the square changes by twice the gap.
    many = calibration.squared_error(confidence, np.arange(8) < 2, np.arange(8))
    assert many.value == pytest.approx(0.65**2 - 0.1875 / 7)
    linear = 4 * many.value * (8 * 0.1875 + 0.81) * 8 / 7
    assert many.error == pytest.approx(np.sqrt(noise + linear) / 8)
    # Pairs of images that agree are four groups: spread, noise and gap are those of the sums.
    paired = calibration.squared_error(confidence, np.arange(8) < 6, np.arange(8) // 2)
    assert paired.value == pytest.approx((1.2**2 - 3 * 0.2**2 - 1.8**2) / (64 - 4 * 4))
    assert paired.error == pytest.approx(np.sqrt(2) * 8 / 48 * (3 * 0.5**2 + 1.5**2 + 0.81) * 4 / 3 / 8)
    # Two bins of eight, one without a gap: which bin an image is in changes the mean, too.
    both = calibration.squared_error(np.repeat([0.9, 0.2], 8), np.arange(16) % 8 < 2, np.arange(16))
    squares = np.array([many.value, 0.05**2 - 0.1875 / 7])
    assert both.value == pytest.approx(squares.mean())
    noise += 2 * (8 / 56 * (8 * 0.1875 + 0.04) * 8 / 7) ** 2
    spread = 4 * many.value * (8 * 0.1875 + 0.81) + 8 * ((squares - squares.mean()) ** 2).sum()
    assert both.error == pytest.approx(np.sqrt(noise + spread * 16 / 15) / 16)
    # A bin with one image alone has no pairs, and adds nothing but its share.
    alone = calibration.squared_error(np.append(confidence, 0.2), np.arange(9) < 2, np.arange(9))
    assert alone.value == pytest.approx(many.value * 8 / 9)
    spread = 4 * many.value * (8 * 0.1875 + 0.81) + 8 * (many.value - alone.value) ** 2 + alone.value**2
    noise = 2 * (8 / 56 * (8 * 0.1875 + 0.81) * 8 / 7) ** 2
    assert alone.error == pytest.approx(np.sqrt(noise + spread * 9 / 8) / 9)


def test_the_interval_of_the_calibration_error_by_hand():
    squared = calibration.Squared(0.04, 0.01)
    z = stats.t.ppf(0.975, 99)
    low, high = calibration.interval(squared, 0.9, Interval(0.85, 0.95), 100)
    assert (low, high) == pytest.approx((np.sqrt(0.04 - 0.01 * z), np.sqrt(0.04 + 0.01 * z)))
    # Confidence is farther from the accuracy than the estimate says.
    assert calibration.interval(squared, 0.9, Interval(0.5, 0.95), 100) == pytest.approx((low, 0.4))
    assert calibration.interval(squared, 0.4, Interval(0.35, 0.95), 100) == pytest.approx((low, 0.55))
    assert calibration.interval(calibration.Squared(-0.04, 0.01), 0.9, Interval(0.9, 0.9), 100) == (0, 0)


def test_a_calibrated_network_may_have_no_calibration_error():
    """The interval holds 0, while a network that is too confident by .15 is found out."""
    generator, held, found_out = np.random.default_rng(0), 0, 0
    for _ in range(200):
        confidence = generator.uniform(0.7, 1, 362)
        for accuracy in (confidence, confidence - 0.15):
            right = generator.random(362) < accuracy
            (of_accuracy,) = accuracy_intervals(right, np.ones((362, 1), dtype=bool), np.arange(362))
            squared = calibration.squared_error(confidence, right, np.arange(362))
            low, high = calibration.interval(squared, confidence.mean(), of_accuracy, 362)
            held += accuracy is confidence and low == 0
            found_out += accuracy is not confidence and 0 < low <= 0.15 <= high
    assert held >= 186  # 95 % and chance
    assert found_out >= 180


@pytest.mark.parametrize(("count", "images"), [(5, 8), (5, 72), (10, 36), (20, 50), (40, 1), (362, 1)])
@pytest.mark.parametrize("accuracy", [0.5, 0.9, 0.985])
def test_19_of_20_intervals_hold_the_accuracy(count, images, accuracy):
    """With an intraclass correlation of .3; 500 test sets."""
    generator = np.random.default_rng(0)
    shares = generator.beta(accuracy / 0.3 - accuracy, (1 - accuracy) / 0.3 - (1 - accuracy), (count, 500))
    hits = generator.binomial(images, shares)
    group, draw = np.indices(hits.shape)
    cells = Cells(group.ravel(), draw.ravel(), np.full(hits.size, float(images)), hits.ravel().astype(float), 500)
    found = np.array(share_intervals(cells))
    held = ((found[:, 0] <= accuracy) & (accuracy <= found[:, 1])).mean()
    assert held >= 0.93
