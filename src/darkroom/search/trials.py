"""What a search and whatever runs its trials say to each other. Nothing heavy is imported here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from darkroom.errors import TrainingError


class Pruned(Exception):  # noqa: N818 - no error
    """Ends a trial that is not worth going on with."""


Report = Callable[[int, Mapping[str, float]], None]
"""Takes an epoch, from 0, and its values; raises ``Pruned`` where going on is not worth it."""
Objective = Callable[[int, dict[str, Any], Report], float]
"""Takes a trial's number, from 0, the values to try and where to report; returns the lowest validation loss."""
OnEpoch = Callable[[int, int, Mapping[str, float]], bool]
"""Takes a trial's number, an epoch, from 0, and its values; returns whether the trial is worth going on with."""


@dataclass(frozen=True)
class Outcome:
    """How a trial ended."""

    state: str
    """``complete``, ``pruned``, ``diverged``; ``lost``: what ran it died; ``interrupted``: by a person."""
    val_loss: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Trial:
    """What came of one trial."""

    number: int
    state: str
    """As ``Outcome`` has it."""
    val_loss: float | None
    """The lowest that it reached."""
    tried: dict[str, Any]
    epochs: int
    seconds: float = field(default=0.0, compare=False)
    reason: str = ""
    """Why it diverged or was lost."""


class Watch(Protocol):
    """Looks on: records, tells the user."""

    def started(self, number: int, tried: dict[str, Any]) -> None:
        """A trial begins, the first time or once more."""

    def epoch(self, number: int, epoch: int, values: Mapping[str, float]) -> None:
        """A trial has finished an epoch, counted from 0."""

    def ended(self, trial: Trial) -> None:
        """A trial has ended, perhaps to be tried once more."""


class Executor(Protocol):
    """Runs trials: here, in other processes, on other machines. It knows nothing of the study."""

    @property
    def workers(self) -> int:
        """So many trials may be at work at once."""

    def start(self, number: int, tried: dict[str, Any]) -> None:
        """Take a trial; at most ``workers`` are given at once."""

    def wait(self, on_epoch: OnEpoch) -> tuple[int, Outcome]:
        """Pass on what the trials report until one ends; return its number and how it ended."""


def attempt(objective: Objective, number: int, tried: dict[str, Any], report: Report) -> Outcome:
    """Run a trial. A training that diverges is a finding; other errors are passed on."""
    try:
        return Outcome("complete", objective(number, tried, report))
    except Pruned:
        return Outcome("pruned")
    except TrainingError as error:
        return Outcome("diverged", reason=str(error))


class ThisProcess:
    """Runs one trial after the other in this process."""

    workers = 1

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._given: tuple[int, dict[str, Any]] | None = None

    def start(self, number: int, tried: dict[str, Any]) -> None:
        """Take a trial."""
        self._given = number, tried

    def wait(self, on_epoch: OnEpoch) -> tuple[int, Outcome]:
        """Run the trial to its end."""
        if self._given is None:
            raise ValueError("no trial was given")
        number, tried = self._given

        def report(epoch: int, values: Mapping[str, float]) -> None:
            if not on_epoch(number, epoch, values):
                raise Pruned

        return number, attempt(self._objective, number, tried, report)
