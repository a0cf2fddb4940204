"""Load or compute predictions of candidate and champion on the same test images."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow.entities.model_registry import ModelVersion

from darkroom.base import project, spreadsheets
from darkroom.base.errors import InputError
from darkroom.base.files import file_digest
from darkroom.data.formats.samples import Sample
from darkroom.data.prepared.datasets import Description
from darkroom.data.sources import find
from darkroom.params import DataParams
from darkroom.promotion.contenders import Contender
from darkroom.registry.versions import saved_predictions
from darkroom.tracking import opening
from darkroom.tracking.outages import UnansweredError

BATCH = 256  # images in memory at a time


def digest_of(test: pd.DataFrame) -> str:
    """Return a digest of test images and labels, independent of their order."""
    lines = sorted(f"{sha256} {label}" for sha256, label in zip(test["sha256"], test["label"], strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def champion_predictions(
    version: ModelVersion, run_id: str, test: pd.DataFrame, data: DataParams, description: Description
) -> "pd.Series | str":
    """Return the champion's saved predictions if they cover the test images; otherwise load the champion and predict.

    The champion decodes and resizes the original images with its own packaged code.

    Returns:
        A label for each test image, or the reason why there are no predictions.

    Raises:
        InputError: test images are not in the source, or the tracking store could not be asked.
    """
    saved = _predictions_in(saved_predictions(run_id), test)
    if saved is not None:
        return saved
    names = list(test["name"])
    content = _originals(names, data, description.size)
    try:
        model = opening.load_model(f"models:/{version.name}/{version.version}")
    except UnansweredError:
        raise
    except InputError as error:
        # Without the advice of load_model, which is for projects without a champion.
        reason = str(error).partition("; run dvc repro to train")[0]
        return f"{reason}; run darkroom restore to restore it, or darkroom promote to replace it"
    predicted: list[str] = []
    for start in range(0, len(names), BATCH):
        batch = model.predict([content[name].content() for name in names[start : start + BATCH]])
        if not all(np.isfinite(list(prediction["probabilities"].values())).all() for prediction in batch):
            return "its output for some test images is not a number; run darkroom promote to replace it"
        predicted.extend(prediction["label"] for prediction in batch)
    return pd.Series(predicted, index=test.index)


def candidate_predictions(candidate: Contender, test: pd.DataFrame, file: Path, digest: str | None) -> "pd.Series":
    """Return the candidate's predictions on the test images, from evaluation's file or from the candidate's run.

    Args:
        candidate: the candidate.
        test: manifest of the test images.
        file: predictions.csv of the candidate's report; it may be missing, as in a clone.
        digest: digest of that file in test.json, on which promotion depends; another file is not used.

    Raises:
        InputError: there are no predictions, or they do not cover the test images.
    """
    predictions = None
    if file.is_file() and file_digest(file) == digest:
        predictions = _predictions_in(spreadsheets.read(file), test)
    if predictions is None:
        predictions = _predictions_in(saved_predictions(candidate.run_id), test)
    if predictions is None:
        missing_input().write_text(file.as_posix(), encoding="utf-8")
        raise InputError(
            f"run {candidate.run_id} of {candidate.network} has no predictions on the current test images; darkroom "
            "restore restores recorded predictions, dvc repro --force --single-item "
            f"evaluate@{candidate.network} computes new ones"
        )
    return predictions


def _predictions_in(table: pd.DataFrame | None, test: pd.DataFrame) -> "pd.Series | None":
    """Look up the predictions of the test images in a table by SHA-256; None if any is missing."""
    if table is None:
        return None
    # Identical files have identical predictions.
    predictions = test["sha256"].map(table.drop_duplicates("sha256").set_index("sha256")["predicted"])
    return None if predictions.isna().any() else predictions


def _originals(names: list[str], data: DataParams, size: tuple[int, int, int]) -> dict[str, Sample]:
    """Return images of the source by name. The source is not a dependency of promotion, since few promotions need it.

    Raises:
        InputError: some images are not in the source.
    """
    found = {sample.name: sample for sample in find(data, size).samples} if Path(data.path).exists() else {}
    if lacking := [name for name in names if name not in found]:
        missing_input().write_text(Path(data.path).as_posix(), encoding="utf-8")
        raise InputError(
            f"the champion has no saved predictions on the current test images, and {len(lacking)} of these images, "
            f"such as {lacking[0]}, are not in {data.path}; run dvc pull {data.path}"
        )
    return found


def missing_input() -> Path:
    """Return the file in which a failed promotion names its missing input: a path for ``dvc pull``.

    It exists because DVC has one exit code for all failures.
    """
    return project.state_folder() / "wanted"
