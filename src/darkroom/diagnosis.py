"""What the course of a training says, and what to do about it: a pure function of numbers.

After *Deep Learning for Vision Systems* (M. Elgendy, 2020), sections 4.3 to 4.5: errors on training and validation
images, held against the best that can be reached, and the shape of their curves.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Verdict = Literal["diverged", "collapsed", "rate too high", "underfitting", "not converged", "overfitting", "good fit"]

GUESSES = 2.0  # times the loss of guessing, from which on a training has diverged
ABOVE_BASELINE = 0.02  # accuracy that even a poor network has more than the answer of always the largest class
FALLEN = 0.25  # share of the best validation accuracy that is lost at the end, from which on it is no mere noise
RISING = 0.4  # share of all movement of the validation loss that is upwards, from which on it swings
SWING = 0.3  # how much it rises altogether, as a share of how far it has fallen
POOR = 0.1  # error on training images above the best possible, from which on a network fits too little
GAP = 0.05  # error on validation images above that on training images, from which on it fits too much
TWICE = 2.0  # the same, as a ratio, where both errors are small
RISEN = 0.1  # of the validation loss since its best epoch, as a share, from which on it is no mere noise
SMALL_GAP = 0.02  # below which a gap is none, whatever the ratio
FALLING = 0.01  # of the validation loss, by an epoch at the end, as a share, from which on it is still learning
ENDED = 0.2  # share of the greatest learning rate, below which a schedule has come to its end
FEW = 4  # epochs, of which no shape of a curve can be read

ADVICE: Mapping[Verdict, str] = {
    "diverged": "lower the learning rate (darkroom sweep names one), or clip gradients with clip_norm",
    "collapsed": (
        "it answers one class: lower the learning rate, begin with other weights (train.seed), and check labels and "
        "class_weights"
    ),
    "rate too high": "the validation loss swings: lower the learning rate, or let a schedule lower it",
    "underfitting": "more layers or units, more epochs, or less dropout, weight decay and augmentation",
    "not converged": "the validation loss was still falling: more epochs, or a higher learning rate",
    "overfitting": (
        "more images (darkroom learning-curve says whether they help), or more dropout, weight decay or augmentation"
    ),
    "good fit": "what is left to gain is in better data, a larger network, or the search",
}


@dataclass(frozen=True)
class Diagnosis:
    """A verdict, and what it rests on."""

    verdict: Verdict
    reason: str
    advice: str
    numbers: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.verdict}: {self.reason}; {self.advice}"

    def as_json(self) -> dict[str, Any]:
        """Return it for a report."""
        return asdict(self)


def diagnose(
    history: Sequence[Mapping[str, float]],
    *,
    classes: int,
    baseline: float,
    training_accuracy: float | None = None,
    best_possible: float | None = None,
    validation_images: int | None = None,
) -> Diagnosis:
    """Read the course of a training.

    Args:
        history: ``accuracy``, ``val_accuracy``, ``loss``, ``val_loss`` and ``learning_rate`` of each epoch.
        classes: how many.
        baseline: accuracy of always answering the largest class.
        training_accuracy: of the network that is kept on training images as they are; None takes what the training
            itself counted, with dropout and augmentation, which make it lower.
        best_possible: accuracy that people reach (the notes' Bayes error rate is what they do not); None stands for 1.

        validation_images: of which the errors were counted; None where there are so many that chance has no say.

    Raises:
        ValueError: there is no epoch.
    """
    if not history:
        raise ValueError("there is no epoch to read")
    numbers = _numbers(history, training_accuracy, 1.0 if best_possible is None else best_possible)
    for verdict, reason in (
        *_failed(history, numbers, classes, baseline),
        *_read_errors(history, numbers, validation_images),
    ):
        return Diagnosis(verdict, reason, ADVICE[verdict], numbers)
    reason = (
        f"error {_percent(numbers['training_error'])} on training and {_percent(numbers['validation_error'])} on "
        "validation images"
    )
    return Diagnosis("good fit", reason, ADVICE["good fit"], numbers)


def _numbers(
    history: Sequence[Mapping[str, float]], training_accuracy: float | None, best_possible: float
) -> dict[str, float]:
    losses = [epoch["val_loss"] for epoch in history]
    best = min(range(len(history)), key=lambda epoch: (not math.isfinite(losses[epoch]), losses[epoch]))
    training = history[best]["accuracy"] if training_accuracy is None else training_accuracy
    changes = [after - before for before, after in itertools.pairwise(losses)]
    upwards, moved = sum(max(change, 0) for change in changes), sum(map(abs, changes))
    return {
        "training_error": 1 - training,
        "validation_error": 1 - history[best]["val_accuracy"],
        "best_possible_error": 1 - best_possible,
        "epochs": len(history),
        "best_epoch": best + 1,
        "best_validation_accuracy": max(epoch["val_accuracy"] for epoch in history),
        "last_validation_accuracy": history[-1]["val_accuracy"],
        "gap_at_end": history[-1]["accuracy"] - history[-1]["val_accuracy"],
        "loss_above_best": losses[-1] / max(losses[best], 1e-9) - 1,
        "rising_share": upwards / moved if moved and math.isfinite(moved) else 0.0,
        "risen": upwards / max(losses[0] - losses[best], 1e-9) if math.isfinite(upwards) else math.inf,
    }


_Finding = Sequence[tuple[Verdict, str]]


def _failed(
    history: Sequence[Mapping[str, float]], numbers: Mapping[str, float], classes: int, baseline: float
) -> _Finding:
    """Look for trainings that have gone wrong altogether."""
    guessing, last = math.log(classes), history[-1]
    if not all(math.isfinite(last[name]) for name in ("loss", "val_loss")):
        return [("diverged", f"the loss is no longer a number after {len(history)} epochs")]
    if min(last["loss"], last["val_loss"]) > GUESSES * guessing:
        return [("diverged", f"loss {last['loss']:.3g} at the end, where guessing has {guessing:.3g}")]
    reached = max(max(epoch["accuracy"], epoch["val_accuracy"]) for epoch in history)
    if reached < baseline + ABOVE_BASELINE:
        reason = f"accuracy {reached:.4f} at best, where always answering the largest class has {baseline:.4f}"
        return [("collapsed", reason)]
    best, end = numbers["best_validation_accuracy"], numbers["last_validation_accuracy"]
    if len(history) >= FEW and best - end > FALLEN * best:
        return [("rate too high", f"validation accuracy {best:.4f} at its best, and {end:.4f} at the end")]
    return []


def _read_errors(
    history: Sequence[Mapping[str, float]], numbers: Mapping[str, float], validation_images: int | None
) -> _Finding:
    """Hold the errors against one another, and the losses against those of the epochs before."""
    training, validation = numbers["training_error"], numbers["validation_error"]
    gap, lacking = validation - training, training - numbers["best_possible_error"]
    errors = f"error {_percent(training)} on training and {_percent(validation)} on validation images"
    chance = 2 * math.sqrt(max(validation * (1 - validation), 0) / validation_images) if validation_images else 0.0
    overfits = gap > max(GAP, chance) or (gap > max(SMALL_GAP, chance) and validation > TWICE * training)
    if numbers["gap_at_end"] > GAP and numbers["loss_above_best"] > RISEN and _falls(history, "loss"):
        rise = f"the validation loss has risen by {_percent(numbers['loss_above_best'])} since epoch "
        return [("overfitting", f"{rise}{numbers['best_epoch']:g}, while the training loss fell; {errors}")]
    if _swings(history, numbers) and not (overfits and _falls(history, "loss")):
        share = numbers["rising_share"]
        return [("rate too high", f"{_percent(share)} of the validation loss's movement is upwards; {errors}")]
    if overfits:
        return [("overfitting", errors)]
    if _still_learning(history):
        last = history[-1]["val_loss"]
        return [("not converged", f"validation loss {last:.4f} and falling after {len(history)} epochs; {errors}")]
    if lacking > POOR:
        best = (
            f", the best possible {_percent(numbers['best_possible_error'])}" if numbers["best_possible_error"] else ""
        )
        return [("underfitting", f"{errors}{best}")]
    return []


def _swings(history: Sequence[Mapping[str, float]], numbers: Mapping[str, float]) -> bool:
    """Say whether the validation loss swings at the end; a schedule that has come to its end has seen to that."""
    swings = numbers["rising_share"] > RISING and numbers["risen"] > SWING
    return len(history) >= FEW and swings and not _has_ended(history)


def _has_ended(history: Sequence[Mapping[str, float]]) -> bool:
    rates = [epoch["learning_rate"] for epoch in history]
    return rates[-1] < ENDED * max(rates)


def _falls(history: Sequence[Mapping[str, float]], name: str) -> bool:
    """Say whether a loss has fallen steadily from one epoch to the next."""
    losses = [epoch[name] for epoch in history]
    falls = sum(after < before for before, after in itertools.pairwise(losses))
    return falls >= 0.8 * (len(losses) - 1)


def _still_learning(history: Sequence[Mapping[str, float]]) -> bool:
    """Say whether the validation loss was still falling, at a learning rate at which it may fall further."""
    if len(history) < 2 or _has_ended(history):  # noqa: PLR2004 - a difference
        return False
    part = history[-max(2, len(history) // 4) :]
    first, last = part[0]["val_loss"], part[-1]["val_loss"]
    lowest = min(epoch["val_loss"] for epoch in history)
    return last <= lowest * (1 + FALLING) and first - last > FALLING * (len(part) - 1) * first


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
