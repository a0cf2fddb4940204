"""What a search costs: against a whole grid, with two workers against one, and MLflow's share of it.

    python -m benchmarks.search {grid,workers,tracking} [SEEDS]

``grid``: epochs that a search with pruning spends until it reaches the lowest validation loss of all 48 points of a
grid; lenet5 on a tenth of Fashion-MNIST (see benchmarks/published.py), the same bounds, for each seed of the search.
``workers``: trials a minute of two workers against one, each with one thread, in turns; their start aside.
``tracking``: the share of its time that a search of 50 short trials spends in MLflow, as it runs in the pipeline.
Prints Markdown.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import chdir, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import published
from darkroom import training
from darkroom.backend import limit_threads, tf
from darkroom.datasets import Description, Split, channel_statistics
from darkroom.networks import PARAMS, EarlyStoppingParams, Network, NetworkParams, ScheduleParams
from darkroom.params import SearchParams, with_values
from darkroom.search.loop import search
from darkroom.search.settings import BudgetSettings, GridSettings, MedianSettings, NoPruning
from darkroom.search.spaces import Range, SearchSpace
from darkroom.search.study import open_study
from darkroom.search.trials import Objective, Report, ThisProcess, Trial
from darkroom.search.workers import Workers
from darkroom.sections import AugmentationParams

NETWORK: Network = "lenet5"
TENTH = 10  # every tenth image
EPOCHS = 8  # of one trial
TRIALS_OF_A_WORKER = 6
ROUNDS = 3
SHORT = 3  # epochs
SHORT_TRIALS = 50
# Keras' own values, so that the search knows no more than the grid does.
VALUES = PARAMS[NETWORK](
    epochs=EPOCHS,
    batch_size=32,
    optimizer="adam",
    learning_rate=1e-3,
    augment=False,
    schedule=ScheduleParams(),
    early_stopping=EarlyStoppingParams(patience=EPOCHS),
)
SPACE = SearchSpace(
    architecture={"activation": Range(choices=("tanh", "relu"))},
    learning={
        "learning_rate": Range(low=1e-4, high=3e-2, log=True),
        "optimizer": Range(choices=("adam", "sgd")),
        "batch_size": Range(choices=(32, 128)),
    },
)
POINTS = 6  # of the learning rate; with the choices, 48
NO_PRUNING = NoPruning(name="none")
PRUNING = MedianSettings(startup_trials=1, warmup_epochs=1)  # as params.yaml has it


class Reached(Exception):  # noqa: N818 - no error
    """Ends a search that is as good as the grid."""


class Count:
    """Counts the epochs of a search, and ends it at a loss."""

    def __init__(self, target: float = -1.0) -> None:
        self.epochs, self.lowest = 0, float("inf")
        self.ends: list[float] = []
        """When each trial ended."""
        self._target = target

    def started(self, *_: object) -> None:
        """A trial begins."""

    def epoch(self, _number: int, _epoch: int, values: Mapping[str, float]) -> None:
        """Count an epoch."""
        self.epochs += 1
        self.lowest = min(self.lowest, values["val_loss"])
        if self.lowest <= self._target:
            raise Reached

    def ended(self, trial: Trial) -> None:
        """Show how a trial ended."""
        self.ends.append(time.perf_counter())
        print(f"trial {trial.number}: {trial.state}, {trial.val_loss}, {trial.tried}", file=sys.stderr, flush=True)


def subset() -> tuple[Description, tuple[Split, Split]]:
    """Return a tenth of the training images and of the validation images."""
    description, train, validation, _ = published.load("fashion_mnist")
    few = tuple(Split(split.images[::TENTH], split.classes[::TENTH], split.manifest) for split in (train, validation))
    mean, deviation = channel_statistics(few[0].images)
    return replace(description, mean=mean, deviation=deviation), (few[0], few[1])


def objective(values: NetworkParams, threads: int | None = None) -> Objective:
    """Return what trains one trial, as the pipeline does it, without augmentation."""
    if threads:
        limit_threads(threads)
    tf.get_logger().setLevel("ERROR")
    description, data = subset()

    def train(_number: int, tried: dict[str, Any], report: Report) -> float:
        chosen = with_values(values, tried)
        return training.train(
            NETWORK, chosen, description, data, seed=0, augmentation=AugmentationParams(), on_epoch=[report]
        ).best["val_loss"]

    return train


def of_grid(seeds: int) -> None:
    """Print the epochs of the grid, and those of the search for each seed."""
    train = objective(VALUES)
    every = GridSettings(name="grid", points=POINTS)
    whole = SearchParams(budget=BudgetSettings(trials=10**6), epochs=EPOCHS, sampler=every, pruner=NO_PRUNING)
    grid = Count()
    points = len(search(open_study(whole), VALUES, SPACE, whole, ThisProcess(train), grid).trials)
    epochs = []
    for seed in range(seeds):
        params = SearchParams(seed=seed, budget=BudgetSettings(epochs=grid.epochs), epochs=EPOCHS, pruner=PRUNING)
        count = Count(grid.lowest)
        # One that never gets there has spent as much as the grid.
        with suppress(Reached):
            search(open_study(params), VALUES, SPACE, params, ThisProcess(train), count)
        epochs.append(count.epochs)
        print(f"seed {seed}: {count.epochs} epochs, {count.lowest:.4f}", file=sys.stderr, flush=True)
    middle, each = statistics.median(epochs), ", ".join(map(str, epochs))
    print("| what | lowest validation loss | epochs | share |\n| --- | --- | --- | --- |")
    print(f"| grid of {points} points, {EPOCHS} epochs each | {grid.lowest:.4f} | {grid.epochs} | 1 |")
    print(f"| search with pruning, {seeds} seeds: {each} | as low | {middle:g} (median) | {middle / grid.epochs:.2f} |")


def of_workers(_seeds: int) -> None:
    """Print trials a minute with one worker and with two."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    values = VALUES.model_copy(update={"epochs": SHORT})
    # The same work for each trial.
    space = SearchSpace(learning={"learning_rate": Range(low=1e-3, high=2e-3)})
    for _ in range(ROUNDS):
        for workers, of_one in rates.items():
            budget = BudgetSettings(trials=workers * (1 + TRIALS_OF_A_WORKER))
            params, count = SearchParams(budget=budget, epochs=SHORT, pruner=NO_PRUNING), Count()
            with Workers(workers, partial(objective, values, 1), 1) as executor:
                search(open_study(params), values, space, params, executor, count)
            # From when each worker has had its first trial.
            of_one.append(60 * (len(count.ends) - workers) / (count.ends[-1] - count.ends[workers - 1]))
    print("| workers, one thread each | trials a minute | lowest to highest | ratio |\n| --- | --- | --- | --- |")
    for workers, of_one in rates.items():
        middle = statistics.median(of_one)
        ratio = middle / statistics.median(rates[1])
        print(f"| {workers} | {middle:.1f} | {min(of_one):.1f} to {max(of_one):.1f} | {ratio:.2f} |")


def of_tracking(_seeds: int) -> None:
    """Print the share of MLflow in a search as the pipeline runs it."""
    from darkroom import tracking
    from darkroom.params import read_params
    from darkroom.stages import search as stage

    clock = Clock()
    clock.watch(tracking, "open_store", "find_run", "start_run", "open_trial")
    clock.watch(tracking.Run, *(name for name in vars(tracking.Run) if name.startswith(("log", "tag", "end"))))
    clock.watch(stage, "draw")
    file = Path("params.yaml").resolve()
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        shutil.copy(file, "params.yaml")
        Path("dvc.yaml").touch()
        prepared = Path("data") / "prepared"
        prepare(prepared)
        read = read_params()
        own = read.search.model_copy(
            update={"budget": BudgetSettings(trials=SHORT_TRIALS), "epochs": SHORT, NETWORK: SPACE}
        )
        params = read.model_copy(update={"search": own})
        began = time.perf_counter()
        stage.search_network(NETWORK, params, prepared, "best.json", "trials.csv")
        whole = time.perf_counter() - began
    pictures = clock.seconds.pop("draw")
    mlflow = sum(clock.seconds.values())
    print("| what | seconds | share |\n| --- | --- | --- |")
    print(f"| search of {SHORT_TRIALS} trials of {SHORT} epochs at most | {whole:.1f} | 1 |")
    print(f"| MLflow | {mlflow:.1f} | {mlflow / whole:.3f} |")
    print(f"| pictures of the study, drawn once | {pictures:.1f} | {pictures / whole:.3f} |")


def prepare(folder: Path) -> None:
    """Write the images as the stage preprocess does."""
    description, data = subset()
    for name, split in zip(("train", "validation"), data, strict=True):
        (folder / name).mkdir(parents=True)
        np.save(folder / name / "images.npy", split.images)
        labels = [description.labels[number] for number in split.classes]
        pd.DataFrame({"label": labels}).to_parquet(folder / name / "manifest.parquet")
    counts = np.bincount(data[0].classes).tolist()
    replace(description, training_counts=dict(zip(description.labels, counts, strict=True))).write(
        folder / "dataset.json"
    )


class Clock:
    """Sums the time inside of functions; what they call of each other counts once."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside = False

    def watch(self, owner: Any, *names: str) -> None:
        """Measure functions of a module or a class from now on."""
        for name in names:
            setattr(owner, name, self._timed(name, getattr(owner, name)))

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            if self._inside:
                return function(*arguments, **named)
            self._inside, began = True, time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
                self._inside = False

        return timed


def main() -> None:
    """Measure one of the three."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("grid", "workers", "tracking"))
    parser.add_argument("seeds", type=int, nargs="?", default=5)
    chosen = parser.parse_args()
    {"grid": of_grid, "workers": of_workers, "tracking": of_tracking}[chosen.what](chosen.seeds)


if __name__ == "__main__":
    main()
