"""Build, compile and fit one network. Nothing here knows of MLflow, Optuna or DVC."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from darkroom import models
from darkroom.augment import Augmenter
from darkroom.backend import keras, make_reproducible
from darkroom.batches import TrainingBatches
from darkroom.datasets import Description, Split, balanced_weights, one_hot
from darkroom.errors import TrainingError
from darkroom.inference import BATCH
from darkroom.params import AugmentationParams, Network, NetworkParams
from darkroom.schedules import learning_rate

Epoch = dict[str, float]
"""``loss``, ``accuracy``, ``val_loss``, ``val_accuracy``, ``learning_rate`` and ``seconds`` of one epoch."""
OnEpoch = Callable[[int, Epoch], None]
"""Called after each epoch with its number, from 0, and its values."""


@dataclass(frozen=True)
class Trained:
    """A trained network with its best weights, and how it got there."""

    model: keras.Model
    history: list[Epoch]
    best_epoch: int
    """The epoch, from 0, whose weights the model has: the one of the lowest validation loss, but for ``min_delta``."""

    @property
    def best(self) -> Epoch:
        """The values of that epoch."""
        return self.history[self.best_epoch]

    def save(self, path: str | Path) -> None:
        """Save layers and weights, without the optimizer, in Keras' own format (no pickle)."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        keras.Model(self.model.inputs, self.model.outputs, name=self.model.name).save(path)


def build_model(network: Network, values: NetworkParams, description: Description) -> keras.Model:
    """Build a network that takes uint8 images of the pipeline's size and returns probabilities.

    Normalisation (subtract the mean, divide by the standard deviation of the training images) is its first layer, so
    that no one who uses the model can forget it. The layer has no weights.
    """
    inputs = keras.Input(description.size, dtype="uint8", name="image")
    normalised = keras.layers.Rescaling(
        scale=[1 / deviation for deviation in description.deviation],
        offset=[-mean / deviation for mean, deviation in zip(description.mean, description.deviation, strict=True)],
        name="normalise",
    )(inputs)
    outputs = models.build(network, normalised, len(description.labels), values)
    return keras.Model(inputs, outputs, name=network)


def optimizer(values: NetworkParams) -> keras.optimizers.Optimizer:
    """Make the optimizer that the parameters name."""
    match values.optimizer:
        case "sgd":
            return keras.optimizers.SGD(values.learning_rate, momentum=values.momentum)
        case "rmsprop":
            return keras.optimizers.RMSprop(values.learning_rate, momentum=values.momentum)
        case "adam":
            return keras.optimizers.Adam(values.learning_rate)


def train(
    network: Network,
    values: NetworkParams,
    description: Description,
    data: tuple[Split, Split],
    *,
    seed: int,
    augmentation: AugmentationParams,
    on_epoch: Iterable[OnEpoch] = (),
) -> Trained:
    """Train a network; the weights of the epoch with the lowest validation loss are restored at the end.

    Args:
        network: its name.
        values: its effective parameters.
        description: of the data.
        data: training and validation images.
        seed: of weights, order, variation and dropout.
        augmentation: how training images are varied if ``values.augment``.
        on_epoch: called in this order after each epoch; an exception from one ends the training.

    Raises:
        TrainingError: a loss is no longer finite.
    """
    make_reproducible(seed)
    training, validation = data
    classes = len(description.labels)
    model = build_model(network, values, description)
    model.compile(
        optimizer=optimizer(values),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=values.label_smoothing),
        metrics=["accuracy"],
    )
    batches = TrainingBatches(
        training,
        classes,
        values.batch_size,
        seed,
        Augmenter(augmentation) if values.augment else None,
        balanced_weights(training.classes, classes) if values.class_weights == "balanced" else None,
    )
    stopping = keras.callbacks.EarlyStopping(
        monitor="val_loss",
        patience=values.early_stopping.patience,
        min_delta=values.early_stopping.min_delta,
        restore_best_weights=True,
    )
    recorder = _Recorder(on_epoch)
    model.fit(
        batches,
        epochs=values.epochs,
        validation_data=(np.asarray(validation.images), one_hot(validation.classes, classes)),
        validation_batch_size=BATCH,
        verbose=0,
        callbacks=[
            _FiniteLoss(network, len(batches), values.epochs),
            keras.callbacks.LearningRateScheduler(
                lambda epoch, _: learning_rate(values.schedule, values.learning_rate, epoch, values.epochs)
            ),
            stopping,
            recorder,
        ],
    )
    return Trained(model, recorder.history, stopping.best_epoch)


def progress_line(title: str, epochs: int) -> OnEpoch:
    """Return a function that prints one line for each epoch."""

    def show(epoch: int, values: Epoch) -> None:
        print(
            f"{title}  epoch {epoch + 1:>{len(str(epochs))}}/{epochs}"
            f"  loss {values['loss']:.4f}  accuracy {values['accuracy']:.4f}"
            f"  val_loss {values['val_loss']:.4f}  val_accuracy {values['val_accuracy']:.4f}"
            f"  learning rate {values['learning_rate']:.2e}  {values['seconds']:.1f} s",
            flush=True,
        )

    return show


class _Recorder(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the history and passes each epoch on."""

    def __init__(self, on_epoch: Iterable[OnEpoch]) -> None:
        super().__init__()
        self.history: list[Epoch] = []
        self._on_epoch = tuple(on_epoch)
        self._started = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        values = {name: float(value) for name, value in logs.items()}
        values["seconds"] = time.perf_counter() - self._started
        self.history.append(values)
        for passed_on in self._on_epoch:
            passed_on(epoch, values)


class _FiniteLoss(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends the training with an error as soon as a loss is not a finite number."""

    def __init__(self, network: Network, steps: int, epochs: int) -> None:
        super().__init__()
        self._network = network
        self._steps = steps
        self._epochs = epochs
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        self._check("training loss", float(logs["loss"]), batch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:  # noqa: ARG002 - Keras' signature
        self._check("validation loss", float(logs["val_loss"]), self._steps - 1)

    def _check(self, quantity: str, value: float, batch: int) -> None:
        if not math.isfinite(value):
            step = self._epoch * self._steps + batch + 1
            raise TrainingError(
                f"{self._network}: {quantity} is {value} at step {step} (epoch {self._epoch + 1} of {self._epochs}); "
                f"a finite number was expected: lower train.{self._network}.learning_rate"
            )
