"""Where the tracking store is, and whether it answers. Nothing heavy is imported, so that checks come at once."""

import base64
import os
import re
import sqlite3
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from filelock import FileLock, Timeout

from darkroom.errors import InputError

MODEL_ADDRESSES = ("models:/", "runs:/")  # what the address of a packaged model begins with
EXPERIMENT = "darkroom"
ANSWER_WITHIN = 5.0  # seconds


def project_root() -> Path:
    """Return the folder that holds dvc.yaml, the user's own one also where DVC runs an experiment in a copy."""
    if root := os.environ.get("DVC_ROOT"):
        return Path(root).resolve()
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "dvc.yaml").is_file()), here)


def tracking_uri() -> str:
    """Return ``MLFLOW_TRACKING_URI``, or the address of the SQLite file in the project's root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _local_uri()


def _local_uri() -> str:
    return f"sqlite:///{local_store()}"


def local_store() -> Path:
    """Return the SQLite file of the default tracking store."""
    return project_root() / "mlflow.db"


def state_folder() -> Path:
    """Return the folder for what Darkroom remembers between two calls and may forget: locks, interrupted work."""
    folder = project_root() / ".darkroom"
    folder.mkdir(exist_ok=True)
    return folder


@contextmanager
def locked(name: str, seconds: float) -> Iterator[None]:
    """Hold a lock of this project, which the system frees when its holder dies.

    Args:
        name: of the lock.
        seconds: how long to wait for another holder.

    Raises:
        InputError: another process held it all that time.
    """
    lock = FileLock(state_folder() / f"{name}.lock")
    try:
        lock.acquire(timeout=seconds)
    except Timeout:
        raise InputError(
            f"another process holds .darkroom/{name}.lock (waited for {seconds:g} s); wait for it to end, or end it"
        ) from None
    try:
        yield
    finally:
        lock.release()


def artifacts_uri() -> str:
    """Return where the default tracking store keeps its files."""
    return (project_root() / "mlartifacts").as_uri()


def is_local() -> bool:
    """Say whether runs go to the default store in the project's root."""
    # Compared by address, because MLflow itself writes the one it was given into the variable.
    return tracking_uri() == _local_uri()


def is_server() -> bool:
    """Say whether the tracking store is an MLflow server."""
    return urlsplit(tracking_uri()).scheme in {"http", "https"}


def check_tracking(*, must_exist: bool = False) -> None:
    """Check that the tracking store can be used.

    Args:
        must_exist: whether the local store is read from, so that a new one would be of no use.

    Raises:
        InputError: the server does not answer, or the local file is missing or no database.
    """
    uri = tracking_uri()
    if is_local():
        _check_database(local_store(), must_exist)
        anchor_store()
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
        # To be written, so that SQLite can take back what a killed process left half-written; waiting for who writes.
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=60)) as database:
            database.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.DatabaseError as error:
        raise InputError(
            f"{path.name}: not a usable tracking store ({error}); move it away, and a new one is made"
        ) from None


ANCHORED = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Table and column of every place of a file in MLflow's SQLite store."""


def anchor_store() -> None:
    """Let the default store find its files again after its folder was moved or copied.

    MLflow writes absolute places into its database. In a moved folder they lead nowhere, and in a copied one to the
    original's files, which is worse.
    """
    if not local_store().is_file():
        return
    with closing(sqlite3.connect(local_store(), timeout=60)) as database, database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone():
            return
        query = "SELECT artifact_location FROM experiments WHERE name = ?"
        now = artifacts_uri()
        before = (database.execute(query, (EXPERIMENT,)).fetchone() or (now,))[0]
        # Whoever created the experiment by hand chose a place of their own.
        if before == now or not before.endswith("/mlartifacts"):
            return
        for table, column in ANCHORED:
            moved = f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?"  # noqa: S608 - our own names
            database.execute(moved, (now, len(before) + 1, len(before), before))


def _check_server(uri: str) -> None:
    parts = urlsplit(uri)
    # As MLflow does it; urllib would take user and password for a part of the host's name.
    given = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()
    headers = {"Authorization": f"Basic {base64.b64encode(given).decode()}"} if parts.username else {}
    address = f"{without_password(uri).rstrip('/')}/health"
    try:
        request = urllib.request.Request(address, headers=headers)  # noqa: S310 - http and https alone come here
        with urllib.request.urlopen(request, timeout=ANSWER_WITHIN, context=_tls()):  # noqa: S310
            pass
    except urllib.error.HTTPError:
        return  # it answers; whether it lets us in is its own business
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise InputError(
            f"MLFLOW_TRACKING_URI: no MLflow server answers at {shown_uri()} ({reason}); start it, "
            "correct the address, or unset the variable to use the local store"
        ) from None


def _tls() -> ssl.SSLContext:
    """Return whom to trust, by the variables that MLflow itself reads."""
    context = ssl.create_default_context()
    if trusted := os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH"):
        context.load_verify_locations(**{"capath" if Path(trusted).is_dir() else "cafile": trusted})
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in {"true", "1"}:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def shown_uri() -> str:
    """Return the tracking store's address without user and password, for messages."""
    return without_password(tracking_uri())


def without_password(text: str) -> str:
    """Return a text without the users and passwords of the addresses in it."""
    return re.sub(r"(://)[^/\s]*@", r"\1", text)
