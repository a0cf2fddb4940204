"""The images that a model has learnt from or was selected on, recorded with its run.

Later decisions leave them out of test sets.
"""

import hashlib
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
from mlflow import MlflowClient

from darkroom.base.types import HASH_DIGITS
from darkroom.tracking.address import MODEL_ADDRESSES
from darkroom.tracking.opening import loading
from darkroom.tracking.runs import Run
from darkroom.tracking.store import TRAINING_IMAGES, find_run

FILE = "seen_images.csv"
COLUMNS = ("picture", "sha256", "use", "label")
"""Prefixes of the hashes of picture and file, either may be empty; ``train``, ``validation`` or ``initial``; and of the
hash of a training image's label, empty for others and in runs of earlier Darkroom versions."""
UNKNOWN = "images_not_known"
"""Tag of a run: what it has seen that is not recorded; absent for nothing."""


@dataclass(frozen=True)
class SeenImages:
    """The images of one run."""

    table: pd.DataFrame
    """``COLUMNS``, all text."""
    unknown: str = ""
    """What else it has seen that is not recorded; empty for nothing."""

    @property
    def training_pictures(self) -> frozenset[str]:
        """The pictures that it was trained on; empty for runs of earlier Darkroom versions."""
        return self._of("train", "picture")

    @property
    def training_files(self) -> frozenset[str]:
        """The files that it was trained on."""
        return self._of("train", "sha256")

    @property
    def training_labels(self) -> frozenset[tuple[str, str]]:
        """The pictures that it was trained on, each with its label; empty for runs of earlier Darkroom versions."""
        known = self.table[(self.table["use"] == "train") & (self.table["picture"] != "") & (self.table["label"] != "")]
        return frozenset(zip(known["picture"], known["label"], strict=True))

    def _of(self, use: str, column: str) -> frozenset[str]:
        return frozenset(self.table.loc[self.table["use"] == use, column]) - {""}


def log(run: Run, train: pd.DataFrame, validation: pd.DataFrame | None, initial: SeenImages | None = None) -> None:
    """Log the images that a run sees.

    Args:
        run: the run, which trains a network.
        train: manifest of the training images; earlier Darkroom versions wrote it without ``picture``.
        validation: manifest of the validation images, which select the epoch; None if it is lost.
        initial: the images that its initial weights have seen; None if it has none.
    """
    parts = [_rows(train, "train")]
    if validation is not None:
        parts.append(_rows(validation, "validation"))
    if initial is not None:
        parts.append(initial.table.assign(use="initial", label=""))
    unknown = "" if validation is not None else "its validation images"
    unknown = "; ".join(part for part in (unknown, initial.unknown if initial else "") if part)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        table = pd.concat(parts).drop_duplicates().sort_values(list(COLUMNS))
        table.to_csv(path, index=False, lineterminator="\n")
        run.log_file(path)
    if unknown:
        run.tag({UNKNOWN: unknown})


def _rows(manifest: pd.DataFrame, use: str) -> pd.DataFrame:
    pictures = manifest["picture"].str[:HASH_DIGITS] if "picture" in manifest else ""
    labels = manifest["label"].map(_hashed) if use == "train" else ""
    files = pd.DataFrame({"sha256": manifest["sha256"].str[:HASH_DIGITS]})
    return files.assign(picture=pictures, use=use, label=labels)[list(COLUMNS)]


def _hashed(label: str) -> str:
    return hashlib.sha256(label.encode()).hexdigest()[:HASH_DIGITS]


def read(run_id: str) -> SeenImages:
    """Return the images that a run has seen; of runs of earlier Darkroom versions, only the training images' files."""
    run = find_run(run_id)
    if run is None:
        return SeenImages(pd.DataFrame(columns=list(COLUMNS), dtype=str), f"the images of run {run_id}")
    files = {file.path for file in MlflowClient().list_artifacts(run.info.run_id)}
    if FILE in files:
        text = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{FILE}")
        table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False).reindex(columns=COLUMNS, fill_value="")
        return SeenImages(table, run.data.tags.get(UNKNOWN, ""))
    if TRAINING_IMAGES not in files:
        return SeenImages(pd.DataFrame(columns=list(COLUMNS), dtype=str), f"the images of run {run_id}")
    hashes = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{TRAINING_IMAGES}").splitlines()
    table = pd.DataFrame({"picture": "", "sha256": hashes, "use": "train", "label": ""}, dtype=str)
    weights = run.data.params.get("initial_weights", "None")
    unknown = "its validation images" + ("" if weights == "None" else f" and those of its initial weights, {weights}")
    return SeenImages(table, unknown)


def of_initial_weights(weights: str | None) -> SeenImages | None:
    """Return the images that initial weights have seen; None without initial weights.

    Args:
        weights: ``initial_weights`` of the network's parameters.

    Raises:
        InputError: it is the address of a model that the store does not have.
    """
    if weights is None:
        return None
    if weights.startswith(MODEL_ADDRESSES):
        with loading(weights):
            run_id = mlflow.models.get_model_info(weights).run_id
        if run_id:
            return read(run_id)
    return not_known(weights)


def not_known(weights: str) -> SeenImages:
    """Return that nothing is known of the images that initial weights have seen."""
    return SeenImages(pd.DataFrame(columns=list(COLUMNS), dtype=str), f"the images of its initial weights, {weights}")
