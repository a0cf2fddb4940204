"""Locate the tracking store and check that it is reachable. Nothing heavy is imported, so checks are fast."""

import os
import sqlite3
import ssl
import urllib.request
from contextlib import closing
from pathlib import Path

from darkroom.base.credentials import PASSWORD, USER, authorization, hide
from darkroom.base.errors import InputError
from darkroom.base.project import project_root

MODEL_ADDRESSES = ("models:/", "runs:/")  # prefixes of a packaged model's URI
EXPERIMENT = "darkroom"
ANSWER_WITHIN = 5.0  # seconds


def tracking_uri() -> str:
    """Return ``MLFLOW_TRACKING_URI``, or by default the URI of the SQLite file in the project's root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _local_uri()


def _local_uri() -> str:
    return f"sqlite:///{local_store()}"


def local_store() -> Path:
    """Return the SQLite file of the default tracking store."""
    return project_root() / "mlflow.db"


def artifacts_uri() -> str:
    """Return the artifact folder of the default tracking store as a URI."""
    return (project_root() / "mlartifacts").as_uri()


def is_local() -> bool:
    """Return whether runs go to the default store in the project's root."""
    # Compare URIs: MLflow itself sets the environment variable to the URI in use.
    return tracking_uri() == _local_uri()


def is_server() -> bool:
    """Return whether the tracking store is an MLflow server."""
    return tracking_uri().lower().startswith(("http://", "https://"))


def check_tracking(*, must_exist: bool = False) -> None:
    """Check that the tracking store can be used.

    Args:
        must_exist: whether the local store must exist already, because it is read.

    Raises:
        InputError: the server does not answer, or the local file is missing or not a database.
    """
    uri = tracking_uri()
    if is_local():
        _check_database(local_store(), must_exist)
        relocate_artifacts()
    elif is_server():
        _check_server(uri)


def _check_database(path: Path, must_exist: bool) -> None:  # noqa: FBT001
    if not path.exists():
        if must_exist:
            raise InputError(
                f"no tracking store {path}; run dvc repro first, or in a clone dvc pull and darkroom restore, or set "
                "MLFLOW_TRACKING_URI to the store you mean"
            )
        return
    try:
        # Open for writing, so that SQLite can roll back the transaction of a killed process; wait for other writers.
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=60)) as database:
            database.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.DatabaseError as error:
        raise InputError(
            f"{path.name}: not a usable tracking store ({error}); move it away, and a new one is created"
        ) from None


ARTIFACT_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Tables and columns of MLflow's SQLite store that hold paths."""


def relocate_artifacts() -> None:
    """Update the artifact paths in the default store after the project's folder was moved or copied.

    MLflow stores absolute paths. In a moved project they are broken; in a copy they point to the original's files.
    """
    if not local_store().is_file():
        return
    with closing(sqlite3.connect(local_store(), timeout=60)) as database, database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone():
            return
        query = "SELECT artifact_location FROM experiments WHERE name = ?"
        now = artifacts_uri()
        before = (database.execute(query, (EXPERIMENT,)).fetchone() or (now,))[0]
        # An experiment created by hand may keep its files elsewhere.
        if before == now or not before.endswith("/mlartifacts"):
            return
        for table, column in ARTIFACT_COLUMNS:
            moved = f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?"  # noqa: S608 - our own names
            database.execute(moved, (now, len(before) + 1, len(before), before))


def _check_server(uri: str) -> None:
    if "?" in uri or "#" in uri:
        raise InputError(
            f"MLFLOW_TRACKING_URI: {shown_uri()} has options after ? or #, which MLflow does not send; leave them out, "
            f"and set {USER} and {PASSWORD} for a login"
        )
    try:
        request = urllib.request.Request(f"{uri.rstrip('/')}/health", headers=authorization())  # noqa: S310 - http, https
        with urllib.request.urlopen(request, timeout=ANSWER_WITHIN, context=_tls()):  # noqa: S310
            pass
    except urllib.error.HTTPError:
        return  # the server is reachable; access rights are not checked here
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise InputError(
            f"MLFLOW_TRACKING_URI: no MLflow server answers at {shown_uri()} ({reason}); start it, "
            "correct the address, or unset the variable to use the local store"
        ) from None


def _tls() -> ssl.SSLContext:
    """Return the TLS settings from the environment variables that MLflow reads."""
    context = ssl.create_default_context()
    if trusted := os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH"):
        context.load_verify_locations(**{"capath" if Path(trusted).is_dir() else "cafile": trusted})
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in {"true", "1"}:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def shown_uri() -> str:
    """Return the tracking URI without passwords, for messages."""
    return hide(tracking_uri())
