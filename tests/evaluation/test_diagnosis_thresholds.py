"""Each threshold of the diagnosis from both sides, and on it."""

import math

import numpy as np
import pytest

from darkroom.evaluation import diagnosis
from darkroom.evaluation.diagnosis import diagnose

BIT = 1e-6
GUESSING = math.log(10)


def course(val_losses, losses=1.0, accuracies=1.0, val_accuracies=1.0, rates=1.0):
    columns = {
        "loss": losses,
        "accuracy": accuracies,
        "val_loss": val_losses,
        "val_accuracy": val_accuracies,
        "learning_rate": rates,
    }
    spread = {name: np.broadcast_to(column, len(val_losses)).tolist() for name, column in columns.items()}
    return [dict(zip(spread, row, strict=True)) for row in zip(*spread.values(), strict=True)]


def verdict(history, **known):
    return diagnose(history, classes=10, **known).verdict


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GUESSES", 2.0),
        ("ONE_CLASS", 0.95),
        ("FALLEN", 0.25),
        ("RISING", 0.4),
        ("POOR", 0.1),
        ("GAP", 0.05),
        ("TWICE", 2.0),
        ("RISEN", 0.1),
        ("SMALL_GAP", 0.02),
        ("FALLING", 0.01),
        ("ENDED", 0.2),
        ("FEW", 4),
        ("MOSTLY", 0.8),
    ],
)
def test_the_thresholds_of_the_documentation(name, value):
    assert getattr(diagnosis, name) == value


@pytest.mark.parametrize(
    ("loss", "val_loss", "expected"),
    [
        (2 * GUESSING, 2 * GUESSING, "good fit"),
        (2 * GUESSING + BIT, 2 * GUESSING + BIT, "diverged"),
        (2 * GUESSING + BIT, 2 * GUESSING, "good fit"),
        (2 * GUESSING, 2 * GUESSING + BIT, "good fit"),
        (math.nan, 1.0, "diverged"),
        (1.0, math.inf, "diverged"),
    ],
)
def test_divergence(loss, val_loss, expected):
    assert verdict(course([val_loss], loss)) == expected
    # Only the end counts.
    assert verdict(course([val_loss, 1.0], [loss, 1.0])) != "diverged"


def test_a_loss_is_compared_with_that_of_guessing_among_the_classes():
    history = course([2 * math.log(2) + BIT], 2 * math.log(2) + BIT)
    assert [diagnose(history, classes=classes).verdict for classes in (2, 3)] == ["diverged", "good fit"]


@pytest.mark.parametrize(("share", "expected"), [(0.95, "collapsed"), (0.95 - BIT, "good fit"), (1.0, "collapsed")])
def test_a_collapse(share, expected):
    assert verdict(course([1.0]), one_class=share) == expected


def test_divergence_comes_before_a_collapse_and_a_collapse_before_the_rate():
    assert verdict(course([99.0], 99.0), one_class=1.0) == "diverged"
    fallen = course([1.0] * 4, val_accuracies=[1, 1, 1, 0.1])
    assert [verdict(fallen, one_class=share) for share in (1.0, 0.0)] == ["collapsed", "rate too high"]


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        # A quarter of 1.0 and of 0.5, exact in binary.
        ([1, 1, 1, 0.75], "good fit"),
        ([1, 1, 1, 0.75 - BIT], "rate too high"),
        ([1, 0.5, 0.5, 0.75 - BIT], "rate too high"),
        # Relative to the best: here less than a quarter of 1.0.
        ([1, 1, 1, 0.8], "good fit"),
        ([1, 1, 0.7], "good fit"),
    ],
)
def test_a_fall_of_the_accuracy(accuracies, expected):
    history = course([1.0] * len(accuracies), val_accuracies=accuracies)
    assert verdict(history) == expected
    if expected == "rate too high":
        assert "at best, but" in diagnose(history, classes=10).reason


def test_a_fall_is_relative_to_the_best():
    history = course([1.0] * 4, accuracies=0.5, val_accuracies=[0.5, 0.5, 0.5, 0.375 - BIT])
    assert verdict(history) == "rate too high"
    assert verdict(course([1.0] * 4, accuracies=0.5, val_accuracies=[0.5, 0.5, 0.5, 0.375])) == "underfitting"


@pytest.mark.parametrize(
    ("last", "accuracy", "expected"),
    [(0.5 * 1.1 - BIT, 1.0, "good fit"), (0.5 * 1.1 + BIT, 1.0, "overfitting"), (0.6, 0.95 - BIT, "good fit")],
)
def test_a_rise_of_the_validation_loss(last, accuracy, expected):
    # The gap at the end is 5 points and a bit, or just not.
    history = course([1, 0.5, last], [3, 2, 1], accuracies=[1, 1, accuracy], val_accuracies=[1, 1, 0.9499995])
    found = diagnose(history, classes=10)
    assert found.verdict == expected
    assert ("has risen by 10.0 % since epoch 2" in found.reason) == (expected == "overfitting")


@pytest.mark.parametrize(("gap", "expected"), [(0.05 - BIT, "good fit"), (0.05 + BIT, "overfitting")])
def test_a_rise_needs_a_gap_at_the_end(gap, expected):
    history = course([1, 0.5, 0.6], [3, 2, 1], val_accuracies=[1, 1, 1 - gap])
    assert verdict(history) == expected


@pytest.mark.parametrize(("falls", "expected"), [(4, "overfitting"), (3, "good fit")])
def test_a_rise_needs_a_training_loss_that_mostly_falls(falls, expected):
    # Of five changes, four are 80 %. The learning rate is at its end, so that swings do not matter.
    losses = np.cumsum([9.0, *[-1.0] * falls, *[0.0] * (5 - falls)])
    history = course([1, 0.5, 0.5, 0.5, 0.5, 0.6], losses / 3, val_accuracies=[1] * 5 + [0.9], rates=[1] * 5 + [0.1])
    assert verdict(history) == expected


@pytest.mark.parametrize(
    ("val_losses", "rate", "expected"),
    [
        # Rises of 2 in a total variation of 5: 0.4.
        ([2, 1, 3, 1], 1, "not converged"),
        ([2, 1, 3 + BIT, 1], 1, "rate too high"),
        ([2, 1, 4, 1], 0.2, "rate too high"),
        ([2, 1, 4, 1], 0.2 - BIT, "good fit"),
        # Too short to tell.
        ([1, 3, 1], 1, "not converged"),
        ([1, 3, 1, 1], 1, "rate too high"),
    ],
)
def test_swings_of_the_validation_loss(val_losses, rate, expected):
    history = course(val_losses, rates=[1] * (len(val_losses) - 1) + [rate])
    found = diagnose(history, classes=10)
    assert found.verdict == expected
    if expected == "rate too high":
        assert f"{100 * found.numbers['rising_share']:.1f} % of the validation loss" in found.reason


def test_swings_of_an_overfitting_network_are_overfitting_if_its_training_loss_falls():
    swinging = [2, 1, 4, 1.05]
    assert verdict(course(swinging, [4, 3, 2, 1], val_accuracies=0.9)) == "overfitting"
    assert verdict(course(swinging, [1, 2, 3, 4], val_accuracies=0.9)) == "rate too high"
    assert verdict(course(swinging, [4, 3, 2, 1])) == "rate too high"


@pytest.mark.parametrize(
    ("accuracy", "val_accuracy", "expected"),
    [
        # Errors of less than double the training error: only 5 points count.
        (0.9, 0.85 + BIT, "good fit"),
        (0.9, 0.85 - BIT, "overfitting"),
        # More than double: 2 points are enough.
        (0.99, 0.97 + BIT, "good fit"),
        (0.99, 0.97 - BIT, "overfitting"),
        # A gap of 3 points, on both sides of double and on it.
        (0.97, 0.94, "good fit"),
        (0.97, 0.94 - BIT, "overfitting"),
        (0.97 - BIT, 0.94, "good fit"),
    ],
)
def test_a_gap_between_the_errors(accuracy, val_accuracy, expected):
    assert verdict(course([1.0], accuracies=accuracy, val_accuracies=val_accuracy)) == expected


@pytest.mark.parametrize(
    ("images", "val_accuracy", "expected"),
    # Two standard errors of an error of 10 % on 100 images are 6 points.
    [(100, 0.9, "good fit"), (101, 0.9, "overfitting"), (99, 0.9, "good fit"), (None, 0.9, "overfitting")],
)
def test_a_gap_within_two_standard_errors_is_chance(images, val_accuracy, expected):
    history = course([1.0], accuracies=val_accuracy + 0.06, val_accuracies=val_accuracy)
    assert 2 * math.sqrt(0.1 * 0.9 / 100) == pytest.approx(0.06)
    history[0]["accuracy"] -= 1e-12
    assert verdict(history, validation_images=images) == expected


def test_a_small_gap_within_two_standard_errors_is_chance():
    history = course([1.0], accuracies=0.99, val_accuracies=0.96)
    # 2 sqrt(0.04 * 0.96 / n) is 3 points at n = 170.7.
    assert [verdict(history, validation_images=images) for images in (170, 171)] == ["good fit", "overfitting"]


@pytest.mark.parametrize(
    ("val_losses", "expected"),
    [
        # 1 % of the first of the last two.
        ([2, 2 * 0.99 - BIT], "not converged"),
        ([2, 2 * 0.99 + BIT], "good fit"),
        # Of eight epochs the last two count, of twelve the last three, and so twice 1 %.
        ([3] * 6 + [2, 2 * 0.99 - BIT], "not converged"),
        ([3] * 6 + [2, 2 * 0.99 + BIT], "good fit"),
        ([3] * 9 + [2, 1.99, 2 * 0.98 - BIT], "not converged"),
        ([3] * 9 + [2, 1.99, 2 * 0.98 + BIT], "good fit"),
        # At most 1 % above the lowest.
        ([1, 2, 1.01], "not converged"),
        ([1, 2, 1.01 + BIT], "good fit"),
        ([2], "good fit"),
    ],
)
def test_a_loss_that_still_falls(val_losses, expected):
    found = diagnose(course(val_losses), classes=10)
    assert found.verdict == expected


@pytest.mark.parametrize(("rate", "expected"), [(0.2, "not converged"), (0.2 - BIT, "good fit")])
def test_a_schedule_that_has_ended(rate, expected):
    assert verdict(course([2, 1], rates=[1, rate])) == expected


@pytest.mark.parametrize(
    ("accuracy", "best_possible", "expected"),
    [
        (0.9 + BIT, None, "good fit"),
        (0.9 - BIT, None, "underfitting"),
        (0.8 + BIT, 0.9, "good fit"),
        (0.8 - BIT, 0.9, "underfitting"),
    ],
)
def test_an_error_above_the_best_possible(accuracy, best_possible, expected):
    history = course([1.0], accuracies=accuracy, val_accuracies=accuracy)
    found = diagnose(history, classes=10, best_possible=best_possible)
    assert found.verdict == expected
    if expected == "underfitting":
        assert ("the best possible 10.0 %" in found.reason) == (best_possible is not None)


BINARY = {"GAP": 0.0625, "SMALL_GAP": 0.03125, "POOR": 0.125, "RISEN": 0.125, "FALLING": 0.0625, "ENDED": 0.25}


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (course([1.0], accuracies=0.875, val_accuracies=0.8125), "good fit"),
        (course([1.0], accuracies=0.96875, val_accuracies=0.9375), "good fit"),
        (course([1.0], accuracies=1.0, val_accuracies=0.96875), "good fit"),
        (course([1.0], accuracies=0.875, val_accuracies=0.875), "good fit"),
        (course([1, 0.5, 0.5625], [3, 2, 1], val_accuracies=[1, 1, 0.75]), "good fit"),
        (course([1, 0.5, 0.75], [3, 2, 1], val_accuracies=[1, 1, 0.9375]), "good fit"),
        (course([2, 1.875]), "good fit"),
        (course([1, 2, 1.0625]), "not converged"),
        (course([2, 1], rates=[1, 0.25]), "not converged"),
        (course([2, 1, 4, 1], rates=[1, 1, 1, 0.25]), "rate too high"),
    ],
)
def test_on_a_threshold(history, expected, monkeypatch):
    # Those of the documentation cannot be met exactly by binary numbers.
    for name, value in BINARY.items():
        monkeypatch.setattr(diagnosis, name, value)
    assert verdict(history) == expected


def test_the_numbers_of_a_diagnosis():
    history = course(
        [1.0, 0.5, 0.75, 0.625],
        accuracies=[0.5, 0.75, 0.875, 1.0],
        val_accuracies=[0.25, 0.5, 0.75, 0.625],
    )
    assert diagnose(history, classes=10, best_possible=0.875).numbers == {
        "training_error": 0.25,
        "validation_error": 0.5,
        "best_possible_error": 0.125,
        "epochs": 4,
        "best_epoch": 2,
        "best_validation_accuracy": 0.75,
        "last_validation_accuracy": 0.625,
        "gap_at_end": 0.375,
        "loss_above_best": 0.25,
        "rising_share": 0.25 / 0.875,
    }
    assert diagnose(history, classes=10, training_accuracy=0.75).numbers["training_error"] == 0.25
    lost = diagnose(course([math.nan, 1.0]), classes=10).numbers
    assert (lost["best_epoch"], lost["rising_share"]) == (2, 0)
