"""SQLite files of MLflow: whether they can be written, copies of them, and the paths in them."""

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

ARTIFACT_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Tables and columns of MLflow's SQLite store that hold paths."""
PATIENCE = 60  # seconds to wait for other writers


def can_write(file: Path) -> bool:
    """Return whether a file can be written, or created; SQLite also writes beside it."""
    return os.access(file.parent, os.W_OK) and (not file.exists() or os.access(file, os.W_OK))


def copy(file: Path, to: Path) -> None:
    """Copy a database that cannot be written; what does not exist stays so.

    Raises:
        sqlite3.DatabaseError: it is not a database.
    """
    to.unlink(missing_ok=True)
    if not file.exists():
        return
    try:
        with (
            closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=PATIENCE)) as database,
            closing(sqlite3.connect(to)) as other,
        ):
            database.backup(other)
    except sqlite3.OperationalError:
        # A killed process has left a journal, which SQLite applies only where it can write.
        for ending in ("", "-journal", "-wal"):
            with suppress(FileNotFoundError):
                shutil.copyfile(f"{file}{ending}", f"{to}{ending}")


def relocate_artifacts(file: Path, experiment: str, now: str) -> None:
    """Update the artifact paths in a store after the project's folder was moved or copied.

    MLflow stores absolute paths. In a moved project they are broken; in a copy they point to the original's files.

    Args:
        file: the store.
        experiment: Darkroom's.
        now: URI of the folder of its artifacts.

    Raises:
        sqlite3.OperationalError: it cannot be written.
    """
    with closing(sqlite3.connect(file, timeout=PATIENCE)) as database, database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone():
            return
        query = "SELECT artifact_location FROM experiments WHERE name = ?"
        before = (database.execute(query, (experiment,)).fetchone() or (now,))[0]
        # An experiment created by hand may keep its files elsewhere.
        if before == now or not before.endswith("/mlartifacts"):
            return
        for table, column in ARTIFACT_COLUMNS:
            moved = f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?"  # noqa: S608 - our own names
            database.execute(moved, (now, len(before) + 1, len(before), before))
