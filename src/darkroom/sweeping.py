"""``darkroom sweep``: one network trained for a few epochs with each learning rate of a ladder.

All rates begin with the same weights and see the same images in the same order, so that the rate alone is compared.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from darkroom import figures, services, tracking, training
from darkroom.backend import keras, make_reproducible
from darkroom.datasets import Description, Integers, Split, one_hot, read_split
from darkroom.errors import InputError, TrainingError
from darkroom.files import write_text
from darkroom.inference import probabilities
from darkroom.initial_weights import Features
from darkroom.ladder import Attempt, Outcome, References
from darkroom.networks import Network, NetworkParams, check_data, images_per_step
from darkroom.params import Params, with_values
from darkroom.sections import AugmentationParams
from darkroom.stages.initial import initial_network


@dataclass(frozen=True)
class Budget:
    """What a sweep may cost."""

    rates: tuple[float, ...]
    epochs: int
    """With each rate."""
    images: int
    """Training images at most, and validation images at most."""


@dataclass(frozen=True)
class Setting:
    """What all rates have in common."""

    network: Network
    effective: NetworkParams
    """The network's parameters but for the rate, which each attempt sets."""
    description: Description
    data: tuple[Split, Split]
    """Training and validation images."""
    seed: int
    augmentation: AugmentationParams
    initial: keras.Model | None
    """The network whose weights all begin with."""
    features: Features = field(default_factory=Features)
    """What its frozen part makes of the images."""

    @property
    def tags(self) -> dict[str, str]:
        """What the runs are found by."""
        return {"network": self.network, "data_digest": self.description.digest}


def folder(network: Network) -> Path:
    """Return where a sweep leaves ``sweep.png`` and ``sweep.csv``; the next one of the network writes over them."""
    return services.state_folder() / "sweeps" / network


def sweep(network: Network, params: Params, budget: Budget, prepared: Path, *, show: bool) -> Outcome:
    """Train with each rate, draw the losses, and record all as nested MLflow runs.

    Args:
        network: its name.
        params: the whole of params.yaml.
        budget: rates, epochs and images.
        prepared: folder of the packed images, of which the test images are left alone.
        show: whether a line is printed for each epoch.

    Raises:
        InputError: the prepared images do not go with the network or with the budget, or the store cannot be used.
    """
    setting = setting_of(network, params, budget, prepared)
    tracking.open_store()
    with tracking.start_run(f"{network} sweep", "sweep", setting.tags) as parent:
        parent.log_dataset(setting.description)
        parent.log_params({"sweep": _shown(budget, setting), **setting.effective.model_dump(mode="json")})
        references = _references(setting)
        attempts = {}
        for rate in budget.rates:
            run_id, attempt = _attempt(setting, rate, references.untrained, show=show)
            attempts[run_id] = attempt
        outcome = Outcome(tuple(attempts.values()), references)
        _record(parent, outcome, network)
    for run_id, attempt in attempts.items():
        tracking.annotate_run(run_id, {"verdict": outcome.verdict(attempt)})
    return outcome


def setting_of(network: Network, params: Params, budget: Budget, prepared: Path) -> Setting:
    """Read a share of the images, and take the network's values with what a sweep changes of them."""
    description = Description.read(prepared / "dataset.json")
    own = params.network(network)
    _check(network, own, budget, description)
    training_images, validation_images = (
        read_split(prepared / split, description.labels) for split in ("train", "validation")
    )
    data = (
        subset(training_images, budget.images, params.train.seed),
        subset(validation_images, budget.images, params.train.seed),
    )
    # The size that a training on all images would have, as far as there are so many.
    batch_size = min(images_per_step(own, len(training_images.classes)), len(data[0].classes))
    changes = {
        "epochs": budget.epochs,
        "batch_size": batch_size,
        "schedule": {"kind": "constant"},
        "early_stopping": {"patience": budget.epochs},
    }
    values = with_values(own, changes)
    initial = initial_network(network, own)
    return Setting(network, values, description, data, params.train.seed, params.preprocess.augmentation, initial)


def _check(network: Network, values: NetworkParams, budget: Budget, description: Description) -> None:
    """Check what training would stumble over with a traceback, or not at all."""
    height, width, _ = description.size
    smallest = values.smallest_side
    if min(height, width) < smallest:
        raise InputError(
            f"data/prepared has images of {height}×{width}, and {network} needs at least {smallest}×{smallest}; "
            "enlarge preprocess.size and run dvc repro preprocess"
        )
    check_data(network, values, sum(description.training_counts.values()), len(description.labels))
    if budget.images < len(description.labels):
        raise InputError(
            f"--images {budget.images}: the data has {len(description.labels)} classes; give at least so many images"
        )


def subset(split: Split, images: int, seed: int) -> Split:
    """Take some images at random, of each class its share, give or take one image; all where there are no more."""
    rows = stratified_rows(split.classes, images, seed)
    return Split(np.asarray(split.images[rows]), split.classes[rows], split.manifest.iloc[rows])


def stratified_rows(classes: Integers, count: int, seed: int) -> Integers:
    """Choose rows at random, of each class its share.

    Shuffled and then put in the order of their classes, each n-th row is taken (*systematic sampling*).

    Args:
        classes: class numbers of shape (rows,).
        count: how many rows are wanted.
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


def _references(setting: Setting) -> References:
    """Return the losses of the untrained network and of giving each class the same probability."""
    classes = len(setting.description.labels)
    validation = setting.data[1]
    targets = one_hot(validation.classes, classes)
    # As training.train begins, so that these are the weights that each rate begins with.
    make_reproducible(setting.seed)
    model = training.served(
        training.build_model(setting.network, setting.effective, setting.description, setting.initial)
    )

    answers = (probabilities(model, validation.images), np.full_like(targets, 1 / classes))
    objective, shared = training.loss_function(setting.effective), training.validation_loss()
    untrained, guessing = (float(shared(targets, answer)) for answer in answers)
    return References(untrained, guessing, max(float(objective(targets, answer)) for answer in answers))


def _attempt(setting: Setting, rate: float, untrained: float, *, show: bool) -> tuple[str, Attempt]:
    """Train with one rate; return the id of its run, and what became of it."""
    title = f"{setting.network} {rate:g}"
    epochs: list[training.Epoch] = []
    progress = [training.progress_line(title, setting.effective.epochs)] if show else []
    broke = False
    try:
        # A loss that is not finite is an answer here: such a run ends as KILLED, as a pruned trial does.
        with tracking.start_trial(title, {**setting.tags, "stage": "sweep"}, TrainingError) as run:
            run.log_params({"learning_rate": rate})
            run.log_metrics({"val_loss": untrained}, step=0)
            training.train(
                setting.network,
                with_values(setting.effective, {"learning_rate": rate}),
                setting.description,
                setting.data,
                seed=setting.seed,
                augmentation=setting.augmentation,
                initial=setting.initial,
                features=setting.features,
                on_epoch=[*progress, run.log_epoch, lambda _, values: epochs.append(values)],
            )
    except TrainingError as error:
        broke = True
        if show:
            # Without the network's name at the beginning, and what to do about it at the end.
            print(f"{title}  {str(error).partition(': ')[2].partition(';')[0]}", flush=True)
    return run.run_id, Attempt(rate, epochs, broke)


def _shown(budget: Budget, setting: Setting) -> dict[str, Any]:
    """Return the budget with the images that were there, for the run's parameters."""
    training_images, validation_images = (len(split.classes) for split in setting.data)
    counts = {"training_images": training_images, "validation_images": validation_images}
    return {**asdict(budget), **counts, "seed": setting.seed}


def _record(parent: tracking.Run, outcome: Outcome, network: Network) -> None:
    """Draw the losses, write the table, and log both with what came out."""
    rows = outcome.rows()
    picture, table = folder(network) / "sweep.png", folder(network) / "sweep.csv"
    figures.learning_rates(rows, outcome.references.guessing, f"{network}: learning rates", picture)
    columns = [{**row, **{f"val_loss {epoch}": loss for epoch, loss in enumerate(row["val_losses"])}} for row in rows]
    write_text(table, pd.DataFrame(columns).drop(columns="val_losses").to_csv(index=False, lineterminator="\n"))
    parent.log_file(picture)
    parent.log_file(table)
    parent.log_metrics({"untrained_val_loss": outcome.references.untrained, "rates_diverging": len(outcome.diverging)})
    if outcome.best is not None:
        parent.log_metrics({"best_val_loss": outcome.best.epochs[-1]["val_loss"]})
        parent.log_params({"best": {"learning_rate": outcome.best.rate}})
