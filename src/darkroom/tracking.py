"""Runs, packaged models and the registry; the only place that imports mlflow, but for the script inside each model."""

import json
import logging
import re
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Metric, RunStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types.schema import DataType, ParamSchema, ParamSpec

from darkroom import lineage, services
from darkroom.datasets import Description
from darkroom.errors import InputError
from darkroom.files import as_json, read_json, write_json
from darkroom.params import flattened

EXPERIMENT = "darkroom"
PACKAGED_REQUIREMENTS = ("mlflow", "keras", "numpy", "pandas", "pillow")
PACKAGED_CODE = ("__init__.py", "errors.py", "images.py", "serving.py")

for _name in ("mlflow", "alembic"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True)
class RunRecord:
    """What a training leaves for the stages after it: its identity and what the validation images said."""

    run_id: str
    model_uri: str
    validation_accuracy: float
    validation_loss: float
    best_epoch: int
    epochs: int

    def write(self, path: str | Path) -> None:
        """Write as JSON."""
        write_json(path, asdict(self))

    def __str__(self) -> str:
        return (
            f"validation accuracy {self.validation_accuracy:.4f}, loss {self.validation_loss:.4f} "
            f"at epoch {self.best_epoch} of {self.epochs}"
        )

    @classmethod
    def read(cls, path: str | Path) -> "RunRecord":
        """Read what ``write`` wrote."""
        return cls(**read_json(path))


def open_store() -> None:
    """Point MLflow at the tracking store, and create store and experiment where they are missing.

    Raises:
        InputError: a server does not answer.
    """
    services.check_tracking()
    mlflow.set_tracking_uri(services.tracking_uri())
    if not services.is_local():
        mlflow.set_experiment(EXPERIMENT)
        return
    root = services.project_root()
    (root / ".darkroom").mkdir(exist_ok=True)
    # Two processes that create the same store at once would destroy each other's tables.
    with FileLock(root / ".darkroom" / "store.lock"):
        if MlflowClient().get_experiment_by_name(EXPERIMENT) is None:
            MlflowClient().create_experiment(EXPERIMENT, artifact_location=(root / "mlartifacts").as_uri())
    mlflow.set_experiment(EXPERIMENT)


class Run:
    """An MLflow run that is being written."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self._client = MlflowClient()

    def log_params(self, values: Mapping[str, Any]) -> None:
        """Log parameters; nested ones get dotted names."""
        mlflow.log_params(flattened(values))

    def log_metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics in one request."""
        now = time.time_ns() // 1_000_000
        metrics = [Metric(_metric_name(name), float(value), now, step or 0) for name, value in values.items()]
        self._client.log_batch(self.run_id, metrics=metrics)

    def log_epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Log the values of one epoch; epochs are counted from 1 here, as in the terminal."""
        self.log_metrics(values, step=epoch + 1)

    def log_file(self, path: str | Path, folder: str | None = None) -> None:
        """Store a file with the run."""
        mlflow.log_artifact(str(path), folder)

    def log_json(self, value: Any, name: str) -> None:
        """Store a value as a JSON file."""
        mlflow.log_text(as_json(value), name)

    def log_dataset(self, description: Description) -> None:
        """Name the data set, with the digest of its images, labels and splits, as the run's input."""
        source = CodeDatasetSource(tags={"source": description.source, "counts": json.dumps(description.counts)})
        dataset = MetaDataset(source, name=description.source, digest=description.digest)  # type: ignore[abstract]
        mlflow.log_input(dataset, context="training")

    def log_model(self, network: str | Path, description: str | Path) -> str:
        """Package a saved network with its preprocessing, its label names and the code that uses them.

        Returns:
            The model's address in the store, ``models:/m-…``.
        """
        package = Path(__file__).parent
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            # An example would only confirm the lack of a schema that is meant, see below.
            warnings.filterwarnings("ignore", message=".*An input example was not provided", category=UserWarning)
            code = Path(folder) / "code"
            code.mkdir()
            for name in PACKAGED_CODE:
                shutil.copy(package / name, code / name)
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(package / "packaged_model.py"),
                artifacts={"network": str(network), "description": str(description), "code": str(code)},
                pip_requirements=requirements(),
                # Without an input schema, which would refuse some of the forms that an image comes in.
                signature=ModelSignature(params=ParamSchema([ParamSpec("minimum_probability", DataType.double, 0.0)])),
            )
        return str(info.model_uri)


@contextmanager
def start_run(name: str, stage: str, tags: Mapping[str, Any]) -> Iterator[Run]:
    """Open a run with its lineage; an exception marks it failed and goes on."""
    with mlflow.start_run(run_name=name, tags={**lineage.tags(stage), **tags}) as active:
        if diff := lineage.uncommitted_diff():
            mlflow.log_text(diff, "uncommitted.diff")
        yield Run(active.info.run_id)


@contextmanager
def start_trial(name: str, tags: Mapping[str, Any], pruned: type[Exception]) -> Iterator[Run]:
    """Open the nested run of one trial; a pruned one ends as KILLED, which MLflow shows apart from FAILED."""
    active = mlflow.start_run(run_name=name, tags=dict(tags), nested=True)
    status = RunStatus.to_string(RunStatus.FAILED)
    try:
        yield Run(active.info.run_id)
        status = RunStatus.to_string(RunStatus.FINISHED)
    except pruned:
        status = RunStatus.to_string(RunStatus.KILLED)
        raise
    finally:
        mlflow.end_run(status)


@contextmanager
def continue_run(record: RunRecord, network: str) -> Iterator[Run]:
    """Go on writing to the run that trained a network.

    Raises:
        InputError: the store does not have it, as after a clone or with another store.
    """
    try:
        MlflowClient().get_run(record.run_id)
    except MlflowException:
        raise InputError(
            f"run {record.run_id} of {network} is not in the tracking store {services.shown_uri()}; set "
            f"MLFLOW_TRACKING_URI to the store that has it, or train anew: dvc repro --force train@{network}"
        ) from None
    with mlflow.start_run(run_id=record.run_id) as active:
        yield Run(active.info.run_id)


def champion(name: str) -> ModelVersion | None:
    """Return the registered version that the alias ``champion`` points to."""
    try:
        return MlflowClient().get_model_version_by_alias(name, "champion")
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None
        raise


def register(name: str, record: RunRecord) -> ModelVersion:
    """Return the version of a run's model, registered now unless it was before."""
    client = MlflowClient()
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.run_id == record.run_id:
            return version
    model_id = record.model_uri.removeprefix("models:/")
    source = client.get_logged_model(model_id).artifact_location
    return client.create_model_version(name, source, record.run_id, model_id=model_id, await_creation_for=0)


def point(name: str, alias: str, version: ModelVersion) -> None:
    """Let an alias point to a version."""
    MlflowClient().set_registered_model_alias(name, alias, version.version)


def describe_version(name: str, version: ModelVersion, tags: Mapping[str, Any]) -> None:
    """Set tags of a registered version."""
    for key, value in tags.items():
        MlflowClient().set_model_version_tag(name, version.version, key, str(value))


def saved_predictions(run_id: str) -> pd.DataFrame | None:
    """Return a run's predictions of its test images; None if it has none."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = mlflow.artifacts.download_artifacts(
                run_id=run_id, artifact_path="evaluation/predictions.csv", dst_path=folder
            )
        except (MlflowException, OSError):
            return None
        return pd.read_csv(path, dtype=str, keep_default_na=False)


def annotate_run(run_id: str, tags: Mapping[str, Any]) -> None:
    """Set tags of a run that has ended."""
    for key, value in tags.items():
        MlflowClient().set_tag(run_id, key, str(value))


def load_model(uri: str) -> Any:
    """Load a packaged model; its ``predict`` takes raw images.

    Raises:
        InputError: there is no such model in the store.
    """
    services.check_tracking(must_exist=True)
    mlflow.set_tracking_uri(services.tracking_uri())
    try:
        return mlflow.pyfunc.load_model(uri)
    except MlflowException as error:
        raise InputError(
            f"{uri} cannot be loaded ({_first_line(error)}); name a model of the store, as models:/darkroom@champion"
        ) from None


def requirements() -> list[str]:
    """Pin what a packaged model needs, in the versions at hand."""
    tensorflow = next(name for name in ("tensorflow-cpu", "tensorflow") if _installed(name))
    return [f"{name}=={metadata.version(name)}" for name in (*PACKAGED_REQUIREMENTS, tensorflow)]


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _metric_name(name: str) -> str:
    """Replace what MLflow does not take in the name of a metric."""
    return re.sub(r"[^\w.\- :/]", "_", name)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
