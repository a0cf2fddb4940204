"""The ladder of learning rates: which rates are tried, and what a few epochs with each say of it.

*Deep Learning for Vision Systems*, section 4.6, goes down .1, .01, .001, .0001, .00001, .000001. Nothing heavy is
imported here, so that a rate that cannot be tried is refused at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from darkroom.errors import InputError, TrainingError
from darkroom.networks import Network, NetworkParams
from darkroom.params import with_values

RATES = (".1", ".01", ".001", ".0001", ".00001", ".000001")
"""The book's ladder."""
MARGIN = 0.1
"""Share by which a loss must be above what knows nothing to count as worse, and of the best rate's progress that a
rate may lack to count as close to it. Two seeds differ by less."""

Verdict = Literal["best", "close", "too slow", "too high", "diverges"]
"""``close`` has nearly the best rate's loss; of the others that learn, lower rates than the best are ``too slow``,
higher ones ``too high``."""


def rates(given: Sequence[str], values: NetworkParams) -> tuple[float, ...]:
    """Read learning rates as they are typed, apart or with commas between; each once, the highest first.

    Raises:
        InputError: one is no number, or the network does not take it.
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
    """What a training with one rate led to."""

    rate: float
    epochs: Sequence[dict[str, float]]
    """``loss``, ``val_loss`` and more of each epoch that came to its end."""
    broke: bool = False
    """Whether a loss was no longer finite."""

    def last(self, quantity: str) -> float | None:
        """Return a value of the last epoch; None where the loss was no longer finite then."""
        return None if self.broke else self.epochs[-1][quantity]


@dataclass(frozen=True)
class References:
    """The losses of what knows nothing, which those of the rates are held against."""

    untrained: float
    """Validation loss of the network before training, the same for each rate."""
    guessing: float
    """Validation loss of giving each class the same probability: ln(classes)."""
    training: float
    """The higher one of both, as a training loss, which may be another one than cross-entropy."""


@dataclass(frozen=True)
class Outcome:
    """What came of all rates, and what they are held against."""

    attempts: tuple[Attempt, ...]
    references: References

    @property
    def best(self) -> Attempt | None:
        """The attempt with the lowest last validation loss of those that do not diverge; None where all do."""
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
        """Say whether a rate leads away from what it should find.

        It does where a loss is no longer finite, and where the last epoch's training and validation losses are both
        clearly above those of the untrained network and of guessing. Above both of these, because a rate that is too
        slow stays where the untrained network was, which may be above guessing. Training and validation loss, because
        either may mislead: batch norm's averages lag behind in the first epochs and spoil the validation loss alone,
        and penalties are part of the training loss alone.
        """
        if attempt.broke:
            return True
        last, of = attempt.epochs[-1], self.references
        above = last["val_loss"] > (1 + MARGIN) * max(of.untrained, of.guessing)
        return above and last["loss"] > (1 + MARGIN) * of.training

    def verdict(self, attempt: Attempt) -> Verdict:
        """Say what is to be thought of a rate."""
        best = self.best
        if best is None or self.diverges(attempt):
            return "diverges"
        if attempt is best:
            return "best"
        lowest = best.epochs[-1]["val_loss"]
        if attempt.epochs[-1]["val_loss"] - lowest <= MARGIN * (self.references.untrained - lowest):
            return "close"
        return "too slow" if attempt.rate < best.rate else "too high"

    def summary(self, network: Network) -> str:
        """Say in one line which rate to take, and how.

        Raises:
            TrainingError: every rate diverges.
        """
        if self.best is None:
            raise TrainingError(f"{network}: every rate diverges, and one that learns was expected; lower --rates")
        rate = f"{self.best.rate:g}"
        diverging = ", ".join(f"{rate:g}" for rate in self.diverging) or "none"
        line = f"train.{network}.learning_rate: {rate}"
        return f"{network}: best rate {rate}; diverging: {diverging}; for params.yaml: {line}"

    def rows(self) -> list[dict[str, Any]]:
        """Return one mapping for each rate, with the names of the table's columns; ``val_losses`` begin untrained."""
        return [
            {
                "rate": attempt.rate,
                "val_loss": attempt.last("val_loss"),
                "val_accuracy": attempt.last("val_accuracy"),
                "verdict": self.verdict(attempt),
                "val_losses": [self.references.untrained, *(epoch["val_loss"] for epoch in attempt.epochs)],
            }
            for attempt in self.attempts
        ]


def shortened(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row for a terminal: four digits, and of the losses the last alone."""
    numbers = {name: "" if row[name] is None else f"{row[name]:.4g}" for name in ("val_loss", "val_accuracy")}
    return {"rate": row["rate"], **numbers, "verdict": row["verdict"]}
