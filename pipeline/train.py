"""Train one network with its effective parameters; print a line and log metrics to MLflow per epoch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from darkroom import training
from darkroom.base.backend import devices
from darkroom.base.files import write_text
from darkroom.data.prepared.prepared import Prepared
from darkroom.networks import Network, inference, reference
from darkroom.params import Params, read_best_params, with_values
from darkroom.tracking import access, initial_network, records, runs, seen_images, store
from darkroom.tracking.record import RunRecord
from darkroom.training import Features, Trained, TrainingJob, frozen, interrupted

COUNTED = 2000
"""Maximum number of training images for the final results on training images."""


def main(
    params: Params, network: Network, prepared: str, features: str, results: str, model: str, history: str
) -> None:
    """Train the network with the best parameters in ``results``; write it, its run record there, and its history."""
    values = with_values(params.network(network), read_best_params(Path(results) / "best_params.json"))
    images = Prepared(Path(prepared))
    description = images.description
    training.check_devices(params.train.strategy, network, values, sum(description.training_counts.values()))
    store.open_store()
    access.check_access()
    tags = {"network": network, "data_digest": description.digest, "data_docs": "reports/data_docs/index.html"}
    tags |= initial_network.tags(network, values)
    with runs.start_run(network, "train", tags, untracked=params.tracking.untracked) as run:
        records.log_inputs(run, params, values, description)
        records.log_training_images(run, images.manifest("train"))
        initial = seen_images.of_initial_weights(values.initial_weights)
        seen_images.log(run, images.manifest("train"), images.manifest("validation"), initial)
        weights = initial_network.initial_network(network, values)
        job = TrainingJob.from_prepared(images, network, values, params, weights, params.train.strategy)
        computed = Features(Path(features))
        with _trained(job, computed, run) as trained:
            trained.save(model)
            # From the features of frozen layers, if they are there: images would take a minute.
            start, inputs = frozen.after_frozen(trained.model, job, computed)
            reached, sample = reference.of_training(trained.model, inputs, params.train.seed, COUNTED, start)
            sample.save(reference.path_of(Path(model)))
            _write_history(trained, Path(history))
            record = _record(run, trained, reached)
            records.log_best_epoch(run, record)
            record.write(Path(results) / "run.json")
    print(f"{network}: {record}")


@contextmanager
def _trained(job: TrainingJob, features: Features, run: runs.Run) -> Iterator[Trained]:
    """Train, or resume an interrupted training; earlier epochs are logged to the current run as well.

    Yields:
        The trained network. The checkpoint is deleted once its results have been written.
    """
    if job.mixes:
        print(f"{job.network}: images are mixed (mixup, cutmix): loss and accuracy in training are of mixed images")
    file = interrupted.state_file("train", job, devices() if job.strategy == "mirrored" else [])
    logged: set[int] = set()
    with interrupted.kept_checkpoint(file) as checkpoint:
        trained = training.train(
            job,
            report=lambda line: print(f"{job.network}: {line}", flush=True),
            on_epoch=[
                training.progress_line(job.network, job.values.all_epochs),
                run.log_epoch,
                lambda epoch, _: logged.add(epoch),
            ],
            checkpoint=checkpoint,
            features=features,
        )
        for epoch, reached in enumerate(trained.history):
            if epoch not in logged:
                run.log_epoch(epoch, reached)
        yield trained


def _write_history(trained: Trained, path: Path) -> None:
    """Write loss, accuracy and learning rate per epoch, without seconds, which vary between runs."""
    history = pd.DataFrame(trained.history)
    history.insert(0, "epoch", range(1, len(history) + 1))
    write_text(path, history.drop(columns="seconds").to_csv(index=False, lineterminator="\n"))


def _record(run: runs.Run, trained: Trained, reached: inference.OnImages) -> RunRecord:
    tags, started = run.origin()
    return RunRecord(
        run_id=run.run_id,
        validation_accuracy=trained.best["val_accuracy"],
        validation_loss=trained.best["val_loss"],
        best_epoch=trained.best_epoch + 1,
        epochs=len(trained.history),
        parameters=trained.model.count_params(),
        tags=tags,
        started=started,
        training_accuracy=reached.accuracy,
        one_class=reached.one_class,
        seconds=round(sum(epoch["seconds"] for epoch in trained.history), 1),
    )
