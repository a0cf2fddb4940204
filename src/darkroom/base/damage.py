"""Damaged results of earlier stages: one line with the remedy instead of a library's error."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from darkroom.base.errors import InputError
from darkroom.base.failures import first_line, of_machine

DAMAGE = (ValueError, EOFError, LookupError, OSError, zipfile.BadZipFile)
"""What NumPy, Arrow, pandas and Keras raise on damaged files."""


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Say which file is damaged if reading it fails.

    DVC itself runs the stage again that writes such a file, unless it is told to leave it out.

    Raises:
        InputError: the content is damaged.
    """
    try:
        yield
    except DAMAGE as error:
        if isinstance(error, FileNotFoundError | PermissionError) or of_machine(error):
            raise
        raise InputError(
            f"{path} is damaged ({first_line(error)[:200]}); run dvc repro, which writes it again, or get it with dvc "
            f"checkout --force {path}"
        ) from None
