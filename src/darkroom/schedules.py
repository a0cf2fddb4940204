"""Learning-rate schedules as plain functions of the epoch."""

import math

from darkroom.params import ScheduleParams


def learning_rate(schedule: ScheduleParams, start: float, epoch: int, epochs: int) -> float:
    """Return the learning rate of one epoch.

    Args:
        schedule: the kind of schedule with its numbers.
        start: the rate of epoch 0.
        epoch: counted from 0.
        epochs: the planned number of epochs; the last one is ``epochs - 1``.
    """
    progress = epoch / max(epochs - 1, 1)
    match schedule.kind:
        case "constant":
            return start
        case "step":
            return float(start * schedule.factor ** (epoch // schedule.every))
        case "exponential":
            return float(start * schedule.factor ** (epoch / schedule.every))
        case "linear":
            return start * (1 - (1 - schedule.factor) * progress)
        case "cosine":
            return start * (schedule.factor + (1 - schedule.factor) * (1 + math.cos(math.pi * progress)) / 2)
