"""What the terminal shows of a search: one line that is alive, or elsewhere one line for each trial that has ended."""

import json
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any

from darkroom.search.settings import BudgetSettings
from darkroom.search.trials import Trial
from darkroom.training import duration


class Progress:
    """The progress of one search."""

    def __init__(self, title: str, budget: BudgetSettings, epochs: int, earlier: Sequence[Trial], spent: float) -> None:
        """Begin.

        Args:
            title: what each line begins with.
            budget: of the search.
            epochs: of one trial at most.
            earlier: trials that had ended before an interruption.
            spent: seconds before it.
        """
        self._title, self._budget, self._epochs, self._before = title, budget, epochs, spent
        self._ended = list(earlier)
        self._here = 0
        self._epochs_here = 0
        self._began = time.monotonic()
        self._alive = sys.stdout.isatty()

    def epoch(self, number: int, epoch: int, val_loss: float) -> None:
        """Show that a trial has finished an epoch, counted from 0."""
        self._epochs_here += 1
        if self._alive:
            at_work = f"trial {number} epoch {epoch + 1}/{self._epochs} val_loss {val_loss:.4f}"
            self._replace(f"{self._title}: {len(self._ended)}{self._of()} trials, {self._summary()}; {at_work}")

    def ended(self, trial: Trial) -> None:
        """Show that a trial has ended, perhaps to be tried once more."""
        # What was lost and is tried again takes its place.
        self._ended = [*(earlier for earlier in self._ended if earlier.number != trial.number), trial]
        self._here += 1
        if self._alive:
            self._replace(f"{self._title}: {len(self._ended)}{self._of()} trials, {self._summary()}")
            return
        loss = "" if trial.val_loss is None else f", val_loss {trial.val_loss:.4f}"
        why = f" ({trial.reason})" if trial.reason else ""
        print(
            f"{self._title} trial {trial.number}{self._of()}: {trial.state}{why} {_after(trial.epochs)}{loss}, "
            f"with {shown(trial.tried)}; {self._summary()}",
            flush=True,
        )

    def close(self) -> None:
        """Leave the line that was alive."""
        if self._alive:
            print(flush=True)

    def _of(self) -> str:
        return f" of {self._budget.trials}" if self._budget.trials is not None else ""

    def _summary(self) -> str:
        """Return best value, pruned count and time left."""
        finished = [trial for trial in self._ended if trial.state == "complete" and trial.val_loss is not None]
        best = min(finished, key=lambda trial: (trial.val_loss, trial.number), default=None)
        parts = [f"best {best.val_loss:.4f} (trial {best.number})" if best else "none finished"]
        for state in ("pruned", "diverged", "lost"):
            count = sum(trial.state == state for trial in self._ended)
            if count or state == "pruned":
                parts.append(f"{count} {state}")
        if (left := self.left()) is not None:
            parts.append(f"about {duration(left)} left")
        return ", ".join(parts)

    def left(self) -> float | None:
        """Return the seconds until the budget is used up, as far as that can be told."""
        elapsed, budget, left = time.monotonic() - self._began, self._budget, []
        if budget.trials is not None and self._here:
            left.append(elapsed / self._here * max(0, budget.trials - len(self._ended)))
        if budget.epochs is not None and self._epochs_here:
            spent = max(self._epochs_here, sum(trial.epochs for trial in self._ended))
            left.append(elapsed / self._epochs_here * max(0, budget.epochs - spent))
        if budget.seconds is not None:
            left.append(max(0.0, budget.seconds - self._before - elapsed))
        return min(left, default=None)

    def _replace(self, line: str) -> None:
        # The cursor goes back, so that what anybody else prints takes the line's place.
        print(f"\x1b[K{line[: shutil.get_terminal_size().columns - 1]}\r", end="", flush=True)


def _after(epochs: int) -> str:
    return f"after {epochs} epoch" if epochs == 1 else f"after {epochs} epochs"


def cells(values: dict[str, Any]) -> dict[str, Any]:
    """Write lists and mappings as text."""
    return {name: json.dumps(value) if isinstance(value, list | dict) else value for name, value in values.items()}


def shown(values: dict[str, Any]) -> str:
    """Write values for the terminal."""
    pairs = cells(values).items()
    return ", ".join(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in pairs)
