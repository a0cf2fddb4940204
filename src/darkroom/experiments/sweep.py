"""``darkroom sweep``: train one network for a few epochs with each of several learning rates.

All trainings have the same initial weights and the same images in the same order, so that only the rate differs.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from darkroom import training
from darkroom.base import project, spreadsheets
from darkroom.base.backend import make_reproducible
from darkroom.base.errors import InputError, TrainingError
from darkroom.base.types import Integers
from darkroom.data.prepared.datasets import Description, Split
from darkroom.data.prepared.prepared import Prepared
from darkroom.data.prepared.targets import one_hot
from darkroom.experiments import figures
from darkroom.experiments.ladder import Attempt, Baselines, Outcome
from darkroom.networks import Network, NetworkParams, check_data, images_per_step
from darkroom.networks.inference import probabilities
from darkroom.params import Params
from darkroom.registry import queries
from darkroom.tracking import runs, store
from darkroom.tracking.initial_network import initial_network
from darkroom.training import Features, TrainingJob


@dataclass(frozen=True)
class Budget:
    """Extent of a sweep."""

    rates: tuple[float, ...]
    epochs: int
    """Epochs per rate."""
    images: int
    """Maximum number of training images, and of validation images."""


def folder(network: Network) -> Path:
    """Return the folder of ``sweep.png`` and ``sweep.csv``; the network's next sweep overwrites them."""
    return project.state_folder() / "sweeps" / network


def sweep(network: Network, params: Params, budget: Budget, prepared: Prepared, *, show: bool) -> Outcome:
    """Train with each rate, draw the losses, and log everything as nested MLflow runs.

    Args:
        network: the network's name.
        params: all of params.yaml.
        budget: rates, epochs and images.
        prepared: the packed images; test images are not used.
        show: whether to print a line per epoch.

    Raises:
        InputError: the prepared images do not fit the network or the budget, or the store cannot be used.
    """
    job = sweep_job(network, params, budget, prepared)
    tags = {"network": network, "data_digest": job.description.digest}
    store.open_store()
    with runs.start_run(f"{network} sweep", "sweep", tags, untracked=params.tracking.untracked) as parent:
        parent.log_dataset(job.description)
        parent.log_params({"sweep": _shown(budget, job), **job.values.model_dump(mode="json")})
        baselines, features = _baselines(job), Features()
        attempts = {}
        for rate in budget.rates:
            at_rate = job.with_values({"learning_rate": rate})
            run_id, attempt = _attempt(at_rate, features, tags, baselines.untrained, show=show)
            attempts[run_id] = attempt
        outcome = Outcome(tuple(attempts.values()), baselines)
        _record(parent, outcome, network)
    for run_id, attempt in attempts.items():
        queries.annotate_run(run_id, {"verdict": outcome.verdict(attempt)})
    return outcome


def sweep_job(network: Network, params: Params, budget: Budget, prepared: Prepared) -> TrainingJob:
    """Return the job common to all rates: a subset of the images, and the network's parameters, adapted."""
    own = params.network(network)
    _check(network, own, budget, prepared.description)
    job = TrainingJob.from_prepared(prepared, network, own, params)
    few = subset(job.training, budget.images, job.seed)
    # The batch size of a training on all images, limited by the number of images.
    batch_size = min(images_per_step(own, len(job.training.classes)), len(few.classes))
    job = replace(job, training=few, validation=subset(job.validation, budget.images, job.seed))
    job = job.with_values(
        {
            "epochs": budget.epochs,
            "fine_tuning.epochs": 0,
            "batch_size": batch_size,
            "schedule": {"kind": "constant"},
            "early_stopping": {"patience": budget.epochs},
        }
    )
    return replace(job, initial=initial_network(network, own))


def _check(network: Network, values: NetworkParams, budget: Budget, description: Description) -> None:
    """Check that prepared images, network and budget fit together."""
    height, width, _ = description.size
    smallest = values.smallest_side
    if min(height, width) < smallest:
        raise InputError(
            f"data/prepared has images of {height}×{width}, but {network} needs at least {smallest}×{smallest}; "
            "enlarge preprocess.size and run dvc repro preprocess"
        )
    check_data(network, values, sum(description.training_counts.values()), len(description.labels))
    if budget.images < len(description.labels):
        raise InputError(
            f"--images {budget.images}: the data has {len(description.labels)} classes; "
            "give at least one image per class"
        )


def subset(split: Split, images: int, seed: int) -> Split:
    """Return a random, stratified subset of the images; all if there are not more."""
    rows = stratified_rows(split.classes, images, seed)
    return Split(np.asarray(split.images[rows]), split.classes[rows], split.manifest.iloc[rows])


def stratified_rows(classes: Integers, count: int, seed: int) -> Integers:
    """Choose a random, stratified sample of rows.

    Rows are shuffled, sorted by class, and every n-th one is taken (*systematic sampling*).

    Args:
        classes: class numbers of shape (rows,).
        count: number of rows to choose.
        seed: of the shuffling.

    Returns:
        int64 row numbers of shape (min(count, rows),), ascending.
    """
    rows = len(classes)
    if count >= rows:
        return np.arange(rows)
    shuffled = np.random.default_rng(seed).permutation(rows)
    by_class = shuffled[np.argsort(classes[shuffled], kind="stable")]
    return np.sort(by_class[(np.arange(count) + 1) * rows // count - 1])


def _baselines(job: TrainingJob) -> Baselines:
    """Return the losses of the untrained network and of uniform probabilities."""
    targets = one_hot(job.validation.classes, job.classes)
    # Same seed as training.train, so that these are the initial weights of each rate.
    make_reproducible(job.seed)
    model = training.inference_model(training.build_model(job.network, job.values, job.description, job.initial))

    predictions = (probabilities(model, job.validation.images), np.full_like(targets, 1 / job.classes))
    objective, shared = training.loss_function(job.values), training.validation_loss()
    untrained, guessing = (float(shared(targets, predicted)) for predicted in predictions)
    return Baselines(untrained, guessing, max(float(objective(targets, predicted)) for predicted in predictions))


def _attempt(
    job: TrainingJob, features: Features, tags: Mapping[str, str], untrained: float, *, show: bool
) -> tuple[str, Attempt]:
    """Train with one rate; return the run id and the result."""
    rate = job.values.learning_rate
    title = f"{job.network} {rate:g}"
    epochs: list[training.Epoch] = []
    progress = [training.progress_line(title, job.values.epochs)] if show else []
    broke = False
    try:
        # A non-finite loss is a result here: such a run ends as KILLED, like a pruned trial.
        with runs.start_trial(title, {**tags, "stage": "sweep"}, TrainingError) as run:
            run.log_params({"learning_rate": rate})
            run.log_metrics({"val_loss": untrained}, step=0)
            training.train(
                job, on_epoch=[*progress, run.log_epoch, lambda _, values: epochs.append(values)], features=features
            )
    except TrainingError as error:
        broke = True
        if show:
            # Without the network's name and the advice.
            print(f"{title}  {str(error).partition(': ')[2].partition(';')[0]}", flush=True)
    return run.run_id, Attempt(rate, epochs, broke)


def _shown(budget: Budget, job: TrainingJob) -> dict[str, Any]:
    """Return the budget with the actual numbers of images, for the run's parameters."""
    counts = {"training_images": len(job.training.classes), "validation_images": len(job.validation.classes)}
    return {**asdict(budget), **counts, "seed": job.seed}


def _record(parent: runs.Run, outcome: Outcome, network: Network) -> None:
    """Draw the losses, write the table, and log both with the results."""
    rows = outcome.rows()
    picture, table = folder(network) / "sweep.png", folder(network) / "sweep.csv"
    figures.learning_rates(rows, outcome.baselines.guessing, f"{network}: learning rates", picture)
    columns = [{**row, **{f"val_loss {epoch}": loss for epoch, loss in enumerate(row["val_losses"])}} for row in rows]
    spreadsheets.write(table, pd.DataFrame(columns).drop(columns="val_losses"))
    parent.log_file(picture)
    parent.log_file(table)
    parent.log_metrics({"untrained_val_loss": outcome.baselines.untrained, "rates_diverging": len(outcome.diverging)})
    if outcome.best is not None:
        parent.log_metrics({"best_val_loss": outcome.best.epochs[-1]["val_loss"]})
        parent.log_params({"best": {"learning_rate": outcome.best.rate}})
