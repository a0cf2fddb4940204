"""Write MLflow runs: parameters, metrics, files, lineage."""

import json
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Metric, RunStatus
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from darkroom.base import project
from darkroom.base.credentials import hide
from darkroom.base.errors import InputError
from darkroom.base.files import as_json
from darkroom.base.git import why_no_commit
from darkroom.base.processes import ProcessId
from darkroom.data.prepared.datasets import Description
from darkroom.params import Untracked, flatten
from darkroom.tracking import address, lineage
from darkroom.tracking.diff import uncommitted_diff
from darkroom.tracking.metric_names import metric_name
from darkroom.tracking.record import RunRecord
from darkroom.tracking.secrets import hide_secrets
from darkroom.tracking.store import CLONE, DIFF, ENDED, PROCESS, REWRITTEN, find_run


class Run:
    """An MLflow run open for writing."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self._client = MlflowClient()

    def origin(self) -> tuple[dict[str, str], int]:
        """Return the run's lineage tags, and its start time in milliseconds since 1970."""
        stored = self._client.get_run(self.run_id)
        own = {key: value for key, value in stored.data.tags.items() if not key.startswith("mlflow.")}
        return {key: value for key, value in own.items() if key not in REWRITTEN}, stored.info.start_time

    def log_params(self, values: Mapping[str, Any]) -> None:
        """Log parameters; nested ones get dotted names."""
        mlflow.log_params({name: hide(str(value)) for name, value in flatten(values).items()}, run_id=self.run_id)

    def log_metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics in one request."""
        now = time.time_ns() // 1_000_000
        metrics = [Metric(metric_name(name), float(value), now, step or 0) for name, value in values.items()]
        self._client.log_batch(self.run_id, metrics=metrics)

    def log_epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Log the metrics of one epoch; ``epoch`` starts at 0, MLflow's steps at 1, as in the terminal."""
        self.log_metrics(values, step=epoch + 1)

    def describe(self, text: str) -> None:
        """Set the run's description in MLflow's UI."""
        self._client.set_tag(self.run_id, MLFLOW_RUN_NOTE, hide(text))

    def tag(self, tags: Mapping[str, Any]) -> None:
        """Set tags."""
        for key, value in tags.items():
            self._client.set_tag(self.run_id, key, hide(str(value)))

    def end(self, status: str) -> None:
        """End a run started by ``open_trial``: FINISHED, FAILED, or KILLED for a pruned trial."""
        self._client.set_terminated(self.run_id, status)

    def log_file(self, path: str | Path, folder: str | None = None) -> None:
        """Store a file with the run."""
        mlflow.log_artifact(str(path), folder, run_id=self.run_id)

    def log_json(self, value: Any, name: str) -> None:
        """Store a value as a JSON file."""
        mlflow.log_text(as_json(value), name)

    def log_dataset(self, description: Description) -> None:
        """Log the data set as the run's input, with the digest of its images, labels and splits."""
        source = CodeDatasetSource(tags={"source": description.source, "counts": json.dumps(description.counts)})
        dataset = MetaDataset(source, name=description.source, digest=description.digest)  # type: ignore[abstract]
        mlflow.log_input(dataset, context="training")


@contextmanager
def start_run(
    name: str, stage: str, tags: Mapping[str, Any], earlier: str | None = None, untracked: Untracked = "hash"
) -> Iterator[Run]:
    """Start a run with its lineage tags; an exception marks it as failed and is re-raised.

    A line on standard error says if the run has no commit.

    Args:
        name: the run's name; experiment or commit is appended.
        stage: the stage that writes the run.
        tags: additional tags.
        earlier: id of a run whose stage was interrupted; it is continued.
        untracked: what its diff records of new files, see ``uncommitted_diff``.

    Raises:
        InputError: git cannot read the repository.
    """
    if earlier:
        with _reopened(earlier) as run:
            yield run
        return
    if lacking := why_no_commit():
        print(f"{name}: {lacking}", file=sys.stderr)
    name = f"{name} {lineage.short_name()}"
    with mlflow.start_run(run_name=name, tags={**lineage.tags(stage), **_process(), **tags}) as active:
        _log_diff(untracked)
        yield Run(active.info.run_id)


def _log_diff(untracked: Untracked) -> None:
    """Log the uncommitted changes to the active run, without passwords and keys."""
    if not (diff := uncommitted_diff(untracked)):
        return
    shown, hidden = hide_secrets(diff)
    if hidden:
        line = f"{DIFF}: {hidden} lines are hidden, because they seem to hold passwords or keys"
        print(line, flush=True)
        shown = f"{line}\n{shown}"
    mlflow.log_text(shown, DIFF)


def open_trial(name: str, tags: Mapping[str, Any]) -> Run:
    """Start the run of one trial, nested in the active run. Several may be open at once; ``Run.end`` ends each."""
    parent = mlflow.active_run()
    if parent is None:
        raise ValueError("open_trial needs an active run")
    own = {**_process(), **tags, MLFLOW_PARENT_RUN_ID: parent.info.run_id}
    created = MlflowClient().create_run(
        parent.info.experiment_id, tags=resolve_tags({key: str(value) for key, value in own.items()}), run_name=name
    )
    return Run(created.info.run_id)


@contextmanager
def start_trial(name: str, tags: Mapping[str, Any], pruned: type[Exception]) -> Iterator[Run]:
    """Start the nested run of one trial; a pruned trial ends as KILLED, which MLflow distinguishes from FAILED."""
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
    """Reopen the run that trained a network.

    Raises:
        InputError: the store does not have the run, as after a clone or with another store.
    """
    stored = find_run(record.run_id)
    if stored is None:
        raise InputError(
            f"run {record.run_id} of {network} is not in the tracking store {address.shown_uri()}; darkroom restore "
            "rebuilds it from DVC's outputs, or set MLFLOW_TRACKING_URI to the store that has it"
        )
    with _reopened(stored.info.run_id) as run:
        yield run


@contextmanager
def restored_run(name: str, started: int, tags: Mapping[str, str]) -> Iterator[Run]:
    """Start a run that replaces one of a lost store.

    Args:
        name: the run's name.
        started: start time in milliseconds since 1970.
        tags: tags of the original run.
    """
    experiment = mlflow.set_experiment(address.EXPERIMENT)
    created = MlflowClient().create_run(experiment.experiment_id, started, {**tags, **_process()}, name)
    with _reopened(created.info.run_id) as run:
        yield run


@contextmanager
def _reopened(run_id: str) -> Iterator[Run]:
    """Reopen a run of the store."""
    client = MlflowClient()
    for key, value in _process().items():
        client.set_tag(run_id, key, value)
    if ENDED in client.get_run(run_id).data.tags:
        client.delete_tag(run_id, ENDED)
    with mlflow.start_run(run_id=run_id) as active:
        yield Run(active.info.run_id)


def _process() -> dict[str, str]:
    return {PROCESS: str(ProcessId.current()), CLONE: clone()}


def clone() -> str:
    """Return the name of this clone of the project, unique among all that share a store."""
    return f"{socket.gethostname()} {project.project_root()}"
