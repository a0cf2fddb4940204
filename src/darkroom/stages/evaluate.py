"""The evaluation of one network as it runs in the pipeline: what is measured, written and recorded."""

from pathlib import Path

import numpy as np
import pandas as pd

from darkroom import evaluation, explaining, figures, inference, records, tracking
from darkroom.backend import choose_deterministic_kernels, keras
from darkroom.datasets import Description, Floats, Split, read_split
from darkroom.files import write_json, write_text
from darkroom.networks import Network

EXPLAINED = 8  # test images


def evaluate_network(
    network: Network, prepared: Path, model: Path, summary: Path, report: Path, run: tracking.Run
) -> None:
    """Predict the test split; write metrics, predictions and pictures, and log them with the network's run.

    Args:
        network: its name.
        prepared: folder of the packed images; of the splits ``test`` alone is read.
        model: the saved network.
        summary: JSON file that gets what promotion needs.
        report: folder that gets the rest.
        run: the network's own.
    """
    description = Description.read(prepared / "dataset.json")
    test = read_split(prepared / "test", description.labels)
    largest = max(description.labels, key=lambda label: description.training_counts[label])
    choose_deterministic_kernels()
    loaded = inference.load(model)
    probabilities = inference.probabilities(loaded, test.images)
    metrics = evaluation.evaluate(
        test.classes,
        probabilities,
        description.labels,
        description.labels.index(largest),
        test.manifest["leaked"].to_numpy(dtype=bool),
    )

    write_json(report / "metrics.json", metrics.as_json())
    write_json(summary, {"accuracy": metrics.accuracy, "macro_f1": metrics.macro_f1, "images": metrics.images})
    predictions = predictions_table(test, probabilities, description.labels)
    write_text(report / "predictions.csv", predictions.to_csv(index=False, lineterminator="\n"))
    matrix = evaluation.confusion_matrix(test.classes, probabilities.argmax(axis=1), len(description.labels))
    title = f"{network}: {metrics.accuracy:.4f} of {metrics.images} test images right"
    figures.confusion_matrix(matrix, description.labels, title, report / "confusion_matrix.png")
    explain(loaded, test, probabilities, description.labels, report / "explanations.png")

    records.log_evaluation(run, metrics.as_json(), report)
    print(f"{title}, macro F {metrics.macro_f1:.4f}; the largest class alone gives {metrics.baseline_accuracy:.4f}")
    if metrics.leaked_images:
        print(
            f"{network}: {metrics.leak_free_accuracy:.4f} without the {metrics.leaked_images} test images that have a "
            "near-duplicate in training"
        )


def explain(network: keras.Model, test: Split, probabilities: Floats, labels: tuple[str, ...], path: Path) -> None:
    """Draw where a network looks in a few test images; of one without maps, draw a sentence that says so."""
    if lack := explaining.lack_of_maps(network):
        figures.sentence(lack, path)
        return
    chosen = evaluation.telling_images(test.classes, probabilities, EXPLAINED)
    images, predicted = np.asarray(test.images[chosen]), probabilities[chosen].argmax(axis=1)
    titles = [
        figures.verdict(labels[answer], float(probabilities[image, answer]), labels[test.classes[image]])
        for image, answer in zip(chosen, predicted, strict=True)
    ]
    heading = f"{network.name}: what decided, mistakes first (Grad-CAM)"
    figures.heat_maps(images, explaining.heat_maps(network, images, predicted), titles, heading, path)


def predictions_table(test: Split, probabilities: Floats, labels: tuple[str, ...]) -> pd.DataFrame:
    """List each test image with its label, what was predicted, and the probability of each class."""
    table = pd.DataFrame(
        {
            "image": test.manifest["name"],
            "sha256": test.manifest["sha256"],
            "label": test.manifest["label"],
            "predicted": np.array(labels)[probabilities.argmax(axis=1)],
        }
    )
    # Through text: float32 as short as it can be written without loss.
    columns = {f"p({label})": probabilities[:, number].astype(str) for number, label in enumerate(labels)}
    return table.assign(**columns)
