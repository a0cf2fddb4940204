"""Checkpoints from which an interrupted training resumes with identical results.

Keras' ``BackupAndRestore`` does not suffice: it saves neither dropout's random states nor the states of early stopping
and the schedule.
"""

import json
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from darkroom.base.backend import keras
from darkroom.base.files import set_aside

DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)
"""Errors of ``numpy.load`` and ``json.loads`` for a file that is damaged or something else."""


class Stateful(Protocol):
    """A callback with state besides the variables of model and optimizer."""

    def state(self) -> dict[str, Any]:
        """Return the state as JSON-serialisable values."""

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state."""


class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]
    """Saves after each epoch what a training needs to resume; must be the last callback.

    The file contains arrays and JSON, no code. It is replaced atomically, so that an interruption leaves it complete.
    One that cannot be read nevertheless, as after a disk error, is set aside, and training starts over.

    Args:
        path: the file.
        stopping: the callback of early stopping.
        others: other callbacks with a state, by name.
        epochs: of the whole training.
        report: called with a line if the file is damaged.
    """

    def __init__(
        self,
        path: Path,
        stopping: keras.callbacks.EarlyStopping,
        others: dict[str, Stateful],
        epochs: int,
        report: Callable[[str], None] = print,
    ) -> None:
        super().__init__()
        self._path = path
        self._stopping = stopping
        self._others = others
        self._epochs = epochs
        self._report = report
        self._kept: dict[str, Any] = {}
        self._state: dict[str, Any] = {}
        self.first_epoch = 0
        """The epoch to resume with, from 0."""
        if path.is_file():
            try:
                self._kept, self._state = _read(path, {"stopping", *others})
                self.first_epoch = self._state["next_epoch"]
            except DAMAGE as error:
                self._start_over(str(error))

    def _start_over(self, reason: str) -> None:
        self._kept, self.first_epoch = {}, 0
        self._report(f"the checkpoint cannot be read ({reason}); kept as {set_aside(self._path)}, training starts over")

    def require_variables_of(self, model: keras.Model) -> None:
        """Start over unless the file has the variables of a compiled network."""
        if not self._kept:
            return
        self.set_model(model)
        expected = {f"variable{number}": tuple(variable.shape) for number, variable in enumerate(self._variables())}
        found = {name: array.shape for name, array in self._kept.items() if name.startswith("variable")}
        if found != expected:
            self._start_over("it has other variables than the network")

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Restore the state from the file."""
        if not self._kept:
            return
        for number, variable in enumerate(self._variables()):
            variable.assign(self._kept[f"variable{number}"])
        # Early stopping has just reset itself.
        for name, value in self._state["stopping"].items():
            setattr(self._stopping, name, value)
        best = [self._kept[key] for key in sorted(self._kept, key=_number) if key.startswith("best")]
        self._stopping.best_weights = best or None
        for name, other in self._others.items():
            other.restore(self._state[name])
        self._kept = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Replace the file."""
        stopping = self._stopping
        state = {
            "next_epoch": self._epochs if self.model.stop_training else epoch + 1,
            "stopping": {
                "wait": stopping.wait,
                "best": None if stopping.best is None else float(stopping.best),
                "best_epoch": stopping.best_epoch,
                "stopped_epoch": stopping.stopped_epoch,
            },
            **{name: other.state() for name, other in self._others.items()},
        }
        arrays: dict[str, Any] = {
            f"variable{number}": np.asarray(variable) for number, variable in enumerate(self._variables())
        }
        arrays |= {f"best{number}": weight for number, weight in enumerate(stopping.best_weights or [])}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, state=np.array(json.dumps(state)), **arrays)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)

    def _variables(self) -> list[Any]:
        """Return all variables that training changes, random states included, in a fixed order."""
        return [*self.model.variables, *self.model.optimizer.variables]


def _read(path: Path, parts: set[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a checkpoint's arrays and its state; raises one of ``DAMAGE`` unless it is complete."""
    with path.open("rb") as source, np.load(source, allow_pickle=False) as file:
        arrays = dict(file)
    state: dict[str, Any] = json.loads(str(arrays.pop("state")))
    if missing := parts - set(state):
        raise KeyError(f"no {min(missing)}")
    int(state["next_epoch"])
    return arrays, state


def _number(key: str) -> int:
    return int("".join(character for character in key if character.isdigit()))
