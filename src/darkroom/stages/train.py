"""The training of one network as it runs in the pipeline: what is trained, and what is recorded of it."""

from pathlib import Path

import pandas as pd

from darkroom import figures, services, tracking, training
from darkroom.datasets import Description, read_split
from darkroom.files import write_text
from darkroom.params import Network, NetworkParams, Params


def run_tags(network: Network, description: Description) -> dict[str, str]:
    """Return what a run is found by."""
    data_docs = services.project_root() / "reports" / "data_docs" / "index.html"
    return {"network": network, "data_digest": description.digest, "data_docs": str(data_docs)}


def log_inputs(
    run: tracking.Run, params: Params, values: NetworkParams, description: Description, preview: str | Path
) -> None:
    """Record parameters, data set and what augmentation does to it."""
    run.log_params({**values.model_dump(mode="json"), "seed": params.train.seed})
    run.log_params(
        {
            "size": "×".join(map(str, description.size)),
            "interpolation": description.interpolation,
            "aspect": description.aspect,
            "augmentation": params.preprocess.augmentation.model_dump() if values.augment else "none",
        }
    )
    run.log_dataset(description)
    if values.augment:
        run.log_file(preview)


def train_network(
    network: Network, params: Params, values: NetworkParams, description: Description, prepared: Path, run: tracking.Run
) -> training.Trained:
    """Train with a line in the terminal and a point in MLflow for each epoch."""
    return training.train(
        network,
        values,
        description,
        (read_split(prepared / "train", description.labels), read_split(prepared / "validation", description.labels)),
        seed=params.train.seed,
        augmentation=params.preprocess.augmentation,
        on_epoch=[training.progress_line(network, values.epochs), run.log_epoch],
    )


def write_report(run: tracking.Run, trained: training.Trained, network: Network, report: Path) -> None:
    """Write history and curves, and log them."""
    history = pd.DataFrame(trained.history)
    history.insert(0, "epoch", range(1, len(history) + 1))
    # The seconds stay in MLflow: they differ each time, and a file of equal content is a file that DVC knows.
    table = history.drop(columns="seconds").to_csv(index=False, lineterminator="\n")
    write_text(report / "history.csv", table)
    figures.curves(trained.history, trained.best_epoch, network, report / "curves.png")
    run.log_file(report / "curves.png")
    run.log_file(report / "history.csv")


def package(run: tracking.Run, trained: training.Trained, model: str | Path, description: Path) -> tracking.RunRecord:
    """Log the packaged model and the numbers of the best epoch; return the run's identity."""
    record = tracking.RunRecord(
        run_id=run.run_id,
        model_uri=run.log_model(model, description),
        validation_accuracy=trained.best["val_accuracy"],
        validation_loss=trained.best["val_loss"],
        best_epoch=trained.best_epoch + 1,
        epochs=len(trained.history),
    )
    run.log_metrics(
        {
            "validation_accuracy": record.validation_accuracy,
            "validation_loss": record.validation_loss,
            "best_epoch": record.best_epoch,
            "parameters": trained.model.count_params(),
        }
    )
    return record
