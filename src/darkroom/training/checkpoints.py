"""Checkpoints from which an interrupted training resumes with identical results.

Keras' ``BackupAndRestore`` does not suffice: it saves neither dropout's random states nor the states of early stopping
and the schedule.
"""

import json
import os
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from darkroom.base.backend import keras
from darkroom.base.files import set_aside
from darkroom.training.phases import Phase

DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)
"""Errors of ``numpy.load`` and ``json.loads`` for a file that is damaged or something else."""


class Stateful(Protocol):
    """A callback with state besides the variables of model and optimizer."""

    def state(self) -> dict[str, Any]:
        """Return the state as JSON-serialisable values."""

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state."""


@dataclass(frozen=True)
class Saved:
    """The content of a checkpoint file."""

    arrays: dict[str, Any]
    """Variables and best weights."""
    state: dict[str, Any]
    """States of the callbacks by name; ``phase``, its ``first_epoch`` and the ``next_epoch``."""

    @property
    def phase(self) -> int:
        """The number of the interrupted phase."""
        return int(self.state["phase"])

    @property
    def first_epoch(self) -> int:
        """The first epoch of that phase, from 0."""
        return int(self.state["first_epoch"])

    @property
    def next_epoch(self) -> int:
        """The epoch to resume with, from 0."""
        return int(self.state["next_epoch"])


def read(path: Path, report: Callable[[str], None]) -> Saved | None:
    """Read a checkpoint; None if there is none. A damaged one is set aside.

    Args:
        path: the file.
        report: called with a line if the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        return _read(path)
    except DAMAGE as error:
        set_damaged_aside(path, str(error), report)
        return None


def set_damaged_aside(path: Path, reason: str, report: Callable[[str], None]) -> None:
    """Rename a checkpoint that cannot be used, and say so."""
    report(f"the checkpoint cannot be read ({reason}); kept as {set_aside(path)}, training starts over")


class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]
    """Saves after each epoch what a training needs to resume; must be the last callback.

    The file contains arrays and JSON, no code. It is replaced atomically, so that an interruption leaves it complete.

    Args:
        path: the file.
        phase: the phase of the training.
        stopping: the callback of early stopping.
        others: other callbacks with a state, by name.
        saved: the file's content if it is of this phase; the training resumes from it.
    """

    def __init__(
        self,
        path: Path,
        phase: Phase,
        stopping: keras.callbacks.EarlyStopping,
        others: dict[str, Stateful],
        saved: Saved | None = None,
    ) -> None:
        super().__init__()
        self._path = path
        self._phase = phase
        self._stopping = stopping
        self._others = others
        self._saved = saved

    def fits(self, model: keras.Model) -> bool:
        """Return whether the saved content has the variables of a compiled network and the states of the callbacks."""
        if self._saved is None:
            return True
        self.set_model(model)
        expected = {f"variable{number}": tuple(variable.shape) for number, variable in enumerate(self._variables())}
        found = {name: array.shape for name, array in self._saved.arrays.items() if name.startswith("variable")}
        return found == expected and self._others.keys() <= self._saved.state.keys()

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Restore the state from the file."""
        if self._saved is None:
            return
        arrays, state = self._saved.arrays, self._saved.state
        for number, variable in enumerate(self._variables()):
            variable.assign(arrays[f"variable{number}"])
        # Early stopping has just reset itself.
        for name, value in state["stopping"].items():
            setattr(self._stopping, name, value)
        best = [arrays[key] for key in sorted(arrays, key=_number) if key.startswith("best")]
        self._stopping.best_weights = best or None
        for name, other in self._others.items():
            other.restore(state[name])
        self._saved = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Replace the file."""
        stopping = self._stopping
        state = {
            "phase": self._phase.number,
            "first_epoch": self._phase.first,
            "next_epoch": self._phase.end if self.model.stop_training else epoch + 1,
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


def _read(path: Path) -> Saved:
    """Read a checkpoint; raises one of ``DAMAGE`` unless it is complete."""
    with path.open("rb") as source, np.load(source, allow_pickle=False) as file:
        arrays = dict(file)
    saved = Saved(arrays, json.loads(str(arrays.pop("state"))))
    if "stopping" not in saved.state or min(saved.phase, saved.first_epoch, saved.next_epoch) < 0:
        raise KeyError("no state of the training")
    return saved


def _number(key: str) -> int:
    return int("".join(character for character in key if character.isdigit()))
