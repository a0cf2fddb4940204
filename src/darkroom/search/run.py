"""Search the hyperparameters of one network with Optuna; record the trials in MLflow."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from darkroom.base import code, spreadsheets
from darkroom.base.backend import keras
from darkroom.base.files import write_json
from darkroom.data.prepared.prepared import TRAINED_ON, Prepared
from darkroom.networks import Network
from darkroom.params import Params, check_network_data
from darkroom.search.executors import node_files
from darkroom.search.executors.processes import Workers, threads_of_each
from darkroom.search.executors.protocol import Executor, ThisProcess
from darkroom.search.executors.ray_cluster import RayCluster
from darkroom.search.loop import SearchResult, best_values, search
from darkroom.search.objective import objective, objective_in_worker, objective_on_node
from darkroom.search.progress import format_cells, format_values
from darkroom.search.recorder import Recorder, log_outcome
from darkroom.search.study import persistent_study
from darkroom.tracking import access, address, runs, store
from darkroom.tracking.initial_network import initial_network
from darkroom.training import TrainingJob, interrupted

NOT_IN_THE_TABLE = ["tried", "seconds", "reason"]
"""Fields of a trial left out of the table: values with their own columns, and fields that vary between runs."""


def search_network(
    network: Network, params: Params, prepared: Prepared, features: Path, best_path: str, trials_path: str
) -> None:
    """Run the search, with one nested MLflow run per trial; write the best values and a table of all trials.

    An interrupted search continues in the same MLflow run.

    Args:
        network: its name.
        params: all of params.yaml.
        prepared: the packed images.
        features: the folder of the stage ``features``, which trials on this machine use.
        best_path: file for the best values.
        trials_path: file for the table.
    """
    description = prepared.description
    check_network_data(params, network, sum(description.training_counts.values()), len(description.labels))
    tags = {"network": network, "data_digest": description.digest}
    store.open_store()
    access.check_access()
    initial = initial_network(network, params.network(network))
    job = TrainingJob.from_prepared(prepared, network, params.network(network), params, initial)
    with persistent_study(_study_file(job, params), params.search) as study:
        known = store.find_run(study.user_attrs.get("run_id", ""))
        earlier = known.info.run_id if known else None
        with runs.start_run(
            f"{network} search", "search", tags, earlier, untracked=params.tracking.untracked
        ) as parent:
            if not earlier:
                parent.log_dataset(description)
                parent.log_params({"search": {**_settings(params), **_place(params)}})
                parent.log_json(params.space(network).model_dump(mode="json"), "search_space.json")
                study.set_user_attr("run_id", parent.run_id)
            with _executor(network, params, prepared, initial, features) as executor:
                watch = Recorder(network, params, tags, parent, study)
                found = search(study, params.network(network), params.space(network), params.search, executor, watch)
            watch.progress.close()
            log_outcome(parent, study, found)
            summary = _summary(found)
            parent.describe(summary[0].upper() + summary[1:])
        rows = [{**asdict(one), **format_cells(one.tried)} for one in found.trials]
        table = pd.DataFrame(rows).drop(columns=NOT_IN_THE_TABLE)
        write_json(best_path, best_values(found.trials))
        spreadsheets.write(trials_path, table)
    print(f"{network}: {summary}")


def _summary(found: SearchResult) -> str:
    lowest = min(one.val_loss for one in found.trials if one.state == "complete" and one.val_loss is not None)
    return (
        f"best validation loss {lowest:.4f} of {len(found.trials)} trials with "
        f"{format_values(best_values(found.trials))}; {_end(found.ended_by)}"
    )


def _end(ended_by: str) -> str:
    return "all grid points tried" if ended_by == "grid" else f"budget of {ended_by} used up"


def _study_file(job: TrainingJob, params: Params) -> Path:
    """Return the study file, named by all that the search depends on; in a shared database, also by this clone."""
    space = params.space(job.network).model_dump(mode="json")
    more: list[Any] = [_settings(params), space, address.tracking_uri()]
    if params.search.storage:
        more.append(runs.clone())
    return interrupted.state_file("search", job, more).with_suffix(".db")


def _settings(params: Params) -> dict[str, Any]:
    """Return the settings that determine a search's outcome."""
    return params.search.model_dump(
        mode="json", exclude={*params.search.parts, "executor", "workers", "ray", "storage"}
    )


def _place(params: Params) -> dict[str, Any]:
    """Return the executor settings, without addresses."""
    if params.search.executor == "local":
        return {"executor": "local", "workers": params.search.workers or 1}
    asks = params.search.ray.model_dump(exclude={"address"})
    return {"executor": "ray", "workers": params.search.workers or "all", "ray": asks}


@contextmanager
def _executor(
    network: Network, params: Params, prepared: Prepared, initial: keras.Model | None, features: Path
) -> Iterator[Executor]:
    """Yield the executor of the trials: this process, worker processes, or a Ray cluster."""
    workers = params.search.workers or 1
    if params.search.executor == "local" and workers == 1:
        yield ThisProcess(objective(network, params, prepared, initial, features))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = None
        if initial is not None:
            file = Path(folder) / node_files.INITIAL
            initial.save(file)
        if params.search.executor == "ray":
            files = {name: prepared.folder / name for name in TRAINED_ON} | ({node_files.INITIAL: file} if file else {})
            place, digest = prepared.folder.absolute(), prepared.digest
            on_node = partial(objective_on_node, network, params, place, digest, initial=file is not None)
            same = code.declared("search", network, Path.cwd())
            with RayCluster(params.search.ray, params.search.workers, on_node, files, same) as cluster:
                yield cluster
            return
        threads = threads_of_each(workers)
        make = partial(objective_in_worker, network, params, prepared.folder, file, threads, features=features)
        with Workers(workers, make, threads) as processes:
            yield processes
