"""Environment variables of Darkroom's own processes.

Every entry point (stages, command, worker processes, Ray nodes, benchmarks, tests) calls ``prepare`` before it imports
a library that reads these variables. Subprocesses inherit them. A process that only loads a packaged model does not
import this module and keeps its environment.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

from darkroom.base import credentials, project

FORCED = {
    # No telemetry, no update checks.
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    # Layers, optimizers and device strategies are written for TensorFlow.
    "KERAS_BACKEND": "tensorflow",
}
"""Always set, even if the user's shell has other values."""
DEFAULTS = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # Fail within seconds, not after minutes of retries, if the MLflow server does not respond.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    # Arrow's default allocator requests huge pages, which are slow to obtain on some virtual machines: short-lived
    # tables took up to four times as long.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""Set unless the user's shell sets them."""
REMOVED = (
    # MLflow would write into this run or experiment instead of Darkroom's, or add these tags to every run.
    "MLFLOW_RUN_ID",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_RUN_CONTEXT",
    "MLFLOW_ACTIVE_MODEL_ID",
    "_MLFLOW_ACTIVE_MODEL_ID",
    # Keras would end training early without a message, and DVC would cache the result.
    "KERAS_MAX_EPOCHS",
    "KERAS_MAX_STEPS_PER_EPOCH",
)
"""Removed, so that MLflow and Keras do not see them."""
STORES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")


def prepare() -> None:
    """Set Darkroom's environment variables for this process and its subprocesses. Idempotent.

    Raises:
        InputError: the addresses of the stores have different logins.
    """
    os.environ.update(FORCED)
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    for name in REMOVED:
        os.environ.pop(name, None)
    credentials.take_logins(*STORES)
    for name in STORES:
        if address := os.environ.get(name):
            os.environ[name] = absolute_address(address)


def absolute_address(address: str) -> str:
    """Make an MLflow store address absolute; a relative path refers to the project's root.

    Otherwise an experiment, which DVC runs in a temporary copy of the project, would lose its store with the copy.

    Args:
        address: an MLflow tracking or registry URI, such as ``sqlite:///mlflow.db``, ``file:mlruns`` or ``mlruns``.
    """
    scheme, _, rest = address.partition(":")
    if scheme.startswith("sqlite"):
        # sqlite:///relative, sqlite:////absolute, sqlite:// or sqlite:///:memory: in memory.
        host, _, path = rest.partition("///")
        if host or not path or path.startswith(("/", ":memory:", "file:")) or Path(path).is_absolute():
            return address
        return f"{scheme}:///{_below_root(path)}"
    if scheme == "file" and not rest.startswith("/"):
        return f"file://{_below_root(rest)}"
    if not urlsplit(address).scheme and address not in {"databricks", "databricks-uc", "uc"}:
        return _below_root(address)
    return address


def _below_root(path: str) -> str:
    # An absolute path replaces the root.
    return (project.project_root() / path).as_posix()
