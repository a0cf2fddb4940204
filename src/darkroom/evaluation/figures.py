"""Figures of one evaluation: confusion matrix and calibration."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from darkroom.base.types import Integers
from darkroom.evaluation.curves import BinaryCurves, Reliability
from darkroom.reporting.figures import save, short

mpl.use("agg")
READABLE_CLASSES = 20  # with more classes, a confusion matrix has no room for numbers


def confusion_matrix(matrix: Integers, labels: Sequence[str], title: str, path: str | Path) -> None:
    """Draw a confusion matrix: rows are labels, columns predictions, colours the share of the row."""
    side = min(16.0, 3.5 + 0.45 * len(labels))
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(picture, ax=axes, label="share of the true class", shrink=0.8)
    labels = [short(label) for label in labels]
    axes.set_xticks(range(len(labels)), labels, rotation=90 if max(map(len, labels)) > 2 else 0)  # noqa: PLR2004
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if len(labels) <= READABLE_CLASSES:
        for (row, column), count in np.ndenumerate(matrix):
            if count:
                colour = "white" if shares[row, column] > 0.5 else "black"  # noqa: PLR2004 - where the blue turns dark
                axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
    axes.set_title(title)
    save(figure, path)


def calibration(
    rows: Sequence[Reliability],
    error: float,
    ranked: BinaryCurves | None,
    labels: Sequence[str],
    path: str | Path,
) -> None:
    """Draw a reliability diagram; for two classes also the ROC and precision-recall curves.

    Args:
        rows: from ``curves.reliability``.
        error: the calibration error.
        ranked: from ``curves.binary_curves``; None for more than two classes.
        labels: class names by number.
        path: where the picture goes.
    """
    count = 1 if ranked is None else 3
    figure = Figure(figsize=(5 * count, 4.6), layout="constrained")
    first, *others = np.atleast_1d(figure.subplots(1, count))
    images = np.array([row.images for row in rows])
    first.plot([0, 1], [0, 1], color="grey", linestyle=":", label="perfect calibration")
    first.plot([row.confidence for row in rows], [row.accuracy for row in rows], color="tab:blue", alpha=0.5)
    first.scatter(
        [row.confidence for row in rows],
        [row.accuracy for row in rows],
        s=20 + 280 * images / images.max(),
        color="tab:blue",
        label="bins of confidence; area: number of images",
    )
    first.set_xlabel("confidence")
    first.set_ylabel("accuracy")
    first.set_title(f"calibration error {error:.4f}")
    first.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), markerscale=0.5, frameon=False)
    if ranked is not None:
        receiver, precision = others
        receiver.plot([0, *ranked.false_positive_rate], [0, *ranked.recall], color="tab:blue")
        receiver.plot([0, 1], [0, 1], color="grey", linestyle=":")
        receiver.set_xlabel(f"share of {short(labels[0])} predicted as {short(labels[1])}")
        receiver.set_ylabel(f"share of {short(labels[1])} found")
        receiver.set_title("ROC curve")
        precision.step(ranked.recall, ranked.precision, where="post", color="tab:blue")
        precision.set_xlabel(f"share of {short(labels[1])} found (recall)")
        precision.set_ylabel(f"share of predictions {short(labels[1])} that are correct (precision)")
        precision.set_title("precision and recall")
    for axes in (first, *others):
        axes.set_xlim(-0.03, 1.03)
        axes.set_ylim(-0.03, 1.03)
        axes.grid(alpha=0.3)
    save(figure, path)
