"""The course of a training read: planted curves of each kind, the notes' own cases, and real trainings."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom import training
from darkroom.data.prepared.datasets import Description, Split
from darkroom.data.prepared.statistics import channel_statistics
from darkroom.evaluation.diagnosis import ADVICE, diagnose
from darkroom.networks import PARAMS, inference
from darkroom.params import AugmentationParams


def course(val_losses, losses=None, accuracies=0.9, val_accuracies=0.9, rates=1e-3):
    """A history of as many epochs as there are validation losses."""
    count = len(val_losses)
    columns = {
        "loss": losses if losses is not None else val_losses,
        "accuracy": accuracies,
        "val_loss": val_losses,
        "val_accuracy": val_accuracies,
        "learning_rate": rates,
    }
    spread = {name: np.broadcast_to(column, count).tolist() for name, column in columns.items()}
    return [dict(zip(spread, row, strict=True)) for row in zip(*spread.values(), strict=True)]


def verdict(history, **known):
    return diagnose(history, **{"classes": 10, **known}).verdict


FALLING = np.exp(-np.arange(20) / 4) + 0.2
FLAT = np.exp(-np.arange(40) / 4) + 0.2


def test_a_good_fit():
    assert verdict(course(FLAT, accuracies=0.97, val_accuracies=0.955)) == "good fit"


def test_the_notes_case_of_overfitting():
    """Error of 1 % on training and 10 % on validation images."""
    found = diagnose(course(FLAT, accuracies=0.99, val_accuracies=0.90), classes=10)
    assert found.verdict == "overfitting"
    assert "error 1.0 % on training and 10.0 % on validation images" in found.reason
    assert "dropout" in found.advice


def test_a_validation_loss_that_rises_while_the_other_falls_is_overfitting():
    losses = np.linspace(1, 0.01, 30)
    val_losses = np.concatenate([np.linspace(1, 0.5, 10), np.linspace(0.52, 0.9, 20)])
    history = course(val_losses, losses, np.linspace(0.5, 0.999, 30), np.linspace(0.5, 0.85, 30).clip(max=0.82))
    assert verdict(history, training_accuracy=0.97) == "overfitting"


def test_small_errors_are_held_against_one_another():
    assert verdict(course(FLAT, accuracies=0.999, val_accuracies=0.97)) == "overfitting"
    assert verdict(course(FLAT, accuracies=0.999, val_accuracies=0.985)) == "good fit"


def test_of_few_validation_images_a_gap_may_be_chance():
    history = course(FLAT, accuracies=0.98, val_accuracies=0.955)
    assert [verdict(history, validation_images=images) for images in (200, 3000)] == ["good fit", "overfitting"]


def test_underfitting_is_held_against_the_best_possible():
    history = course(FLAT, accuracies=0.70, val_accuracies=0.69)
    assert verdict(history) == "underfitting"
    # Where people are no better, there is nothing to fit.
    assert verdict(history, best_possible=0.72) == "good fit"


def test_what_augmentation_hides_is_known_from_the_images_as_they_are():
    history = course(FLAT, accuracies=0.70, val_accuracies=0.90)
    assert verdict(history) == "underfitting"
    assert verdict(history, training_accuracy=0.99) == "overfitting"
    assert verdict(history, training_accuracy=0.93) == "good fit"


def test_a_loss_that_is_still_falling():
    history = course(np.linspace(2.0, 1.0, 10), accuracies=0.8, val_accuracies=0.8)
    found = diagnose(history, classes=10)
    assert found.verdict == "not converged"
    errors = "error 20.0 % on training and 20.0 % on validation images"
    assert found.reason == f"validation loss 1.0000 and falling after 10 epochs; {errors}"
    assert "more epochs" in found.advice
    # A schedule that has come to its end brings the loss down, and no further.
    ended = np.linspace(1, 0.01, 10)
    assert verdict(course(np.linspace(2.0, 1.0, 10), accuracies=0.8, val_accuracies=0.8, rates=ended)) == "underfitting"


def test_a_loss_that_swings():
    swinging = 0.8 + 0.4 * np.cos(np.arange(20) * np.pi)
    history = course(swinging, accuracies=0.85, val_accuracies=0.84)
    assert verdict(history) == "rate too high"
    assert verdict(course(swinging, accuracies=0.85, val_accuracies=0.84, rates=np.linspace(1, 0.01, 20))) != (
        "rate too high"
    )


def test_the_books_own_training():
    """cifar_cnn, section 3.7: validation accuracy .6792 at epoch 14, .3456 at epoch 100."""
    accuracies = np.concatenate([np.linspace(0.4, 0.6792, 14), np.linspace(0.67, 0.3456, 86)])
    val_losses = np.concatenate([np.linspace(1.7, 0.95, 14), np.linspace(1.0, 2.2, 86)])
    history = course(val_losses, np.linspace(1.7, 1.5, 100), np.linspace(0.4, 0.45, 100), accuracies)
    found = diagnose(history, classes=10)
    assert found.verdict == "rate too high"
    assert "0.6792 at best, but 0.3456 at the end" in found.reason
    assert found.numbers["best_epoch"] == 14


def test_a_training_that_diverged():
    assert verdict(course([2.3, 2.0, 40.0, math.nan])) == "diverged"
    assert verdict(course([2.3, 5.0, 40.0, 900.0])) == "diverged"


def test_a_network_that_predicts_one_class():
    found = diagnose(course([2.3] * 8, accuracies=0.1, val_accuracies=0.105), classes=10, one_class=1.0)
    assert found.verdict == "collapsed"
    assert found.reason == "it predicts one class, also for 100 % of the images of other classes"
    # The accuracy does not tell: here 99 % of the images are of one class.
    history = course([0.05] * 8, accuracies=0.99, val_accuracies=0.99)
    assert verdict(history, classes=2, one_class=1.0) == "collapsed"
    perfect = course([0.001] * 8, accuracies=1.0, val_accuracies=1.0)
    assert verdict(perfect, classes=2, one_class=0.0) == "good fit"
    # Many mistakes are no collapse.
    assert verdict(course([2.3] * 8, accuracies=0.1, val_accuracies=0.1), one_class=0.6) == "underfitting"
    # Nothing is known of a run of an earlier version.
    assert verdict(history, classes=2, one_class=None) == "good fit"


@pytest.mark.parametrize(
    ("labels", "predicted", "share"),
    [
        ([0, 1, 2, 3], [2, 2, 2, 2], 1.0),
        ([0] * 99 + [1], [0] * 100, 1.0),
        ([0] * 99 + [1], [0] * 99 + [1], 0.0),
        ([0, 0, 1, 1, 2], [0, 0, 0, 1, 0], 2 / 3),
        # Right answers of the class itself do not count.
        ([1, 1, 1, 0, 2], [1, 1, 1, 1, 2], 0.5),
        ([1, 1], [1, 1], None),
    ],
)
def test_the_share_of_one_class_by_hand(labels, predicted, share):
    found = inference.one_class_share(np.array(labels), np.array(predicted))
    assert found == (None if share is None else pytest.approx(share))


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "loss": st.floats(0, 100),
                "accuracy": st.floats(0, 1),
                "val_loss": st.floats(0, 100) | st.just(math.nan) | st.just(math.inf),
                "val_accuracy": st.floats(0, 1),
                "learning_rate": st.floats(1e-6, 1),
            }
        ),
        min_size=1,
        max_size=30,
    ),
    st.integers(2, 100),
    st.none() | st.floats(0, 1),
)
def test_every_course_has_one_verdict(history, classes, one_class):
    found = diagnose(history, classes=classes, one_class=one_class)
    assert found.advice == ADVICE[found.verdict]
    assert found.reason


def test_no_course_no_verdict():
    with pytest.raises(ValueError, match="history is empty"):
        diagnose([], classes=2)


def noisy(images, seed, wrong=0.0):
    """Bright and dark images under noise; a share of the labels is wrong."""
    generator = np.random.default_rng(seed)
    classes = generator.integers(0, 2, images)
    pixels = generator.normal(110 + 30 * classes[:, None, None, None], 60, (images, 8, 8, 1))
    labels = np.where(generator.random(images) < wrong, 1 - classes, classes)
    return Split(np.clip(pixels, 0, 255).astype(np.uint8), labels, pd.DataFrame())


def description_of(split):
    mean, deviation = channel_statistics(split.images)
    size = split.images.shape[1:]
    return Description(("dark", "bright"), size, "bicubic", "stretch", mean, deviation, "", {}, {}, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("training_images", "values", "expected"),
    [
        # Wrong labels that a large network learns by heart.
        (noisy(60, 0, wrong=0.3), {"hidden_units": [256, 256], "epochs": 60, "learning_rate": 3e-3}, "overfitting"),
        # Steps so small that nothing is learnt, at a rate that is at its end.
        (noisy(300, 0), {"hidden_units": [4], "epochs": 4, "learning_rate": 1e-5}, "underfitting"),
    ],
)
def test_real_trainings(training_images, values, expected):
    section = {"batch_size": 32, "augment": False, "schedule": {"kind": "linear", "factor": 0.01}, **values}
    params = PARAMS["mlp"].model_validate_json(json.dumps(section))
    data = (training_images, noisy(300, 1))
    trained = training.train(
        training.TrainingJob("mlp", params, description_of(data[0]), *data, seed=0, augmentation=AugmentationParams())
    )
    found = diagnose(trained.history, classes=2)
    assert found.verdict == expected, found


@pytest.mark.slow
def test_real_predictions_on_unequal_classes():
    """A network that tells ten bright images from 200 dark ones, and one that calls all dark."""
    data = noisy(400, 0)
    order = np.concatenate([np.flatnonzero(data.classes == 0), np.flatnonzero(data.classes == 1)[:10]])
    pixels = np.where(data.classes[order][:, None, None, None] == 1, 200, data.images[order] // 4).astype(np.uint8)
    unequal = Split(pixels, data.classes[order], pd.DataFrame())
    section = {"batch_size": 32, "augment": False, "hidden_units": [8], "epochs": 10, "learning_rate": 1e-2}
    params = PARAMS["mlp"].model_validate_json(json.dumps(section))
    job = training.TrainingJob(
        "mlp", params, description_of(unequal), unequal, unequal, seed=0, augmentation=AugmentationParams()
    )
    trained = training.train(job)
    results = inference.results_on(trained.model, unequal, 2000)
    assert (results.accuracy, results.one_class) == (1.0, 0.0)
    assert diagnose(trained.history, classes=2, one_class=results.one_class).verdict != "collapsed"
    # The last layer's bias alone decides.
    last = trained.model.layers[-1]
    last.set_weights([np.zeros_like(last.get_weights()[0]), np.array([5.0, -5.0], dtype=np.float32)])
    results = inference.results_on(trained.model, unequal, 2000)
    assert results.accuracy == pytest.approx((unequal.classes == 0).mean())
    assert results.one_class == 1.0
    assert diagnose(trained.history, classes=2, one_class=results.one_class).verdict == "collapsed"
