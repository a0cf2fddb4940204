"""What runs on a node of a Ray cluster: one trial after the other. Neither Ray nor anything heavy is imported here.

A node is asked and answers, and never begins to speak: each call brings what the trial waits for and returns the next
that it has to say. So all goes through the one connection that the searching process has to the cluster, and a node
needs to reach neither its study, nor the tracking store, nor its disk. A process ends with the search, whose death Ray
notices.
"""

import hashlib
import os
import pickle
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from darkroom.errors import DarkroomError
from darkroom.search.trials import Objective, Outcome, Pruned, attempt
from darkroom.search.workers import THREADS

Fetch = Callable[[str, Path], None]
"""Takes the name of a file that the searching process has, and where to write it."""
Make = Callable[[Fetch], Objective]
"""Makes, on a node, what runs its trials; must be picklable."""


@dataclass(frozen=True)
class Epoch:
    """A trial has finished an epoch; it waits to hear whether going on is worth it."""

    epoch: int
    values: dict[str, float]


@dataclass(frozen=True)
class Wanted:
    """A trial waits for the part of a file that begins at this byte; nothing stands for its end."""

    file: str
    offset: int


Message = Epoch | Wanted | Outcome | DarkroomError


@cache
def versions() -> dict[str, str]:
    """Return what must be the same on all nodes for a trial to be the same trial."""
    sources = Path(__file__).parents[1]
    code = hashlib.sha256()
    for file in sorted(sources.rglob("*.py")):
        code.update(file.read_bytes())
    return {
        "Python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "Keras": _version("keras"),
        # A node with GPUs has the one package, a node without them the other.
        "TensorFlow": _version("tensorflow", "tensorflow-cpu"),
        "Darkroom's code": code.hexdigest()[:8],
    }


def _version(*names: str) -> str:
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            return metadata.version(name)
    return "none"


class Node:
    """One process of a node, as an actor of Ray."""

    def __init__(self, make: bytes, threads: int, gpus: float) -> None:
        """Prepare the process; ``make`` is unpickled later, since that imports TensorFlow."""
        os.environ.update(dict.fromkeys(THREADS, str(threads)))
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        if not gpus:
            # Ray leaves all of them in sight.
            os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        self._make = make
        self._given: SimpleQueue[Any] = SimpleQueue()
        self._said: SimpleQueue[Message] = SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def described(self) -> tuple[str, dict[str, str]]:
        """Return the host's name and its versions."""
        return socket.gethostname(), versions()

    def hear(self, given: Any) -> Message:
        """Take what the process waits for, a trial's number and values or an answer; return what it says next."""
        self._given.put(given)
        return self._said.get()

    def _work(self) -> None:
        # One thread for all: what Keras knows of itself, it knows for each thread.
        objective: Objective | None = None
        while True:
            number, tried = self._given.get()
            try:
                objective = objective or self._made()
                self._said.put(attempt(objective, number, tried, self._report))
            except DarkroomError as error:
                self._said.put(error)
            except Exception as error:  # noqa: BLE001 - a trial's mistake ends no search
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
                self._said.put(Outcome("lost", reason=reason))

    def _made(self) -> Objective:
        make: Make = pickle.loads(self._make)  # noqa: S301 - from the process that searches
        return make(self._fetch)

    def _ask(self, message: Message) -> Any:
        self._said.put(message)
        return self._given.get()

    def _report(self, epoch: int, values: Mapping[str, float]) -> None:
        if not self._ask(Epoch(epoch, dict(values))):
            raise Pruned

    def _fetch(self, name: str, to: Path) -> None:
        with to.open("wb") as file:
            while part := self._ask(Wanted(name, file.tell())):
                file.write(part)
