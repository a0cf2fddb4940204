"""Open the MLflow tracking store and find runs in it."""

import logging
import time
from collections.abc import Callable
from typing import Any

import mlflow
from filelock import Timeout
from mlflow import MlflowClient
from mlflow.entities import Run as StoredRun
from mlflow.entities import RunStatus
from mlflow.exceptions import MlflowException

from darkroom.base import project
from darkroom.base.errors import InputError
from darkroom.base.failures import first_line, of_full_disk
from darkroom.base.processes import ProcessId
from darkroom.tracking import address, sqlite_files
from darkroom.tracking.outages import ABSENT

for _name in ("mlflow", "alembic"):
    logging.getLogger(_name).setLevel(logging.WARNING)
# It logs each error of the database with its traceback, and raises it, too.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

ORIGINAL = "original_run_id"
"""Tag of a restored run: its id in the lost store."""
PROCESS = "mlflow.darkroom.process"
"""Tag of every run: the process that writes it. The prefix ``mlflow.`` hides it in MLflow's UI."""
CLONE = "mlflow.darkroom.clone"
"""Tag of every run: host and project folder that wrote it."""
LOOK_AGAIN = 1.0  # seconds
LOCKED_FOR = 600.0  # seconds to wait while another process creates the store, which takes 3 on a machine that idles
ENDED = "ended"
"""Tag of a run that was still open after its process had died."""
MODEL = "model_uri"
"""Tag of a training run: the URI of its packaged model."""
REWRITTEN = {PROCESS, MODEL, ORIGINAL, ENDED}
TRAINING_IMAGES = "training_images.txt"
"""File of a run: hash prefixes of its training images."""
TRAINING_SAMPLE = "training_sample.csv"
"""File of a run: statistics of a sample of its training images."""
DIFF = "uncommitted.diff"
"""File of a run: the uncommitted changes of its code."""


def open_store(*, reading: bool = False) -> None:
    """Set MLflow's tracking store, and create store and experiment if they are missing.

    Runs left open by dead processes are marked as failed.

    Args:
        reading: see ``address.check_tracking``.

    Raises:
        InputError: the server does not answer, another version of MLflow wrote the store, its experiment was deleted,
            its lock is held, or its database's driver is missing.
    """
    if not reading:
        _require_writable()
    address.check_tracking(reading=reading)
    mlflow.set_tracking_uri(address.tracking_uri())
    try:
        _complete_store()
        _require_experiment(MlflowClient())
        mlflow.set_experiment(address.EXPERIMENT)
        _close_left_open()
    except MlflowException as error:
        if of_full_disk(error):
            raise
        raise InputError(_refused_store(error)) from None


def _require_writable() -> None:
    """Refuse a SQLite file that cannot be written, before any work is done."""
    file = address.sqlite_file()
    if file is not None and not sqlite_files.can_write(file):
        raise InputError(
            f"the tracking store {file} cannot be written, so that results would be lost; make the file and its folder "
            "writable, or set MLFLOW_TRACKING_URI to another store"
        )


def _complete_store() -> None:
    """Create the store or its experiment if they are missing.

    Two processes that did so at once would corrupt it, so that one does and the others wait until it is complete.

    Raises:
        InputError: it was not completed within ``LOCKED_FOR``.
    """
    until = time.monotonic() + LOCKED_FOR
    while not _is_complete():
        try:
            with project.lock(project.state_folder() / "store.lock", LOOK_AGAIN):
                if address.is_local():
                    _complete_local_store()
                mlflow.set_experiment(address.EXPERIMENT)
                return
        except Timeout:
            if time.monotonic() > until:
                raise InputError(
                    f"another process has been creating the tracking store for more than {LOCKED_FOR:g} s (it holds "
                    ".darkroom/store.lock); wait for it to end, or end it"
                ) from None


def _is_complete() -> bool:
    """Return whether the store has the experiment already, without creating anything."""
    if address.is_server():
        return True  # creating an experiment on a server is exclusive
    if not (address.is_local() and address.local_store().exists()):
        return False
    return MlflowClient().get_experiment_by_name(address.EXPERIMENT) is not None


def _complete_local_store() -> None:
    """Create the default store, or the experiment in an existing store, such as one created by MLflow's UI.

    A new store is created under a temporary name, because MLflow cannot complete a half-created one.
    """
    if address.local_store().exists():
        _create_experiment(MlflowClient())
        return
    # Beside it: the folder of the project's state may be on another disk.
    unfinished = address.local_store().with_name(f"{address.local_store().name}.new")
    unfinished.unlink(missing_ok=True)
    _create_experiment(MlflowClient(f"sqlite:///{unfinished}"))
    unfinished.rename(address.local_store())


def _create_experiment(client: MlflowClient) -> None:
    """Create the experiment if it is missing, with its artifacts in the project's folder."""
    if client.get_experiment_by_name(address.EXPERIMENT) is None:
        client.create_experiment(address.EXPERIMENT, artifact_location=address.artifacts_uri())


def _require_experiment(client: MlflowClient) -> None:
    """Refuse a store whose experiment was deleted."""
    experiment = client.get_experiment_by_name(address.EXPERIMENT)
    if experiment is not None and experiment.lifecycle_stage == "deleted":
        address.refuse_deleted_experiment(experiment.experiment_id)


def _refused_store(error: MlflowException) -> str:
    if "out-of-date database schema" not in str(error):
        return (
            f"the tracking store {address.shown_uri()} refuses access ({first_line(error)}); check its address and, if "
            "it needs a login, MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )
    return (
        f"{address.shown_uri()} was written by another version of MLflow than the installed {mlflow.__version__}; if "
        f"by an older one, back it up and run mlflow db upgrade {address.shown_uri()}; if by a newer one, install that"
    )


def _close_left_open() -> None:
    """Mark the open runs of dead processes as failed; runs of other hosts are left unchanged."""
    experiment = MlflowClient().get_experiment_by_name(address.EXPERIMENT)
    if experiment is None:
        return
    for run in _every_run(experiment.experiment_id, "attributes.status = 'RUNNING'"):
        writer = ProcessId.parse(run.data.tags.get(PROCESS, ""))
        if writer and writer.has_ended(own_host=address.is_local()) and _is_open(run.info.run_id):
            MlflowClient().set_tag(run.info.run_id, ENDED, "its process was killed")
            MlflowClient().set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.FAILED))


def _is_open(run_id: str) -> bool:
    """Return whether a run is still open; its process may have ended it, and then itself, since runs were listed."""
    return bool(MlflowClient().get_run(run_id).info.status == RunStatus.to_string(RunStatus.RUNNING))


def all_pages(search: Callable[[str | None], Any]) -> list[Any]:
    """Return the results of all pages of a search."""
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
    """Return all training runs of the store, newest first."""
    experiment = MlflowClient().get_experiment_by_name(address.EXPERIMENT)
    return _every_run(experiment.experiment_id, "tags.stage = 'train'") if experiment else []


def find_run(run_id: str) -> StoredRun | None:
    """Return a run by its id, or by its original id if it was restored; None if the store does not have it."""
    client = MlflowClient()
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise
        run = None
    if run is not None and run.info.lifecycle_stage == "active":
        return run
    experiment = client.get_experiment_by_name(address.EXPERIMENT)
    if experiment is None:
        return None
    found = client.search_runs([experiment.experiment_id], f"tags.{ORIGINAL} = '{run_id}'", max_results=1)
    return found[0] if found else None
