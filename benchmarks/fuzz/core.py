"""Run a family of mutated inputs in a worker process, each within limits of time and memory.

A family is a module with the function ``family(folder) -> Family``. An input is a fault if it

- raises anything but a ``DarkroomError`` of one line,
- takes more than ``SECONDS``, kills its process, or needs more than ``MEMORY`` bytes beside what it started with,
- is lost: what was found is not what was used and what was left out.

Linux only: memory is read from /proc.
"""

import importlib
import multiprocessing
import resource
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from tqdm import tqdm

from darkroom.base.errors import DarkroomError

SECONDS = 10.0
"""Limit of one input."""
MEMORY = 10**9
"""Limit of one input, in bytes above the resident memory before it."""
ADDRESS_SPACE = 8 * 10**9
"""Address space of a worker, in bytes above that after its imports; protects the machine."""
SPAWN = multiprocessing.get_context("spawn")


class Input(NamedTuple):
    """One input: a file name and the content, or whatever the family makes of them."""

    name: str
    content: bytes


class Tally(NamedTuple):
    """What became of an input's parts, such as the files of an archive or the rows of a table."""

    found: int
    used: int
    left_out: int


class Family(Protocol):
    """Inputs of one kind, and the code that reads them."""

    def make(self, generator: np.random.Generator) -> Input:
        """Make an input; the same for the same state of the generator."""

    def attempt(self, given: Input) -> Tally:
        """Read an input as Darkroom's commands do.

        Raises:
            DarkroomError: the input is refused as a whole.
            AssertionError: an answer is wrong.
        """


class Outcome(NamedTuple):
    """Result of one input."""

    number: int
    fault: str = ""
    """Empty if there is none; else one line."""
    report: str = ""
    """Traceback of the fault."""
    tally: Tally = Tally(0, 0, 0)
    refused: str = ""
    """Why the input as a whole was refused."""
    seconds: float = 0.0
    memory: int = 0
    """Peak in bytes above the resident memory before."""


@dataclass
class Summary:
    """Results of all inputs."""

    inputs: int = 0
    refused: int = 0
    """Inputs that were refused as a whole."""
    tally: Counter[str] = field(default_factory=Counter)
    """Sums of ``Tally`` over the other inputs."""
    slowest: float = 0.0
    largest: int = 0
    faults: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count an outcome."""
        self.inputs += 1
        self.refused += bool(outcome.refused)
        self.tally.update(outcome.tally._asdict())
        self.slowest = max(self.slowest, outcome.seconds)
        self.largest = max(self.largest, outcome.memory)
        if outcome.fault:
            self.faults.append(outcome)

    def __str__(self) -> str:
        tally = self.tally
        return (
            f"{self.inputs:,} inputs: {self.refused:,} refused as a whole; in the others {tally['found']:,} found = "
            f"{tally['used']:,} used + {tally['left_out']:,} left out; slowest {self.slowest:.1f} s, largest "
            f"{self.largest / 1e6:.0f} MB; {len(self.faults)} faults"
        )


def run(module: str, numbers: Iterable[int], seed: int) -> Summary:
    """Run the inputs of a family with these numbers; each depends on the seed and its number alone."""
    summary = Summary()
    worker = _Worker(module, seed)
    try:
        for number in tqdm(numbers, desc=module, unit=" inputs", disable=None):
            outcome = worker.run(number)
            if outcome.fault:
                tqdm.write(f"input {number}: {outcome.fault}")
            summary.add(outcome)
    finally:
        worker.end()
    return summary


def make(module: str, number: int, seed: int) -> Input:
    """Return an input of a family, to look at it or to keep it."""
    with tempfile.TemporaryDirectory() as folder:
        return _family(module, Path(folder)).make(_generator(seed, number))


def attempt(family: Family, given: Input, number: int = 0) -> Outcome:
    """Read one input in this process, and judge what happens."""
    before, started = _reset_peak(), time.monotonic()
    tally, refused, fault, report = Tally(0, 0, 0), "", "", ""
    try:
        tally = family.attempt(given)
        if tally.found != tally.used + tally.left_out:
            fault = f"lost: {tally}"
    except DarkroomError as error:
        refused = str(error) or "no reason"
        if not str(error) or "\n" in str(error):
            fault = f"an error that is not one line: {error!r}"
    except Exception as error:  # noqa: BLE001 - any other exception is what is looked for
        fault, report = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}", traceback.format_exc()
    seconds, memory = time.monotonic() - started, _status("VmHWM") - before
    if not fault and memory > MEMORY:
        fault = f"needs {memory / 1e6:.0f} MB"
    if not fault and seconds > SECONDS:
        fault = f"takes {seconds:.1f} s"
    return Outcome(number, fault, report, tally, refused, seconds, memory)


class _Worker:
    """A process that reads one input at a time; replaced if it dies or does not answer."""

    def __init__(self, module: str, seed: int) -> None:
        self._given = module, seed
        self._start()

    def _start(self) -> None:
        self._here, there = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_work, args=(*self._given, there), daemon=True)
        self._process.start()
        there.close()
        self._here.recv()  # imports are done

    def run(self, number: int) -> Outcome:
        self._here.send(number)
        try:
            if self._here.poll(1.1 * SECONDS):
                outcome: Outcome = self._here.recv()
                return outcome
            fault = f"no answer after {SECONDS:g} s"
        except (EOFError, ConnectionError):
            self._process.join()
            fault = f"the process died ({self._process.exitcode})"
        self.end()
        self._start()
        return Outcome(number, fault, seconds=SECONDS)

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self._here.close()


def _work(module: str, seed: int, connection: Connection) -> None:
    """Answer numbers with outcomes until the parent ends."""
    with tempfile.TemporaryDirectory() as folder:
        family = _family(module, Path(folder))
        most = _status("VmSize") + ADDRESS_SPACE
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        connection.send(None)
        while True:
            try:
                number = connection.recv()
            except EOFError:
                return
            connection.send(attempt(family, family.make(_generator(seed, number)), number))


def _family(module: str, folder: Path) -> Family:
    family: Family = importlib.import_module(module).family(folder)
    return family


def _generator(seed: int, number: int) -> np.random.Generator:
    return np.random.default_rng([seed, number])


def _reset_peak() -> int:
    """Set this process's peak of resident memory to what it is now; return that in bytes."""
    Path("/proc/self/clear_refs").write_text("5")  # proc(5)
    return _status("VmRSS")


def _status(name: str) -> int:
    """Return a value of /proc/self/status in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
