"""``darkroom ui``: MLflow's UI for the project's store, with a link to the table of training runs."""

import json
import os
import sys
from typing import NoReturn

from darkroom.tracking import address

VIEW = "training-runs"
"""Key of the shared view of the runs table that shows the training runs."""
COLUMNS = ("test_accuracy", "test_macro_f1", "validation_accuracy", "validation_loss")
"""Metrics shown as columns of the view; MLflow by default shows none."""
HOST = "127.0.0.1"
HIDDEN = "ignore:starlette.middleware.wsgi is deprecated"
"""A warning to MLflow's developers, in the terminal below the address of the training runs."""


def serve(port: int) -> NoReturn:
    """Replace this process by MLflow's server for the project's store, with one worker and no job runners.

    Args:
        port: local port.
    """
    print("starting the MLflow UI on this project's store; Ctrl-C ends it", flush=True)
    from darkroom.tracking import store

    # Create the store first: MLflow's server would choose another artifact folder.
    store.open_store()
    print(f"the training runs, in some seconds: http://{HOST}:{port}{training_runs()}", flush=True)
    # Not as an argument, which other users of the machine can read: the URI may contain a password.
    os.environ["MLFLOW_BACKEND_STORE_URI"] = address.tracking_uri()
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    os.environ["PYTHONWARNINGS"] = HIDDEN
    # At its usual level, the server prints the address of another page.
    options = ["--host", HOST, "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"]
    # Run as a module, because the environment's scripts need not be in PATH.
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "ui", *options])  # noqa: S606


def training_runs() -> str:
    """Return the path of the training runs in MLflow's UI; create the shared view that it shows if it is missing."""
    import mlflow

    experiment = mlflow.set_experiment(address.EXPERIMENT)
    tag = f"mlflow.sharedViewState.{VIEW}"
    if tag not in experiment.tags:
        mlflow.MlflowClient().set_experiment_tag(experiment.experiment_id, tag, view(experiment.creation_time or 0))
    return f"/#/experiments/{experiment.experiment_id}/runs?viewStateShareKey={VIEW}"


def view(created: int) -> str:
    """Return a shared view of the training runs, in the format of the experiment tag that MLflow's UI (3.17) reads.

    Args:
        created: creation time in milliseconds since 1970.
    """
    state = {
        "searchFilter": "tags.stage = 'train'",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [*(f"metrics.`{name}`" for name in COLUMNS), "attributes.`Models`"],
    }
    return json.dumps({"name": "Training runs", "createdAt": created, "updatedAt": created, "state": json.dumps(state)})
