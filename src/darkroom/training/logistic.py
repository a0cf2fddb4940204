"""``optimizer: lbfgs``: multinomial logistic regression on the features of frozen layers, in seconds.

The features are centred and divided by their common deviation, which is then folded into the last layer's weights. The
loss is the mean cross-entropy plus an L2 penalty on the weights, and has one minimum, so that there are no learning
rate, batches or seed. The penalty is the best one of ``PENALTIES`` on the validation images (J. Friedman et al.,
Regularization paths for generalized linear models, 2010).
"""

import time
import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from darkroom.base.backend import keras, make_reproducible
from darkroom.base.errors import InputError
from darkroom.base.types import Floats, Integers
from darkroom.data.prepared.datasets import Split
from darkroom.data.prepared.targets import balanced_weights
from darkroom.networks import inference
from darkroom.training.epochs import Epoch, OnEpoch, StopTraining
from darkroom.training.features import Features
from darkroom.training.frozen import before_training
from darkroom.training.job import TrainingJob
from darkroom.training.model import build_model, inference_model
from darkroom.training.trained import Trained

PENALTIES = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 3e-4, 1e-4)
"""From the strongest: each solution is the next one's start. ``penalty`` · ‖w‖² / 2 is added to the mean loss."""
ENOUGH = 2
"""Penalties without improvement after which weaker ones are not tried."""
ITERATIONS = 500
"""Maximum of L-BFGS per penalty."""
TOLERANCE = 1e-6
"""Largest component of the gradient at which L-BFGS stops."""
ABSENT = -30.0
"""Bias of a class without training images."""


def train(job: TrainingJob, on_epoch: Iterable[OnEpoch], features: Features | None) -> Trained:
    """Fit the last layer; the history has one epoch, with the penalty and without a learning rate.

    Raises:
        InputError: the last layer is not a softmax or sigmoid layer on the output of frozen layers.
    """
    began = time.perf_counter()
    make_reproducible(job.seed)
    built = build_model(job.network, job.values, job.description, job.initial)
    for layer in built.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0
    start, training, validation = before_training(built, job, features)
    head = next(layer for layer in reversed(built.layers) if layer.weights)
    if not isinstance(head, keras.layers.Dense) or not head.use_bias:
        raise InputError(
            f"train.{job.network}.optimizer: lbfgs fits one fully connected layer with a bias on the output of frozen "
            f"layers, but {head.name} is another one; set another optimizer"
        )
    # Layers without weights may follow the features.
    rest = keras.Model(start, head.input)
    inputs: list[Any] = [inference.probabilities(rest, split.images) for split in (training, validation)]
    training, validation = (replace(split, images=of) for split, of in zip((training, validation), inputs, strict=True))
    kernel, bias, penalty = _best(job, training, validation)
    predicted = [_probabilities(np.asarray(split.images) @ kernel + bias) for split in (training, validation)]
    reached = _epoch(predicted, (training.classes, validation.classes), penalty)
    if job.values.output == "sigmoid":
        kernel, bias = kernel[:, 1:] - kernel[:, :1], bias[1:] - bias[:1]
    head.set_weights([kernel, bias])
    reached["seconds"] = time.perf_counter() - began
    with suppress(StopTraining):
        for callback in on_epoch:
            callback(0, reached)
    return Trained(inference_model(built), [reached], 0)


def _best(job: TrainingJob, training: Split, validation: Split) -> tuple[Floats, Floats, float]:
    """Fit with each penalty; return kernel (features, classes), bias (classes,) and penalty of the best fit."""
    # Not at the top: trainings with other optimizers do not need it.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    features, classes = np.asarray(training.images, np.float64), training.classes
    mean = features.mean(axis=0)
    deviation = max(float(np.sqrt(features.var(axis=0).mean())), 1e-6)
    features = (features - mean) / deviation
    balanced = job.values.class_weights == "balanced"
    weights = balanced_weights(classes, job.classes)[classes] if balanced else None
    model = LogisticRegression(max_iter=ITERATIONS, tol=TOLERANCE, warm_start=True)
    found: list[tuple[float, Floats, Floats, float]] = []
    for penalty in PENALTIES:
        model.set_params(C=1 / (penalty * len(classes)))
        # Threads that wait for one another made these small products ten times slower on a busy machine.
        with warnings.catch_warnings(), threadpool_limits(limits=1, user_api="blas"):
            # A fit that is not finished is a valid candidate, as with early stopping.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(features, classes, weights)
        kernel, bias = _of_all_classes(model.coef_, model.intercept_, model.classes_, job.classes)
        kernel = kernel / deviation
        as_stored = kernel.astype(np.float32), (bias - mean @ kernel).astype(np.float32)
        reached = _probabilities(np.asarray(validation.images) @ as_stored[0] + as_stored[1])
        loss, accuracy = _loss(reached, validation.classes), _accuracy(reached, validation.classes)
        found.append((loss if job.values.early_stopping.monitor == "val_loss" else -accuracy, *as_stored, penalty))
        best = min(range(len(found)), key=lambda number: found[number][0])
        if len(found) - 1 - best >= ENOUGH:
            break
    return found[best][1:]


def _of_all_classes(coefficients: Any, intercepts: Any, present: Integers, count: int) -> tuple[Any, Any]:
    """Return kernel (features, count) and bias (count,) of a fit, whose classes may be some of all."""
    if len(present) == 2:  # noqa: PLR2004 - one row of coefficients, for the second class
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    kernel, bias = np.zeros((coefficients.shape[1], count)), np.full(count, ABSENT)
    kernel[:, present], bias[present] = coefficients.T, intercepts
    return kernel, bias


def _probabilities(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Floats = powers / powers.sum(axis=1, keepdims=True)
    return found


def _loss(predicted: Floats, classes: Integers) -> float:
    """Return the mean cross-entropy, in nats."""
    return float(-np.log(np.maximum(predicted[np.arange(len(classes)), classes], 1e-7)).mean())


def _accuracy(predicted: Floats, classes: Integers) -> float:
    return float((predicted.argmax(axis=1) == classes).mean())


def _epoch(predicted: Sequence[Floats], classes: Sequence[Integers], penalty: float) -> Epoch:
    """Return the values of the only epoch, from the probabilities of training and validation images."""
    values = {"learning_rate": 0.0, "penalty": penalty}
    for prefix, of_split, truth in zip(("", "val_"), predicted, classes, strict=True):
        values |= {f"{prefix}loss": _loss(of_split, truth), f"{prefix}accuracy": _accuracy(of_split, truth)}
    return values
