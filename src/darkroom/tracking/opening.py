"""Load packaged models from the tracking store."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException

from darkroom.base import project
from darkroom.base.errors import InputError
from darkroom.base.failures import first_line, of_full_disk
from darkroom.tracking import address
from darkroom.tracking.outages import UnansweredError, is_unanswered

PARTS = ("network", "description", "code")
"""Artifacts of a packaged model, besides MLflow's own files."""


def load_model(uri: str) -> Any:
    """Load a packaged model; its ``predict`` accepts encoded images.

    Raises:
        InputError: the store does not have the model.
    """
    from darkroom.base import backend  # noqa: F401 - drops TensorFlow's start-up messages

    with loading(uri):
        return mlflow.pyfunc.load_model(uri, dst_path=place_of_files())


def place_of_files() -> str | None:
    """Return a new folder for a model's files if MLflow, which adds one to them, cannot write where they are."""
    return tempfile.mkdtemp(dir=project.temporary_folder()) if address.reads_a_copy() else None


@contextmanager
def loading(uri: str) -> Iterator[None]:
    """Open the store; turn errors while a model is loaded into one line.

    Raises:
        UnansweredError: the store could not be asked.
        InputError: it does not have the model, or the model is damaged.
    """
    address.check_tracking(must_exist=True)
    mlflow.set_tracking_uri(address.tracking_uri())
    try:
        yield
    # Keras raises the last three for a missing file and for a network saved by another version.
    except (MlflowException, OSError, ValueError, TypeError, ImportError) as error:
        if of_full_disk(error):
            raise
        if is_unanswered(error):
            raise UnansweredError(
                f"{uri} cannot be read now ({first_line(error)}); look at the tracking store {address.shown_uri()} and "
                "its files, then run the same command again"
            ) from None
        raise InputError(
            f"{uri} cannot be loaded ({first_line(error)}); run dvc repro to train and promote the first "
            "model, or darkroom restore for models whose results are in git"
        ) from None
