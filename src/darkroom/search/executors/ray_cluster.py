"""Run trials on a Ray cluster, which report to the search process. Ray is imported only when used.

As in local worker processes, a trial accesses neither study nor tracking store (``ray_node.py``). Ray schedules it and
reports when its process or node has died.
"""

import pickle
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from darkroom.base.code import WHOLE
from darkroom.base.errors import DarkroomError, InputError
from darkroom.params import RaySettings
from darkroom.search.executors.protocol import OnEpoch, Outcome
from darkroom.search.executors.ray_connection import connected, nodes, one_line, require_room, room
from darkroom.search.executors.ray_node import Epoch, FilePartRequest, Make, Node, versions

ROOM_WITHIN = 30.0  # seconds without a free node before a message is printed
STARTS = 10
"""Maximum number of consecutive failures to start a process."""
PAUSE = 1.0  # seconds to wait after such a failure
PART = 16 * 2**20  # bytes of a file sent in one message


@dataclass
class _Actor:
    """A process on a node, as seen by the search process."""

    handle: Any
    host: str = ""


class RayCluster:
    """Processes on cluster nodes that run trials. They start on demand; a dead one is replaced."""

    def __init__(
        self,
        settings: RaySettings,
        workers: int | None,
        make: Make,
        files: Mapping[str, Path],
        code: Iterable[str] = WHOLE,
    ) -> None:
        """Set up the executor; the context manager connects it.

        Args:
            settings: address, and resources of a trial.
            workers: maximum concurrent trials; None for as many as the cluster has resources for.
            make: creates the objective on a node.
            files: files that nodes may request, by name.
            code: paths from ``code.declared`` whose content must be the same on all nodes.
        """
        self._settings, self._workers, self._files = settings, workers, files
        self._make = pickle.dumps(make)
        # Nodes do not run stage scripts.
        self._code = [path for path in code if not path.startswith("pipeline/")]
        self._exit_stack = ExitStack()
        self._waiting: deque[tuple[int, dict[str, Any]]] = deque()
        self._starting: dict[Any, _Actor] = {}
        self._idle: list[_Actor] = []
        self._busy: dict[Any, tuple[int, _Actor]] = {}
        """Busy processes by Ray's reference of their next message."""
        self._failed = 0
        self._reported_no_room = False

    def __enter__(self) -> Self:
        with ExitStack() as on_error:
            on_error.enter_context(connected(self._settings))
            require_room(nodes(), self._settings)
            self._exit_stack = on_error.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Kill all processes and disconnect."""
        with self._exit_stack:
            for actor in (*self._starting.values(), *self._idle, *(actor for _, actor in self._busy.values())):
                _end(actor)

    @property
    def workers(self) -> int:
        """Maximum number of concurrent trials; changes when nodes join or leave."""
        with self._readable_errors():
            return self._workers or max(1, sum(room(node, self._settings) for node in nodes()))

    def start(self, number: int, tried: dict[str, Any]) -> None:
        """Queue a trial."""
        self._waiting.append((number, tried))

    def wait(self, on_epoch: OnEpoch) -> tuple[int, Outcome]:
        """Pass the trials' reports to ``on_epoch`` until one ends; return its number and outcome."""
        import ray

        while True:
            self._assign()
            with self._readable_errors():
                # Answered processes move to the end of the dictionary, so that all get their turn.
                ready, _ = ray.wait([*self._starting, *self._busy], timeout=ROOM_WITHIN)
            if not ready:
                self._report_no_room()
                continue
            if ready[0] in self._starting:
                self._accept(ready[0])
            elif ended := self._listen(ready[0], on_epoch):
                return ended

    def _assign(self) -> None:
        """Assign waiting trials to idle processes; request more processes if there are too few.

        A trial is only assigned to a running process: if there are no resources for another one, the next idle process
        gets it.
        """
        while self._waiting and self._idle:
            actor, (number, tried) = self._idle.pop(), self._waiting.popleft()
            self._busy[actor.handle.exchange.remote((number, tried))] = number, actor
        while len(self._starting) < len(self._waiting):
            self._start_process()

    def _start_process(self) -> None:
        import ray

        asks = {"num_cpus": self._settings.cpus, "num_gpus": self._settings.gpus, "scheduling_strategy": "SPREAD"}
        kind = ray.remote(Node).options(**asks, max_restarts=0)
        handle = kind.remote(self._make, self._settings.cpus, self._settings.gpus)
        self._starting[handle.describe.remote(self._code)] = _Actor(handle)

    def _accept(self, reference: Any) -> None:
        """Accept a process that has started, after checking its versions; a failed start is retried.

        A failed start loses no trial: Ray may still try to use a node that has just died.

        Raises:
            InputError: Darkroom is missing on the node, or versions differ.
            DarkroomError: ``STARTS`` consecutive starts failed.
        """
        import ray

        actor = self._starting.pop(reference)
        try:
            with self._readable_errors():
                actor.host, found = ray.get(reference)
        except ray.exceptions.RayError as error:
            if "No module named 'darkroom'" in str(error):
                raise InputError(
                    "search.ray: Darkroom is not installed on a node of the cluster; install the same commit there "
                    "(make setup), and start Ray from that environment"
                ) from None
            self._failed += 1
            if self._failed >= STARTS:
                raise DarkroomError(
                    f"no trial can start on the Ray cluster: {_why(error, 'a node')}, {STARTS} times in a row; see "
                    "its logs on the node in /tmp/ray/session_latest/logs"
                ) from None
            time.sleep(PAUSE)
            return
        self._failed = 0
        for name, own in versions(self._code).items():
            if (its := found.get(name)) != own:
                raise InputError(
                    f"search.ray: node {actor.host} has {name} {its}, this process has {own}; install the same commit "
                    "and requirements.lock there (make setup), and start Ray from that environment"
                )
        self._idle.append(actor)

    def _listen(self, reference: Any, on_epoch: OnEpoch) -> tuple[int, Outcome] | None:
        """Process one message; return the trial's number and outcome if it has ended."""
        import ray

        number, actor = self._busy.pop(reference)
        try:
            with self._readable_errors():
                message = ray.get(reference)
        except ray.exceptions.RayError as error:
            _end(actor)
            return number, Outcome("lost", reason=_why(error, actor.host))
        match message:
            case DarkroomError():
                raise message
            case Epoch():
                proceed = on_epoch(number, message.epoch, message.values)
                self._busy[actor.handle.exchange.remote(proceed)] = number, actor
                return None
            case FilePartRequest():
                self._busy[actor.handle.exchange.remote(self._part(message))] = number, actor
                return None
        outcome: Outcome = message
        if outcome.state == "lost":
            _end(actor)
        else:
            self._idle.append(actor)
        return number, outcome

    def _part(self, request: FilePartRequest) -> bytes:
        with self._files[request.file].open("rb") as file:
            file.seek(request.offset)
            return file.read(PART)

    def _report_no_room(self) -> None:
        """Print once that the cluster has no room for a trial."""
        if self._busy or self._reported_no_room:
            return
        self._reported_no_room = True
        asks = f"{self._settings.cpus} CPUs" + (f" and {self._settings.gpus:g} GPUs" if self._settings.gpus else "")
        print(f"the Ray cluster has no room for a trial ({asks}); waiting for it", flush=True)

    @contextmanager
    def _readable_errors(self) -> Iterator[None]:
        """Turn the loss of the cluster into a one-line error; errors of one process are re-raised."""
        import ray

        try:
            yield
        except (ray.exceptions.RayActorError, ray.exceptions.RayTaskError):
            raise
        except (ray.exceptions.RayError, ConnectionError, RuntimeError) as error:
            where = self._settings.address or "of this search"
            raise DarkroomError(
                f"the Ray cluster {where} is gone ({one_line(error)}); finished trials are kept: start it, then run "
                "dvc repro again"
            ) from None


def _end(actor: _Actor) -> None:
    """Kill a process; it has nothing to clean up."""
    import ray

    with suppress(Exception):  # the process or the cluster is already gone
        ray.kill(actor.handle)


def _why(error: BaseException, host: str) -> str:
    """Return in one line why a process ended."""
    import ray

    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return f"Ray killed its process on {host}, which was out of memory"
    return f"its node {host} died" if "node has died" in str(error) else f"its process on {host} died"
