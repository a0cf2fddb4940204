"""Runs and packaged models in MLflow; ``registry.py`` has the rest of it."""

import json
import logging
import re
import shutil
import socket
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import LoggedModel, Metric, RunStatus
from mlflow.entities import Run as StoredRun
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.tracking.context.registry import resolve_tags
from mlflow.types.schema import DataType, ParamSchema, ParamSpec
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from darkroom import lineage, processes, services
from darkroom.datasets import Description
from darkroom.errors import InputError
from darkroom.files import as_json, read_json, write_json
from darkroom.params import flattened

ORIGINAL = "original_run_id"
"""Tag of a restored run: the id that it had in the store that is gone."""
PROCESS = "mlflow.darkroom.process"
"""Tag of every run: the process that writes it. MLflow shows none of its own tags, and takes it for one."""
CLONE = "mlflow.darkroom.clone"
"""Tag of every run: host and folder of the project in which it was written."""
LOCKED_FOR = 120.0  # seconds that creating a store may take
ENDED = "ended"
"""Tag of a run that was found open after its process had died."""
MODEL = "model_uri"
"""Tag of a training run: the address of its packaged model."""
WRITTEN_ANEW = {PROCESS, MODEL, ORIGINAL, ENDED}
PACKAGED_REQUIREMENTS = ("mlflow", "keras", "numpy", "pandas", "pillow")
PARTS = ("network", "description", "code")
"""What a packaged model consists of, besides MLflow's own files."""
MINIMUM_PROBABILITY = ParamSpec("minimum_probability", DataType.double, 0.0)
PACKAGED_CODE = ("__init__.py", "charts.py", "errors.py", "images.py", "serving.py")

for _name in ("mlflow", "alembic"):
    logging.getLogger(_name).setLevel(logging.WARNING)


TRAINING_IMAGES = "training_images.txt"
"""A run's file of what it was trained on."""
TRAINING_SAMPLE = "training_sample.csv"
"""A run's file of what some of these images look like."""
DIFF = "uncommitted.diff"
"""A run's file of what its code had that its commit has not."""


@dataclass(frozen=True)
class RunRecord:
    """What a training leaves for the stages after it: its identity and what the validation images said."""

    run_id: str
    model_uri: str
    validation_accuracy: float
    validation_loss: float
    best_epoch: int
    epochs: int
    parameters: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    """Where the run comes from: commit, data, experiment. With it a lost store can be restored."""
    started: int = 0
    """Milliseconds since 1970."""
    training_accuracy: float | None = None
    """Of the kept network on training images as they are; None where an earlier version of Darkroom trained it."""

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

    Runs that a dead process left open are closed.

    Raises:
        InputError: a server does not answer, the store is of another version of MLflow, or another process holds it.
    """
    services.check_tracking()
    mlflow.set_tracking_uri(services.tracking_uri())
    # Two processes that create the same store at once would destroy each other's tables.
    try:
        with services.locked("store", LOCKED_FOR):
            if services.is_local():
                _complete_local_store()
            mlflow.set_experiment(services.EXPERIMENT)
            _close_left_open()
    except MlflowException as error:
        raise InputError(_refused_store(error)) from None


def _complete_local_store() -> None:
    """Create the default store, or the experiment in one that something else created, as MLflow's own UI does.

    A store is made under another name first: killed half-way, MLflow's tables could never be completed.
    """
    if services.local_store().exists():
        _create_experiment(MlflowClient())
        return
    unfinished = services.state_folder() / "new-store.db"
    unfinished.unlink(missing_ok=True)
    _create_experiment(MlflowClient(f"sqlite:///{unfinished}"))
    unfinished.rename(services.local_store())


def _create_experiment(client: MlflowClient) -> None:
    """Create the experiment where it is missing, with its files in the place that moves with the project's folder."""
    if client.get_experiment_by_name(services.EXPERIMENT) is None:
        client.create_experiment(services.EXPERIMENT, artifact_location=services.artifacts_uri())


def _refused_store(error: MlflowException) -> str:
    if "out-of-date database schema" not in str(error):
        return (
            f"the tracking store {services.shown_uri()} refuses ({_first_line(error)}); check its address and, where "
            "it asks for them, MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )
    return (
        f"{services.shown_uri()} was written by another version of MLflow than the {mlflow.__version__} here; after a "
        f"backup, mlflow db upgrade {services.shown_uri()} brings an older one up to date; for a newer one, install it"
    )


def _close_left_open() -> None:
    """Mark as failed what a process that is dead for certain was writing; runs of other hosts are left alone."""
    experiment = MlflowClient().get_experiment_by_name(services.EXPERIMENT)
    if experiment is None:
        return
    for run in _every_run(experiment.experiment_id, "attributes.status = 'RUNNING'"):
        if processes.has_ended(run.data.tags.get(PROCESS, ""), own_host=services.is_local()):
            MlflowClient().set_tag(run.info.run_id, ENDED, "its process was killed")
            MlflowClient().set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.FAILED))


def all_pages(search: Callable[[str | None], Any]) -> list[Any]:
    """Search without the limit on the number of answers."""
    found, token = [], None
    while True:
        page = search(token)
        found.extend(page)
        token = page.token
        if not token:
            return found


def _every_run(experiment_id: str, condition: str) -> list[StoredRun]:
    return all_pages(lambda token: MlflowClient().search_runs([experiment_id], condition, page_token=token))


def training_runs() -> list[StoredRun]:
    """Return all training runs of the store, the newest first."""
    experiment = MlflowClient().get_experiment_by_name(services.EXPERIMENT)
    return _every_run(experiment.experiment_id, "tags.stage = 'train'") if experiment else []


def find_run(run_id: str) -> StoredRun | None:
    """Return a run by its id, also one that was restored under another; None where the store lacks it."""
    client = MlflowClient()
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            raise
        run = None
    if run is not None and run.info.lifecycle_stage == "active":
        return run
    experiment = client.get_experiment_by_name(services.EXPERIMENT)
    if experiment is None:
        return None
    found = client.search_runs([experiment.experiment_id], f"tags.{ORIGINAL} = '{run_id}'", max_results=1)
    return found[0] if found else None


def logged_model(run: StoredRun) -> LoggedModel | None:
    """Return a run's packaged model; None where it has none, or none that the store still knows."""
    try:
        return MlflowClient().get_logged_model(run.data.tags.get(MODEL, "none").removeprefix("models:/"))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def has_files(model: LoggedModel) -> bool:
    """Say whether the files of a packaged model are where the store says."""
    listed = MlflowClient().list_logged_model_artifacts
    if not {"MLmodel", "artifacts"} <= {file.path for file in listed(model.model_id)}:
        return False
    return len(listed(model.model_id, "artifacts")) >= len(PARTS)


class Run:
    """An MLflow run that is being written."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self._client = MlflowClient()

    def origin(self) -> tuple[dict[str, str], int]:
        """Return the tags that say where the run comes from, and when it started in milliseconds since 1970."""
        stored = self._client.get_run(self.run_id)
        own = {key: value for key, value in stored.data.tags.items() if not key.startswith("mlflow.")}
        return {key: value for key, value in own.items() if key not in WRITTEN_ANEW}, stored.info.start_time

    def log_params(self, values: Mapping[str, Any]) -> None:
        """Log parameters; nested ones get dotted names."""
        mlflow.log_params(flattened(values), run_id=self.run_id)

    def log_metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics in one request."""
        now = time.time_ns() // 1_000_000
        metrics = [Metric(_metric_name(name), float(value), now, step or 0) for name, value in values.items()]
        self._client.log_batch(self.run_id, metrics=metrics)

    def log_epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Log the values of one epoch; epochs are counted from 1 here, as in the terminal."""
        self.log_metrics(values, step=epoch + 1)

    def describe(self, text: str) -> None:
        """Set the description that MLflow's pages show."""
        self._client.set_tag(self.run_id, MLFLOW_RUN_NOTE, text)

    def tag(self, tags: Mapping[str, Any]) -> None:
        """Set tags."""
        for key, value in tags.items():
            self._client.set_tag(self.run_id, key, str(value))

    def end(self, status: str) -> None:
        """End a run that ``open_trial`` began: FINISHED, FAILED, or KILLED for what was given up."""
        self._client.set_terminated(self.run_id, status)

    def log_file(self, path: str | Path, folder: str | None = None) -> None:
        """Store a file with the run."""
        mlflow.log_artifact(str(path), folder, run_id=self.run_id)

    def log_json(self, value: Any, name: str) -> None:
        """Store a value as a JSON file."""
        mlflow.log_text(as_json(value), name)

    def log_dataset(self, description: Description) -> None:
        """Name the data set, with the digest of its images, labels and splits, as the run's input."""
        source = CodeDatasetSource(tags={"source": description.source, "counts": json.dumps(description.counts)})
        dataset = MetaDataset(source, name=description.source, digest=description.digest)  # type: ignore[abstract]
        mlflow.log_input(dataset, context="training")

    def log_model(self, network: str | Path, description: str | Path, package: Path = Path(__file__).parent) -> str:
        """Package a saved network with its preprocessing, its label names and the code that uses them.

        A model that the run has already is written again in its place, so that versions go on pointing to it.

        Args:
            network: the saved network.
            description: of its data.
            package: folder of the code, Darkroom's own.

        Returns:
            The model's address in the store, ``models:/m-…``.
        """
        earlier = logged_model(self._client.get_run(self.run_id))
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            # An example would only confirm the lack of a schema that is meant, see below.
            warnings.filterwarnings("ignore", message=".*An input example was not provided", category=UserWarning)
            code = Path(folder) / "code"
            code.mkdir()
            for name in PACKAGED_CODE:
                shutil.copy(package / name, code / name)
            parts: dict[str, Any] = {
                "python_model": str(package / "packaged_model.py"),
                "artifacts": dict(zip(PARTS, map(str, (network, description, code)), strict=True)),
                "pip_requirements": requirements(),
                # Without an input schema, which would refuse some of the forms that an image comes in.
                "signature": ModelSignature(params=ParamSchema([MINIMUM_PROBABILITY])),
            }
            if earlier is not None:
                self._write_again(earlier, Path(folder) / "model", parts)
                return str(earlier.model_uri)
            info = mlflow.pyfunc.log_model(name="model", **parts)
        self._client.set_tag(self.run_id, MODEL, info.model_uri)
        return str(info.model_uri)

    def _write_again(self, model: LoggedModel, folder: Path, parts: Mapping[str, Any]) -> None:
        described = Model(
            model.artifact_location, run_id=self.run_id, model_id=model.model_id, model_uuid=model.model_id
        )
        mlflow.pyfunc.save_model(folder, mlflow_model=described, **parts)
        self._client.log_model_artifacts(model.model_id, str(folder))


@contextmanager
def start_run(name: str, stage: str, tags: Mapping[str, Any], earlier: str | None = None) -> Iterator[Run]:
    """Open a run with its lineage; an exception marks it failed and goes on.

    Args:
        name: what the run is of; experiment or commit are added, so that runs can be told apart in a list.
        stage: the stage that writes it.
        tags: what else it is found by.
        earlier: the id of a run of the store to go on with: its stage was interrupted.
    """
    if earlier:
        with _reopened(earlier) as run:
            yield run
        return
    name = f"{name} {lineage.short_name()}"
    with mlflow.start_run(run_name=name, tags={**lineage.tags(stage), **_process(), **tags}) as active:
        if diff := lineage.uncommitted_diff():
            # params.yaml may name a database together with its password.
            mlflow.log_text(services.without_password(diff), DIFF)
        yield Run(active.info.run_id)


def open_trial(name: str, tags: Mapping[str, Any]) -> Run:
    """Open the run of one trial, nested in the active one. Several may be open at once; ``Run.end`` ends it."""
    parent = mlflow.active_run()
    if parent is None:
        raise ValueError("a trial is nested in a run that is being written")
    own = {**_process(), **tags, MLFLOW_PARENT_RUN_ID: parent.info.run_id}
    created = MlflowClient().create_run(
        parent.info.experiment_id, tags=resolve_tags({key: str(value) for key, value in own.items()}), run_name=name
    )
    return Run(created.info.run_id)


@contextmanager
def start_trial(name: str, tags: Mapping[str, Any], pruned: type[Exception]) -> Iterator[Run]:
    """Open the nested run of one trial; a pruned one ends as KILLED, which MLflow shows apart from FAILED."""
    run = open_trial(name, tags)
    status = RunStatus.to_string(RunStatus.FAILED)
    try:
        yield run
        status = RunStatus.to_string(RunStatus.FINISHED)
    except pruned:
        status = RunStatus.to_string(RunStatus.KILLED)
        raise
    finally:
        run.end(status)


@contextmanager
def continue_run(record: RunRecord, network: str) -> Iterator[Run]:
    """Go on writing to the run that trained a network.

    Raises:
        InputError: the store does not have it, as after a clone or with another store.
    """
    stored = find_run(record.run_id)
    if stored is None:
        raise InputError(
            f"run {record.run_id} of {network} is not in the tracking store {services.shown_uri()}; darkroom restore "
            "rebuilds it from DVC's outputs, or set MLFLOW_TRACKING_URI to the store that has it"
        )
    with _reopened(stored.info.run_id) as run:
        yield run


@contextmanager
def restored_run(name: str, started: int, tags: Mapping[str, str]) -> Iterator[Run]:
    """Open a run that stands for one of a store that is gone.

    Args:
        name: the run's name.
        started: milliseconds since 1970.
        tags: as they were.
    """
    experiment = mlflow.set_experiment(services.EXPERIMENT)
    created = MlflowClient().create_run(experiment.experiment_id, started, {**tags, **_process()}, name)
    with _reopened(created.info.run_id) as run:
        yield run


@contextmanager
def _reopened(run_id: str) -> Iterator[Run]:
    """Go on writing to a run of the store."""
    client = MlflowClient()
    for key, value in _process().items():
        client.set_tag(run_id, key, value)
    if ENDED in client.get_run(run_id).data.tags:
        client.delete_tag(run_id, ENDED)
    with mlflow.start_run(run_id=run_id) as active:
        yield Run(active.info.run_id)


def _process() -> dict[str, str]:
    return {PROCESS: processes.identity(), CLONE: clone()}


def clone() -> str:
    """Name this clone of the project among all that use a store."""
    return f"{socket.gethostname()} {services.project_root()}"


def has_file(run_id: str, path: str) -> bool:
    """Say whether a run of the store has a file, named by its path among the run's files."""
    run = find_run(run_id)
    folder = str(Path(path).parent)
    where = None if folder == "." else folder
    return run is not None and path in {
        file.path for file in MlflowClient().list_artifacts(run.info.run_id, where) if not file.is_dir
    }


@contextmanager
def answering() -> Iterator[None]:
    """Turn what MLflow says of a server that has stopped answering into one line.

    Raises:
        InputError: it has.
    """
    try:
        yield
    except MlflowException as error:
        if not (services.is_server() and str(error).startswith("API request to ")):
            raise
        raise InputError(
            f"the MLflow server {services.shown_uri()} has stopped answering; once it does again, the same command "
            "finishes what was begun"
        ) from None


def log_file(run_id: str, path: Path) -> None:
    """Store a file with a run that has ended; nothing where the store lacks the run."""
    if run := find_run(run_id):
        MlflowClient().log_artifact(run.info.run_id, str(path))


def annotate_run(run_id: str, tags: Mapping[str, Any], *, keep: bool = False) -> None:
    """Set tags of a run that has ended.

    Args:
        run_id: the run; nothing happens if the store lacks it.
        tags: what to set.
        keep: whether a tag that the run has already stays as it is.
    """
    run = find_run(run_id)
    if run is None:
        return
    for key, value in tags.items():
        if not (keep and key in run.data.tags):
            MlflowClient().set_tag(run.info.run_id, key, str(value))


def load_model(uri: str) -> Any:
    """Load a packaged model; its ``predict`` takes raw images.

    Raises:
        InputError: there is no such model in the store.
    """
    with _loading(uri):
        return mlflow.pyfunc.load_model(uri)


def packaged_files(uri: str) -> dict[str, Path]:
    """Return where the parts of a packaged model lie: ``network``, ``description`` and the folder ``code``.

    Raises:
        InputError: there is no such model in the store, or it is not one of Darkroom's.
    """
    with _loading(uri):
        folder = Path(mlflow.artifacts.download_artifacts(uri))
        parts = Model.load(folder).flavors["python_function"].get("artifacts", {})
    if missing := set(PARTS) - set(parts):
        raise InputError(
            f"{uri} is no model that Darkroom packaged (it has no {min(missing)}); darkroom runs lists those that are"
        )
    return {name: folder / part["path"] for name, part in parts.items()}


@contextmanager
def _loading(uri: str) -> Iterator[None]:
    """Turn what MLflow says of a model that it cannot load into one line."""
    services.check_tracking(must_exist=True)
    mlflow.set_tracking_uri(services.tracking_uri())
    try:
        yield
    # The last three are what Keras raises for a missing file, and for a network that another version has saved.
    except (MlflowException, OSError, ValueError, TypeError, ImportError) as error:
        raise InputError(
            f"{uri} cannot be loaded ({_first_line(error)}); dvc repro makes and promotes the first model, darkroom "
            "restore writes those again whose results are in git"
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
    return services.without_password(str(error).strip().splitlines()[0])
