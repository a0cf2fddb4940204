"""Learning-rate schedules: plain functions of the time, and one that listens to the validation loss."""

import bisect
import math
from collections.abc import Mapping
from typing import Any

from darkroom.networks import ScheduleParams

ONE_CYCLE_START = 0.1  # share of the rate that one_cycle begins with


def learning_rate(schedule: ScheduleParams, start: float, epoch: float, epochs: int) -> float:  # noqa: PLR0911
    """Return the learning rate at one time of a training.

    Args:
        schedule: the kind of schedule with its numbers; ``plateau`` has no course of its own, see ``Plateau``.
        start: the rate of the first epoch; the highest one of ``one_cycle``.
        epoch: counted from 0; ``one_cycle`` changes within an epoch too, the others take whole numbers.
        epochs: the planned number of epochs; the last one is ``epochs - 1``.
    """
    progress = epoch / max(epochs - 1, 1)
    match schedule.kind:
        case "constant" | "plateau":
            return start
        case "step":
            return float(start * schedule.factor ** (epoch // schedule.every))
        case "piecewise":
            passed = bisect.bisect_right(schedule.boundaries, epoch)
            return start * (1.0, *schedule.factors)[passed]
        case "exponential":
            return float(start * schedule.factor ** (epoch / schedule.every))
        case "linear":
            return start * (1 - (1 - schedule.factor) * _in_steps(epoch, epochs, schedule))
        case "cosine":
            return start * (schedule.factor + (1 - schedule.factor) * (1 + math.cos(math.pi * progress)) / 2)
        case "one_cycle":
            done = epoch / epochs
            if done < schedule.warmup:
                return start * (ONE_CYCLE_START + (1 - ONE_CYCLE_START) * done / schedule.warmup)
            return start * (1 - (1 - schedule.factor) * (done - schedule.warmup) / (1 - schedule.warmup))


def _in_steps(epoch: float, epochs: int, schedule: ScheduleParams) -> float:
    """Return how much of its way ``linear`` has gone: in equal steps, one each ``every`` epochs where that is set."""
    every = schedule.every if "every" in schedule.model_fields_set else 1
    last = (epochs - 1) // every
    return (epoch // every) / max(last, 1)


class Plateau:
    """Lower the rate when the validation loss no longer falls, and raise it as long as it falls steadily."""

    def __init__(self, schedule: ScheduleParams) -> None:
        self._schedule = schedule
        self.lowest: float | None = None
        self.without = 0
        """Epochs in a row without improvement."""
        self.steady = 0
        """Epochs in a row with."""

    def next(self, rate: float, val_loss: float) -> float:
        """Take an epoch's rate and validation loss; return the rate of the next."""
        if self.lowest is None or val_loss < self.lowest:
            self.lowest = val_loss
            self.without, self.steady = 0, self.steady + 1
        else:
            self.without, self.steady = self.without + 1, 0
        if self.without == self._schedule.patience:
            self.without = 0
            return rate * self._schedule.factor
        if self.steady == self._schedule.patience:
            self.steady = 0
            return rate * self._schedule.growth
        return rate

    def state(self) -> dict[str, float | int | None]:
        """Return what ``restore`` takes back."""
        return {"lowest": self.lowest, "without": self.without, "steady": self.steady}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back a state."""
        self.lowest, self.without, self.steady = state["lowest"], state["without"], state["steady"]
