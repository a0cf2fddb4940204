"""The model registry: versions, the aliases ``champion`` and ``challenger``, and one promotion at a time."""

import io
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from darkroom import processes, services, tracking
from darkroom.errors import InputError

LOCKED_FOR = 600.0  # seconds that another promotion may take
TEST_IMAGES = "test_images"
"""The tag of a version that names the test images which decided about it, by a digest."""
SHOWN = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "brier", "calibration_error")
"""What a version's description tells of its run's test metrics; the accuracy first, with its interval."""
ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


def champion(name: str) -> ModelVersion | None:
    """Return the registered version that the alias ``champion`` points to."""
    try:
        return MlflowClient().get_model_version_by_alias(name, "champion")
    except MlflowException as error:
        if error.error_code in ABSENT:
            return None
        raise


def run_of(version: ModelVersion) -> str:
    """Return the id of the run that trained a version; ``none`` for one that was registered by hand."""
    return str(version.tags.get(tracking.ORIGINAL) or version.run_id or "none")


def versions(name: str) -> list[ModelVersion]:
    """Return all versions, the newest first."""
    return sorted(
        MlflowClient().search_model_versions(f"name = '{name}'"), key=lambda version: int(version.version), reverse=True
    )


def aliases(name: str) -> dict[str, list[str]]:
    """Return the aliases of each version that has any, by its number."""
    try:
        found = MlflowClient().get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code in ABSENT:
            return {}
        raise
    return {str(number): sorted(alias for alias, of in found.items() if of == number) for number in set(found.values())}


def decided_by(name: str, test_images: str) -> int:
    """Count the versions about which a set of test images has decided.

    Args:
        name: of the registered model.
        test_images: digest of the set, as ``TEST_IMAGES`` of a version has it.
    """
    return sum(version.tags.get(TEST_IMAGES) == test_images for version in versions(name))


def register(name: str, run_id: str, tags: Mapping[str, Any]) -> ModelVersion:
    """Return the version of a run's model, registered now unless it was before, with these tags."""
    client = MlflowClient()
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    run = tracking.find_run(run_id)
    if run is None:
        raise InputError(
            f"run {run_id} is not in the tracking store {services.shown_uri()}; darkroom restore brings it"
        )
    known = client.search_model_versions(f"name = '{name}' and run_id = '{run.info.run_id}'")
    version = known[0] if known else _create(name, run)
    if run.info.run_id != run_id:
        tags = {**tags, tracking.ORIGINAL: run_id}
    for key, value in tags.items():
        client.set_model_version_tag(name, version.version, key, str(value))
    client.update_model_version(name, version.version, _described(str(tags.get("promotion_reason", "")), run))
    return client.get_model_version(name, version.version)


def _described(reason: str, run: mlflow.entities.Run) -> str:
    """Say why a version is what it is, and how good on all test images: its page in MLflow has no metrics."""
    metrics = run.data.metrics
    told = [f"{name.replace('_', ' ')} {metrics[f'test_{name}']:.4f}" for name in SHOWN if f"test_{name}" in metrics]
    if not told:
        return reason
    if {"test_accuracy_low", "test_accuracy_high"} <= set(metrics):
        low, high = (metrics[f"test_accuracy_{bound}"] for bound in ("low", "high"))
        told[0] += f" (95 % interval {low:.4f} to {high:.4f})"
    verdict = f" Diagnosis: {run.data.tags['diagnosis']}." if "diagnosis" in run.data.tags else ""
    return f"{reason}\n\nOn all of its test images: {', '.join(told)}.{verdict}"


def _create(name: str, run: mlflow.entities.Run) -> ModelVersion:
    if tracking.MODEL not in run.data.tags:
        raise InputError(f"the packaged model of run {run.info.run_id} was freed; darkroom restore brings it back")
    model_id = run.data.tags[tracking.MODEL].removeprefix("models:/")
    source = MlflowClient().get_logged_model(model_id).artifact_location
    return MlflowClient().create_model_version(name, source, run.info.run_id, model_id=model_id, await_creation_for=0)


def point(name: str, alias: str, version: ModelVersion) -> None:
    """Let an alias point to a version."""
    MlflowClient().set_registered_model_alias(name, alias, version.version)


def saved_predictions(run_id: str) -> pd.DataFrame | None:
    """Return a run's predictions of its test images, all cells as text; None if it has none."""
    content = text_of(run_id, "evaluation/predictions.csv")
    return None if content is None else pd.read_csv(io.StringIO(content), dtype=str, keep_default_na=False)


def training_images(run_id: str) -> frozenset[str]:
    """Return what a run was trained on, see ``records.log_training_images``; nothing where it was not recorded."""
    return frozenset((text_of(run_id, tracking.TRAINING_IMAGES) or "").splitlines())


def training_sample(run_id: str) -> pd.DataFrame | None:
    """Return what ``records.described`` said of a run's training images; None where it was not recorded."""
    content = text_of(run_id, tracking.TRAINING_SAMPLE)
    return None if content is None else pd.read_csv(io.StringIO(content), dtype={"label": str}, keep_default_na=False)


def text_of(run_id: str, path: str) -> str | None:
    """Return the text of a run's file; None if it has none, but not where the store only fails to answer."""
    run = tracking.find_run(run_id)
    if run is None or not tracking.has_file(run_id, path):
        return None
    with tempfile.TemporaryDirectory() as folder:
        found = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=path, dst_path=folder)
        # As bytes, since a patch needs the line ends that it has.
        return Path(found).read_bytes().decode()


@contextmanager
def one_promotion_at_a_time(name: str) -> Iterator[None]:
    """Hold what is decided and what is done about it together, against every other promotion of the same model.

    On a local store by a file lock, which the system frees when its holder dies. On a server by a registered model of a
    name of its own: creating one is the only thing that all of MLflow's stores refuse to do twice.

    Raises:
        InputError: another promotion held the lock for too long.
    """
    if services.is_local():
        with services.locked("promotion", LOCKED_FOR):
            yield
        return
    guard = f"{name}.promotion"
    _acquire(guard)
    try:
        yield
    finally:
        _release(guard)


def _acquire(guard: str) -> None:
    client = MlflowClient()
    until = time.monotonic() + LOCKED_FOR
    while True:
        try:
            client.create_registered_model(guard, {"process": processes.identity()}, "Held while a promotion runs.")
        except MlflowException as error:
            # The second, where it was deleted between the server's two looks at it.
            if error.error_code not in {"RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"}:
                raise
        else:
            return
        if _left_behind(guard):
            _take_away(guard)
        elif time.monotonic() > until:
            raise InputError(
                f"another promotion holds the registered model {guard} for more than {LOCKED_FOR:g} seconds; wait for "
                "it, or delete that model if the machine that made it is gone"
            )
        else:
            time.sleep(1)


def _release(guard: str) -> None:
    try:
        MlflowClient().delete_registered_model(guard)
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise


def _take_away(guard: str) -> None:
    """Release what a dead process holds, unless another one has just done so: it may hold a new guard of that name.

    Only on the host where a process died can it be known to be dead, so it is enough that one of this host does it.
    """
    with processes.alone(f"darkroom {guard}") as alone:
        if alone and _left_behind(guard):
            _release(guard)


def _left_behind(guard: str) -> bool:
    """Say whether the process that holds a guard is dead."""
    try:
        return processes.has_ended(MlflowClient().get_registered_model(guard).tags.get("process", ""))
    except MlflowException as error:
        if error.error_code in ABSENT:
            return False  # freed in this moment
        raise
