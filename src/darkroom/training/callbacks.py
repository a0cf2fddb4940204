"""Keras callbacks: early stopping, learning-rate schedule, history and the check for finite losses."""

import math
import time
from collections.abc import Iterable
from typing import Any

from darkroom.base.backend import keras
from darkroom.base.errors import TrainingError
from darkroom.base.hooks import require_hook
from darkroom.networks import Network, NetworkParams
from darkroom.training.epochs import Epoch, OnEpoch, StopTraining
from darkroom.training.phases import Phase
from darkroom.training.schedules import Plateau, learning_rate


class EarlyStopping(keras.callbacks.EarlyStopping):  # type: ignore[misc]
    """Ends a phase without further improvement and restores the best weights of this phase and those before.

    Args:
        values: the network's parameters.
        earlier: the callback of the phase before, with whose best weights this phase starts.
    """

    def __init__(self, values: NetworkParams, earlier: "EarlyStopping | None" = None) -> None:
        super().__init__(
            monitor=values.early_stopping.monitor,
            patience=values.early_stopping.patience,
            min_delta=values.early_stopping.min_delta,
            restore_best_weights=True,
        )
        self._earlier = None if earlier is None else earlier.reached()

    def reached(self) -> tuple[float | None, int]:
        """Return the best value of the monitored metric and its epoch."""
        best: float | None = self.best
        epoch: int = self.best_epoch
        return best, epoch

    def on_train_begin(self, logs: Any = None) -> None:
        """Reset, except for what the phase before has reached."""
        super().on_train_begin(logs)
        if self._earlier is not None:
            self.best, self.best_epoch = self._earlier
            self.best_weights = self.model.get_weights()


class AveragedWeights(keras.callbacks.Callback):  # type: ignore[misc]
    """Puts the moving averages that the optimizer keeps into the network for validation, checkpoints and saving.

    The weights themselves wait in the averages' variables until the next epoch. Keras' ``SwapEMAWeights`` is not used:
    it swaps by adding and subtracting, which rounds the weights.

    Args:
        is_on: whether the optimizer keeps averages; if not, nothing is done.
    """

    def __init__(self, *, is_on: bool) -> None:
        super().__init__()
        self._is_on = is_on
        self._is_averaged = False

    def _swap(self) -> None:
        optimizer = self.model.optimizer
        averages = require_hook(optimizer, "_model_variables_moving_average", "keras")
        for weight, average in zip(self.model.trainable_variables, averages, strict=True):
            kept = keras.ops.convert_to_numpy(weight)
            weight.assign(average)
            average.assign(kept)
        self._is_averaged = not self._is_averaged

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Train on with the weights themselves."""
        if self._is_averaged:
            self._swap()

    def on_test_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Validate with the averages."""
        if self._is_on and not self._is_averaged:
            self._swap()

    def state(self) -> dict[str, Any]:
        """Return whether the network has the averages."""
        return {"is_averaged": self._is_averaged}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state."""
        self._is_averaged = state["is_averaged"]


class LearningRate(keras.callbacks.Callback):  # type: ignore[misc]
    """Sets the scheduled learning rate and records it for each epoch."""

    def __init__(self, phase: Phase) -> None:
        super().__init__()
        self._values = values = phase.values
        self._first = phase.first
        self._epoch = 0
        self._plateau = Plateau(values.schedule) if values.schedule.kind == "plateau" else None

    def _set(self, time: float) -> None:
        values = self._values
        since = time - self._first
        self.model.optimizer.learning_rate = learning_rate(values.schedule, values.learning_rate, since, values.epochs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Set the rate for schedules that change it per epoch."""
        self._epoch = epoch
        if self._plateau is None:
            self._set(epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Set the rate for the schedule that changes it per step."""
        if self._values.schedule.kind == "one_cycle":
            self._set(self._epoch + batch / self.params["steps"])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:  # noqa: ARG002 - Keras' signature
        """Add the rate to the epoch's values; let the plateau schedule set the next one."""
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        logs["learning_rate"] = rate
        if self._plateau is not None:
            self.model.optimizer.learning_rate = self._plateau.next(rate, float(logs["val_loss"]))

    def state(self) -> dict[str, Any]:
        """Return the plateau schedule's state."""
        return self._plateau.state() if self._plateau else {}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the plateau schedule's state."""
        if self._plateau:
            self._plateau.restore(state)


class Recorder(keras.callbacks.Callback):  # type: ignore[misc]
    """Records the history and calls ``on_epoch`` after each epoch."""

    def __init__(self, on_epoch: Iterable[OnEpoch]) -> None:
        super().__init__()
        self.history: list[Epoch] = []
        self.stopped = False
        """Whether ``on_epoch`` has ended the training."""
        self._on_epoch = tuple(on_epoch)
        self._started = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Start the clock."""
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """Record the epoch's values and call the callbacks."""
        values = {name: float(value) for name, value in logs.items()}
        values["seconds"] = time.perf_counter() - self._started
        self.history.append(values)
        for callback in self._on_epoch:
            try:
                callback(epoch, values)
            except StopTraining:
                self.model.stop_training = self.stopped = True

    def state(self) -> dict[str, Any]:
        """Return the history so far."""
        return {"epochs": self.history, "stopped": self.stopped}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the history."""
        self.history, self.stopped = state["epochs"], state["stopped"]


class FiniteLoss(keras.callbacks.Callback):  # type: ignore[misc]
    """Raises an error as soon as a loss is not finite."""

    def __init__(self, network: Network, steps: int, phase: Phase) -> None:
        super().__init__()
        self._network = network
        self._steps = steps
        self._phase = phase
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Store the epoch for the error message."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        """Check the training loss."""
        self._check("training loss", float(logs["loss"]), batch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:  # noqa: ARG002 - Keras' signature
        """Check the validation loss."""
        self._check("validation loss", float(logs["val_loss"]), self._steps - 1)

    def _check(self, quantity: str, value: float, batch: int) -> None:
        if not math.isfinite(value):
            phase = self._phase
            step = (self._epoch - phase.first) * self._steps + batch + 1
            raise TrainingError(
                f"{self._network}: {quantity} is {value} at step {step}{phase.name} (epoch {self._epoch + 1} of "
                f"{phase.all_epochs}); a finite number was expected: lower train.{self._network}.{phase.place}"
                "learning_rate"
            )
