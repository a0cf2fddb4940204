"""The actor that runs trials sequentially on a Ray node. Neither Ray nor anything heavy is imported here.

A node only answers calls: each call passes what the trial waits for and returns its next message. So all communication
uses the search process's connection to the cluster; nodes need no access to its study, tracking store or disk. When
the search dies, Ray ends the actors.
"""

import os
import pickle
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from darkroom.base import environment
from darkroom.base.code import SOURCES, digest_of
from darkroom.base.credentials import hide
from darkroom.base.errors import DarkroomError
from darkroom.search.executors.processes import THREADS
from darkroom.search.executors.protocol import Objective, Outcome, Pruned, attempt

Fetch = Callable[[str, Path], None]
"""Fetches a file of the search process: accepts the file's name and the path to write it to."""
Make = Callable[[Fetch], Objective]
"""Creates the objective on a node; must be picklable."""


@dataclass(frozen=True)
class Epoch:
    """A trial has finished an epoch and waits for the decision whether to continue."""

    epoch: int
    values: dict[str, float]


@dataclass(frozen=True)
class FilePartRequest:
    """A trial waits for the part of a file that starts at this byte; an empty part marks the end of the file."""

    file: str
    offset: int


Message = Epoch | FilePartRequest | Outcome | DarkroomError


def versions(paths: Iterable[str]) -> dict[str, str]:
    """Return the versions that must be equal on all nodes for reproducible trials.

    Args:
        paths: paths of the code, from ``code.declared``.
    """
    return {
        "Python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "Keras": _version("keras"),
        # Nodes with and without GPUs have different packages.
        "TensorFlow": _version("tensorflow", "tensorflow-cpu"),
        "Darkroom's code": digest_of(paths, SOURCES.parent)[:8],
    }


def _version(*names: str) -> str:
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            return metadata.version(name)
    return "none"


class Node:
    """A Ray actor: one process on a node."""

    def __init__(self, make: bytes, threads: int, gpus: float) -> None:
        """Set up the process; ``make`` is unpickled later, since that imports TensorFlow."""
        environment.prepare()
        os.environ.update(dict.fromkeys(THREADS, str(threads)))
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        if not gpus:
            # Ray leaves all GPUs visible.
            os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        self._make = make
        self._given: SimpleQueue[Any] = SimpleQueue()
        self._messages: SimpleQueue[Message] = SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def describe(self, paths: Iterable[str]) -> tuple[str, dict[str, str]]:
        """Return the host name and its ``versions``."""
        return socket.gethostname(), versions(paths)

    def exchange(self, given: Any) -> Message:
        """Pass a trial's number and values, or the answer to a message; return the process's next message."""
        self._given.put(given)
        return self._messages.get()

    def _work(self) -> None:
        # One thread for all trials, because Keras keeps global state per thread.
        objective: Objective | None = None
        while True:
            number, tried = self._given.get()
            try:
                objective = objective or self._create_objective()
                self._messages.put(attempt(objective, number, tried, self._report))
            except DarkroomError as error:
                self._messages.put(error)
            except Exception as error:  # noqa: BLE001 - an error in one trial does not end the search
                reason = hide(f"{type(error).__name__}: {error}".splitlines()[0])
                self._messages.put(Outcome("lost", reason=reason))

    def _create_objective(self) -> Objective:
        make: Make = pickle.loads(self._make)  # noqa: S301 - from the search process
        return make(self._fetch)

    def _ask(self, message: Message) -> Any:
        self._messages.put(message)
        return self._given.get()

    def _report(self, epoch: int, values: Mapping[str, float]) -> None:
        if not self._ask(Epoch(epoch, dict(values))):
            raise Pruned

    def _fetch(self, name: str, to: Path) -> None:
        with to.open("wb") as file:
            while part := self._ask(FilePartRequest(name, file.tell())):
                file.write(part)
