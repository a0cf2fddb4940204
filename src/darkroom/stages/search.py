"""The search of one network as it runs in the pipeline: Optuna chooses, training trains, MLflow records."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from darkroom import search, tracking, training
from darkroom.datasets import Description, read_split
from darkroom.params import Network, Params, with_values


def search_network(network: Network, params: Params, prepared: str | Path) -> tuple[dict[str, Any], str]:
    """Run the search, one nested MLflow run for each trial.

    Returns:
        The best values of the searched parameters, and a table of all trials as CSV.
    """
    prepared = Path(prepared)
    description = Description.read(prepared / "dataset.json")
    data = (read_split(prepared / "train", description.labels), read_split(prepared / "validation", description.labels))
    own = params.network(network)
    budget = min(params.search.epochs, own.epochs)
    tags = {"network": network, "data_digest": description.digest}

    tracking.open_store()
    with tracking.start_run(f"{network} search", "search", tags) as parent:
        parent.log_dataset(description)
        parent.log_params({"search": params.search.model_dump(exclude={"mlp", "lenet5", "mnist_cnn"})})
        parent.log_json(params.space(network).model_dump(mode="json"), "search_space.json")

        def objective(number: int, tried: dict[str, Any], report: search.Report) -> float:
            values = with_values(own, {**tried, "epochs": budget})
            title = f"{network} trial {number}"
            print(f"{title} of {params.search.trials}: {_shown(tried)}", flush=True)
            with tracking.start_trial(title, {**tags, "stage": "search"}, search.Pruned) as run:
                run.log_params(tried)
                trained = training.train(
                    network,
                    values,
                    description,
                    data,
                    seed=params.train.seed,
                    augmentation=params.preprocess.augmentation,
                    on_epoch=[training.progress_line(title, budget), run.log_epoch, report],
                )
                run.log_metrics({"best_val_loss": trained.best["val_loss"]})
                return trained.best["val_loss"]

        trials = search.search(own, params.space(network), params.search, objective)
        best = search.best_values(trials)
        table = pd.DataFrame([{**asdict(trial), **trial.tried} for trial in trials]).drop(columns="tried")
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
    print(f"{network}: best validation loss {min(finished):.4f} of {len(trials)} trials with {_shown(best)}")
    return best, table.to_csv(index=False, lineterminator="\n")


def _shown(values: dict[str, Any]) -> str:
    """Write values for the terminal."""
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )
