"""Log a network's training to MLflow, from the stages as they run or from their outputs by ``darkroom restore``."""

import tempfile
from pathlib import Path

import pandas as pd

from darkroom.base import spreadsheets
from darkroom.base.types import HASH_DIGITS
from darkroom.data.prepared.datasets import Description
from darkroom.networks import NetworkParams
from darkroom.params import Params
from darkroom.tracking.record import RunRecord
from darkroom.tracking.runs import Run
from darkroom.tracking.store import TRAINING_IMAGES, TRAINING_SAMPLE

SAMPLE_SIZE = 500
STATISTICS = {
    "label": "label",
    "pixel_mean": "brightness",
    "pixel_deviation": "contrast",
    "red": "red",
    "green": "green",
    "blue": "blue",
    "width": "width",
    "height": "height",
}
"""Manifest columns used to compare training data, and their names in the sample."""


def log_inputs(run: Run, params: Params, values: NetworkParams, description: Description) -> None:
    """Log parameters and data set."""
    of_all = {"seed": params.train.seed, "strategy": params.train.strategy}
    run.log_params({**values.model_dump(mode="json", exclude={"augmentation"}), **of_all})
    augmentation = values.augmentation or params.preprocess.augmentation
    run.log_params(
        {
            "size": "×".join(map(str, description.size)),
            "interpolation": description.interpolation,
            "aspect": description.aspect,
            "quarantined": description.quarantined,
            "augmentation": augmentation.model_dump() if values.augments else "none",
        }
    )
    run.log_dataset(description)


def log_training_images(run: Run, manifest: pd.DataFrame) -> None:
    """Log the prefixes of the training images' SHA-256 hashes, and statistics of a sample of the images.

    Later test sets exclude these images; later training and incoming images are compared with the sample.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / TRAINING_IMAGES
        path.write_text("\n".join(sorted(set(manifest["sha256"].str[:HASH_DIGITS]))) + "\n", encoding="utf-8")
        run.log_file(path)
        path = Path(folder) / TRAINING_SAMPLE
        spreadsheets.write(path, sample_statistics(manifest), "%.6g")
        run.log_file(path)


def sample_statistics(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return labels and image statistics of at most ``SAMPLE_SIZE`` independent images.

    Of each family of near-duplicates or group, the image with the lowest hash is taken: a random one, but reproducible.
    Families are chosen by the ends of these hashes, which unlike their beginnings do not depend on a family's size.
    """
    of_family = manifest.sort_values("sha256").drop_duplicates("cluster")
    chosen = of_family.sort_values("sha256", key=lambda hashes: hashes.str[::-1])[:SAMPLE_SIZE]
    return chosen[list(STATISTICS)].rename(columns=STATISTICS)


def log_best_epoch(run: Run, record: RunRecord) -> None:
    """Log the metrics of the epoch whose weights are kept."""
    run.describe(str(record).capitalize())
    run.log_metrics(
        {
            **({} if record.training_accuracy is None else {"training_accuracy": record.training_accuracy}),
            "validation_accuracy": record.validation_accuracy,
            "validation_loss": record.validation_loss,
            "best_epoch": record.best_epoch,
            "parameters": record.parameters,
        }
    )
