"""The search of one network as it runs in the pipeline: Optuna chooses, training trains, MLflow records."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from darkroom import search, services, tracking, training
from darkroom.backend import keras
from darkroom.datasets import Description, read_split
from darkroom.files import write_json, write_text
from darkroom.initial_weights import Features
from darkroom.networks import NETWORKS, Network
from darkroom.params import Params, check_data_of, with_values
from darkroom.stages import interrupted
from darkroom.stages.initial import initial_network


def search_network(network: Network, params: Params, prepared: Path, best_path: str, trials_path: str) -> None:
    """Run the search, one nested MLflow run for each trial; write the best values and a table of all trials.

    A search that was interrupted goes on where it was, in the same MLflow run.
    """
    description = Description.read(prepared / "dataset.json")
    check_data_of(params, network, sum(description.training_counts.values()), len(description.labels))
    tags = {"network": network, "data_digest": description.digest}
    tracking.open_store()
    initial = initial_network(network, params.network(network))
    with search.kept_study(_study_file(network, params, description, initial), params.search) as study:
        known = tracking.find_run(study.user_attrs.get("run_id", ""))
        earlier = known.info.run_id if known else None
        with tracking.start_run(f"{network} search", "search", tags, earlier) as parent:
            if not earlier:
                parent.log_dataset(description)
                parent.log_params({"search": _budget(params)})
                parent.log_json(params.space(network).model_dump(mode="json"), "search_space.json")
                study.set_user_attr("run_id", parent.run_id)
            trials = _trials(network, params, description, prepared, study, initial)
            best = search.best_values(trials)
            _log_outcome(parent, trials, best)
        table = pd.DataFrame([{**asdict(trial), **_cells(trial.tried)} for trial in trials]).drop(columns="tried")
        write_json(best_path, best)
        write_text(trials_path, table.to_csv(index=False, lineterminator="\n"))
    lowest = min(trial.val_loss for trial in trials if trial.state == "complete" and trial.val_loss is not None)
    print(f"{network}: best validation loss {lowest:.4f} of {len(trials)} trials with {_shown(best)}")


def _study_file(network: Network, params: Params, description: Description, initial: keras.Model | None) -> Path:
    """Name an interrupted search by all that it depends on."""
    space = params.space(network).model_dump(mode="json")
    more = [_budget(params), space, services.tracking_uri(), interrupted.digest_of(initial)]
    return interrupted.file_of("search", network, params, params.network(network), description, more).with_suffix(".db")


def _budget(params: Params) -> dict[str, Any]:
    spaces: set[str] = set(NETWORKS)
    return params.search.model_dump(exclude=spaces)


def _trials(
    network: Network,
    params: Params,
    description: Description,
    prepared: Path,
    study: search.Study,
    initial: keras.Model | None,
) -> list[search.Trial]:
    """Run the trials that the study has not got yet."""
    data = (read_split(prepared / "train", description.labels), read_split(prepared / "validation", description.labels))
    own = params.network(network)
    features = Features()
    # The first trial alone says how long all will take.
    says = iter([lambda line: print(f"{network}: {line}", flush=True)])
    budget = min(params.search.epochs, own.epochs)
    tags = {"network": network, "data_digest": description.digest, "stage": "search"}

    def objective(number: int, tried: dict[str, Any], report: search.Report) -> float:
        title = f"{network} trial {number}"
        print(f"{title} of {params.search.trials}: {_shown(tried)}", flush=True)
        with tracking.start_trial(title, tags, search.Pruned) as run:
            run.log_params(tried)
            trained = training.train(
                network,
                with_values(own, {**tried, "epochs": budget}),
                description,
                data,
                seed=params.train.seed,
                augmentation=params.preprocess.augmentation,
                initial=initial,
                features=features,
                say=next(says, None),
                trials=params.search.trials - number,
                on_epoch=[training.progress_line(title, budget), run.log_epoch, report],
            )
            run.log_metrics({"best_val_loss": trained.best["val_loss"]})
            return trained.best["val_loss"]

    return search.search(study, own, params.space(network), params.search, objective)


def _log_outcome(parent: tracking.Run, trials: list[search.Trial], best: dict[str, Any]) -> None:
    finished = [trial.val_loss for trial in trials if trial.state == "complete" and trial.val_loss is not None]
    parent.log_metrics(
        {
            "best_val_loss": min(finished),
            "trials_complete": len(finished),
            "trials_pruned": sum(trial.state == "pruned" for trial in trials),
            "trials_failed": sum(trial.state == "fail" for trial in trials),
        }
    )
    parent.log_params({"best": best})
    parent.log_json(best, "best_params.json")


def _cells(values: dict[str, Any]) -> dict[str, Any]:
    """Write lists and mappings as text."""
    return {name: json.dumps(value) if isinstance(value, list | dict) else value for name, value in values.items()}


def _shown(values: dict[str, Any]) -> str:
    """Write values for the terminal."""
    cells = _cells(values).items()
    return ", ".join(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in cells)
