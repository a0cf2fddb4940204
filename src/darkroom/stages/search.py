"""The search of one network as it runs in the pipeline: Optuna chooses, training trains, MLflow records."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from darkroom import services, tracking
from darkroom.backend import keras
from darkroom.datasets import TRAINED_ON, Description
from darkroom.files import write_json, write_text
from darkroom.networks import NETWORKS, Network
from darkroom.params import Params, check_data_of
from darkroom.search.figures import draw
from darkroom.search.loop import Found, best_values, search
from darkroom.search.ray_cluster import RayCluster
from darkroom.search.study import SPENT, Study, kept_study, results
from darkroom.search.trials import Executor, ThisProcess, Trial
from darkroom.search.workers import Workers, threads_of_each
from darkroom.stages import interrupted, trial
from darkroom.stages.initial import initial_network
from darkroom.stages.progress import Progress, cells, shown

STATUS = {"complete": "FINISHED", "pruned": "KILLED"}
"""How MLflow calls the end of a trial; any other is FAILED."""
NOT_IN_THE_TABLE = ["tried", "seconds", "reason"]
"""Of a trial: what has columns of its own, and what would be another with each run."""


def search_network(network: Network, params: Params, prepared: Path, best_path: str, trials_path: str) -> None:
    """Run the search, one nested MLflow run for each trial; write the best values and a table of all trials.

    A search that was interrupted goes on where it was, in the same MLflow run.
    """
    description = Description.read(prepared / "dataset.json")
    check_data_of(params, network, sum(description.training_counts.values()), len(description.labels))
    tags = {"network": network, "data_digest": description.digest}
    tracking.open_store()
    initial = initial_network(network, params.network(network))
    with kept_study(_study_file(network, params, description, initial), params.search) as study:
        known = tracking.find_run(study.user_attrs.get("run_id", ""))
        earlier = known.info.run_id if known else None
        with tracking.start_run(f"{network} search", "search", tags, earlier) as parent:
            if not earlier:
                parent.log_dataset(description)
                parent.log_params({"search": {**_settings(params), **_place(params)}})
                parent.log_json(params.space(network).model_dump(mode="json"), "search_space.json")
                study.set_user_attr("run_id", parent.run_id)
            with _executor(network, params, prepared, initial) as executor:
                watch = _Recorder(network, params, tags, parent, study)
                found = search(study, params.network(network), params.space(network), params.search, executor, watch)
            watch.progress.close()
            _log_outcome(parent, study, found)
            summary = _summary(found)
            parent.describe(summary[0].upper() + summary[1:])
        rows = [{**asdict(one), **cells(one.tried)} for one in found.trials]
        table = pd.DataFrame(rows).drop(columns=NOT_IN_THE_TABLE)
        write_json(best_path, best_values(found.trials))
        write_text(trials_path, table.to_csv(index=False, lineterminator="\n"))
    print(f"{network}: {summary}")


def _summary(found: Found) -> str:
    lowest = min(one.val_loss for one in found.trials if one.state == "complete" and one.val_loss is not None)
    return (
        f"best validation loss {lowest:.4f} of {len(found.trials)} trials with {shown(best_values(found.trials))}; "
        f"{_end(found.ended_by)}"
    )


def _end(ended_by: str) -> str:
    return "the grid was tried" if ended_by == "grid" else f"ended by the budget of {ended_by}"


def _study_file(network: Network, params: Params, description: Description, initial: keras.Model | None) -> Path:
    """Name an interrupted search by all that it depends on; in a database, which others use, also by this clone."""
    space = params.space(network).model_dump(mode="json")
    more: list[Any] = [_settings(params), space, services.tracking_uri(), interrupted.digest_of(initial)]
    if params.search.storage:
        more.append(tracking.clone())
    return interrupted.file_of("search", network, params, params.network(network), description, more).with_suffix(".db")


def _settings(params: Params) -> dict[str, Any]:
    """Return what a search of any network depends on."""
    spaces: set[str] = set(NETWORKS)
    return params.search.model_dump(mode="json", exclude={*spaces, "executor", "workers", "ray", "storage"})


def _place(params: Params) -> dict[str, Any]:
    """Return where trials run, addresses left out."""
    if params.search.executor == "local":
        return {"executor": "local", "workers": params.search.workers or 1}
    asks = params.search.ray.model_dump(exclude={"address"})
    return {"executor": "ray", "workers": params.search.workers or "all", "ray": asks}


@contextmanager
def _executor(network: Network, params: Params, prepared: Path, initial: keras.Model | None) -> Iterator[Executor]:
    """Return what runs the trials: this process, several others, or a cluster."""
    workers = params.search.workers or 1
    if params.search.executor == "local" and workers == 1:
        yield ThisProcess(trial.objective(network, params, prepared, initial))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = None
        if initial is not None:
            file = Path(folder) / "initial.keras"
            initial.save(file)
        if params.search.executor == "ray":
            files = {name: prepared / name for name in TRAINED_ON} | ({trial.INITIAL: file} if file else {})
            place, digest = prepared.absolute(), trial.digest_of(prepared)
            on_node = partial(trial.objective_on_node, network, params, place, digest, initial=file is not None)
            with RayCluster(params.search.ray, params.search.workers, on_node, files) as cluster:
                yield cluster
            return
        threads = threads_of_each(workers)
        make = partial(trial.objective_in_worker, network, params, prepared, file, threads)
        with Workers(workers, make, threads) as processes:
            yield processes


class _Recorder:
    """Takes down in MLflow what happens in a search, and shows it."""

    def __init__(
        self, network: Network, params: Params, tags: Mapping[str, str], parent: tracking.Run, study: Study
    ) -> None:
        self._network, self._parent = network, parent
        self._tags = {**tags, "stage": "search"}
        self._runs: dict[int, tracking.Run] = {}
        self._ended = results(study)
        # What was lost is tried once more, and counts then.
        earlier = [one for one in self._ended if one.state != "lost"]
        epochs, spent = trial.epochs_of(network, params), study.user_attrs.get(SPENT, 0.0)
        self.progress = Progress(network, params.search.budget, epochs, earlier, spent)

    def started(self, number: int, tried: dict[str, Any]) -> None:
        self._runs[number] = tracking.open_trial(f"{self._network} trial {number}", self._tags)
        self._runs[number].log_params(tried)

    def epoch(self, number: int, epoch: int, values: Mapping[str, float]) -> None:
        self._runs[number].log_epoch(epoch, values)
        self.progress.epoch(number, epoch, values["val_loss"])

    def ended(self, trial: Trial) -> None:
        run = self._runs.pop(trial.number)
        if trial.state == "complete" and trial.val_loss is not None:
            run.log_metrics({"best_val_loss": trial.val_loss})
        if trial.reason:
            run.tag({"reason": trial.reason})
        run.end(STATUS.get(trial.state, "FAILED"))
        self._ended.append(trial)
        finished = [one.val_loss for one in self._ended if one.state == "complete" and one.val_loss is not None]
        if finished:
            # By the number of trials that have ended, so that the series shows when the search found what.
            self._parent.log_metrics({"best_val_loss": min(finished)}, step=len(self._ended))
        self.progress.ended(trial)


def _log_outcome(parent: tracking.Run, study: Study, found: Found) -> None:
    states = [one.state for one in found.trials]
    parent.log_metrics(
        {
            **{f"trials_{state}": states.count(state) for state in ("complete", "pruned", "diverged", "lost")},
            "pruned_share": states.count("pruned") / len(states),
            "epochs_spent": sum(one.epochs for one in found.trials),
            "seconds_spent": found.seconds,
        }
    )
    parent.tag({"ended_by": found.ended_by})
    best = best_values(found.trials)
    parent.log_params({"best": best})
    parent.log_json(best, "best_params.json")
    with tempfile.TemporaryDirectory() as folder:
        for picture in draw(study, Path(folder)):
            parent.log_file(picture, "search")
