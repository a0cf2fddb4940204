"""From predictions to metrics, with NumPy and pandas alone."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from darkroom import scores
from darkroom.datasets import Floats, Integers

MOST_KINDS = 20  # of a column, by which images are divided
NO_KINDS = {
    *("name", "sha256", "width", "height", "pixel_mean", "pixel_deviation", "red", "green", "blue"),
    *("label", "split", "cluster", "group"),
}
"""Columns of the manifest that name an image, are numbers, or are told of elsewhere."""
PART_COLUMNS = ("of", "value", "images", "accuracy", "low", "high")


@dataclass(frozen=True)
class ClassMetrics:
    """How one class was recognised. A quotient with nothing below the line is 0."""

    precision: float
    """Of the images given this label, the share that has it: TP / (TP + FP)."""
    recall: float
    """Of the images that have this label, the share that was given it: TP / (TP + FN)."""
    f1: float
    """Their harmonic mean: 2pr / (p + r)."""
    images: int


@dataclass(frozen=True)
class Metrics:
    """What the test split says about one network.

    Averages over images (micro averages) of precision, recall and F-score are all the accuracy, since each image has
    one label and gets one answer.
    """

    accuracy: float
    balanced_accuracy: float
    """Mean of the classes' recalls, of those that have images."""
    macro_precision: float
    macro_f1: float
    """Mean of the classes' F-scores, so that a small class counts as much as a large one."""
    top_k_accuracy: float
    """Share of the images whose label is among the ``k`` most probable classes."""
    k: int
    log_loss: float
    """Mean of -ln of the label's probability, in nats."""
    brier: float
    """Mean squared distance of the probabilities from 1 for the label and 0 for the others; 0 to 2."""
    calibration_error: float
    """How far certainty and accuracy are apart, as a mean over bins of certainty (C. Guo et al., 2017); 0 to 1."""
    roc_auc: float | None
    """Of two classes: how often an image of the second is ranked above one of the first."""
    average_precision: float | None
    """Of two classes: the mean precision over the recall of the second."""
    baseline_accuracy: float
    """Of always answering the class that is largest in training."""
    human_accuracy: float | None
    """What people reach, as ``evaluate.human_accuracy`` of params.yaml says."""
    images: int
    clusters: int
    """Independent findings among them: copies and images of one group count once."""
    leaked_images: int
    """Of the images, those that have a near-duplicate among the training images."""
    leak_free_accuracy: float
    """Without them; the same as ``accuracy`` where nothing leaked, and 0 where nothing else is left."""
    classes: dict[str, ClassMetrics]

    def as_json(self) -> dict[str, Any]:
        """Return the metrics for a report; what does not apply is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def confusion_matrix(truth: Integers, predicted: Integers, classes: int) -> Integers:
    """Count images by true class (rows) and predicted class (columns).

    Returns:
        int64 of shape (classes, classes).
    """
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def telling_images(truth: Integers, probabilities: Floats, count: int) -> Integers:
    """Choose images that are worth a look.

    The mistakes come first, the most certain ones before others, then right answers, in turn for each class the most
    certain one. Mistakes take half of the places, and more only where there are too few right answers.

    Args:
        truth: class numbers of shape (images,).
        probabilities: of shape (images, classes).
        count: how many to choose.

    Returns:
        int64 of shape (``count`` or fewer,): the images' numbers.
    """
    predicted, certainty = probabilities.argmax(axis=1), probabilities.max(axis=1)
    by_certainty = np.argsort(-certainty, kind="stable")
    mistakes = by_certainty[predicted[by_certainty] != truth[by_certainty]]
    right = by_certainty[predicted[by_certainty] == truth[by_certainty]]
    of_class = right[np.argsort(truth[right], kind="stable")]
    turn = np.arange(len(of_class)) - np.searchsorted(truth[of_class], truth[of_class])
    right = of_class[np.argsort(turn, kind="stable")]
    mistakes = mistakes[: max(count // 2, count - len(right))]
    return np.concatenate([mistakes, right[: count - len(mistakes)]])


def f_score(precision: float, recall: float) -> float:
    """Harmonic mean of precision and recall; 0 where both are."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def class_metrics(matrix: Integers, number: int) -> ClassMetrics:
    """Precision, recall and F-score of one class of a confusion matrix."""
    hits, answered, present = int(matrix[number, number]), int(matrix[:, number].sum()), int(matrix[number].sum())
    precision = hits / answered if answered else 0.0
    recall = hits / present if present else 0.0
    return ClassMetrics(precision, recall, f_score(precision, recall), present)


def evaluate(
    truth: Integers,
    probabilities: Floats,
    labels: tuple[str, ...],
    largest: int,
    leaked: npt.NDArray[np.bool_] | None = None,
    *,
    clusters: Integers | None = None,
    human_accuracy: float | None = None,
    top: int = 5,
) -> Metrics:
    """Compare predictions with the truth.

    Args:
        truth: class numbers of shape (images,).
        probabilities: of shape (images, classes).
        labels: class names by number.
        largest: number of the class with most training images.
        leaked: whether an image has a near-duplicate among the training images; None where none has.
        clusters: the number of what each image belongs to; None where each is by itself.
        human_accuracy: what people reach, where it is known.
        top: of the top-k accuracy.
    """
    answers = scores.Answers(truth, probabilities, top)
    values = scores.Scorer(answers)(np.ones(len(truth)))
    of = dict(zip(scores.names(len(labels)), values.tolist(), strict=True))
    clean = np.ones(len(truth), dtype=bool) if leaked is None else ~leaked
    matrix = confusion_matrix(truth, answers.predicted, len(labels))
    return Metrics(
        **{name: of[name] for name in scores.OVERALL},
        roc_auc=_known(of.get("roc_auc")),
        average_precision=_known(of.get("average_precision")),
        k=answers.k,
        baseline_accuracy=float(np.mean(truth == largest)),
        human_accuracy=human_accuracy,
        images=len(truth),
        clusters=len(truth) if clusters is None else len(np.unique(clusters)),
        leaked_images=int((~clean).sum()),
        leak_free_accuracy=float(answers.right[clean].mean()) if clean.any() else 0.0,
        classes={label: class_metrics(matrix, number) for number, label in enumerate(labels)},
    )


def _known(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


class Part(NamedTuple):
    """Images that have something in common."""

    of: str
    """What: a column of the manifest, or what follows from some."""
    value: str
    members: npt.NDArray[np.bool_]
    """Of shape (images,)."""


def parts(manifest: pd.DataFrame) -> list[Part]:
    """Divide images by each thing that is known of them: thirds by size, brightness and contrast, kinds by the rest."""
    numbers = {
        "pixels": manifest["width"] * manifest["height"],
        "brightness": manifest["pixel_mean"],
        "contrast": manifest["pixel_deviation"],
    }
    found = [part for of, column in numbers.items() for part in _thirds(of, column.to_numpy(dtype=np.float64))]
    for of in sorted(set(manifest.columns) - NO_KINDS):
        values = manifest[of].astype("str").to_numpy()
        kinds = np.unique(values)
        if 1 < len(kinds) <= MOST_KINDS:
            found += [Part(of, str(kind) or "none", values == kind) for kind in kinds]
    return found


def _thirds(of: str, values: npt.NDArray[np.float64]) -> list[Part]:
    """Divide images into the lowest, the middle and the highest third of a number, where it differs at all."""
    low, high = np.quantile(values, [1 / 3, 2 / 3])
    thirds = {
        f"up to {low:.4g}": values <= low,
        f"{low:.4g} to {high:.4g}": (values > low) & (values <= high),
        f"above {high:.4g}": values > high,
    }
    return [Part(of, name, members) for name, members in thirds.items() if members.any() and not members.all()]


def table_of_parts(
    answers: scores.Answers, found: Sequence[Part], clusters: Integers, draws: int, seed: int
) -> pd.DataFrame:
    """Give the accuracy in each part of the images, with its interval."""
    if not found:
        return pd.DataFrame(columns=list(PART_COLUMNS))
    members = np.stack([part.members for part in found], axis=1)
    intervals = scores.accuracy_in(answers.right, members, clusters, draws, seed)
    rows = [
        (part.of, part.value, int(part.members.sum()), float(answers.right[part.members].mean()), *interval)
        for part, interval in zip(found, intervals, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(PART_COLUMNS))


def table_of_scores(scored: scores.Scored, labels: Sequence[str]) -> pd.DataFrame:
    """List all scores with their intervals; those of a class name it."""
    rows = []
    for name, value in scored.estimates.items():
        score, _, number = name.partition("/")
        rows.append((score, labels[int(number)] if number else "", value, *scored.intervals[name]))
    return pd.DataFrame(rows, columns=["score", "label", "value", "low", "high"])
