"""Locate the tracking store and check that it is reachable. Nothing heavy is imported, so checks are fast."""

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from darkroom.base.credentials import hide
from darkroom.base.errors import InputError
from darkroom.base.project import project_root

MODEL_ADDRESSES = ("models:/", "runs:/")  # prefixes of a packaged model's URI
EXPERIMENT = "darkroom"
WITHOUT_SCHEME = re.compile(r"(localhost|[\w-]+(\.[\w-]+)+):\d+(/|$)")
"""An address of a server that lacks ``http://``; MLflow would create a folder of that name."""


def tracking_uri() -> str:
    """Return ``MLFLOW_TRACKING_URI``, or by default the URI of the SQLite file in the project's root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _local_uri()


def _local_uri() -> str:
    return f"sqlite:///{local_store()}"


def local_store() -> Path:
    """Return the SQLite file of the default tracking store."""
    return project_root() / "mlflow.db"


def sqlite_file() -> Path | None:
    """Return the file of a SQLite tracking store; None for other stores."""
    scheme, _, rest = tracking_uri().partition(":///")
    path = rest.partition("?")[0]
    return Path(path) if scheme.startswith("sqlite") and path.startswith("/") else None


def artifacts_uri() -> str:
    """Return the artifact folder of the default tracking store as a URI."""
    return (project_root() / "mlartifacts").as_uri()


def is_local() -> bool:
    """Return whether runs go to the default store in the project's root."""
    # Compare URIs: MLflow itself sets the environment variable to the URI in use.
    return tracking_uri() == _local_uri()


def is_server() -> bool:
    """Return whether the tracking store is an MLflow server."""
    return tracking_uri().partition("://")[0].lower() in {"http", "https"}


def check_tracking(*, must_exist: bool = False) -> None:
    """Check that the tracking store can be used.

    Args:
        must_exist: whether a SQLite file must exist already, because it is read.

    Raises:
        InputError: the server does not answer or is not one that Darkroom can use, the local file is missing or not a
            database, or the experiment was deleted in it.
    """
    _check_variables()
    if file := sqlite_file():
        _check_database(file, must_exist)
        if is_local():
            relocate_artifacts()
    elif is_server():
        # Not imported before it is needed: it takes a fifth of a second.
        from darkroom.tracking import server

        server.check(tracking_uri(), shown_uri())


def _check_variables() -> None:
    """Check the environment variables that name the store.

    Raises:
        InputError: they name a server without its scheme, or a registry in another store.
    """
    uri = tracking_uri()
    # Entry points make a folder's address absolute.
    if WITHOUT_SCHEME.match(uri.removeprefix(f"{project_root().as_posix()}/")):
        raise InputError(
            f"MLFLOW_TRACKING_URI: {shown_uri()} has no scheme; set it to "
            f"http://{shown_uri().removeprefix(f'{project_root().as_posix()}/')}, or https://"
        )
    registry = os.environ.get("MLFLOW_REGISTRY_URI")
    if registry and registry != uri:
        raise InputError(
            f"MLFLOW_REGISTRY_URI: {hide(registry)} is not the tracking store {shown_uri()}; unset it, "
            "since Darkroom keeps runs and models in one store"
        )


def refuse_deleted_experiment(identity: str) -> None:
    """Refuse an experiment in MLflow's trash, with the command that restores it.

    Args:
        identity: the experiment's id.

    Raises:
        InputError: always.
    """
    store = "" if is_server() else f"MLFLOW_TRACKING_URI={shown_uri()} "
    raise InputError(
        f"the experiment {EXPERIMENT} was deleted in the tracking store {shown_uri()}; restore it with "
        f"{store}mlflow experiments restore --experiment-id {identity}"
    )


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
            deleted = _deleted_experiment(database)
    except sqlite3.DatabaseError as error:
        raise InputError(
            f"{path.name}: not a usable tracking store ({error}); move it away, and a new one is created"
        ) from None
    if deleted:
        refuse_deleted_experiment(deleted)


def schema_of(file: Path) -> str | None:
    """Return the version of a SQLite store's schema; None without a file, or before MLflow has opened it.

    Args:
        file: checked by ``check_tracking``.
    """
    if not file.is_file():
        return None
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=60)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return None
        found = database.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(found[0]) if found else None


def _deleted_experiment(database: sqlite3.Connection) -> str | None:
    """Return the id of Darkroom's experiment if it is in MLflow's trash."""
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone():
        return None
    query = "SELECT experiment_id FROM experiments WHERE name = ? AND lifecycle_stage = 'deleted'"
    found = database.execute(query, (EXPERIMENT,)).fetchone()
    return str(found[0]) if found else None


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


def shown_uri() -> str:
    """Return the tracking URI without passwords, for messages."""
    return hide(tracking_uri())
