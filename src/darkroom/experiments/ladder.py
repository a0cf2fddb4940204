"""Learning-rate sweep: the rates to try, and the verdict on each.

*Deep Learning for Vision Systems*, section 4.6, tries .1, .01, .001, .0001, .00001, .000001. Nothing heavy is imported
here, so that invalid rates are rejected at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from darkroom.base.errors import InputError, TrainingError
from darkroom.networks import Network, NetworkParams
from darkroom.params import with_values

RATES = (".1", ".01", ".001", ".0001", ".00001", ".000001")
"""The book's rates."""
MARGIN = 0.1
"""Tolerance: losses above the baselines by this share diverge, and rates within this share of the best rate's progress
are close to it. Two seeds differ by less."""
Verdict = Literal["best", "close", "too slow", "too high", "diverges"]
"""``close``: nearly the best loss; otherwise, rates below the best are ``too slow``, those above it ``too high``."""


def rates(given: Sequence[str], values: NetworkParams) -> tuple[float, ...]:
    """Parse learning rates separated by spaces or commas; return them without duplicates, in descending order.

    Raises:
        InputError: a rate is not a number, or not allowed for the network.
    """
    texts = " ".join(given).replace(",", " ").split()
    if not texts:
        raise InputError("--rates: no rate given; name at least one, such as .01")
    return tuple(sorted({_rate(text, values) for text in texts}, reverse=True))


def _rate(text: str, values: NetworkParams) -> float:
    try:
        return with_values(values, {"learning_rate": float(text)}).learning_rate
    except ValueError:
        raise InputError(f"--rates: {text!r} given; it should be a number, such as .01") from None
    except InputError as error:
        raise InputError(f"--rates: {str(error).partition(': ')[2]}") from None


@dataclass(frozen=True)
class Attempt:
    """Result of a training with one rate."""

    rate: float
    epochs: Sequence[dict[str, float]]
    """``loss``, ``val_loss`` and more of each completed epoch."""
    broke: bool = False
    """Whether a loss became infinite or NaN."""

    def last(self, quantity: str) -> float | None:
        """Return a value of the last epoch; None if the training broke off."""
        return None if self.broke else self.epochs[-1][quantity]


@dataclass(frozen=True)
class Baselines:
    """Losses without training, with which the rates are compared."""

    untrained: float
    """Validation loss of the network before training, the same for each rate."""
    guessing: float
    """Validation loss of uniform probabilities: ln(classes)."""
    training: float
    """The higher one of both as training loss, which may differ from cross-entropy."""


@dataclass(frozen=True)
class Outcome:
    """Results of all rates, and the baselines."""

    attempts: tuple[Attempt, ...]
    baselines: Baselines

    @property
    def best(self) -> Attempt | None:
        """The attempt with the lowest final validation loss; None if all diverge."""
        return min(
            (attempt for attempt in self.attempts if not self.diverges(attempt)),
            key=lambda attempt: attempt.epochs[-1]["val_loss"],
            default=None,
        )

    @property
    def diverging(self) -> tuple[float, ...]:
        """The rates that diverge."""
        return tuple(attempt.rate for attempt in self.attempts if self.diverges(attempt))

    def diverges(self, attempt: Attempt) -> bool:
        """Return whether a training diverged.

        It did if a loss became infinite or NaN, or if the final training and validation losses are both clearly above
        the untrained network and guessing. Above both baselines: with too low a rate, the loss stays at that of the
        untrained network, which may exceed guessing. Both losses: batch norm's averages lag in the first epochs and
        affect only the validation loss, and penalties affect only the training loss.
        """
        if attempt.broke:
            return True
        last, baselines = attempt.epochs[-1], self.baselines
        above = last["val_loss"] > (1 + MARGIN) * max(baselines.untrained, baselines.guessing)
        return above and last["loss"] > (1 + MARGIN) * baselines.training

    def verdict(self, attempt: Attempt) -> Verdict:
        """Return the verdict on a rate."""
        best = self.best
        if best is None or self.diverges(attempt):
            return "diverges"
        if attempt is best:
            return "best"
        lowest = best.epochs[-1]["val_loss"]
        if attempt.epochs[-1]["val_loss"] - lowest <= MARGIN * (self.baselines.untrained - lowest):
            return "close"
        return "too slow" if attempt.rate < best.rate else "too high"

    def summary(self, network: Network) -> str:
        """Return one line with the best rate and its setting.

        Raises:
            TrainingError: every rate diverges.
        """
        if self.best is None:
            raise TrainingError(f"{network}: all rates diverge; give lower --rates")
        rate = f"{self.best.rate:g}"
        diverging = ", ".join(f"{rate:g}" for rate in self.diverging) or "none"
        line = f"train.{network}.learning_rate: {rate}"
        return f"{network}: best rate {rate}; diverging: {diverging}; for params.yaml: {line}"

    def rows(self) -> list[dict[str, Any]]:
        """Return a row per rate; ``val_losses`` starts with the untrained network."""
        return [
            {
                "rate": attempt.rate,
                "val_loss": attempt.last("val_loss"),
                "val_accuracy": attempt.last("val_accuracy"),
                "verdict": self.verdict(attempt),
                "val_losses": [self.baselines.untrained, *(epoch["val_loss"] for epoch in attempt.epochs)],
            }
            for attempt in self.attempts
        ]


def shortened(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row for the terminal: four digits, and only the last loss."""
    numbers = {name: "" if row[name] is None else f"{row[name]:.4g}" for name in ("val_loss", "val_accuracy")}
    return {"rate": row["rate"], **numbers, "verdict": row["verdict"]}
