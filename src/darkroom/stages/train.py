"""The training of one network as it runs in the pipeline: what is trained, and what is recorded of it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from darkroom import figures, inference, previews, records, tracking, training
from darkroom.backend import devices
from darkroom.datasets import Description, read_split
from darkroom.files import write_text
from darkroom.networks import Network, NetworkParams
from darkroom.params import Params
from darkroom.stages import interrupted
from darkroom.stages.initial import initial_network

COUNTED = 2000  # training images, of which the accuracy at the end is told


def run_tags(network: Network, description: Description) -> dict[str, str]:
    """Return what a run is found by."""
    return {"network": network, "data_digest": description.digest, "data_docs": "reports/data_docs/index.html"}


def log_own_preview(params: Params, values: NetworkParams, prepared: Path, run: tracking.Run) -> None:
    """Log what a network sees that varies its images in a way of its own."""
    if not values.augment or values.augmentation is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "augmentation.png"
        previews.draw_augmentation(prepared, values.augmentation, params.train.seed, path)
        run.log_file(path)


@contextmanager
def train_network(
    network: Network, params: Params, values: NetworkParams, description: Description, prepared: Path, run: tracking.Run
) -> Iterator[training.Trained]:
    """Train with a line in the terminal and a point in MLflow for each epoch.

    An interrupted training is gone on with, in the run of now, which is told of the earlier epochs as well.

    Yields:
        The trained network; when its results have been written, there is nothing more to go on with.
    """
    initial = initial_network(network, values)
    many = devices() if params.train.strategy == "mirrored" else []
    begins_with = [interrupted.digest_of(initial), many]
    file = interrupted.file_of("train", network, params, values, description, begins_with)
    told: set[int] = set()
    with interrupted.kept_checkpoint(file) as checkpoint:
        trained = training.train(
            network,
            values,
            description,
            (
                read_split(prepared / "train", description.labels),
                read_split(prepared / "validation", description.labels),
            ),
            seed=params.train.seed,
            augmentation=params.preprocess.augmentation,
            initial=initial,
            say=lambda line: print(f"{network}: {line}", flush=True),
            on_epoch=[
                training.progress_line(network, values.epochs),
                run.log_epoch,
                lambda epoch, _: told.add(epoch),
            ],
            checkpoint=checkpoint,
            strategy=params.train.strategy,
        )
        for epoch, reached in enumerate(trained.history):
            if epoch not in told:
                run.log_epoch(epoch, reached)
        yield trained


def write_report(run: tracking.Run, trained: training.Trained, network: Network, report: Path) -> None:
    """Write history and curves, and log them."""
    history = pd.DataFrame(trained.history)
    history.insert(0, "epoch", range(1, len(history) + 1))
    # The seconds stay in MLflow: they differ each time, and a file of equal content is a file that DVC knows.
    table = history.drop(columns="seconds").to_csv(index=False, lineterminator="\n")
    write_text(report / "history.csv", table)
    figures.curves(trained.history, trained.best_epoch, network, report / "curves.png")
    records.log_curves(run, report)


def training_accuracy(trained: training.Trained, description: Description, prepared: Path) -> float:
    """Return the share of training images, as they are, that the kept network gets right, of at most ``COUNTED``."""
    return inference.accuracy_on(trained.model, read_split(prepared / "train", description.labels), COUNTED)


def package(
    run: tracking.Run, trained: training.Trained, model: str | Path, description: Path, training_accuracy: float
) -> tracking.RunRecord:
    """Log the packaged model and the numbers of the best epoch; return the run's identity."""
    tags, started = run.origin()
    record = tracking.RunRecord(
        run_id=run.run_id,
        model_uri=run.log_model(model, description),
        validation_accuracy=trained.best["val_accuracy"],
        validation_loss=trained.best["val_loss"],
        best_epoch=trained.best_epoch + 1,
        epochs=len(trained.history),
        parameters=trained.model.count_params(),
        tags=tags,
        started=started,
        training_accuracy=training_accuracy,
    )
    records.log_best_epoch(run, record)
    return record
