"""Diagnose a training from its history and give advice.

After *Deep Learning for Vision Systems* (M. Elgendy, 2020), sections 4.3 to 4.5: training and validation errors are
compared with the best possible error, and the shape of the loss curves is assessed.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from darkroom.base.wording import percent

Verdict = Literal["diverged", "collapsed", "rate too high", "underfitting", "not converged", "overfitting", "good fit"]
GUESSES = 2.0  # a final loss above this multiple of the loss of guessing means divergence
ONE_CLASS = 0.95  # share of the images of other classes predicted as the class predicted most: a collapse
FALLEN = 0.25  # loss of validation accuracy at the end, relative to the best, beyond noise
RISING = 0.4  # share of upward changes in the total variation of the validation loss, above which it oscillates
POOR = 0.1  # training error above the best possible, from which on a network underfits
GAP = 0.05  # validation error above the training error, from which on a network overfits
TWICE = 2.0  # the same as a ratio, for small errors
RISEN = 0.1  # relative rise of the validation loss since its best epoch, beyond noise
SMALL_GAP = 0.02  # smaller gaps are ignored, whatever the ratio
FALLING = 0.01  # relative decrease of the validation loss per epoch at the end, above which it is still learning
ENDED = 0.2  # share of the highest learning rate, below which a schedule counts as finished
FEW = 4  # least number of epochs to assess the shape of a curve
MOSTLY = 0.8  # share of epochs in which a loss that falls does so
ADVICE: Mapping[Verdict, str] = {
    "diverged": "lower the learning rate (darkroom sweep suggests one), or clip gradients with clip_norm",
    "collapsed": (
        "lower the learning rate, change the initial weights (train.seed), and check labels and class_weights"
    ),
    "rate too high": "the validation loss oscillates: lower the learning rate, or use a schedule that lowers it",
    "underfitting": "use more layers or units, more epochs, or less dropout, weight decay and augmentation",
    "not converged": "the validation loss was still falling: use more epochs, or a higher learning rate",
    "overfitting": (
        "add images (darkroom learning-curve shows whether they help), or more dropout, weight decay or augmentation"
    ),
    "good fit": "to improve further, try better data, a larger network, or the search",
}


@dataclass(frozen=True)
class Diagnosis:
    """A verdict with its reason and advice."""

    verdict: Verdict
    reason: str
    advice: str
    """What a network with this course of training needs; without regard to the images."""
    numbers: dict[str, float] = field(default_factory=dict)
    next_steps: tuple[str, ...] = ()
    """What to do next, see ``next_steps``; empty if only the training is known."""

    def __str__(self) -> str:
        return f"{self.verdict}: {self.reason}" + "".join(f"; {step}" for step in self.next_steps or (self.advice,))

    def as_json(self) -> dict[str, Any]:
        """Return the diagnosis for a report."""
        return asdict(self)


def diagnose(
    history: Sequence[Mapping[str, float]],
    *,
    classes: int,
    one_class: float | None = None,
    training_accuracy: float | None = None,
    best_possible: float | None = None,
    validation_images: int | None = None,
) -> Diagnosis:
    """Diagnose a training from its history.

    Args:
        history: ``accuracy``, ``val_accuracy``, ``loss``, ``val_loss`` and ``learning_rate`` of each epoch.

        classes: number of classes.
        one_class: share of training images of other classes that the saved network predicts as the class that it
            predicts most, see ``inference.one_class_share``; None if unknown, then a collapse is not recognised.
        training_accuracy: of the saved network on unaugmented training images; None uses that of the history, which
            dropout and augmentation lower.
        best_possible: human accuracy, an estimate of 1 - Bayes error; None stands for 1.
        validation_images: number of validation images; None ignores sampling error.

    Raises:
        ValueError: the history is empty.
    """
    if not history:
        raise ValueError("the history is empty; at least one epoch is required")
    numbers = _numbers(history, training_accuracy, 1.0 if best_possible is None else best_possible)
    for verdict, reason in (
        *_failed(history, numbers, classes, one_class),
        *_read_errors(history, numbers, validation_images),
    ):
        return Diagnosis(verdict, reason, ADVICE[verdict], numbers)
    reason = (
        f"error {percent(numbers['training_error'])} on training and {percent(numbers['validation_error'])} on "
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
    }


_Finding = Sequence[tuple[Verdict, str]]


def _failed(
    history: Sequence[Mapping[str, float]], numbers: Mapping[str, float], classes: int, one_class: float | None
) -> _Finding:
    """Detect failed trainings."""
    guessing, last = math.log(classes), history[-1]
    if not all(math.isfinite(last[name]) for name in ("loss", "val_loss")):
        return [("diverged", f"the loss is no longer a number after {len(history)} epochs")]
    if min(last["loss"], last["val_loss"]) > GUESSES * guessing:
        return [("diverged", f"loss {last['loss']:.3g} at the end, above that of guessing, {guessing:.3g}")]
    if one_class is not None and one_class >= ONE_CLASS:
        return [("collapsed", f"it predicts one class, also for {percent(one_class)} of the images of other classes")]
    best, end = numbers["best_validation_accuracy"], numbers["last_validation_accuracy"]
    if len(history) >= FEW and best - end > FALLEN * best:
        return [("rate too high", f"validation accuracy {best:.4f} at best, but {end:.4f} at the end")]
    return []


def _read_errors(
    history: Sequence[Mapping[str, float]], numbers: Mapping[str, float], validation_images: int | None
) -> _Finding:
    """Compare training and validation errors, and assess the loss curves."""
    training, validation = numbers["training_error"], numbers["validation_error"]
    gap, lacking = validation - training, training - numbers["best_possible_error"]
    errors = f"error {percent(training)} on training and {percent(validation)} on validation images"
    chance = 2 * math.sqrt(max(validation * (1 - validation), 0) / validation_images) if validation_images else 0.0
    overfits = gap > max(GAP, chance) or (gap > max(SMALL_GAP, chance) and validation > TWICE * training)
    if numbers["gap_at_end"] > GAP and numbers["loss_above_best"] > RISEN and _falls(history, "loss"):
        rise = f"the validation loss has risen by {percent(numbers['loss_above_best'])} since epoch "
        return [("overfitting", f"{rise}{numbers['best_epoch']:g}, while the training loss fell; {errors}")]
    if _swings(history, numbers) and not (overfits and _falls(history, "loss")):
        share = numbers["rising_share"]
        return [("rate too high", f"{percent(share)} of the validation loss's total variation is upwards; {errors}")]
    if overfits:
        return [("overfitting", errors)]
    if _still_learning(history):
        last = history[-1]["val_loss"]
        return [("not converged", f"validation loss {last:.4f} and falling after {len(history)} epochs; {errors}")]
    if lacking > POOR:
        best = (
            f", the best possible {percent(numbers['best_possible_error'])}" if numbers["best_possible_error"] else ""
        )
        return [("underfitting", f"{errors}{best}")]
    return []


def _swings(history: Sequence[Mapping[str, float]], numbers: Mapping[str, float]) -> bool:
    """Return whether the validation loss oscillates and no schedule has lowered the rate by the end."""
    return len(history) >= FEW and numbers["rising_share"] > RISING and not _has_ended(history)


def _has_ended(history: Sequence[Mapping[str, float]]) -> bool:
    rates = [epoch["learning_rate"] for epoch in history]
    return rates[-1] < ENDED * max(rates)


def _falls(history: Sequence[Mapping[str, float]], name: str) -> bool:
    """Return whether a loss has fallen in most epochs."""
    losses = [epoch[name] for epoch in history]
    falls = sum(after < before for before, after in itertools.pairwise(losses))
    return falls >= MOSTLY * (len(losses) - 1)


def _still_learning(history: Sequence[Mapping[str, float]]) -> bool:
    """Return whether the validation loss was still falling at a learning rate that allows further progress."""
    if len(history) < 2 or _has_ended(history):  # noqa: PLR2004 - a difference
        return False
    end = history[-max(2, len(history) // 4) :]
    first, last = end[0]["val_loss"], end[-1]["val_loss"]
    lowest = min(epoch["val_loss"] for epoch in history)
    return last <= lowest * (1 + FALLING) and first - last > FALLING * (len(end) - 1) * first
