"""Ways to do the same, measured in turns, so that what else a machine does meets all of them.

``runs`` takes whole runs, in one process; ``epochs`` the epochs of trainings, each in a process of its own that waits
while another one has its turn: short turns, so that many rounds are had in little time.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from darkroom import training
from darkroom.datasets import Description, Split
from darkroom.networks import PARAMS, Network
from darkroom.sections import AugmentationParams


class Cost(NamedTuple):
    """Of one run of one way."""

    seconds: float
    processor: float
    """Seconds of all threads together."""


Way = Callable[[], Cost]


class Training(NamedTuple):
    """What one training is made of; ``images`` loads its data, in its own process."""

    network: Network
    values: Mapping[str, Any]
    images: Callable[[], tuple[Description, Split, Split]]


def now() -> Cost:
    """Return a moment to measure from."""
    return Cost(time.perf_counter(), time.process_time())


def since(begun: Cost) -> Cost:
    """Return what has passed."""
    return Cost(*(after - before for after, before in zip(now(), begun, strict=True)))


def runs(ways: Mapping[str, Way], rounds: int) -> dict[str, list[Cost]]:
    """Run each way once for nothing, then all of them in turns, each round beginning with another; return the costs."""
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for number in range(rounds):
        names = list(ways)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            costs[name].append(ways[name]())
    return costs


def epochs(trainings: Mapping[str, Training], rounds: int) -> dict[str, list[Cost]]:
    """Let trainings go on by an epoch in turns; the first one, which builds the graph, counts for nothing."""
    context = multiprocessing.get_context("spawn")
    ways: dict[str, Way] = {}
    processes = []
    for name, one in trainings.items():
        ours, its = context.Pipe()
        process = context.Process(target=_train, args=(one, rounds + 1, its), daemon=True)
        process.start()
        its.close()  # so that what waits here learns of its end
        ours.recv()  # it has loaded
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
    values = PARAMS[one.network](epochs=count, early_stopping={"patience": count}, **one.values)
    pipe.send("loaded")
    pipe.recv()
    begun = [now()]

    def wait(epoch: int, _: training.Epoch) -> None:
        pipe.send(since(begun.pop()))
        if epoch + 1 < count:
            pipe.recv()
            begun.append(now())

    training.train(
        *(one.network, values, description, (train, few)),
        seed=0,
        augmentation=AugmentationParams(),
        on_epoch=[wait],
    )


def median(costs: list[Cost]) -> float:
    """Return the median of the seconds."""
    return statistics.median(cost.seconds for cost in costs)


def ratios(these: list[Cost], those: list[Cost]) -> str:
    """Return two cells: by the clock and by the processor, the median of the rounds' ratios, and their quartiles."""
    cells = []
    for part in Cost._fields:
        found = [getattr(a, part) / getattr(b, part) for a, b in zip(these, those, strict=True)]
        low, middle, high = statistics.quantiles(found, n=4)
        cells.append(f"{middle:.2f} ({low:.2f} to {high:.2f})")
    return " | ".join(cells)
