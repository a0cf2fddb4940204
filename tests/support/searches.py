"""A search as the stage runs it."""

from types import SimpleNamespace

import pandas as pd
from mlflow import MlflowClient

from darkroom.data.prepared.prepared import Prepared
from darkroom.params import read_params
from darkroom.search.run import search_network
from darkroom.tracking.address import EXPERIMENT
from support.projects import edit_params


def run(folder, **changes):
    """Search; return the parent run, its trials in their order, and the table."""
    edit_params(folder / "params.yaml", {name.replace("__", "."): value for name, value in changes.items()})
    search_network("mlp", read_params(), Prepared(folder / "prepared"), folder / "features", "best.json", "trials.csv")
    client = MlflowClient()
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    runs = client.search_runs([experiment], order_by=["start_time"])
    parent = [run for run in runs if "mlflow.parentRunId" not in run.data.tags][-1]
    nested = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    return SimpleNamespace(parent=parent, trials=nested, table=pd.read_csv("trials.csv"), client=client)
