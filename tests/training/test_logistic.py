"""Logistic regression on frozen features: the optimum, the penalty, and the network that is saved."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from darkroom import training
from darkroom.base.backend import keras
from darkroom.base.errors import InputError
from darkroom.data.prepared.datasets import Split
from darkroom.networks import PARAMS, EarlyStoppingParams, inference
from darkroom.params import AugmentationParams, with_values
from darkroom.training import logistic
from support.networks import build, description

SIZE = (8, 8, 1)


def digits(chosen, rows):
    pixels, classes = load_digits(return_X_y=True)
    some = np.flatnonzero(np.isin(classes, chosen))[rows]
    return Split(
        (pixels[some] * 15.9).astype(np.uint8).reshape(-1, *SIZE),
        np.searchsorted(chosen, classes[some]),
        pd.DataFrame(),
    )


def source(classes):
    return build("mlp", SIZE, classes=classes, hidden_units=(32,))


def fit(classes, rows=(slice(0, 300), slice(300, 500)), **settings):
    values = PARAMS["mlp"](
        hidden_units=(32,), optimizer="lbfgs", trainable="head", augment=False, initial_weights="other", **settings
    )
    data = [digits(range(classes), each) for each in rows]
    job = training.TrainingJob(
        "mlp",
        values,
        description(SIZE, classes),
        *data,
        seed=0,
        augmentation=AugmentationParams(),
        initial=source(classes),
    )
    told = []
    return training.train(job, on_epoch=[lambda *of: told.append(of)]), data, told


@pytest.mark.slow
def test_the_fit_is_the_one_of_scikit_learn_with_the_best_penalty():
    trained, data, told = fit(5)
    penalty = trained.best["penalty"]
    part = keras.Model(trained.model.input, trained.model.get_layer("output").input)
    features = [part.predict(split.images, verbose=0).astype(np.float64) for split in data]
    mean, deviation = features[0].mean(axis=0), np.sqrt(features[0].var(axis=0).mean())
    losses = {}
    for tried in logistic.PENALTIES:
        plain = LogisticRegression(C=1 / (tried * 300), max_iter=5000, tol=1e-8)
        plain.fit((features[0] - mean) / deviation, data[0].classes)
        probabilities = plain.predict_proba((features[1] - mean) / deviation)
        losses[tried] = -np.log(probabilities[np.arange(200), data[1].classes]).mean()
        if tried == penalty:
            np.testing.assert_allclose(inference.probabilities(trained.model, data[1].images), probabilities, atol=5e-3)
    assert losses[penalty] == pytest.approx(min(losses.values()), rel=0.02)
    assert trained.best["val_loss"] == pytest.approx(losses[penalty], rel=0.02)
    assert told == [(0, trained.best)]
    assert trained.best["val_accuracy"] > 0.85


@pytest.mark.slow
@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_two_classes(output):
    trained, data, _ = fit(2, rows=(slice(0, 100), slice(100, 200)), output=output)
    predicted = inference.probabilities(trained.model, data[1].images)
    assert (predicted.argmax(axis=1) == data[1].classes).mean() == trained.best["val_accuracy"] >= 0.97
    loss = -np.log(predicted[np.arange(len(predicted)), data[1].classes]).mean()
    assert loss == pytest.approx(trained.best["val_loss"], rel=1e-3)


@pytest.mark.slow
def test_the_same_data_give_the_same_weights_whatever_the_seed():
    one, other = fit(5)[0], fit(5, batch_size=7, learning_rate=0.5)[0]
    assert all(map(np.array_equal, one.model.get_weights(), other.model.get_weights()))


@pytest.mark.slow
def test_the_monitored_metric_chooses_the_penalty():
    by_loss, by_accuracy = (
        fit(5, early_stopping=EarlyStoppingParams(monitor=monitor))[0].best for monitor in ("val_loss", "val_accuracy")
    )
    assert by_loss["val_loss"] <= by_accuracy["val_loss"]
    assert by_loss["val_accuracy"] <= by_accuracy["val_accuracy"]


@pytest.mark.slow
def test_balanced_classes_count_the_same():
    """Nine of ten images are of one class."""
    classes = load_digits(return_X_y=True)[1]
    two = classes[np.isin(classes, range(2))]
    rows = np.concatenate([np.flatnonzero(two == 0)[:90], np.flatnonzero(two == 1)[:10]])
    (plain, data, _), (balanced, *_) = (
        fit(2, (rows, slice(200, 360)), class_weights=way) for way in ("none", "balanced")
    )
    rare = data[1].images[data[1].classes == 1]
    assert (
        inference.probabilities(balanced.model, rare)[:, 1].mean()
        > inference.probabilities(plain.model, rare)[:, 1].mean()
    )


@pytest.mark.slow
def test_a_class_without_training_images_is_never_predicted():
    _, data, _ = fit(4, rows=(np.arange(0, 200), slice(200, 300)))
    lacking = Split(data[0].images, np.minimum(data[0].classes, 2), pd.DataFrame())
    job = training.TrainingJob(
        "mlp",
        with_values(
            PARAMS["mlp"](hidden_units=(32,), augment=False, initial_weights="x", trainable="head"),
            {"optimizer": "lbfgs"},
        ),
        description(SIZE, 4),
        lacking,
        data[1],
        seed=0,
        augmentation=AugmentationParams(),
        initial=source(4),
    )
    predicted = inference.probabilities(training.train(job).model, data[1].images)
    assert predicted[:, 3].max() < 1e-6
    assert np.isfinite(predicted).all()


@pytest.mark.parametrize(
    "settings",
    [
        {"trainable": "all"},
        {"trainable": "last 2"},
        {"augment": True},
        {"label_smoothing": 0.1},
        {"loss": "mean_squared_error"},
    ],
    ids=str,
)
def test_what_is_no_logistic_regression_is_refused(settings):
    values = PARAMS["mlp"](initial_weights="other", trainable="head", augment=False)
    with pytest.raises(InputError, match="lbfgs fits a logistic regression, which requires trainable: head"):
        with_values(values, {"optimizer": "lbfgs", **settings})
