"""Stages whose MLflow server is killed, hangs or refuses, and that run again when it answers."""

import os
import random
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.faults.gate import Gate
from benchmarks.faults.project import TRACKED, Compared, Ended, Project, compared, kill, make

FIRST, USERS = "overview", TRACKED
"""The last stage that needs no server, and those that do."""
WAYS = ("killed", "hangs", "403 Forbidden", "500 Internal Server Error")
STARTS_WITHIN = 240  # seconds, on a loaded machine
ENDS_WITHIN = 300  # seconds from the fault to the end of dvc repro, with MLflow's time limits as Darkroom sets them


class Server:
    """An MLflow server with a SQLite store, behind a gate."""

    def __init__(self, folder: Path) -> None:
        """Start it; its store, files and log are in ``folder``."""
        self._folder = folder
        folder.mkdir(exist_ok=True)
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            self.gate = Gate(unused.getsockname()[1])
        self.address = f"http://127.0.0.1:{self.gate.port}"
        self.failed_at = 0.0
        """When it began to fail, on ``time.monotonic``'s clock."""
        self._start()

    def _start(self) -> None:
        stores = ("--backend-store-uri", "sqlite:///store.db", "--artifacts-destination", str(self._folder / "files"))
        environment = {**Project(self._folder).environment(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self._folder / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                ["mlflow", "server", *stores, "--port", str(self.gate.behind), "--workers", "1"],
                cwd=self._folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + STARTS_WITHIN
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.gate.behind}/health", timeout=5):
                    return
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.25)

    def fail(self, way: str) -> None:
        """Begin to fail."""
        self.failed_at = time.monotonic()
        if way == "killed":
            self.gate.close()
            kill(self._process)
        elif way == "hangs":
            os.killpg(self._process.pid, signal.SIGSTOP)
        else:
            self.gate.refuse(way)

    def heal(self) -> None:
        """Answer again."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGCONT)
        else:
            self._start()
        self.gate.open()

    def end(self) -> None:
        """Kill it."""
        self.gate.close()
        kill(self._process)


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Start a server; end it at the end."""
    server = Server(folder)
    try:
        yield server
    finally:
        server.end()


class Attempt(NamedTuple):
    """A stage whose server fails."""

    way: str
    stage: str
    failed: Ended
    """The run during which the server failed."""
    waited: float
    """Seconds from the fault to the end of that run; negative if the stage ended before."""
    again: Ended
    """The run after the server answered again."""

    @property
    def title(self) -> str:
        """Where it was."""
        return f"{self.way}, {self.stage}"

    @property
    def fault(self) -> str:
        """What is wrong, or nothing."""
        if self.again.code:
            return f"not recovered: {self.again.printed[-2000:]}"
        if self.waited < 0 or self.failed.code == 0:
            # Nothing was lost: it ended before, or a question that need not be answered was not.
            return "" if self.failed.code == 0 else f"failed by itself: {self.failed.printed[-2000:]}"
        if "Traceback" in self.failed.printed:
            return f"traceback: {self.failed.printed[-4000:]}"
        stage = self.stage.partition("@")[0]
        said = [line for line in self.failed.printed.splitlines() if line.startswith(f"{stage}: ")]
        if len(said) != 1 or "server" not in said[0]:
            return f"{len(said)} lines say so: {self.failed.printed[-2000:]}"
        return f"ended {self.waited:.0f} s after the fault" if self.waited > ENDS_WITHIN else ""


def run(ways: list[str], seed: int) -> Iterator[Attempt | Compared]:
    """Let the server fail in each way in each stage that uses it; yield each attempt, and results that differ.

    Args:
        ways: of ``WAYS``.
        seed: of the moments, which are shares of the bytes that a stage sends.
    """
    moments = random.Random(seed)  # noqa: S311 - no secret
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        template = make(folder / "template")
        template.require("dvc", "repro", FIRST)
        with serving(folder / "server") as server:
            undisturbed = template.copy(folder / "undisturbed", MLFLOW_TRACKING_URI=server.address)
            sent = {stage: _sent(undisturbed, server, stage) for stage in USERS}
            expected = undisturbed.results()
        for way in ways:
            with serving(folder / f"server {way}") as server:
                project = template.copy(folder / f"project {way}", MLFLOW_TRACKING_URI=server.address)
                for stage in USERS:
                    yield attempt(project, server, (way, stage), int(moments.random() * sent[stage]))
                yield compared(way, project, expected)


def _sent(project: Project, server: Server, stage: str) -> int:
    """Run a stage; return the bytes that it sends to the server."""
    before = server.gate.passed
    project.require("dvc", "repro", stage)
    return server.gate.passed - before


def attempt(project: Project, server: Server, of: tuple[str, str], after: int, *options: str) -> Attempt:
    """Run a stage whose server fails, and run it again.

    Args:
        project: all earlier stages have run.
        server: the project's.
        of: way and stage.
        after: bytes that the stage has sent when the server fails.
        options: of ``dvc repro``.
    """
    way, stage = of
    fail: Callable[[], None] = lambda: server.fail(way)  # noqa: E731 - one line
    server.gate.fail_after(after, fail)
    failed = project.run("dvc", "repro", *options, stage)
    waited = time.monotonic() - server.failed_at if server.gate.failed else -1.0
    server.heal()
    return Attempt(way, stage, failed, waited, project.run("dvc", "repro", *options, stage))


def report(found: list[Attempt | Compared]) -> str:
    """Return a Markdown table, a row for each way."""
    attempts = [each for each in found if isinstance(each, Attempt)]
    lines = ["| server | stages | ended before | one line | seconds to it, longest | recovered | other results |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    for way in dict.fromkeys(each.way for each in attempts):
        here = [each for each in attempts if each.way == way]
        counts = (
            len(here),
            sum(each.failed.code == 0 for each in here),
            sum(each.failed.code != 0 and not each.fault for each in here),
            f"{max(each.waited for each in here):.0f}",
            sum(each.again.code == 0 for each in here),
            *(len(each.differ) for each in found if isinstance(each, Compared) and each.where == way),
        )
        lines.append(f"| {way} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)
