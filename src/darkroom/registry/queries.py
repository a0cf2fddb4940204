"""Files and tags of finished runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from darkroom.tracking.store import find_run


def has_file(run_id: str, path: str) -> bool:
    """Return whether a run has an artifact at this path."""
    run = find_run(run_id)
    folder = str(Path(path).parent)
    where = None if folder == "." else folder
    return run is not None and path in {
        file.path for file in MlflowClient().list_artifacts(run.info.run_id, where) if not file.is_dir
    }


def log_file(run_id: str, path: Path) -> None:
    """Store a file with a finished run; does nothing if the store does not have the run."""
    if run := find_run(run_id):
        MlflowClient().log_artifact(run.info.run_id, str(path))


def annotate_run(run_id: str, tags: Mapping[str, Any], *, keep: bool = False) -> None:
    """Set tags of a finished run.

    Args:
        run_id: the run; nothing happens if the store does not have it.
        tags: tags to set.
        keep: keep the values of tags that the run already has.
    """
    run = find_run(run_id)
    if run is None:
        return
    for key, value in tags.items():
        if not (keep and key in run.data.tags):
            MlflowClient().set_tag(run.info.run_id, key, str(value))
