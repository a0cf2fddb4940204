"""New tracking stores as copies of one that MLflow has made: its migrations take seconds, and end always the same."""

import sqlite3
from contextlib import closing
from pathlib import Path

from filelock import FileLock

MAKE = "_initialize_tables"
"""MLflow's function that makes the tables of a new store."""
TABLES = "tables.db"
"""Name of the file for them, in the folder of the programs of ``warm``."""


def copy_new_stores(template):
    """Let MLflow, in this process, make the tables of a new SQLite store once, and copy them from then on.

    Args:
        template: a file for the tables, which the processes of a session share; it need not exist yet.
    """
    from mlflow.store.db import utils

    make = getattr(utils, MAKE)

    def initialize(engine):
        place = engine.url.database
        if engine.dialect.name != "sqlite" or not place or not Path(place).is_file():
            make(engine)
            return
        with FileLock(f"{template}.lock"):
            if not Path(template).exists():
                make(engine)
                unfinished = Path(f"{template}.unfinished")
                copy(place, unfinished)
                unfinished.rename(template)
                return
        copy(template, place)

    setattr(utils, MAKE, initialize)


def copy(source, target):
    """Copy a SQLite database into a file that others may have open."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
