"""Fit one network: the callbacks and batches around Keras' ``fit``."""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from darkroom.augmentation.augmenter import Augmenter
from darkroom.augmentation.mixing import Mixer
from darkroom.base.backend import keras, make_reproducible, mirrored_strategy
from darkroom.data.prepared.datasets import Split
from darkroom.data.prepared.targets import balanced_weights, one_hot
from darkroom.networks import check_data, images_per_step
from darkroom.networks.inference import batch_for
from darkroom.training import callbacks, checkpoints, classifier, logistic, phases
from darkroom.training.batches import TrainingBatches
from darkroom.training.epochs import OnEpoch
from darkroom.training.estimate import Estimate
from darkroom.training.features import Features
from darkroom.training.frozen import before_training
from darkroom.training.job import TrainingJob
from darkroom.training.model import build_model, inference_model
from darkroom.training.phases import Phase
from darkroom.training.trained import Trained


@dataclass(frozen=True)
class _Watch:
    """What observes a training, and where it is saved."""

    recorder: callbacks.Recorder
    report: Callable[[str], None] | None
    trials: int
    checkpoint: Path | None
    features: Features | None
    """Of the first phase."""


@dataclass(frozen=True)
class _Fitted:
    """The result of a phase."""

    built: keras.Model
    """The whole network with the best weights so far."""
    stopping: callbacks.EarlyStopping


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
    check_data(job.network, job.values, len(job.training.classes), job.classes)
    if job.values.optimizer == "lbfgs":
        return logistic.train(job, on_epoch, features)
    recorder = callbacks.Recorder(on_epoch)
    watch = _Watch(recorder, report, trials, checkpoint, features)
    saved = checkpoints.read(checkpoint, report or print) if checkpoint else None
    fitted: _Fitted | None = None
    for number in range(saved.phase if saved else 0, phases.count(job.values)):
        own = saved if saved and saved.phase == number else None
        first = own.first_epoch if own else len(recorder.history)
        fitted = _fit(job, phases.phase(job.values, number, first), watch, fitted, own)
        if fitted is None:
            # The checkpoint is another training's, and out of the way now.
            return train(job, on_epoch=on_epoch, report=report, trials=trials, checkpoint=checkpoint, features=features)
        if recorder.stopped:
            break
    if fitted is None:
        raise ValueError("no phase was trained")  # unreachable: there is at least one
    built = fitted.built
    if job.values.precision != "float32" or job.strategy != "none":
        built = _plain(built, job)
    return Trained(inference_model(built), recorder.history, fitted.stopping.best_epoch)


def _fit(
    job: TrainingJob, phase: Phase, watch: _Watch, before: _Fitted | None, saved: checkpoints.Saved | None
) -> _Fitted | None:
    """Train one phase.

    Args:
        job: the whole training.
        phase: the phase.
        watch: callbacks and files.
        before: the phase before, if it was trained in this process.
        saved: a checkpoint of this phase, with which it resumes.

    Returns:
        None if the checkpoint does not fit the network.
    """
    is_divided = job.strategy != "none"
    job = replace(job, values=phase.values)
    built, model, training, validation = _compiled(job, watch.features if phase.number == 0 else None, before)
    rate = callbacks.LearningRate(phase)
    stopping = callbacks.EarlyStopping(phase.values, None if before is None else before.stopping)
    averages = callbacks.AveragedWeights(is_on=phase.values.ema > 0)
    states: dict[str, checkpoints.Stateful] = {"history": watch.recorder, "rate": rate, "averages": averages}
    kept = [checkpoints.Checkpoint(watch.checkpoint, phase, stopping, states, saved)] if watch.checkpoint else []
    if watch.checkpoint and not all(each.fits(model) for each in kept):
        checkpoints.set_damaged_aside(
            watch.checkpoint, "it has other variables than the network", watch.report or print
        )
        return None
    first_epoch = saved.next_epoch if saved else phase.first
    if saved and watch.report:
        watch.report(f"resuming after epoch {first_epoch} of {phase.all_epochs}")
    batches = _batches(job, training)
    share = len(validation.classes) / len(training.classes)
    model.fit(
        batches.stream(first_epoch),
        steps_per_epoch=len(batches),
        # TrainingBatches shuffles.
        shuffle=False,
        epochs=phase.end,
        initial_epoch=first_epoch,
        validation_data=(np.asarray(validation.images), one_hot(validation.classes, job.classes)),
        validation_batch_size=batch_for(validation.images),
        verbose=0,
        callbacks=[
            callbacks.FiniteLoss(job.network, len(batches), phase),
            *([classifier.OneStatistic()] if is_divided else []),
            averages,
            rate,
            *([Estimate(phase.values.epochs, watch.trials, share, watch.report)] if watch.report else []),
            stopping,
            watch.recorder,
            *kept,
        ],
    )
    return _Fitted(built, stopping)


def _compiled(
    job: TrainingJob, features: Features | None, before: _Fitted | None
) -> tuple[keras.Model, keras.Model, Split, Split]:
    """Build and compile the network of a phase.

    Args:
        job: the training, with the parameters of the phase.
        features: cache of the features of frozen layers.
        before: the phase before, whose weights are taken over.

    Returns:
        The whole network, the part of it that ``fit`` trains, and the training and validation data for that part.
    """
    # Each phase starts with its own random states, whether or not the phase before ran in this process.
    make_reproducible(job.seed)
    with mirrored_strategy().scope() if job.strategy != "none" else nullcontext():
        built = build_model(job.network, job.values, job.description, job.initial)
        if before is not None:
            built.set_weights(before.built.get_weights())
        start, training, validation = before_training(built, job, features)
        model = classifier.compiled(job.network, job.values, start, built)
    return built, model, training, validation


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
