"""The interface between a search and the executor of its trials. Nothing heavy is imported here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from darkroom.base.errors import TrainingError


class Pruned(Exception):  # noqa: N818 - no error
    """Ends a pruned trial."""


Report = Callable[[int, Mapping[str, float]], None]
"""Accepts an epoch, from 0, and its metrics; raises ``Pruned`` to stop the trial."""
Objective = Callable[[int, dict[str, Any], Report], float]
"""Accepts a trial's number, from 0, its values and a ``Report``; returns the lowest validation loss."""
OnEpoch = Callable[[int, int, Mapping[str, float]], bool]
"""Accepts a trial's number, an epoch, from 0, and its metrics; returns whether the trial should continue."""


@dataclass(frozen=True)
class Outcome:
    """How a trial ended."""

    state: str
    """``complete``, ``pruned``, ``diverged``; ``lost``: its process died; ``interrupted``: by the user."""
    val_loss: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Trial:
    """The values and result of one trial."""

    number: int
    state: str
    """As in ``Outcome``."""
    val_loss: float | None
    """The lowest validation loss."""
    tried: dict[str, Any]
    epochs: int
    seconds: float = field(default=0.0, compare=False)
    reason: str = ""
    """Why it diverged or was lost."""


class Watch(Protocol):
    """An observer of trials, for records and progress."""

    def started(self, number: int, tried: dict[str, Any]) -> None:
        """Called when a trial or its retry starts."""

    def epoch(self, number: int, epoch: int, values: Mapping[str, float]) -> None:
        """Called after each epoch of a trial; ``epoch`` starts at 0."""

    def ended(self, trial: Trial) -> None:
        """Called when a trial has ended; a lost trial may be retried."""


class Executor(Protocol):
    """Runs trials in this process, other processes or on other hosts. It does not access the study."""

    @property
    def workers(self) -> int:
        """Maximum number of concurrent trials."""

    def start(self, number: int, tried: dict[str, Any]) -> None:
        """Start or queue a trial; at most ``workers`` trials are active at once."""

    def wait(self, on_epoch: OnEpoch) -> tuple[int, Outcome]:
        """Pass the trials' reports to ``on_epoch`` until one ends; return its number and outcome."""


def attempt(objective: Objective, number: int, tried: dict[str, Any], report: Report) -> Outcome:
    """Run a trial; return its outcome. A diverged training is an outcome, other errors are raised."""
    try:
        return Outcome("complete", objective(number, tried, report))
    except Pruned:
        return Outcome("pruned")
    except TrainingError as error:
        return Outcome("diverged", reason=str(error))


class ThisProcess:
    """Runs trials sequentially in this process."""

    workers = 1

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._given: tuple[int, dict[str, Any]] | None = None

    def start(self, number: int, tried: dict[str, Any]) -> None:
        """Set the trial that ``wait`` runs."""
        self._given = number, tried

    def wait(self, on_epoch: OnEpoch) -> tuple[int, Outcome]:
        """Run the trial to its end."""
        if self._given is None:
            raise ValueError("wait was called before start")
        number, tried = self._given

        def report(epoch: int, values: Mapping[str, float]) -> None:
            if not on_epoch(number, epoch, values):
                raise Pruned

        return number, attempt(self._objective, number, tried, report)
