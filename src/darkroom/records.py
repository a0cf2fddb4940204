"""What MLflow is told of a network, by the stages as they run and by ``darkroom restore`` from their outputs."""

import csv
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from darkroom.datasets import Description
from darkroom.files import read_json
from darkroom.networks import NetworkParams
from darkroom.params import Params
from darkroom.splits import HASH_DIGITS
from darkroom.tracking import TRAINING_IMAGES, TRAINING_SAMPLE, Run, RunRecord

EVALUATION = (
    *("metrics.json", "diagnosis.json", "predictions.csv", "scores.csv", "slices.csv"),
    *("confusion_matrix.png", "calibration.png", "mistakes.png", "explanations.png"),
)
"""Files of evaluation, in a network's report."""
DESCRIBED = 500
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
"""Columns of the manifest by which training data are compared, and what they are called there."""


def log_inputs(run: Run, params: Params, values: NetworkParams, description: Description, preview: str | Path) -> None:
    """Record parameters, data set and what augmentation does to it."""
    of_all = {"seed": params.train.seed, "strategy": params.train.strategy}
    run.log_params({**values.model_dump(mode="json", exclude={"augmentation"}), **of_all})
    augmentation = values.augmentation or params.preprocess.augmentation
    run.log_params(
        {
            "size": "×".join(map(str, description.size)),
            "interpolation": description.interpolation,
            "aspect": description.aspect,
            "quarantined": description.quarantined,
            "augmentation": augmentation.model_dump() if values.augment else "none",
        }
    )
    run.log_dataset(description)
    if values.augment and values.augmentation is None and Path(preview).is_file():
        run.log_file(preview)


def log_training_images(run: Run, manifest: pd.DataFrame) -> None:
    """Store which images a network is trained on, by the beginning of their SHA-256, and what some of them look like.

    They are no test of it, ever; and later ones are held against them.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / TRAINING_IMAGES
        path.write_text("\n".join(sorted(set(manifest["sha256"].str[:HASH_DIGITS]))) + "\n", encoding="utf-8")
        run.log_file(path)
        path = Path(folder) / TRAINING_SAMPLE
        described(manifest).to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
        run.log_file(path)


def described(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return label and image statistics of at most ``DESCRIBED`` images, each content once.

    By their hashes, which is as good as by chance, and the same each time.
    """
    chosen = manifest.drop_duplicates("sha256").sort_values("sha256")[:DESCRIBED]
    return chosen[list(STATISTICS)].rename(columns=STATISTICS)


def log_best_epoch(run: Run, record: RunRecord) -> None:
    """Record the numbers of the epoch whose weights are kept."""
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


def log_curves(run: Run, report: Path) -> None:
    """Store the training's curves, as a picture and as a table."""
    run.log_file(report / "curves.png")
    run.log_file(report / "history.csv")


def log_evaluation(run: Run, metrics: Mapping[str, Any], report: Path) -> None:
    """Record what the test split said.

    Args:
        run: the network's.
        metrics: as in metrics.json.
        report: folder of what evaluation writes; an earlier version of Darkroom wrote less.
    """
    run.log_metrics(
        {
            **{f"test_{name}": value for name, value in metrics.items() if name != "classes"},
            **{f"test_{name}": value for name, value in _bounds(report / "scores.csv").items()},
            **{f"test_recall/{label}": of_class["recall"] for label, of_class in metrics["classes"].items()},
        }
    )
    if (report / "diagnosis.json").is_file():
        run.tag({"diagnosis": read_json(report / "diagnosis.json")["verdict"]})
    log_evaluation_files(run, report)


def log_evaluation_files(run: Run, report: Path) -> None:
    """Store what the test split said as files, see ``log_evaluation``."""
    for name in EVALUATION:
        if (report / name).is_file():
            run.log_file(report / name, "evaluation")


def _bounds(path: Path) -> dict[str, float]:
    """Return where the accuracy lies with 95 % confidence, as evaluation wrote it."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if row["score"] == "accuracy")
    return {f"accuracy_{bound}": float(row[bound]) for bound in ("low", "high")}
