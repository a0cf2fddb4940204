"""Cost of a search: compared with a full grid, two workers compared with one, and MLflow's share.

    python -m benchmarks.search {grid,workers,tracking} [SEEDS]

``grid``: epochs that a search with pruning needs to reach the lowest validation loss of all 48 points of a grid;
lenet5 on a tenth of Fashion-MNIST (see benchmarks/published.py), on the same points, for several seeds, with the
sampler and pruner of params.yaml. Four training seeds show whether settings chosen on one grid work on others. The
grids' losses are stored in benchmarks/results/search/; the searches replay them.
``workers``: trials per minute of two workers and of one, with one thread each, alternating, without start-up.
``tracking``: MLflow's share of the time of a search of 50 short trials, as in the pipeline.
Prints Markdown.
"""

import argparse
import json
import shutil
import statistics
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
from benchmarks.recipes import RESULTS
from darkroom import training
from darkroom.base.backend import limit_threads, tf
from darkroom.data.prepared.datasets import Description, Split
from darkroom.data.prepared.prepared import Prepared
from darkroom.data.prepared.statistics import channel_statistics
from darkroom.networks import PARAMS, EarlyStoppingParams, Network, NetworkParams, ScheduleParams
from darkroom.params import AugmentationParams, BudgetSettings, Range, SearchParams, SearchSpace, read_params
from darkroom.params.pruners import NoPruning
from darkroom.params.samplers import GridSettings
from darkroom.search.executors.processes import Workers
from darkroom.search.executors.protocol import Objective, Report, ThisProcess, Trial
from darkroom.search.loop import search
from darkroom.search.study import open_study

NETWORK: Network = "lenet5"
TENTH = 10  # every tenth image
EPOCHS = 8  # per trial
GRIDS = 4
TRIALS_OF_A_WORKER = 10
ROUNDS = 3
SHORT = 3  # epochs
SHORT_TRIALS = 50
# Keras' defaults, so that the search has no advantage over the grid.
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
        "learning_rate": Range(choices=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)),
        "optimizer": Range(choices=("adam", "sgd")),
        "batch_size": Range(choices=(32, 128)),
    },
)
NO_PRUNING = NoPruning(name="none")


class Reached(Exception):  # noqa: N818 - not an error
    """Ends a search that has reached the grid's loss."""


class Count:
    """Counts the epochs of a search, and ends it at a target loss."""

    def __init__(self, target: float = -1.0) -> None:
        self.epochs, self.lowest = 0, float("inf")
        self.ends: list[float] = []
        """End time of each trial."""
        self._target = target

    def started(self, *_: object) -> None:
        """A trial begins."""

    def epoch(self, _number: int, _epoch: int, values: Mapping[str, float]) -> None:
        """Count an epoch."""
        self.epochs += 1
        self.lowest = min(self.lowest, values["val_loss"])
        if self.lowest <= self._target:
            raise Reached

    def ended(self, _trial: Trial) -> None:
        """Record the end time of a trial."""
        self.ends.append(time.perf_counter())


def subset() -> tuple[Description, tuple[Split, Split]]:
    """Return a tenth of the training and validation images."""
    description, train, validation, _ = published.load("fashion_mnist")
    few = tuple(Split(split.images[::TENTH], split.classes[::TENTH], split.manifest) for split in (train, validation))
    mean, deviation = channel_statistics(few[0].images)
    return replace(description, mean=mean, deviation=deviation), (few[0], few[1])


def objective(values: NetworkParams, seed: int = 0, threads: int | None = None) -> Objective:
    """Return a function that trains one trial like the pipeline, without augmentation."""
    if threads:
        limit_threads(threads)
    tf.get_logger().setLevel("ERROR")
    description, data = subset()
    job = training.TrainingJob(NETWORK, values, description, *data, seed=seed, augmentation=AugmentationParams())

    def train(_number: int, tried: dict[str, Any], report: Report) -> float:
        return training.train(job.with_values(tried), on_epoch=[report]).best["val_loss"]

    return train


def of_grid(seeds: int) -> None:
    """Print the epochs of the grid, and of the search for each seed."""
    print("| training seed | what | lowest validation loss | epochs | share |\n| --- | --- | --- | --- | --- |")
    ours = read_params("params.yaml").search
    for training_seed in range(GRIDS):
        curves = of_all_points(training_seed)
        spent, lowest = sum(map(len, curves.values())), min(map(min, curves.values()))
        print(f"| {training_seed} | grid, {len(curves)} × {EPOCHS} epochs | {lowest:.4f} | {spent} | 1 |", flush=True)
        found = sorted(epochs_until(lowest, curves, ours, seed) for seed in range(seeds))
        middle, each = statistics.median(found), ", ".join(map(str, found))
        what = f"search with pruning, {seeds} seeds: {each}"
        print(f"| {training_seed} | {what} | as low | {middle:g} | {middle / spent:.2f} |", flush=True)


def of_all_points(seed: int) -> dict[str, list[float]]:
    """Train at each point of the grid, or read the stored losses; return the validation losses per epoch."""
    stored = RESULTS / "search" / f"grid-{seed}.json"
    if stored.is_file():
        found: dict[str, list[float]] = json.loads(stored.read_text(encoding="utf-8"))
        return found
    every = GridSettings(name="grid", points=2)
    params = SearchParams(budget=BudgetSettings(trials=10**6), epochs=EPOCHS, sampler=every, pruner=NO_PRUNING)
    curves: dict[str, list[float]] = {}
    train = objective(VALUES, seed)

    def recorded(number: int, tried: dict[str, Any], report: Report) -> float:
        curve = curves.setdefault(str(tried), [])

        def on_epoch(epoch: int, values: Mapping[str, float]) -> None:
            curve.append(values["val_loss"])
            report(epoch, values)

        return train(number, tried, on_epoch)

    search(open_study(params), VALUES, SPACE, params, ThisProcess(recorded), Count())
    stored.write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")
    return curves


def epochs_until(target: float, curves: Mapping[str, list[float]], ours: SearchParams, seed: int) -> int:
    """Search; return the number of epochs until the target loss.

    Trainings with the same parameters and seed are bit-identical, so that the grid's losses can be replayed.
    """

    def replayed(_number: int, tried: dict[str, Any], report: Report) -> float:
        for epoch, val_loss in enumerate(curves[str(tried)]):
            report(epoch, {"val_loss": val_loss})
        return min(curves[str(tried)])

    budget = BudgetSettings(epochs=sum(map(len, curves.values())))
    params = ours.model_copy(update={"seed": seed, "budget": budget, "epochs": EPOCHS})
    count = Count(target)
    # A search that fails to reach the target has spent the grid's epochs.
    with suppress(Reached):
        search(open_study(params), VALUES, SPACE, params, ThisProcess(replayed), count)
    return count.epochs


def of_workers(_seeds: int) -> None:
    """Print trials per minute with one worker and with two."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    values = VALUES.model_copy(update={"epochs": SHORT})
    # All trials cost the same.
    space = SearchSpace(learning={"learning_rate": Range(low=1e-3, high=2e-3)})
    for _ in range(ROUNDS):
        for workers, of_one in rates.items():
            budget = BudgetSettings(trials=workers * (1 + TRIALS_OF_A_WORKER))
            params, count = SearchParams(budget=budget, epochs=SHORT, pruner=NO_PRUNING), Count()
            with Workers(workers, partial(objective, values, threads=1), 1) as executor:
                search(open_study(params), values, space, params, executor, count)
            # Measured after each worker's first trial.
            of_one.append(60 * (len(count.ends) - workers) / (count.ends[-1] - count.ends[workers - 1]))
    print("| workers, one thread each | trials per minute | lowest to highest | ratio |\n| --- | --- | --- | --- |")
    for workers, of_one in rates.items():
        middle = statistics.median(of_one)
        ratio = middle / statistics.median(rates[1])
        print(f"| {workers} | {middle:.1f} | {min(of_one):.1f} to {max(of_one):.1f} | {ratio:.2f} |")


def of_tracking(_seeds: int) -> None:
    """Print MLflow's share of a search as in the pipeline."""
    from darkroom.search import recorder
    from darkroom.search.run import search_network
    from darkroom.tracking import runs, store

    clock = Clock()
    clock.watch(store, "open_store", "find_run")
    clock.watch(runs, "start_run", "open_trial")
    clock.watch(runs.Run, *(name for name in vars(runs.Run) if name.startswith(("log", "tag", "end"))))
    clock.watch(recorder, "draw")
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
        search_network(NETWORK, params, Prepared(prepared), Path("features"), "best.json", "trials.csv")
        whole = time.perf_counter() - began
    pictures = clock.seconds.pop("draw")
    mlflow = sum(clock.seconds.values())
    print("| what | seconds | share |\n| --- | --- | --- |")
    print(f"| search of {SHORT_TRIALS} trials of {SHORT} epochs or fewer | {whole:.1f} | 1 |")
    print(f"| MLflow | {mlflow:.1f} | {mlflow / whole:.3f} |")
    print(f"| pictures of the study | {pictures:.1f} | {pictures / whole:.3f} |")


def prepare(folder: Path) -> None:
    """Write the images like the stage preprocess."""
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
    """Sums the time spent in functions; nested calls count once."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside = False

    def watch(self, owner: Any, *names: str) -> None:
        """Measure functions of a module or class from now on."""
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
    """Run the chosen measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("grid", "workers", "tracking"))
    parser.add_argument("seeds", type=int, nargs="?", default=5)
    chosen = parser.parse_args()
    {"grid": of_grid, "workers": of_workers, "tracking": of_tracking}[chosen.what](chosen.seeds)


if __name__ == "__main__":
    main()
