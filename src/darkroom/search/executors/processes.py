"""Run trials in local worker processes, which report to the search process. Nothing heavy is imported here.

A worker accesses neither study nor tracking store: it receives values and sends results through a pipe. A closed pipe
means that the worker is dead.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Self

from darkroom.base import environment, processes
from darkroom.base.errors import DarkroomError
from darkroom.search.executors.protocol import Objective, OnEpoch, Outcome, Pruned, attempt

Make = Callable[[], Objective]
"""Creates the objective in a worker; must be picklable."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
"""Environment variables that limit the threads of NumPy's libraries and OpenCV, if set before these are loaded."""
ENDS_WITHIN = 5.0  # seconds to wait for a process to end after its pipe was closed


def threads_of_each(workers: int) -> int:
    """Return the number of threads per worker: the cores divided among the workers, at least 1."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, cores // workers)


class Workers:
    """Processes that run trials. They start on demand; a dead one is replaced."""

    def __init__(self, workers: int, make: Make, threads: int) -> None:
        self.workers = workers
        self._make, self._threads = make, threads
        # Not fork: a forked process inherits TensorFlow's locks without its threads.
        self._context = multiprocessing.get_context("spawn")
        self._idle: list[_Worker] = []
        self._busy: dict[int, _Worker] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Kill all workers."""
        for worker in (*self._idle, *self._busy.values()):
            worker.end()

    def start(self, number: int, tried: dict[str, Any]) -> None:
        """Give a trial to an idle worker."""
        while self._idle:
            worker = self._idle.pop()
            if worker.process.is_alive():
                break
            worker.end()
        else:
            worker = _Worker(self._context, self._make, self._threads)
        self._busy[number] = worker
        worker.send(number, tried)

    def wait(self, on_epoch: OnEpoch) -> tuple[int, Outcome]:
        """Pass the trials' reports to ``on_epoch`` until one ends; return its number and outcome."""
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
    """A worker process, as seen by the search process."""

    def __init__(self, context: multiprocessing.context.SpawnContext, make: Make, threads: int) -> None:
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, make, threads, os.getpid()), daemon=True)
        self.process.start()
        theirs.close()

    def send(self, number: int, tried: dict[str, Any]) -> None:
        with suppress(OSError):  # it has just died; ``listen`` detects that
            self.connection.send((number, tried))

    def listen(self, number: int, on_epoch: OnEpoch) -> Outcome | None:
        """Process one message; return the trial's outcome if it has ended."""
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
        """Kill the process; it has nothing to clean up."""
        self.connection.close()
        self.process.kill()
        self.process.join()


def _work(connection: Connection, make: Make, threads: int, parent: int) -> None:
    """Run trials until the search process closes the pipe or dies."""
    # Ctrl-C is handled by the search process, which ends its workers; a worker must not outlive it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    processes.end_with_parent(parent)
    environment.prepare()
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    # By default, TensorFlow in the first worker would allocate all GPU memory.
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
