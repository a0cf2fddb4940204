"""Runs as a killed process leaves them."""

import subprocess

from mlflow import MlflowClient

from darkroom.base.processes import ProcessId
from darkroom.tracking import address, store


def killed(name, tags):
    """A run as a process that was killed leaves it, with a file."""
    gone = subprocess.Popen(["sleep", "60"])
    named = str(ProcessId.of(gone.pid))
    gone.kill()
    gone.wait()
    client = MlflowClient()
    experiment = client.get_experiment_by_name(address.EXPERIMENT).experiment_id
    run = client.create_run(experiment, run_name=name, tags={store.PROCESS: named, **tags})
    client.log_text(run.info.run_id, "text", "left.txt")
    return run.info.run_id


def exists(run_id):
    return MlflowClient().get_run(run_id).info.lifecycle_stage == "active"
