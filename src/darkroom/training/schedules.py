"""Learning-rate schedules: functions of the epoch, and one that reacts to the validation loss."""

import bisect
import math
from collections.abc import Mapping
from typing import Any

from darkroom.networks import ScheduleParams

ONE_CYCLE_START = 0.1  # initial rate of one_cycle, as a share of the highest


def learning_rate(schedule: ScheduleParams, start: float, epoch: float, epochs: int) -> float:  # noqa: PLR0911
    """Return the learning rate at a point of a training.

    Args:
        schedule: kind and parameters; for ``plateau`` the rate is constant here, see ``Plateau``.
        start: the rate of the first epoch; for ``one_cycle`` the highest one.
        epoch: from 0; fractional for ``one_cycle``, an integer for the others.
        epochs: planned number of epochs; the last one is ``epochs - 1``.
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
    """Return the progress of ``linear``, 0 to 1: in equal steps, one per ``every`` epochs if that is set."""
    every = schedule.every if "every" in schedule.model_fields_set else 1
    last = (epochs - 1) // every
    return (epoch // every) / max(last, 1)


class Plateau:
    """Lowers the rate when the validation loss stops falling, and raises it while it falls steadily."""

    def __init__(self, schedule: ScheduleParams) -> None:
        self._schedule = schedule
        self.lowest: float | None = None
        self.without = 0
        """Consecutive epochs without improvement."""
        self.steady = 0
        """Consecutive epochs with improvement."""

    def next(self, rate: float, val_loss: float) -> float:
        """Return the next epoch's rate, given the current rate and validation loss."""
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
        """Return the state for ``restore``."""
        return {"lowest": self.lowest, "without": self.without, "steady": self.steady}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore a state."""
        self.lowest, self.without, self.steady = state["lowest"], state["without"], state["steady"]
