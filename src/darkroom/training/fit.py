"""Fit one network: the callbacks and batches around Keras' ``fit``."""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from darkroom.augmentation.augmenter import Augmenter
from darkroom.augmentation.mixing import Mixer
from darkroom.base.backend import keras, make_reproducible, mirrored_strategy
from darkroom.data.prepared.datasets import Split
from darkroom.data.prepared.targets import balanced_weights, one_hot
from darkroom.networks import check_data, images_per_step
from darkroom.networks.inference import BATCH
from darkroom.training import callbacks, classifier
from darkroom.training.batches import TrainingBatches
from darkroom.training.checkpoints import Checkpoint, Stateful
from darkroom.training.epochs import Epoch, OnEpoch
from darkroom.training.estimate import Estimate
from darkroom.training.frozen import Features, before_training
from darkroom.training.job import TrainingJob
from darkroom.training.model import build_model, inference_model


@dataclass(frozen=True)
class Trained:
    """A trained network with its best weights and history."""

    model: keras.Model
    history: list[Epoch]
    best_epoch: int
    """Index, from 0, of the epoch whose weights the model has: the best one by ``early_stopping.monitor``."""

    @property
    def best(self) -> Epoch:
        """The values of the best epoch."""
        return self.history[self.best_epoch]

    def save(self, path: str | Path) -> None:
        """Save layers and weights, without the optimizer, in Keras' format (no pickle)."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.model.save(path)


def train(
    job: TrainingJob,
    *,
    on_epoch: Iterable[OnEpoch] = (),
    report: Callable[[str], None] | None = None,
    trials: int = 1,
    checkpoint: Path | None = None,
    features: Features | None = None,
) -> Trained:
    """Train a network and restore the weights of its best epoch on the validation images.

    Args:
        job: what to train; whatever its strategy, the result is an ordinary network.
        on_epoch: called in order after each epoch; exceptions other than ``StopTraining`` propagate.
        report: called with a line when an interrupted training resumes, and with one that estimates time and memory.
        trials: number of trainings like this one, for the estimate.
        checkpoint: a file saved after each epoch. If it exists, the training resumes from it with the same results as
            without interruption. Its name must identify everything that the training depends on; the caller deletes it.
        features: features of the frozen layers, cached between trainings on the same images.

    Raises:
        InputError: data and values do not fit together, see ``networks.check_data``.
        TrainingError: a loss is no longer finite.
    """
    values, is_divided = job.values, job.strategy != "none"
    check_data(job.network, values, len(job.training.classes), job.classes)
    make_reproducible(job.seed)
    with mirrored_strategy().scope() if is_divided else nullcontext():
        built = build_model(job.network, values, job.description, job.initial)
        start, training, validation = before_training(built, job, features)
        model = classifier.compiled(job.network, values, start, built)
    recorder, rate = callbacks.Recorder(on_epoch), callbacks.LearningRate(values)
    stopping = callbacks.early_stopping(values)
    states: dict[str, Stateful] = {"history": recorder, "rate": rate}
    kept = [Checkpoint(checkpoint, stopping, states, values.epochs, report or print)] if checkpoint else []
    for checkpoint_callback in kept:
        checkpoint_callback.require_variables_of(model)
    first_epoch = kept[0].first_epoch if kept else 0
    if first_epoch and report:
        report(f"resuming after epoch {first_epoch} of {values.epochs}")
    batches = _batches(job, training)
    validation_share = len(validation.classes) / len(training.classes)
    model.fit(
        batches.stream(first_epoch),
        steps_per_epoch=len(batches),
        # TrainingBatches shuffles.
        shuffle=False,
        epochs=values.epochs,
        initial_epoch=first_epoch,
        validation_data=(np.asarray(validation.images), one_hot(validation.classes, job.classes)),
        validation_batch_size=BATCH,
        verbose=0,
        callbacks=[
            callbacks.FiniteLoss(job.network, len(batches), values.epochs),
            *([classifier.OneStatistic()] if is_divided else []),
            rate,
            *([Estimate(values.epochs, trials, validation_share, report)] if report else []),
            stopping,
            recorder,
            *kept,
        ],
    )
    if values.precision != "float32" or is_divided:
        built = _plain(built, job)
    return Trained(inference_model(built), recorder.history, stopping.best_epoch)


def _batches(job: TrainingJob, training: Split) -> TrainingBatches:
    """Return the batches of a job's training images, or of their features from frozen layers."""
    values = job.values
    augmentation = values.augmentation or job.augmentation
    return TrainingBatches(
        training,
        job.classes,
        images_per_step(values, len(training.classes)),
        job.seed,
        Augmenter(augmentation) if values.augment else None,
        balanced_weights(training.classes, job.classes) if values.class_weights == "balanced" else None,
        Mixer(augmentation) if values.augment and augmentation.mixes else None,
    )


def _plain(built: keras.Model, job: TrainingJob) -> keras.Model:
    """Return a network with the same weights that computes in float32 on one device."""
    values = job.with_values({"precision": "float32"}).values
    plain = build_model(job.network, values, job.description, job.initial)
    plain.set_weights(built.get_weights())
    return plain
