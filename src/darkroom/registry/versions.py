"""The model registry: versions and the aliases ``champion`` and ``challenger``."""

import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from darkroom.base import spreadsheets
from darkroom.base.errors import InputError
from darkroom.registry import queries
from darkroom.tracking import address, store
from darkroom.tracking.outages import ABSENT

TEST_IMAGES = "test_images"
"""Tag of a version: digest of the test images used to decide on it."""
SHOWN = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "brier", "calibration_error")
"""Test metrics in a version's description; accuracy comes first, with its confidence interval."""


def champion(name: str) -> ModelVersion | None:
    """Return the version with the alias ``champion``; None if there is none."""
    try:
        return MlflowClient().get_model_version_by_alias(name, "champion")
    except MlflowException as error:
        if error.error_code in ABSENT:
            return None
        raise


def run_of(version: ModelVersion) -> str:
    """Return the id of the run that trained a version; ``none`` if it was registered by hand without a run."""
    return str(version.tags.get(store.ORIGINAL) or version.run_id or "none")


def versions(name: str) -> list[ModelVersion]:
    """Return all versions, newest first."""
    return sorted(
        MlflowClient().search_model_versions(f"name = '{name}'"), key=lambda version: int(version.version), reverse=True
    )


def aliases(name: str) -> dict[str, list[str]]:
    """Return the aliases of versions by version number; versions without aliases are left out."""
    try:
        found = MlflowClient().get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code in ABSENT:
            return {}
        raise
    return {str(number): sorted(alias for alias, of in found.items() if of == number) for number in set(found.values())}


def all_champions() -> list[ModelVersion]:
    """Return the champions of all registered models."""
    registered = store.all_pages(lambda token: MlflowClient().search_registered_models(page_token=token))
    return [version for model in registered if (version := champion(model.name)) is not None]


def register(name: str, run_id: str, tags: Mapping[str, Any]) -> ModelVersion:
    """Register a run's model, unless it is registered already; set its tags and description.

    Raises:
        InputError: the store does not have the run, or its packaged model was deleted.
    """
    client = MlflowClient()
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    run = store.find_run(run_id)
    if run is None:
        raise InputError(f"run {run_id} is not in the tracking store {address.shown_uri()}; run darkroom restore")
    known = client.search_model_versions(f"name = '{name}' and run_id = '{run.info.run_id}'")
    version = known[0] if known else _create(name, run)
    if run.info.run_id != run_id:
        tags = {**tags, store.ORIGINAL: run_id}
    for key, value in tags.items():
        client.set_model_version_tag(name, version.version, key, str(value))
    client.update_model_version(name, version.version, _description(str(tags.get("promotion_reason", "")), run))
    return client.get_model_version(name, version.version)


def _description(reason: str, run: mlflow.entities.Run) -> str:
    """Return a version's description: the promotion reason and the test metrics, which its MLflow page lacks."""
    metrics = run.data.metrics
    scores = [f"{name.replace('_', ' ')} {metrics[f'test_{name}']:.4f}" for name in SHOWN if f"test_{name}" in metrics]
    if not scores:
        return reason
    if {"test_accuracy_low", "test_accuracy_high"} <= set(metrics):
        low, high = (metrics[f"test_accuracy_{bound}"] for bound in ("low", "high"))
        scores[0] += f" (95 % interval {low:.4f} to {high:.4f})"
    verdict = f" Diagnosis: {run.data.tags['diagnosis']}." if "diagnosis" in run.data.tags else ""
    return f"{reason}\n\nOn all test images: {', '.join(scores)}.{verdict}"


def _create(name: str, run: mlflow.entities.Run) -> ModelVersion:
    if store.MODEL not in run.data.tags:
        raise InputError(f"the packaged model of run {run.info.run_id} was deleted; run darkroom restore")
    model_id = run.data.tags[store.MODEL].removeprefix("models:/")
    source = MlflowClient().get_logged_model(model_id).artifact_location
    return MlflowClient().create_model_version(name, source, run.info.run_id, model_id=model_id, await_creation_for=0)


def set_alias(name: str, alias: str, version: ModelVersion) -> None:
    """Set an alias of a version."""
    MlflowClient().set_registered_model_alias(name, alias, version.version)


def saved_predictions(run_id: str) -> pd.DataFrame | None:
    """Return a run's predictions on its test images, all cells as text; None if it has none."""
    content = text_of(run_id, "evaluation/predictions.csv")
    return None if content is None else spreadsheets.read(io.StringIO(content))


def training_images(run_id: str) -> frozenset[str]:
    """Return the hash prefixes of a run's training images (``records.log_training_images``); empty if not recorded."""
    return frozenset((text_of(run_id, store.TRAINING_IMAGES) or "").splitlines())


def training_sample(run_id: str) -> pd.DataFrame | None:
    """Return the ``records.sample_statistics`` of a run's training images; None if not recorded."""
    content = text_of(run_id, store.TRAINING_SAMPLE)
    return None if content is None else spreadsheets.read(io.StringIO(content), ("label",))


def text_of(run_id: str, path: str) -> str | None:
    """Return the text of a run's file; None if the run has no such file. Errors of the store are raised."""
    run = store.find_run(run_id)
    if run is None or not queries.has_file(run_id, path):
        return None
    with tempfile.TemporaryDirectory() as folder:
        found = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=path, dst_path=folder)
        # Read as bytes to keep the line ends, which a patch needs.
        return Path(found).read_bytes().decode()
