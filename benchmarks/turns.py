"""Measure alternatives in turn, so that other load on the machine affects all of them.

``runs`` measures whole runs in one process; ``epochs`` measures single epochs of trainings, each in its own process
that waits for its turn. Short turns allow many rounds.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from darkroom import training
from darkroom.data.prepared.datasets import Description, Split
from darkroom.networks import PARAMS, EarlyStoppingParams, Network
from darkroom.params import AugmentationParams


class Cost(NamedTuple):
    """Cost of one run."""

    seconds: float
    processor: float
    """CPU seconds of all threads."""


Way = Callable[[], Cost]


class Training(NamedTuple):
    """Specification of a training; ``images`` loads its data in its own process."""

    network: Network
    values: Mapping[str, Any]
    images: Callable[[], tuple[Description, Split, Split]]


def now() -> Cost:
    """Return the current time."""
    return Cost(time.perf_counter(), time.process_time())


def since(begun: Cost) -> Cost:
    """Return the time passed."""
    return Cost(*(after - before for after, before in zip(now(), begun, strict=True)))


def runs(ways: Mapping[str, Way], rounds: int) -> dict[str, list[Cost]]:
    """Run each alternative once to warm up, then all in turn, rotating the order each round; return the costs."""
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for number in range(rounds):
        names = list(ways)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            costs[name].append(ways[name]())
    return costs


def epochs(trainings: Mapping[str, Training], rounds: int) -> dict[str, list[Cost]]:
    """Run one epoch of each training in turn; the first epoch, which builds the graph, does not count."""
    context = multiprocessing.get_context("spawn")
    ways: dict[str, Way] = {}
    processes = []
    for name, one in trainings.items():
        ours, its = context.Pipe()
        process = context.Process(target=_train, args=(one, rounds + 1, its), daemon=True)
        process.start()
        its.close()  # so that recv fails here if the process dies
        ours.recv()  # data loaded
        ways[name] = _next_epoch(ours)
        processes.append(process)
    costs = runs(ways, rounds)
    for process in processes:
        process.join()
    return costs


def _next_epoch(pipe: Connection) -> Way:
    def run() -> Cost:
        pipe.send("go on")
        cost: Cost = pipe.recv()
        return cost

    return run


def _train(one: Training, count: int, pipe: Connection) -> None:
    description, train, few = one.images()
    values = PARAMS[one.network](epochs=count, early_stopping=EarlyStoppingParams(patience=count), **one.values)
    pipe.send("loaded")
    pipe.recv()
    begun = [now()]

    def wait(epoch: int, _: training.Epoch) -> None:
        pipe.send(since(begun.pop()))
        if epoch + 1 < count:
            pipe.recv()
            begun.append(now())

    job = training.TrainingJob(one.network, values, description, train, few, seed=0, augmentation=AugmentationParams())
    training.train(job, on_epoch=[wait])


def median(costs: list[Cost]) -> float:
    """Return the median seconds."""
    return statistics.median(cost.seconds for cost in costs)


def ratios(these: list[Cost], those: list[Cost]) -> str:
    """Return two table cells, for wall-clock and CPU time: median and quartiles of the ratios per round."""
    cells = []
    for part in Cost._fields:
        found = [getattr(a, part) / getattr(b, part) for a, b in zip(these, those, strict=True)]
        low, middle, high = statistics.quantiles(found, n=4)
        cells.append(f"{middle:.2f} ({low:.2f} to {high:.2f})")
    return " | ".join(cells)
