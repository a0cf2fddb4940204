"""Locate the tracking store and check that it is reachable. Nothing heavy is imported, so checks are fast."""

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from darkroom.base import project
from darkroom.base.credentials import hide
from darkroom.base.errors import InputError
from darkroom.base.failures import first_line, of_full_disk
from darkroom.base.files import is_there
from darkroom.base.project import project_root
from darkroom.tracking import sqlite_files

MODEL_ADDRESSES = ("models:/", "runs:/")  # prefixes of a packaged model's URI
EXPERIMENT = "darkroom"
COPIES: set[str] = set()
"""Addresses of copies of stores that this process cannot write."""
DATABASES = {"postgresql", "mysql", "mssql"}
"""Databases, beside SQLite, that MLflow takes as a store."""
IN_MEMORY = ":memory:"
"""SQLite's name of a database that ends with its process."""
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


def is_folder() -> bool:
    """Return whether the tracking store is a folder of files."""
    # Entry points make its address absolute.
    return tracking_uri().lower().startswith(("/", "file:"))


def check_tracking(*, must_exist: bool = False, reading: bool = False) -> None:
    """Check that the tracking store can be used.

    Args:
        must_exist: whether a SQLite file must exist already, because it is read.
        reading: whether nothing is to be kept in the store. If it is a SQLite file that cannot be written, as on a
            read-only disk, this process then uses a copy of it.

    Raises:
        InputError: the server does not answer or is not one that Darkroom can use, the local file is missing or not a
            database, or the experiment was deleted in it.
    """
    _check_variables()
    if file := sqlite_file():
        if not is_there(file) and must_exist:
            raise InputError(
                f"no tracking store {file}; run dvc repro first, or in a clone dvc pull and darkroom restore, or set "
                "MLFLOW_TRACKING_URI to the store you mean"
            )
        if reading and not sqlite_files.can_write(file):
            file = _use_copy(file)
        _check_database(file)
        if is_local() and file.exists():
            _relocate(file)
    elif is_server():
        # Not imported before it is needed: it takes a fifth of a second.
        from darkroom.tracking import server

        server.check(tracking_uri(), shown_uri())
    else:
        _require_driver()


def _check_variables() -> None:
    """Check the environment variables that name the store.

    Raises:
        InputError: they name a server without its scheme, a database in memory, a folder of files, or a registry in
            another store.
    """
    uri = tracking_uri()
    # Entry points make a folder's address absolute.
    if WITHOUT_SCHEME.match(uri.removeprefix(f"{project_root().as_posix()}/")):
        raise InputError(
            f"MLFLOW_TRACKING_URI: {shown_uri()} has no scheme; set it to "
            f"http://{shown_uri().removeprefix(f'{project_root().as_posix()}/')}, or https://"
        )
    if uri.startswith("sqlite") and (sqlite_file() is None or IN_MEMORY in uri):
        raise InputError(
            f"MLFLOW_TRACKING_URI: {shown_uri()} names no file, so that runs would be lost with the process; set it "
            "to sqlite:////FOLDER/mlflow.db, or unset it to use the local store"
        )
    if is_folder() and os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() not in {"true", "1"}:
        raise InputError(
            f"MLFLOW_TRACKING_URI: {shown_uri()} is a folder of files, which MLflow no longer accepts as a store; set "
            "it to a server or to sqlite:///FILE, or unset it (mlflow migrate-filestore copies the runs of a folder)"
        )
    registry = os.environ.get("MLFLOW_REGISTRY_URI")
    if registry and registry != uri:
        raise InputError(
            f"MLFLOW_REGISTRY_URI: {hide(registry)} is not the tracking store {shown_uri()}; unset it, "
            "since Darkroom keeps runs and models in one store"
        )


def _require_driver() -> None:
    """Refuse the address of a database that SQLAlchemy does not understand, or for which it has no driver.

    Raises:
        InputError: it is such an address.
    """
    if tracking_uri().partition("://")[0].partition("+")[0] not in DATABASES:
        return
    # Not imported before they are needed.
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        make_url(tracking_uri()).get_dialect().import_dbapi()
    except (ImportError, ValueError, ArgumentError) as error:
        raise InputError(
            f"the tracking store {shown_uri()} cannot be used ({first_line(error)}); pip install "
            "psycopg2-binary for PostgreSQL (postgresql+psycopg2://…) or pymysql for MySQL (mysql+pymysql://…), or "
            "correct the address"
        ) from None


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


def _relocate(file: Path) -> None:
    """Update the paths in the default store after the project's folder was moved or copied.

    Raises:
        InputError: the store cannot be written.
    """
    try:
        sqlite_files.relocate_artifacts(file, EXPERIMENT, artifacts_uri())
    except sqlite3.OperationalError as error:
        if of_full_disk(error):
            raise
        raise InputError(
            f"{file.name}: the project was moved, and its store cannot be updated ({error}); make it writable"
        ) from None


def _use_copy(file: Path) -> Path:
    """Let this process use a copy of a SQLite store that it cannot write; return the copy."""
    copy = project.temporary_folder() / file.name
    try:
        sqlite_files.copy(file, copy)
    except sqlite3.DatabaseError:
        return file  # no database, which is told where any store is checked
    if is_local() and copy.exists():
        sqlite_files.relocate_artifacts(copy, EXPERIMENT, artifacts_uri())
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{copy}"
    COPIES.add(tracking_uri())
    # It was that of the store, or refused.
    os.environ.pop("MLFLOW_REGISTRY_URI", None)
    return copy


def reads_a_copy() -> bool:
    """Return whether this process uses a copy of the store, see ``check_tracking``."""
    return tracking_uri() in COPIES


def _check_database(path: Path) -> None:
    if not path.exists():
        return
    try:
        # Open for writing, so that SQLite can roll back the transaction of a killed process; wait for other writers.
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=60)) as database:
            deleted = _deleted_experiment(database)
    except sqlite3.OperationalError as error:
        if of_full_disk(error):
            raise
        raise InputError(
            f"{path.name}: the tracking store cannot be opened ({error}); make the file readable and writable, or wait "
            "until no other process holds it"
        ) from None
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


def shown_uri() -> str:
    """Return the tracking URI without passwords, for messages."""
    return hide(tracking_uri())
