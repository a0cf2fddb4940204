"""Progress of a search: one live line in a terminal, otherwise one line for each finished trial."""

import json
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any

from darkroom.base.terminal import shown, unguarded
from darkroom.params import BudgetSettings
from darkroom.search.executors.protocol import Trial
from darkroom.training import duration


class Progress:
    """The progress of one search."""

    def __init__(self, title: str, budget: BudgetSettings, epochs: int, earlier: Sequence[Trial], spent: float) -> None:
        """Start the clock.

        Args:
            title: prefix of each line.
            budget: budget of the search.
            epochs: maximum epochs of one trial.
            earlier: trials that ended before an interruption.
            spent: seconds spent before the interruption.
        """
        self._title, self._budget, self._epochs, self._before = title, budget, epochs, spent
        self._ended = list(earlier)
        self._here = 0
        self._epochs_here = 0
        self._began = time.monotonic()
        self._live = sys.stdout.isatty()

    def epoch(self, number: int, epoch: int, val_loss: float) -> None:
        """Show a trial's epoch; ``epoch`` starts at 0."""
        self._epochs_here += 1
        if self._live:
            current = f"trial {number} epoch {epoch + 1}/{self._epochs} val_loss {val_loss:.4f}"
            self._replace(f"{self._title}: {len(self._ended)}{self._of()} trials, {self._summary()}; {current}")

    def ended(self, trial: Trial) -> None:
        """Show that a trial has ended; a lost trial may be retried."""
        # A retry replaces the lost trial of the same number.
        self._ended = [*(earlier for earlier in self._ended if earlier.number != trial.number), trial]
        self._here += 1
        if self._live:
            self._replace(f"{self._title}: {len(self._ended)}{self._of()} trials, {self._summary()}")
            return
        loss = "" if trial.val_loss is None else f", val_loss {trial.val_loss:.4f}"
        why = f" ({trial.reason})" if trial.reason else ""
        print(
            f"{self._title} trial {trial.number}{self._of()}: {trial.state}{why} {_after(trial.epochs)}{loss}, "
            f"with {format_values(trial.tried)}; {self._summary()}",
            flush=True,
        )

    def close(self) -> None:
        """End the live line."""
        if self._live:
            print(flush=True)

    def _of(self) -> str:
        return f" of {self._budget.trials}" if self._budget.trials is not None else ""

    def _summary(self) -> str:
        """Return the best loss, the counts of pruned, diverged and lost trials, and the time left."""
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
        """Return the estimated seconds until the budget is used up; None if unknown."""
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
        # Return the cursor, so that other output overwrites the line.
        text = f"\x1b[K{shown(line)[: shutil.get_terminal_size().columns - 1]}\r"
        print(text, end="", file=unguarded(sys.stdout), flush=True)


def _after(epochs: int) -> str:
    return f"after {epochs} epoch" if epochs == 1 else f"after {epochs} epochs"


def format_cells(values: dict[str, Any]) -> dict[str, Any]:
    """Format lists and mappings as JSON text."""
    return {name: json.dumps(value) if isinstance(value, list | dict) else value for name, value in values.items()}


def format_values(values: dict[str, Any]) -> str:
    """Format values for the terminal."""
    pairs = format_cells(values).items()
    return ", ".join(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in pairs)
