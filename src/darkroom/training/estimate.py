"""Estimate the duration of a training from measured steps."""

import time
from collections.abc import Callable
from typing import Any

from darkroom.base.backend import keras, peak_memory

LONG_EPOCH = 10.0
"""Seconds per epoch above which the estimate is reported before the first epoch ends."""


class Estimate(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports the estimated duration of the whole training once, without extra computation.

    If an epoch takes long, steps of the first epoch are measured; otherwise the whole second epoch, since then the time
    between epochs matters.
    """

    # The first steps build the graph and fill caches.
    WARM_UP = 3
    STEPS = 20
    # A forward pass is about a third of a training step: the gradients of weights and activations cost one each.
    VALIDATION_SHARE = 1 / 3

    def __init__(self, epochs: int, trials: int, validation_share: float, report: Callable[[str], None]) -> None:
        super().__init__()
        self._epochs = epochs
        self._trials = trials
        self._validation = validation_share * self.VALIDATION_SHARE
        self._report = report
        self._steps = 0
        self._started = 0.0
        self._reported = False
        self._first_ended: float | None = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Measure steps of the first epoch."""
        if self._first_ended is not None:
            return
        self._steps += 1
        if self._steps == self.WARM_UP:
            self._started = time.perf_counter()
        if self._steps == self.WARM_UP + self.STEPS:
            step = (time.perf_counter() - self._started) / self.STEPS
            epoch = step * self.params["steps"] * (1 + self._validation)
            if epoch >= LONG_EPOCH:
                self._estimate(epoch, f"{self.STEPS} steps")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Measure the second epoch, unless the estimate was reported."""
        now = time.perf_counter()
        if self._first_ended is None:
            self._first_ended = now
        elif not self._reported:
            self._estimate(now - self._first_ended, "an epoch")

    def _estimate(self, epoch: float, measured: str) -> None:
        self._reported = True
        total = duration(epoch * self._epochs * self._trials)
        of = f"{self._trials} trials of {self._epochs}" if self._trials > 1 else f"{self._epochs}"
        self._report(
            f"about {duration(epoch)} an epoch, {total} for {of}, {peak_memory() / 2**30:.1f} GiB of memory "
            f"(measured on {measured})"
        )


def duration(seconds: float) -> str:
    """Format a duration in seconds, minutes or hours."""
    if seconds < 90:  # noqa: PLR2004
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"  # noqa: PLR2004
