"""Figures and tables of one evaluation."""

from pathlib import Path

import numpy as np
import pandas as pd

from darkroom.base import spreadsheets
from darkroom.base.backend import keras
from darkroom.base.types import Floats
from darkroom.data.prepared.datasets import Split
from darkroom.evaluation import curves, figures, grad_cam, maps, scores
from darkroom.evaluation.metrics import Metrics, confusion_matrix, informative_images
from darkroom.labelling import suspects
from darkroom.reporting.figures import draw_text, format_prediction, pictures
from darkroom.reporting.results import Report

EXPLAINED = 8  # test images with heat maps
MISTAKES = 24  # mistakes drawn


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
    # No network has learnt its test images, so its predictions of them are out of fold.
    doubted = suspects.likely_errors(predictions.probabilities, predictions.labels)
    rank = {int(row): number for number, row in enumerate(doubted.rows, start=1)}
    titles = [
        format_prediction(
            labels[predictions.predicted[image]], float(confidence[image]), labels[predictions.labels[image]]
        )
        + (f" (label error? {rank[image]})" if image in rank else "")
        for image in chosen.tolist()
    ]
    hints = f"likely label errors, the surest first: {len(rank)}" if not doubted.silent else "no hints at label errors"
    heading = f"The most confident of {len(wrong)} mistakes; {hints}"
    pictures(np.asarray(test.images[chosen]), titles, heading, report.mistakes)


def explain(network: keras.Model, test: Split, probabilities: Floats, labels: tuple[str, ...], path: Path) -> None:
    """Draw Grad-CAM heat maps of a few test images; for a network without maps, draw the reason as text."""
    if lack := grad_cam.lack_of_maps(network):
        draw_text(lack, path)
        return
    chosen = informative_images(test.classes, probabilities, EXPLAINED)
    images, predicted = np.asarray(test.images[chosen]), probabilities[chosen].argmax(axis=1)
    titles = [
        format_prediction(labels[number], float(probabilities[image, number]), labels[test.classes[image]])
        for image, number in zip(chosen, predicted, strict=True)
    ]
    heading = f"{network.name}: Grad-CAM heat maps, mistakes first"
    maps.heat_maps(images, grad_cam.heat_maps(network, images, predicted), titles, heading, path)


def predictions_table(test: Split, probabilities: Floats, labels: tuple[str, ...]) -> pd.DataFrame:
    """Return a table of the test images with label, predicted class and the probability of each class."""
    table = pd.DataFrame(
        {
            "image": test.manifest["name"],
            "sha256": test.manifest["sha256"],
            "picture": test.manifest["picture"],
            "cluster": test.manifest["cluster"],
            "label": test.manifest["label"],
            "predicted": np.array(labels)[probabilities.argmax(axis=1)],
        }
    )
    # As text: the shortest lossless form of float32.
    columns = {f"p({label})": probabilities[:, number].astype(str) for number, label in enumerate(labels)}
    return table.assign(**columns)
