"""Ask the tracking store whether it takes what Darkroom will write: runs, files and models. Asked before any work."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from darkroom.base.credentials import hide
from darkroom.base.errors import InputError
from darkroom.base.failures import first_line, of_machine
from darkroom.tracking import address

ASKED = "mlflow.darkroom.writable"
"""Tag of the experiment that is written to find out whether it can be. The prefix hides it in MLflow's UI."""
PROBE = "writable"
"""File in the experiment's folder that is written, and removed again, for the same reason."""


def check_access() -> None:
    """Check that runs, files and models can be written; before the experiment exists, only what can be asked then.

    Raises:
        InputError: the experiment was deleted, access is denied, files cannot be stored, or there is no registry.
    """
    with _asking("it cannot be opened", "set MLFLOW_TRACKING_URI to a server or to sqlite:///FILE, or unset it"):
        client = MlflowClient(address.tracking_uri(), address.tracking_uri())
    with _asking("it does not answer questions about experiments", "check its address and login"):
        experiment = client.get_experiment_by_name(address.EXPERIMENT)
    if experiment is not None:
        _check_experiment(client, experiment)
    with _asking("it has no model registry", "start the server with a database (--backend-store-uri)"):
        client.search_registered_models(max_results=1)


def _check_experiment(client: MlflowClient, experiment: Experiment) -> None:
    identity = experiment.experiment_id
    if experiment.lifecycle_stage == "deleted":
        address.refuse_deleted_experiment(identity)
    with _asking("runs cannot be written", f"ask its owner for the right to edit the experiment {address.EXPERIMENT}"):
        client.set_experiment_tag(identity, ASKED, "yes")
    with _asking("it does not know packaged models", "upgrade the server to the MLflow version of requirements.lock"):
        client.search_logged_models([identity], max_results=1)
    _check_files(experiment.artifact_location)


def _check_files(location: str) -> None:
    """Check that files can be stored in the experiment's folder.

    Raises:
        InputError: they cannot, or the folder would be on this machine instead of the server's.
    """
    folder = _local_folder(location)
    if folder is not None and address.is_server() and not folder.parent.is_dir():
        raise InputError(
            f"the MLflow server {address.shown_uri()} has clients store files in {folder}, which this machine does not "
            "have; start the server with --artifacts-destination, or mount that folder here"
        )
    shown = hide(location)
    with (
        _asking(f"files cannot be stored in {shown}", "see the server's log, and who may write there"),
        tempfile.TemporaryDirectory() as temporary,
    ):
        probe = Path(temporary) / PROBE
        probe.write_text("Written by Darkroom to find out whether files can be stored.\n", encoding="utf-8")
        files = get_artifact_repository(location)
        files.log_artifact(str(probe))  # type: ignore[no-untyped-call]
        files.delete_artifacts(PROBE)  # type: ignore[no-untyped-call]


def _local_folder(location: str) -> Path | None:
    """Return the folder of a location on this machine; None for other locations."""
    parts = urlsplit(location)
    return Path(url2pathname(parts.path)) if parts.scheme in {"", "file"} else None


@contextmanager
def _asking(refused: str, remedy: str) -> Iterator[None]:
    """Turn any error of a question into a line, except that of a full disk or of memory.

    Raises:
        InputError: the store's answer is an error.
    """
    try:
        yield
    except Exception as error:
        if of_machine(error):
            raise
        raise InputError(
            f"the tracking store {address.shown_uri()} cannot be used: {refused} ({first_line(error)}); {remedy}"
        ) from None
