"""Build, compile and fit one network. Nothing here knows of MLflow, Optuna or DVC."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from darkroom import initial_weights, models
from darkroom.augment import Augmenter
from darkroom.backend import add_up_nothing, devices, keras, make_reproducible, memory, mirrored, part_of_step
from darkroom.batches import TrainingBatches
from darkroom.checkpoints import Checkpoint
from darkroom.datasets import Description, Split, balanced_weights, one_hot
from darkroom.errors import InputError, TrainingError
from darkroom.inference import BATCH
from darkroom.muon import Muon
from darkroom.networks import Network, NetworkParams, Strategy, check_data, images_per_step
from darkroom.params import with_values
from darkroom.schedules import Plateau, learning_rate
from darkroom.sections import AugmentationParams

Epoch = dict[str, float]
"""``loss``, ``accuracy``, ``val_loss``, ``val_accuracy``, ``learning_rate`` and ``seconds`` of one epoch.

``loss`` is what the training lowers; ``val_loss`` is plain cross-entropy in nats, whatever that is.
"""
OnEpoch = Callable[[int, Epoch], None]
"""Called after each epoch with its number, from 0, and its values; may raise ``Enough``."""

FEATURE_MEMORY = 2 * 2**30
"""Bytes of memory up to which what comes out of frozen layers is kept for all images (as float32)."""

LONG_EPOCH = 10.0
"""Seconds from which on an epoch's time is said before it has ended."""


class Enough(Exception):  # noqa: N818 - no error
    """Ends a training after this epoch as if it had been the last one planned."""


@dataclass(frozen=True)
class Trained:
    """A trained network with its best weights, and how it got there."""

    model: keras.Model
    history: list[Epoch]
    best_epoch: int
    """The epoch, from 0, whose weights the model has: the one that ``early_stopping`` calls the best."""

    @property
    def best(self) -> Epoch:
        """The values of that epoch."""
        return self.history[self.best_epoch]

    def save(self, path: str | Path) -> None:
        """Save layers and weights, without the optimizer, in Keras' own format (no pickle)."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.model.save(path)


def build_model(
    network: Network, values: NetworkParams, description: Description, initial: keras.Model | None = None
) -> keras.Model:
    """Build a network that takes uint8 images of the pipeline's size and returns probabilities.

    Normalisation (subtract the mean, divide by the standard deviation of the training images) is its first layer, so
    that no one who uses the model can forget it. The layer has no weights. With weights to begin with, it does what
    they expect instead.

    Args:
        network: its name.
        values: its parameters.
        description: of the data.
        initial: the network whose weights it begins with.
    """
    inputs = keras.Input(description.size, dtype="uint8", name="image")
    if initial is None:
        scale = [1 / deviation for deviation in description.deviation]
        offset = [-mean / deviation for mean, deviation in zip(description.mean, description.deviation, strict=True)]
    else:
        scale, offset = initial_weights.normalisation(initial, description.size[2])
    normalised = keras.layers.Rescaling(scale, offset, dtype="float32", name="normalise")(inputs)
    with _arithmetic(values.precision):
        outputs = models.build(network, normalised, len(description.labels), values)
    model = keras.Model(inputs, list(outputs) if len(outputs) > 1 else outputs[0], name=network)
    if initial is not None:
        initial_weights.transfer(initial, model)
        if values.trainable != "all":
            # Classifiers at the sides help a whole network to learn; beside its end alone they would only disturb.
            model = served(model)
        initial_weights.freeze(model, values.trainable)
    return model


def _worth_keeping(model: keras.Model, images: int) -> Any:
    """Return the tensor behind the part that is left as it is; the input where its values need too much memory."""
    at = initial_weights.cut(model)
    return at if images * math.prod(at.shape[1:]) * 4 <= FEATURE_MEMORY else model.input


@contextmanager
def _arithmetic(precision: str) -> Iterator[None]:
    """Let layers that are made meanwhile compute in a precision; their weights are float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def served(model: keras.Model) -> keras.Model:
    """Return what of a network predicts: without the classifiers at its sides."""
    return keras.Model(model.input, model.outputs[0], name=model.name)


def optimizer(values: NetworkParams) -> keras.optimizers.Optimizer:
    """Make the optimizer that the parameters name."""
    common = {
        "learning_rate": values.learning_rate,
        "weight_decay": values.weight_decay or None,
        "global_clipnorm": values.clip_norm or None,
    }
    made: keras.optimizers.Optimizer
    match values.optimizer:
        case "sgd":
            made = keras.optimizers.SGD(momentum=values.momentum, nesterov=values.nesterov, **common)
        case "rmsprop":
            epsilon = values.epsilon or 1e-7
            made = keras.optimizers.RMSprop(rho=values.rho, momentum=values.momentum, epsilon=epsilon, **common)
        case "adam":
            epsilon = values.epsilon or 1e-8
            made = keras.optimizers.Adam(beta_1=values.beta_1, beta_2=values.beta_2, epsilon=epsilon, **common)
        case "muon":
            made = Muon(
                momentum=values.momentum or 0.95,
                nesterov=values.nesterov,
                adam_weight_decay=values.weight_decay or None,
                exclude_layers=["output"],
                **common,
            )
    if values.weight_decay:
        made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made


def loss_function(values: NetworkParams) -> keras.losses.Loss:
    """Make the loss that the parameters name; it takes one-hot targets and probabilities."""
    if values.loss == "mean_squared_error":
        return keras.losses.MeanSquaredError()
    return keras.losses.CategoricalCrossentropy(label_smoothing=values.label_smoothing)


def validation_loss() -> keras.losses.Loss:
    """Make the loss of validation images: plain cross-entropy, so that it means the same in every training."""
    return keras.losses.CategoricalCrossentropy()


def check_devices(strategy: Strategy, network: Network, values: NetworkParams, images: int) -> None:
    """Check that there is what ``train.strategy`` needs.

    Args:
        strategy: its value.
        network: the network's name.
        values: its effective parameters.
        images: how many there are to train on.

    Raises:
        InputError: there are not two devices, not as many images in a step as devices, or something is set that means
            another thing on several devices.
    """
    if strategy == "none":
        return
    found = devices()
    if len(found) < 2:  # noqa: PLR2004
        kind = found[0].partition("device:")[2].partition(":")[0]
        raise InputError(
            f"train.strategy: {strategy} given, which needs two GPUs or more, and TensorFlow has one {kind}; set none, "
            "or install TensorFlow for GPUs (make EXTRA=gpu) where there are some"
        )
    if (size := images_per_step(values, images)) < len(found):
        raise InputError(
            f"train.{network}.batch_size: {size} given, and train.strategy {strategy} divides it among {len(found)} "
            f"devices; set {len(found)} or more"
        )
    if values.clip_norm:
        raise InputError(
            f"train.{network}.clip_norm: {values.clip_norm:g} given, which would cut each device's part of a gradient "
            f"by itself; set 0, or train.strategy none"
        )


def train(  # noqa: PLR0913 - all that a training depends on
    network: Network,
    values: NetworkParams,
    description: Description,
    data: tuple[Split, Split],
    *,
    seed: int,
    augmentation: AugmentationParams,
    on_epoch: Iterable[OnEpoch] = (),
    initial: keras.Model | None = None,
    say: Callable[[str], None] | None = None,
    checkpoint: Path | None = None,
    features: initial_weights.Features | None = None,
    trials: int = 1,
    strategy: Strategy = "none",
) -> Trained:
    """Train a network; the weights of the best epoch on the validation images are restored at the end.

    Args:
        network: its name.
        values: its effective parameters.
        description: of the data.
        data: training and validation images.
        seed: of weights, order, variation and dropout.
        augmentation: how training images are varied if ``values.augment`` and unless ``values.augmentation`` says.
        on_epoch: called in this order after each epoch; an exception from one, other than ``Enough``, is passed on.
        initial: the network whose weights this one begins with, and of which ``values.trainable`` learns.
        say: takes a line where an interrupted training goes on, and one, soon after the beginning, with the time and
            memory that the training will take.
        checkpoint: a file that is kept up to date after each epoch. Where it exists, the training goes on from it, and
            ends with the numbers that it would have had without the interruption. Its name must stand for all that the
            training depends on; whoever gave it removes it.
        trials: how many trainings like this one there will be, for what is said.
        features: kept from one training on these images to the next, where a part of the network is left as it is.
        strategy: whether each batch is divided among several devices, see ``check_devices``; what comes out is an
            ordinary network.

    Raises:
        InputError: the data does not go with the values, see ``networks.check_data``.
        TrainingError: a loss is no longer finite.
    """
    training, validation = data
    classes = len(description.labels)
    check_data(network, values, len(training.classes), classes)
    make_reproducible(seed)
    with mirrored().scope() if strategy == "mirrored" else nullcontext():
        built = build_model(network, values, description, initial)
        start, training, validation = _before_training(built, values, data, features)
        model = _compiled(network, values, start, built)
    recorder, rate, stopping = _Recorder(on_epoch), _LearningRate(values), _early_stopping(values)
    kept = [Checkpoint(checkpoint, stopping, {"history": recorder, "rate": rate}, values.epochs)] if checkpoint else []
    first_epoch = kept[0].first_epoch if kept else 0
    if first_epoch and say:
        say(f"goes on after epoch {first_epoch} of {values.epochs}, where it was interrupted")
    batches = TrainingBatches(
        training,
        classes,
        images_per_step(values, len(training.classes)),
        seed,
        Augmenter(values.augmentation or augmentation) if values.augment else None,
        balanced_weights(training.classes, classes) if values.class_weights == "balanced" else None,
    )
    validation_share = len(validation.classes) / len(training.classes)
    model.fit(
        batches.stream(first_epoch),
        steps_per_epoch=len(batches),
        # The batches shuffle themselves.
        shuffle=False,
        epochs=values.epochs,
        initial_epoch=first_epoch,
        validation_data=(np.asarray(validation.images), one_hot(validation.classes, classes)),
        validation_batch_size=BATCH,
        verbose=0,
        callbacks=[
            _FiniteLoss(network, len(batches), values.epochs),
            *([] if strategy == "none" else [_OneStatistic()]),
            rate,
            *([_Estimate(values.epochs, trials, validation_share, say)] if say else []),
            stopping,
            recorder,
            *kept,
        ],
    )
    if values.precision != "float32" or strategy != "none":
        built = _plain(built, network, values, description, initial)
    return Trained(served(built), recorder.history, stopping.best_epoch)


def _before_training(
    built: keras.Model, values: NetworkParams, data: tuple[Split, Split], features: initial_weights.Features | None
) -> tuple[Any, Split, Split]:
    """Compute once what frozen layers make of the images, where nothing varies them.

    Returns:
        Where the training begins in the network, and what it takes there.
    """
    training, validation = data
    start = built.input if values.augment else _worth_keeping(built, len(training.classes) + len(validation.classes))
    if start is built.input:
        return start, training, validation
    # float32 takes the place of pixels, which batches do not mind.
    keeper = features or initial_weights.Features()
    found: tuple[Any, ...] = keeper.before(built, start, [split.images for split in data])
    training, validation = (replace(split, images=of) for split, of in zip(data, found, strict=True))
    return start, training, validation


def _compiled(network: Network, values: NetworkParams, start: Any, built: keras.Model) -> "_Classifier":
    is_divided = built.distribute_strategy.num_replicas_in_sync > 1
    model = (_DividedClassifier if is_divided else _Classifier)(start, built.outputs, name=network)
    model.auxiliary_weight = getattr(values, "auxiliary_weight", 0.0)
    model.objective = loss_function(values)
    steps = optimizer(values)
    if not is_divided:
        add_up_nothing(steps)
    model.compile(optimizer=steps, loss=model.objective, metrics=["accuracy"])
    return model


def _early_stopping(values: NetworkParams) -> keras.callbacks.EarlyStopping:
    return keras.callbacks.EarlyStopping(
        monitor=values.early_stopping.monitor,
        patience=values.early_stopping.patience,
        min_delta=values.early_stopping.min_delta,
        restore_best_weights=True,
    )


def _plain(
    built: keras.Model,
    network: Network,
    values: NetworkParams,
    description: Description,
    initial: keras.Model | None,
) -> keras.Model:
    """Return a network with the same weights that computes in float32, and on one device."""
    plain = build_model(network, with_values(values, {"precision": "float32"}), description, initial)
    plain.set_weights(built.get_weights())
    return plain


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


class _Classifier(keras.Model):  # type: ignore[misc]
    """A network while it trains: its validation loss is plain cross-entropy, whatever it trains with.

    What sides, penalties, smoothed labels and another loss than cross-entropy do to the training loss, validation is
    not told of, so that networks with and without them, and trials that turn them, can be compared.
    """

    auxiliary_weight: float
    objective: keras.losses.Loss

    def compute_loss(
        self,
        x: Any = None,  # noqa: ARG002 - Keras' signature
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,  # noqa: FBT001, FBT002
    ) -> Any:
        predicted, *sides = keras.tree.flatten(y_pred)
        if not training:
            return validation_loss()(y, predicted)
        loss = self.objective(y, predicted, sample_weight)
        loss += self.auxiliary_weight * sum(self.objective(y, side, sample_weight) for side in sides)
        # Of several devices' losses the sum is lowered, and Keras' own losses are shares of it already.
        return loss + sum(self.losses) / self.distribute_strategy.num_replicas_in_sync

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return super().compute_metrics(x, y, keras.tree.flatten(y_pred)[0], sample_weight)


class _DividedClassifier(_Classifier):
    """The same on several devices, each of which has a part of every batch; of an epoch's last one perhaps nothing."""

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:  # noqa: ARG002
        # Keras' own takes the mean of the devices' first images for an example, so that they must be equally many.
        if self.optimizer.built:
            return
        (images, *_), (answers, *_) = self.inputs, self.outputs
        example = [keras.KerasTensor((1, *like.shape[1:]), like.dtype) for like in (images, answers)]
        with self.distribute_strategy.scope():
            self._symbolic_build(data_batch=tuple(example))

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        count = keras.ops.shape(inputs)[0]
        # A convolution of no images is an error: a black one is taken, and its answer dropped.
        black = keras.ops.zeros((1, *inputs.shape[1:]), inputs.dtype)
        some = keras.ops.concatenate([inputs, black])[: keras.ops.maximum(count, 1)]
        return keras.tree.map_structure(lambda answer: answer[:count], super().call(some, training, mask))

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,  # noqa: FBT001, FBT002
    ) -> Any:
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return loss
        # For the gradient alone: Keras weighs what it tells of the loss by the number of images itself.
        part = part_of_step(keras.ops.shape(y)[0])
        return part * loss + keras.ops.stop_gradient((1 - part) * loss)


class _OneStatistic(keras.callbacks.Callback):  # type: ignore[misc]
    """Gives all devices the mean of what batch norm has learnt on each, before anything is validated or kept."""

    def on_test_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        for variable in self.model.non_trainable_variables:
            if "float" in variable.dtype:
                own = self.model.distribute_strategy.experimental_local_results(variable.value)
                variable.assign(np.mean([each.numpy() for each in own], axis=0))


class _LearningRate(keras.callbacks.Callback):  # type: ignore[misc]
    """Sets the rate that the schedule asks for, and tells it with each epoch."""

    def __init__(self, values: NetworkParams) -> None:
        super().__init__()
        self._values = values
        self._epoch = 0
        self._plateau = Plateau(values.schedule) if values.schedule.kind == "plateau" else None

    def _set(self, time: float) -> None:
        values = self._values
        self.model.optimizer.learning_rate = learning_rate(values.schedule, values.learning_rate, time, values.epochs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        self._epoch = epoch
        if self._plateau is None:
            self._set(epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        if self._values.schedule.kind == "one_cycle":
            self._set(self._epoch + batch / self.params["steps"])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:  # noqa: ARG002 - Keras' signature
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        logs["learning_rate"] = rate
        if self._plateau is not None:
            self.model.optimizer.learning_rate = self._plateau.next(rate, float(logs["val_loss"]))

    def state(self) -> dict[str, Any]:
        return self._plateau.state() if self._plateau else {}

    def restore(self, state: dict[str, Any]) -> None:
        if self._plateau:
            self._plateau.restore(state)


class _Estimate(keras.callbacks.Callback):  # type: ignore[misc]
    """Says once how long the whole training will take. Disturbs nothing: what is measured counts.

    Steps of the first epoch are measured where an epoch takes long. Where it does not, what comes between two epochs
    counts as well, and the whole second one is measured.
    """

    # The first steps build the graph and fill caches.
    WARM_UP = 3
    STEPS = 20
    # A forward pass is about a third of a training step: the gradients of weights and of values are one each.
    VALIDATION_SHARE = 1 / 3

    def __init__(self, epochs: int, trials: int, validation_share: float, say: Callable[[str], None]) -> None:
        super().__init__()
        self._epochs = epochs
        self._trials = trials
        self._validation = validation_share * self.VALIDATION_SHARE
        self._say = say
        self._steps = 0
        self._started = 0.0
        self._said = False
        self._first_ended: float | None = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        if self._first_ended is not None:
            return
        self._steps += 1
        if self._steps == self.WARM_UP:
            self._started = time.perf_counter()
        if self._steps == self.WARM_UP + self.STEPS:
            step = (time.perf_counter() - self._started) / self.STEPS
            epoch = step * self.params["steps"] * (1 + self._validation)
            if epoch >= LONG_EPOCH:
                self._estimate(epoch, f"{self.STEPS} steps")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        now = time.perf_counter()
        if self._first_ended is None:
            self._first_ended = now
        elif not self._said:
            self._estimate(now - self._first_ended, "an epoch")

    def _estimate(self, epoch: float, measured: str) -> None:
        self._said = True
        total = duration(epoch * self._epochs * self._trials)
        of = f"{self._trials} trials of {self._epochs}" if self._trials > 1 else f"{self._epochs}"
        self._say(
            f"about {duration(epoch)} an epoch, {total} for {of}, {memory() / 2**30:.1f} GiB of memory "
            f"(measured on {measured})"
        )


def duration(seconds: float) -> str:
    """Write a time as a person would."""
    if seconds < 90:  # noqa: PLR2004
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"  # noqa: PLR2004


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
            try:
                passed_on(epoch, values)
            except Enough:
                self.model.stop_training = True

    def state(self) -> dict[str, Any]:
        return {"epochs": self.history}

    def restore(self, state: dict[str, Any]) -> None:
        self.history = state["epochs"]


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
