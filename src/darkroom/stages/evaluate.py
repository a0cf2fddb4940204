"""The evaluation of one network as it runs in the pipeline: what is measured, written and recorded."""

import time
from pathlib import Path

import numpy as np
import pandas as pd

from darkroom import diagnosis, evaluation, explaining, figures, inference, records, scores, tracking
from darkroom.backend import choose_deterministic_kernels, keras, memory
from darkroom.datasets import Description, Floats, Integers, Split, read_split
from darkroom.files import write_json, write_text
from darkroom.networks import Network
from darkroom.params import EvaluateParams

EXPLAINED = 8  # test images
MISTAKES = 24  # that are drawn
TIMED = 50  # calls with one image
IN_SHORT = ("accuracy", "macro_f1", "calibration_error", "images")


def evaluate_network(
    network: Network,
    params: EvaluateParams,
    prepared: Path,
    model: Path,
    record: tracking.RunRecord,
    summary: Path,
    report: Path,
    run: tracking.Run,
) -> None:
    """Predict the test split; write metrics, predictions and pictures, and log them with the network's run.

    Args:
        network: its name.
        params: the human level, and how intervals are computed.
        prepared: folder of the packed images; of the splits ``test`` alone is read.
        model: the saved network.
        record: what its training left.
        summary: folder that gets ``test.json``, for promotion.
        report: folder that gets the rest, and has the training's history.csv.
        run: the network's own.
    """
    description = Description.read(prepared / "dataset.json")
    test = read_split(prepared / "test", description.labels)
    choose_deterministic_kernels()
    loaded = inference.load(model)
    probabilities = inference.probabilities(loaded, test.images)
    answers = scores.Answers(test.classes, probabilities, params.top)
    clusters = scores.clusters_of(test.manifest["cluster"])
    metrics = _metrics(answers, clusters, description, test, params)
    scored = scores.score(answers, clusters, params.draws, params.seed)

    write_json(report / "metrics.json", metrics.as_json())
    write_json(summary / "test.json", {name: getattr(metrics, name) for name in IN_SHORT})
    write_json(report / "cost.json", cost(loaded, model, test))
    predictions = predictions_table(test, probabilities, description.labels)
    _write_table(report / "predictions.csv", predictions)
    _write_table(report / "scores.csv", evaluation.table_of_scores(scored, description.labels))
    parts = evaluation.parts(test.manifest)
    slices = evaluation.table_of_parts(answers, parts, clusters, params.draws, params.seed)
    _write_table(report / "slices.csv", slices)
    title = f"{network}: {metrics.accuracy:.4f} of {metrics.images} test images right"
    _draw(answers, test, metrics, description.labels, title, report)
    explain(loaded, test, probabilities, description.labels, report / "explanations.png")

    found = diagnose(record, report / "history.csv", metrics, description.counts["validation"])
    write_json(report / "diagnosis.json", found.as_json())
    records.log_evaluation(run, metrics.as_json(), report)
    low, high = scored.intervals["accuracy"]
    human = "" if metrics.human_accuracy is None else f", people reach {metrics.human_accuracy:.4f}"
    print(
        f"{title} (95 % interval {low:.4f} to {high:.4f}), macro F {metrics.macro_f1:.4f}; the largest class alone "
        f"gives {metrics.baseline_accuracy:.4f}{human}"
    )
    print(f"{network}: {found}")
    if metrics.leaked_images:
        print(
            f"{network}: {metrics.leak_free_accuracy:.4f} without the {metrics.leaked_images} test images that have a "
            "near-duplicate in training"
        )


def cost(network: keras.Model, file: Path, test: Split) -> dict[str, float]:
    """Measure what a network costs whoever serves it: other numbers each time, so they are in a file of their own.

    Returns:
        Milliseconds for one image (95th percentile), megabytes (10^6 bytes) of its file, and of this process's memory.
    """
    one = np.asarray(test.images[:1])
    network.predict_on_batch(one)
    seconds = []
    for _ in range(TIMED):
        started = time.perf_counter()
        network.predict_on_batch(one)
        seconds.append(time.perf_counter() - started)
    return {
        "latency_ms": round(1000 * float(np.quantile(seconds, 0.95)), 2),
        "size_mb": round(file.stat().st_size / 1e6, 3),
        "memory_mb": round(memory() / 1e6, 1),
    }


def diagnose(
    record: tracking.RunRecord, history: Path, metrics: evaluation.Metrics, validation_images: int
) -> diagnosis.Diagnosis:
    """Read the course of the training that made the network."""
    epochs = pd.read_csv(history).to_dict("records")
    return diagnosis.diagnose(
        [{str(name): float(value) for name, value in epoch.items()} for epoch in epochs],
        classes=len(metrics.classes),
        baseline=metrics.baseline_accuracy,
        training_accuracy=record.training_accuracy,
        best_possible=metrics.human_accuracy,
        validation_images=validation_images,
    )


def _metrics(
    answers: scores.Answers, clusters: Integers, description: Description, test: Split, params: EvaluateParams
) -> evaluation.Metrics:
    largest = max(description.labels, key=lambda label: description.training_counts[label])
    return evaluation.evaluate(
        answers.truth,
        answers.probabilities,
        description.labels,
        description.labels.index(largest),
        test.manifest["leaked"].to_numpy(dtype=bool),
        clusters=clusters,
        human_accuracy=params.human_accuracy,
        top=params.top,
    )


def _write_table(path: Path, table: pd.DataFrame) -> None:
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def _draw(
    answers: scores.Answers, test: Split, metrics: evaluation.Metrics, labels: tuple[str, ...], title: str, report: Path
) -> None:
    """Draw the confusion matrix, how far certainty can be trusted, and the mistakes."""
    matrix = evaluation.confusion_matrix(answers.truth, answers.predicted, len(labels))
    figures.confusion_matrix(matrix, labels, title, report / "confusion_matrix.png")
    ranked = scores.of_two(answers) if len(labels) == 2 else None  # noqa: PLR2004
    figures.calibration(
        scores.reliability(answers), metrics.calibration_error, ranked, labels, report / "calibration.png"
    )
    wrong = np.flatnonzero(~answers.right)
    certainty = answers.probabilities.max(axis=1)
    chosen = wrong[np.argsort(-certainty[wrong], kind="stable")[:MISTAKES]]
    if not len(chosen):
        figures.sentence("No test image was mistaken.", report / "mistakes.png")
        return
    doubtful = scores.likely_label_errors(answers)
    titles = [
        figures.verdict(labels[answers.predicted[image]], float(certainty[image]), labels[answers.truth[image]])
        + (" (label error?)" if doubtful[image] else "")
        for image in chosen
    ]
    heading = f"The most certain of {len(wrong)} mistakes; labels that may be wrong: {int(doubtful.sum())}"
    figures.pictures(np.asarray(test.images[chosen]), titles, heading, report / "mistakes.png")


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
            "cluster": test.manifest["cluster"],
            "label": test.manifest["label"],
            "predicted": np.array(labels)[probabilities.argmax(axis=1)],
        }
    )
    # Through text: float32 as short as it can be written without loss.
    columns = {f"p({label})": probabilities[:, number].astype(str) for number, label in enumerate(labels)}
    return table.assign(**columns)
