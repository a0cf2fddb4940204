"""Trials on a Ray cluster, which report to the process that searches. Ray is imported when it is needed.

As with local processes, a trial knows neither study nor tracking store (``ray_node.py``). Ray finds room for it, and
says when its process or its node has died.
"""

import json
import math
import os
import pickle
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from darkroom.errors import DarkroomError, InputError
from darkroom.search.ray_node import Epoch, Make, Node, Wanted, versions
from darkroom.search.settings import RaySettings
from darkroom.search.trials import OnEpoch, Outcome

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}
"""Variables by which Ray sends nothing home, and warns of nothing that does not concern us."""
OPENS_WITHIN = 3.0  # seconds that an address may take to take a connection
ANSWERS_WITHIN = 25.0  # seconds that a cluster may take to answer; Ray by itself waits for minutes
ROOM_WITHIN = 30.0  # seconds after which it is said that there is no room
STARTS = 10
"""So many processes in a row may fail to begin."""
PAUSE = 1.0  # seconds after such a failure
OBJECTS = 256 * 2**20  # bytes of a cluster of our own; Ray's default is a third of the memory
PART = 16 * 2**20  # bytes of a file that are sent at once
PORTS = {"ray": 10001, "gcs": 6379}

Resources = Mapping[str, float]
"""Of one node, by Ray's names."""


def check(settings: RaySettings) -> None:
    """Check that a cluster answers, is of the same versions, and has a node that can hold a trial.

    Another process asks, since Ray cannot be told how long it may wait, and ends the process that waits too long.

    Raises:
        InputError: it does not.
    """
    if settings.address is None:
        # Ray itself counts GPUs, when it starts.
        require_room([{"CPU": os.cpu_count() or 1, "GPU": math.inf}], settings)
        return
    if settings.address != "auto":
        _knock(settings.address)
    command = [sys.executable, "-m", __name__, settings.address]
    try:
        asked = subprocess.run(  # noqa: S603 - our own module
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ANSWERS_WITHIN, check=False
        )
    except subprocess.TimeoutExpired:
        raise _unusable(settings.address, f"no answer within {ANSWERS_WITHIN:g} s") from None
    answer = json.loads((asked.stdout.splitlines() or ['"no answer"'])[-1])
    if isinstance(answer, str):
        raise _unusable(settings.address, answer)
    require_room(answer, settings)


def _knock(address: str) -> None:
    """Check that somebody listens."""
    scheme, _, rest = address.rpartition("://")
    host, _, port = rest.partition(":")
    try:
        socket.create_connection((host, int(port or PORTS[scheme or "gcs"])), OPENS_WITHIN).close()
    except OSError as error:
        raise _unusable(address, error.strerror or str(error)) from None


def _unusable(address: str, reason: str) -> InputError:
    return InputError(
        f"search.ray.address: {address} cannot be used ({reason}); start the cluster (ray start --head), correct the "
        "address, or take it out to start a cluster for the search"
    )


def require_room(nodes: Iterable[Resources], settings: RaySettings) -> None:
    """Check that one of the nodes can hold a trial.

    Raises:
        InputError: none can.
    """
    nodes = list(nodes)
    for name, key, wanted in (("cpus", "CPU", settings.cpus), ("gpus", "GPU", settings.gpus)):
        most = max((node.get(key, 0) for node in nodes), default=0)
        if most < wanted:
            raise InputError(
                f"search.ray.{name}: a trial asks for {wanted:g}, and no node of the cluster has more than {most:g}; "
                "ask for less, or add a larger node"
            )
    if not any(room(node, settings) for node in nodes):
        raise InputError(
            f"search.ray: a trial asks for {settings.cpus} CPUs and {settings.gpus:g} GPUs, and no node of the cluster "
            "has both; ask for less, or add a larger node"
        )


def room(node: Resources, settings: RaySettings) -> int:
    """Return how many trials a node can hold at once."""
    by_cpus = int(node.get("CPU", 0) / settings.cpus)
    return min(by_cpus, int(node.get("GPU", 0) / settings.gpus)) if settings.gpus else by_cpus


@contextmanager
def connected(settings: RaySettings) -> Iterator[None]:
    """Be part of a cluster: of the one at the address, or of one that is started for us and ends with us.

    Raises:
        InputError: the cluster cannot be used.
    """
    with ExitStack() as at_the_end:
        at_the_end.enter_context(_variables(QUIET))
        options: dict[str, Any] = {"address": settings.address}
        if settings.address is None:
            # A token of its own: other users of the machine are kept out, and nothing is written to the home folder.
            own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex()}
            at_the_end.enter_context(_variables(own))
            # Sockets below it, whose paths may have 107 characters.
            place = tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True)
            options = {
                "address": "local",
                "include_dashboard": False,
                "object_store_memory": OBJECTS,
                "_temp_dir": at_the_end.enter_context(place),
            }
        import ray
        import ray._private.worker as of_ray

        # It would print, beside the one line in the terminal, a paragraph for each process that dies.
        of_ray.print_to_stdstream = lambda *_, **__: None
        try:
            ray.init(**options, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise _unusable(settings.address or "a cluster of our own", _one_line(error)) from None
        at_the_end.callback(ray.shutdown)
        yield


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def nodes() -> list[Resources]:
    """Return what each living node of the cluster has in all."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


@dataclass
class _Actor:
    """One process on a node, seen from the one that searches."""

    handle: Any
    host: str = ""


class RayCluster:
    """Processes on the nodes of a cluster that run trials, started as they are needed; one that dies is replaced."""

    def __init__(self, settings: RaySettings, workers: int | None, make: Make, files: Mapping[str, Path]) -> None:
        """Take what trials need.

        Args:
            settings: address, and what a trial asks for.
            workers: trials at once; None takes as many as the cluster can hold.
            make: makes on a node what runs its trials.
            files: what a node may ask for, by its name there.
        """
        self._settings, self._workers, self._files = settings, workers, files
        self._make = pickle.dumps(make)
        self._at_the_end = ExitStack()
        self._waiting: deque[tuple[int, dict[str, Any]]] = deque()
        self._starting: dict[Any, _Actor] = {}
        self._idle: list[_Actor] = []
        self._busy: dict[Any, tuple[int, _Actor]] = {}
        """By Ray's reference of the next message."""
        self._failed = 0
        self._told = False

    def __enter__(self) -> Self:
        with ExitStack() as on_error:
            on_error.enter_context(connected(self._settings))
            require_room(nodes(), self._settings)
            self._at_the_end = on_error.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """End all processes, whatever they are doing."""
        with self._at_the_end:
            for actor in (*self._starting.values(), *self._idle, *(actor for _, actor in self._busy.values())):
                _end(actor)

    @property
    def workers(self) -> int:
        """So many trials may be at work at once; nodes that come and go change it."""
        with self._one_line():
            return self._workers or max(1, sum(room(node, self._settings) for node in nodes()))

    def start(self, number: int, tried: dict[str, Any]) -> None:
        """Take a trial."""
        self._waiting.append((number, tried))

    def wait(self, on_epoch: OnEpoch) -> tuple[int, Outcome]:
        """Pass on what the trials report until one ends; return its number and how it ended."""
        import ray

        while True:
            self._hand_out()
            with self._one_line():
                # What was answered last stands last, so that each has its turn.
                ready, _ = ray.wait([*self._starting, *self._busy], timeout=ROOM_WITHIN)
            if not ready:
                self._tell()
                continue
            if ready[0] in self._starting:
                self._welcome(ready[0])
            elif ended := self._listen(ready[0], on_epoch):
                return ended

    def _hand_out(self) -> None:
        """Give trials to processes that have none; ask for more processes where there are too few.

        A trial is given to no process before that has begun: where there is room for no other, the next one that
        becomes free takes it.
        """
        while self._waiting and self._idle:
            actor, (number, tried) = self._idle.pop(), self._waiting.popleft()
            self._busy[actor.handle.hear.remote((number, tried))] = number, actor
        while len(self._starting) < len(self._waiting):
            self._begin()

    def _begin(self) -> None:
        import ray

        asks = {"num_cpus": self._settings.cpus, "num_gpus": self._settings.gpus, "scheduling_strategy": "SPREAD"}
        kind = ray.remote(Node).options(**asks, max_restarts=0)
        handle = kind.remote(self._make, self._settings.cpus, self._settings.gpus)
        self._starting[handle.described.remote()] = _Actor(handle)

    def _welcome(self, reference: Any) -> None:
        """Take a process that has begun; another one takes the place of one that did not.

        That costs no trial: Ray may still want to use a node that has just died.
        """
        import ray

        actor = self._starting.pop(reference)
        try:
            with self._one_line():
                actor.host, found = ray.get(reference)
        except ray.exceptions.RayError as error:
            if "No module named 'darkroom'" in str(error):
                raise InputError(
                    "search.ray: a node of the cluster has no Darkroom; install the same commit there (make setup), "
                    "and start Ray from its environment"
                ) from None
            self._failed += 1
            if self._failed >= STARTS:
                raise DarkroomError(
                    f"no trial can begin on the Ray cluster: {_why(error, 'a node')}, {STARTS} times in a row; what "
                    "it wrote is on the node, below /tmp/ray/session_latest/logs"
                ) from None
            time.sleep(PAUSE)
            return
        self._failed = 0
        for name, own in versions().items():
            if (its := found.get(name)) != own:
                raise InputError(
                    f"search.ray: node {actor.host} has {name} {its}, and this process {own}; install the same commit "
                    "and requirements.lock there (make setup), and start Ray from its environment"
                )
        self._idle.append(actor)

    def _listen(self, reference: Any, on_epoch: OnEpoch) -> tuple[int, Outcome] | None:
        """Take one message; return how the trial ended, if it did."""
        import ray

        number, actor = self._busy.pop(reference)
        try:
            with self._one_line():
                message = ray.get(reference)
        except ray.exceptions.RayError as error:
            _end(actor)
            return number, Outcome("lost", reason=_why(error, actor.host))
        match message:
            case DarkroomError():
                raise message
            case Epoch():
                self._busy[actor.handle.hear.remote(on_epoch(number, message.epoch, message.values))] = number, actor
                return None
            case Wanted():
                self._busy[actor.handle.hear.remote(self._part(message))] = number, actor
                return None
        outcome: Outcome = message
        if outcome.state == "lost":
            _end(actor)
        else:
            self._idle.append(actor)
        return number, outcome

    def _part(self, wanted: Wanted) -> bytes:
        with self._files[wanted.file].open("rb") as file:
            file.seek(wanted.offset)
            return file.read(PART)

    def _tell(self) -> None:
        """Say once that there is no room for any trial."""
        if self._busy or self._told:
            return
        self._told = True
        asks = f"{self._settings.cpus} CPUs" + (f" and {self._settings.gpus:g} GPUs" if self._settings.gpus else "")
        print(f"the Ray cluster has no room for a trial ({asks}); waiting for it", flush=True)

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        """Say in one line that the cluster as a whole is gone; that of one process is left to the caller."""
        import ray

        try:
            yield
        except (ray.exceptions.RayActorError, ray.exceptions.RayTaskError):
            raise
        except (ray.exceptions.RayError, ConnectionError, RuntimeError) as error:
            where = self._settings.address or "of this search"
            raise DarkroomError(
                f"the Ray cluster {where} is gone ({_one_line(error)}); what has ended is kept: start it, and run dvc "
                "repro again"
            ) from None


def _end(actor: _Actor) -> None:
    """End a process; there is nothing that it would have to put away."""
    import ray

    with suppress(Exception):  # it, or the whole cluster, is gone
        ray.kill(actor.handle)


def _why(error: BaseException, host: str) -> str:
    """Say in one line why a process ended."""
    import ray

    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return f"Ray ended its process on {host}, which was short of memory"
    return f"its node {host} died" if "node has died" in str(error) else f"its process on {host} died"


def _answer(address: str) -> str | list[Resources]:
    """Return the nodes of a cluster, or why it cannot be used."""
    try:
        with connected(RaySettings(address=address)):
            return nodes()
    except InputError as error:
        return re.sub(r"^.*? cannot be used \((.*)\); start the cluster.*$", r"\1", str(error))


if __name__ == "__main__":
    print(json.dumps(_answer(sys.argv[1])))
