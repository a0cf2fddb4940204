"""Prediction sets keep their promise, in groups too; unknown images are told at the asked rate of false alarms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.evaluation import conformal, known
from darkroom.evaluation.intervals import exact_bounds
from darkroom.inference.neighbours import NEIGHBOUR, Neighbours, directions
from darkroom.networks.reference import Reference

SHARES = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99])
VALUES = st.lists(st.integers(0, 50), min_size=1, max_size=200).map(lambda found: np.array(found, dtype=np.float64))


@given(VALUES, SHARES)
def test_without_groups_it_is_the_usual_quantile(values, share):
    rank = int(np.ceil(share * (len(values) + 1) - 1e-9))
    expected = np.sort(values)[rank - 1] if rank <= len(values) else np.inf
    assert conformal.threshold(values, np.arange(len(values)), share) == expected


@given(VALUES, SHARES, st.integers(2, 5))
def test_copies_in_a_group_count_once(values, share, copies):
    groups = np.arange(len(values))
    once = conformal.threshold(values, groups, share)
    assert conformal.threshold(np.repeat(values, copies), np.repeat(groups, copies), share) == once


@pytest.mark.parametrize("share", [0.8, 0.9, 0.95, 0.99])
def test_too_few_groups_promise_nothing(share):
    least = conformal.least_groups(share)
    assert np.isfinite(conformal.threshold(np.arange(float(least)), np.arange(least), share))
    # Many images, but of too few groups.
    values, groups = np.arange(100.0 * least), np.arange(100 * least) % (least - 1)
    assert np.isinf(conformal.threshold(values, groups, share))


@given(st.lists(st.integers(0, 50), min_size=21, max_size=200).map(np.array), st.data())
def test_the_threshold_of_an_image_does_not_depend_on_its_group(values, data):
    groups = np.arange(len(values)) // 2
    one = data.draw(st.integers(0, int(groups.max())))
    changed = np.where(groups == one, 1e6, values)
    before, after = (conformal.kept_thresholds(each, groups, 0.8) for each in (values, changed))
    assert np.array_equal(before[groups == one], after[groups == one])


@pytest.mark.parametrize(("share", "groups"), [(0.0, 0), (0.5, 1), (0.8, 4), (0.9, 9), (0.91, 11), (0.95, 19)])
def test_the_groups_that_a_share_needs(share, groups):
    assert conformal.least_groups(share) == groups


def test_no_number_of_groups_promises_all():
    assert conformal.least_groups(1.0) > 10**9


def test_each_tenth_of_the_groups_has_the_threshold_of_the_others():
    values, groups = np.random.default_rng(1).normal(0, 1, 44), np.arange(44) // 2
    part = (np.random.default_rng(0).permutation(22) % 10)[groups]
    expected = [conformal.threshold(values[part != one], groups[part != one], 0.8) for one in part]
    assert conformal.kept_thresholds(values, groups, 0.8).tolist() == expected
    assert len(conformal.kept_thresholds(values[:0], groups[:0], 0.8)) == 0
    # A single group has no others.
    assert np.isinf(conformal.kept_thresholds(values[:2], groups[:2], 0.8)).all()


def test_no_images_have_no_share():
    assert np.isnan(conformal.weighted_share(np.zeros(0, bool), np.arange(0)))


@pytest.mark.parametrize("share", [0.9, 0.95])
@pytest.mark.parametrize("alike", [0.0, 0.9])
def test_the_share_is_kept_in_groups_of_any_size(share, alike):
    """Of 400 calibrations: large groups are of another kind, so that weighing images alike would fail."""
    generator = np.random.default_rng(0)

    def draw(count):
        sizes = generator.choice([1, 2, 20], count)
        groups = np.repeat(np.arange(count), sizes)
        centre = generator.normal(0, 1, count) + np.where(sizes == 1, 2, 0)
        return alike * centre[groups] + generator.normal(0, 1, len(groups)), groups

    kept = []
    for _ in range(400):
        above = conformal.threshold(*draw(60), share)
        values, groups = draw(100)
        kept.append(conformal.weighted_share(values <= above, groups))
    # Standard error of a mean of 400: about .002.
    assert share - 0.006 < np.mean(kept) < share + 1 / 61 + 0.006


def outputs(classes, images=400, sharpness=2.0, seed=0):
    """Probabilities of a network that is right more often than not, and features of the classes."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, images)
    logits = generator.normal(0, 1, (images, classes)) + sharpness * np.eye(classes)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    features = 5 * np.eye(classes, 16)[labels] + generator.normal(0, 0.5, (images, 16))
    return known.Outputs(probabilities.astype(np.float32), features.astype(np.float32)), labels


@pytest.mark.parametrize("coverage", [0.9, 0.95])
def test_sets_hold_the_label_as_often_as_asked(coverage):
    found, labels = outputs(5)
    finding = known.prediction_sets(found, known.Calibration(labels, np.arange(400)), coverage)
    other, of_other = outputs(5, 20_000, seed=1)
    least = finding.packaged["least_probability"]
    kept = np.mean(other.probabilities[np.arange(20_000), of_other] >= least)
    assert kept == pytest.approx(coverage, abs=0.03)
    assert finding.metrics["coverage"] == pytest.approx(coverage, abs=0.03)
    assert finding.metrics["coverage_low"] < coverage < finding.metrics["coverage_high"]
    sizes = (other.probabilities >= least).sum(axis=1)
    assert finding.metrics["set_size"] == pytest.approx(sizes.mean(), abs=0.15)
    assert f"coverage {coverage:g}: measured {finding.metrics['coverage']:.4f}" in finding.line


def test_sets_by_hand():
    """Of ten images, nine have their class at .6 and another at .4; of one it is the other way round."""
    probabilities = np.array([[0.6, 0.4, 0.0]] * 10, dtype=np.float32)
    labels, groups = np.array([0] * 9 + [1]), np.array([0, *range(9)])
    # Nine groups: coverage .5 takes the sixth tenth of them, which is .6.
    half = known.prediction_sets(known.Outputs(probabilities, None), known.Calibration(labels, groups), 0.5)
    assert half.packaged == {"coverage": 0.5, "least_probability": pytest.approx(0.6, abs=2e-6), "groups": 9}
    assert half.metrics["coverage"] == pytest.approx(8 / 9)
    assert (half.metrics["set_size"], half.metrics["empty_sets"]) == (1, 0)
    assert half.line == "prediction sets of coverage 0.5: measured 0.8889, 1.00 classes on average"
    low, high = exact_bounds(np.array([8 / 9]), np.array([9.0]))
    assert (half.metrics["coverage_low"], half.metrics["coverage_high"]) == (low[0], high[0])


def test_a_network_that_is_sure_and_wrong_has_sets_of_all_classes():
    labels = np.arange(40) % 4
    sure = known.Outputs(np.eye(4, dtype=np.float32)[np.zeros(40, np.int64)], None)
    finding = known.prediction_sets(sure, known.Calibration(labels, np.arange(40)), 0.9)
    assert finding.packaged["least_probability"] == 0
    assert (finding.metrics["coverage"], finding.metrics["set_size"], finding.metrics["empty_sets"]) == (1, 4, 0)


def test_sets_of_a_network_that_is_right_too_often_are_empty_for_some():
    """All are right, one in five with less confidence: coverage .5 leaves these out."""
    own = np.where(np.arange(100) % 5 == 0, 0.7, 0.9)
    probabilities = np.stack([own, 1 - own], axis=1).astype(np.float32)
    images = known.Calibration(np.zeros(100, np.int64), np.arange(100))
    finding = known.prediction_sets(known.Outputs(probabilities, None), images, 0.5)
    assert finding.metrics["empty_sets"] == pytest.approx(0.2)
    assert finding.metrics["coverage"] == finding.metrics["set_size"] == pytest.approx(0.8)


def test_too_few_images_give_sets_of_all_classes():
    found, labels = outputs(3, 18)
    images = known.Calibration(labels, np.arange(18) // 2)
    finding = known.prediction_sets(found, images, 0.95)
    assert finding.packaged["least_probability"] == 0.0
    assert finding.metrics["set_size"] == 3
    assert finding.line.endswith(
        "are all classes: 19 independent test images are needed, and 9 are there; collect more"
    )
    unknown = known.Strangers(reference(found, labels), 0.05).calibrate(found, images, Show())
    assert unknown.packaged["above"] is None
    assert unknown.metrics == {"unknown_false_alarms_asked": 0.05}
    assert "cannot be said: 19 independent test images are needed" in unknown.line
    # All test images have a near-duplicate in training.
    none = known.Calibration(labels[:0], np.arange(0))
    nothing = known.Outputs(found.probabilities[:0], found.features[:0])
    assert known.prediction_sets(nothing, none, 0.5).packaged["least_probability"] == 0.0
    assert known.Strangers(reference(found, labels), 0.5).calibrate(nothing, none, Show()).packaged["above"] is None


def reference(found, labels, layer="output"):
    return Reference(found.features.astype(np.float16), labels, layer)


class Show:
    """A network that makes noise of noise."""

    size = (4, 4, 1)

    def __call__(self, images):
        features = np.random.default_rng(0).normal(0, 1, (len(images), 16)).astype(np.float32)
        return known.Outputs(np.full((len(images), 4), 0.25, np.float32), features)


def test_strangers_are_told_and_false_alarms_are_as_asked():
    (seen, of_seen), (test, of_test) = outputs(4), outputs(4, seed=1)
    images = known.Calibration(of_test, np.arange(400))
    finding = known.Strangers(reference(seen, of_seen), 0.05).calibrate(test, images, Show())
    assert finding.metrics["unknown_noise_caught"] > 0.9
    assert finding.metrics["unknown_classes_caught"] > 0.99
    assert finding.metrics["unknown_false_alarms_low"] < 0.05 < finding.metrics["unknown_false_alarms_high"]
    other, _ = outputs(4, 5000, seed=2)
    scores = Neighbours(seen.features).scores(other.features)
    assert np.mean(scores > finding.packaged["above"]) == pytest.approx(0.05, abs=0.03)
    assert finding.packaged["layer"] == "output"


def test_images_that_are_all_alike_are_known_whatever_their_class():
    alike, labels = np.tile(np.arange(16, dtype=np.float32), (40, 1)), np.arange(40) % 2
    found = known.Outputs(np.full((40, 2), 0.5, np.float32), alike)
    images = known.Calibration(labels, np.arange(40))
    finding = known.Strangers(reference(found, labels), 0.05).calibrate(found, images, Show())
    assert finding.metrics["unknown_false_alarms"] == 0
    assert finding.metrics["unknown_classes_caught"] == 0


def strangers_caught(of_training, of_test, classes):
    """The share that is told of classes with these features."""
    places, (seen, test) = np.eye(16)[classes], (np.repeat(each, 30) for each in (of_training, of_test))
    noise = np.random.default_rng(0).normal(0, 0.01, (len(seen) + len(test), 16))
    features = (5 * places[np.concatenate([seen, test])] + noise).astype(np.float32)
    sample = Reference(features[: len(seen)].astype(np.float16), seen, "output")
    found = known.Outputs(np.full((len(test), len(classes)), 1 / len(classes), np.float32), features[len(seen) :])
    images = known.Calibration(test, np.arange(len(test)))
    return known.Strangers(sample, 0.05).calibrate(found, images, Show()).metrics


def test_the_share_of_the_classes_left_out_is_the_mean_of_the_classes():
    both, seen = [0, 1, 2], [0, 1, 2]
    # The last two have the same features, and know each other's images.
    assert strangers_caught(seen, both, [0, 1, 1])["unknown_classes_caught"] == pytest.approx(1 / 3, abs=0.05)
    assert strangers_caught(seen, both, [1, 1, 0])["unknown_classes_caught"] == pytest.approx(1 / 3, abs=0.05)


def test_no_class_is_left_out_if_nothing_is_left():
    # Without the class, there is no training image, or no test image for the threshold.
    assert "unknown_classes_caught" not in strangers_caught([0], [0], [0, 1])
    assert "unknown_classes_caught" not in strangers_caught([0, 1], [0], [0, 1])
    assert strangers_caught([0], [0, 1], [0, 1])["unknown_classes_caught"] == 1


def test_of_many_classes_ten_are_left_out_evenly_spaced():
    """Of 12 classes: all but 5 and 10, which have the features of 0 and 11."""
    places = [0, 1, 2, 3, 4, 0, 6, 7, 8, 9, 11, 11]
    shares = strangers_caught(range(12), range(12), places)
    assert shares["unknown_classes_caught"] == pytest.approx(0.8, abs=0.05)


def test_a_network_is_shown_noise_of_its_size():
    shown = []

    class Watched(Show):
        def __call__(self, images):
            shown.append(images)
            return super().__call__(images)

    found, labels = outputs(4)
    images = known.Calibration(labels, np.arange(400))
    known.Strangers(reference(found, labels), 0.05).calibrate(found, images, Watched())
    (noise,) = shown
    assert (noise.shape, noise.dtype) == ((100, 4, 4, 1), np.uint8)
    assert (noise.min(), noise.max()) == (0, 255)


def test_what_a_network_shows_is_the_mean_of_its_views():
    from darkroom.base.backend import keras

    image = keras.Input((4, 4, 1))
    hidden = keras.layers.Dense(6, name="hidden", activation="relu")(keras.layers.Flatten()(image))
    network = keras.Model(image, keras.layers.Dense(3, name="last", activation="softmax")(hidden))
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 1), dtype=np.uint8)
    alone = known.Shown(network, None, [])
    assert alone.size == (4, 4, 1)
    assert alone(pixels).features is None
    assert np.array_equal(alone(pixels).probabilities, network.predict(pixels, verbose=0))
    shown = known.Shown(network, "last", ["horizontal_flip"])
    both = [known.Shown(network, "last", [])(each) for each in (pixels, pixels[:, :, ::-1])]
    assert shown(pixels).features.shape == (5, 6)
    assert shown(pixels).features == pytest.approx((both[0].features + both[1].features) / 2, rel=1e-5)
    assert shown(pixels).probabilities == pytest.approx((both[0].probabilities + both[1].probabilities) / 2, rel=1e-5)


def test_a_network_without_features_says_so():
    found, labels = outputs(4)
    bare = known.Outputs(found.probabilities, None)
    none = Reference(np.zeros((0, 0), np.float16), np.zeros(0, np.int64), "")
    finding = known.Strangers(none, 0.05).calibrate(bare, known.Calibration(labels, np.arange(400)), Show())
    assert (finding.packaged, finding.metrics) == ({}, {})
    assert "the network has no layer of features" in finding.line


@given(st.integers(2, 30), st.integers(0, 2**32 - 1))
def test_the_score_compares_distances_to_the_kth_nearest(rows, seed):
    generator = np.random.default_rng(seed)
    sample, asked = generator.normal(0, 1, (rows, 6)), generator.normal(0, 1, (4, 6))
    k = min(NEIGHBOUR, rows - 1)

    def kth(image, others):
        distances = 1 - directions(others) @ directions(image[None])[0]
        return np.sort(distances)[k - 1], np.argsort(distances)[:k]

    own = np.array([kth(sample[row], np.delete(sample, row, axis=0))[0] for row in range(rows)])
    own = np.maximum(own, 0.1 * np.median(own))
    expected = []
    for image in asked:
        distance, nearest = kth(image, sample)
        expected.append(distance / (distance + own[nearest].mean()))
    assert Neighbours(sample).scores(asked) == pytest.approx(expected, abs=1e-9)


def test_it_does_not_matter_how_long_features_are_and_how_many_are_asked():
    generator = np.random.default_rng(0)
    neighbours, asked = Neighbours(generator.normal(0, 1, (40, 6))), generator.normal(0, 1, (1030, 6))
    together = neighbours.scores(asked)
    assert neighbours.scores(7 * asked) == pytest.approx(together, abs=1e-12)
    assert np.concatenate([neighbours.scores(asked[:1]), neighbours.scores(asked[1:])]) == pytest.approx(together)
    assert neighbours.scores(asked[:0]).shape == (0,)


@pytest.mark.parametrize("features", [np.ones((1, 4)), np.ones((9, 4)), np.zeros((9, 4)), np.eye(3)])
def test_samples_without_spread_give_numbers(features):
    asked = np.array([[1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0]])[:, : features.shape[1]]
    scores = Neighbours(features.astype(np.float16)).scores(asked)
    assert np.isfinite(scores).all()
    assert ((scores >= 0) & (scores <= 1)).all()


def test_a_copy_of_the_sample_is_near_and_an_image_without_features_is_far():
    sample = np.repeat(np.random.default_rng(0).uniform(0, 1, (3, 8)), NEIGHBOUR + 1, axis=0)
    neighbours = Neighbours(sample)
    assert (neighbours.scores(sample) < 0.01).all()
    assert (neighbours.scores(np.zeros((2, 8))) > 0.99).all()
