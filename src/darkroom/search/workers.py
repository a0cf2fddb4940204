"""Trials in several local processes, which report to the one that searches. Nothing heavy is imported here.

A worker knows neither study nor tracking store: what it tries comes through a pipe, and what it finds goes back through
it. Where the pipe ends, the worker is dead, and that is known at once.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Self

from darkroom import processes
from darkroom.errors import DarkroomError
from darkroom.search.trials import Objective, OnEpoch, Outcome, Pruned, attempt

Make = Callable[[], Objective]
"""Makes, in a worker, what runs its trials; must be picklable."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
"""Variables by which NumPy's libraries and OpenCV are told how many threads they may have, before they are loaded."""
ENDS_WITHIN = 5.0  # seconds that a process may take to end whose pipe has ended


def threads_of_each(workers: int) -> int:
    """Return how many threads each of some workers may have, so that together they have one for each core."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, cores // workers)


class Workers:
    """Some processes that run trials, started as they are needed; one that dies is replaced."""

    def __init__(self, workers: int, make: Make, threads: int) -> None:
        self.workers = workers
        self._make, self._threads = make, threads
        # A process that is forked would have TensorFlow's threads without what they hold.
        self._context = multiprocessing.get_context("spawn")
        self._idle: list[_Worker] = []
        self._busy: dict[int, _Worker] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End all of them, whatever they are doing."""
        for worker in (*self._idle, *self._busy.values()):
            worker.end()

    def start(self, number: int, tried: dict[str, Any]) -> None:
        """Give a trial to a worker that has none."""
        while self._idle:
            worker = self._idle.pop()
            if worker.process.is_alive():
                break
            worker.end()
        else:
            worker = _Worker(self._context, self._make, self._threads)
        self._busy[number] = worker
        worker.give(number, tried)

    def wait(self, on_epoch: OnEpoch) -> tuple[int, Outcome]:
        """Pass on what the trials report until one ends; return its number and how it ended."""
        while True:
            ready = wait([worker.connection for worker in self._busy.values()])
            for number, worker in list(self._busy.items()):
                if worker.connection not in ready:
                    continue
                outcome = worker.listen(number, on_epoch)
                if outcome is None:
                    continue
                del self._busy[number]
                if outcome.state != "lost":
                    self._idle.append(worker)
                return number, outcome


class _Worker:
    """One process, seen from the one that searches."""

    def __init__(self, context: multiprocessing.context.SpawnContext, make: Make, threads: int) -> None:
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, make, threads, os.getpid()), daemon=True)
        self.process.start()
        theirs.close()

    def give(self, number: int, tried: dict[str, Any]) -> None:
        with suppress(OSError):  # it has just died, which the next look at the pipe finds
            self.connection.send((number, tried))

    def listen(self, number: int, on_epoch: OnEpoch) -> Outcome | None:
        """Take one message; return how the trial ended, if it did."""
        try:
            message = self.connection.recv()
            if isinstance(message, tuple):
                self.connection.send(on_epoch(number, *message))
                return None
        except (EOFError, ConnectionError):
            self.process.join(ENDS_WITHIN)
            self.end()
            code = self.process.exitcode or 0
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            return Outcome("lost", reason=f"its process {how}")
        if isinstance(message, DarkroomError):
            raise message
        outcome: Outcome = message
        return outcome

    def end(self) -> None:
        """End the process; there is nothing that it would have to put away."""
        self.connection.close()
        self.process.kill()
        self.process.join()


def _work(connection: Connection, make: Make, threads: int, parent: int) -> None:
    """Run trials until the process that searches has no more, or is gone."""
    # Who interrupts means the process that searches, which ends this one; and this one must not outlive a killed one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    processes.end_with_parent(parent)
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    # TensorFlow would take the whole memory of a GPU for the first of them.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")

    def report(epoch: int, values: Mapping[str, float]) -> None:
        connection.send((epoch, dict(values)))
        if not connection.recv():
            raise Pruned

    objective: Objective | None = None
    while True:
        try:
            number, tried = connection.recv()
        except EOFError:
            return
        try:
            objective = objective or make()
            connection.send(attempt(objective, number, tried, report))
        except (EOFError, ConnectionError):
            return
        except DarkroomError as error:
            connection.send(error)
