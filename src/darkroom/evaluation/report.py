"""Figures and tables of one evaluation."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from darkroom.base import spreadsheets
from darkroom.base.backend import keras
from darkroom.base.types import Floats, Integers
from darkroom.base.wording import counted
from darkroom.data.prepared.datasets import Split
from darkroom.evaluation import curves, figures, grad_cam, maps, scores
from darkroom.evaluation.metrics import Metrics, confusion_matrix, informative_images
from darkroom.labelling import suspects
from darkroom.reporting.figures import draw_text, end_of, format_prediction, pictures
from darkroom.reporting.results import Report

EXPLAINED = 8  # test images with heat maps
MISTAKES = 24  # mistakes drawn
DOUBT = "label_error"
"""Column of predictions.csv: rank of a label that is probably wrong, 1 for the surest; empty for the others."""


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV."""
    spreadsheets.write(path, table)


def draw(
    predictions: scores.Predictions, test: Split, metrics: Metrics, labels: tuple[str, ...], title: str, report: Report
) -> None:
    """Draw the confusion matrix, the calibration and the most confident mistakes."""
    matrix = confusion_matrix(predictions.labels, predictions.predicted, len(labels))
    figures.confusion_matrix(matrix, labels, title, report.confusion_matrix)
    ranked = curves.binary_curves(predictions) if len(labels) == 2 else None  # noqa: PLR2004
    figures.calibration(curves.reliability(predictions), metrics.calibration_error, ranked, labels, report.calibration)
    wrong = np.flatnonzero(~predictions.right)
    confidence = predictions.probabilities.max(axis=1)
    chosen = wrong[np.argsort(-confidence[wrong], kind="stable")[:MISTAKES]]
    if not len(chosen):
        draw_text("No test image was misclassified.", report.mistakes)
        return
    rank = label_doubts(predictions.probabilities, predictions.labels)
    titles = [
        f"{title} (label error? {rank[image]})" if image in rank else title
        for image, title in zip(
            chosen.tolist(), titles_of(test, predictions.probabilities, labels, chosen), strict=True
        )
    ]
    errors = counted(len(rank), "likely label error")
    hints = f"{errors}, numbered from the surest; all: column {DOUBT} of {report.predictions.name}"
    heading = f"The most confident of {len(wrong)} mistakes; {hints if rank else 'no hints at label errors'}"
    pictures(np.asarray(test.images[chosen]), titles, heading, report.mistakes)


def titles_of(test: Split, probabilities: Floats, labels: Sequence[str], chosen: Integers) -> list[str]:
    """Return the titles of some test images: the file's name, in the next line prediction and label."""
    names, predicted = test.manifest["name"].tolist(), probabilities[chosen].argmax(axis=1)
    return [
        f"{end_of(names[image])}\n"
        + format_prediction(labels[number], float(probabilities[image, number]), labels[test.classes[image]])
        for image, number in zip(chosen.tolist(), predicted.tolist(), strict=True)
    ]


def label_doubts(probabilities: Floats, classes: Integers) -> dict[int, int]:
    """Return the rank of each test image whose label is probably wrong, 1 for the surest; empty for weak models.

    No network has learnt its test images, so its predictions of them are out of fold.
    """
    return {int(row): rank for rank, row in enumerate(suspects.likely_errors(probabilities, classes).rows, start=1)}


def explain(network: keras.Model, test: Split, probabilities: Floats, labels: tuple[str, ...], path: Path) -> None:
    """Draw Grad-CAM heat maps of a few test images; for a network without maps, draw the reason as text."""
    if lack := grad_cam.lack_of_maps(network):
        draw_text(lack, path)
        return
    chosen = informative_images(test.classes, probabilities, EXPLAINED)
    images, predicted = np.asarray(test.images[chosen]), probabilities[chosen].argmax(axis=1)
    titles = titles_of(test, probabilities, labels, chosen)
    heading = f"{network.name}: Grad-CAM heat maps, mistakes first"
    maps.heat_maps(images, grad_cam.heat_maps(network, images, predicted), titles, heading, path)


def predictions_table(test: Split, probabilities: Floats, labels: tuple[str, ...]) -> pd.DataFrame:
    """Return a table of the test images with label, predicted class, doubts and the probability of each class."""
    rank = label_doubts(probabilities, test.classes)
    table = pd.DataFrame(
        {
            "image": test.manifest["name"],
            "sha256": test.manifest["sha256"],
            "picture": test.manifest["picture"],
            "cluster": test.manifest["cluster"],
            "label": test.manifest["label"],
            "predicted": np.array(labels)[probabilities.argmax(axis=1)],
            DOUBT: [str(rank.get(row, "")) for row in range(len(test.classes))],
        }
    )
    # As text: the shortest lossless form of float32.
    columns = {f"p({label})": probabilities[:, number].astype(str) for number, label in enumerate(labels)}
    return table.assign(**columns)
