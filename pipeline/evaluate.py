"""Evaluate one network on the test split, write its report and package it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from darkroom.base.backend import choose_deterministic_kernels
from darkroom.base.damage import reading
from darkroom.base.files import file_digest, write_json, write_record
from darkroom.base.wording import counted
from darkroom.data.prepared import own_columns
from darkroom.data.prepared.datasets import Description, Split
from darkroom.data.prepared.prepared import Prepared
from darkroom.evaluation import diagnosis, known, metrics, next_steps, report, scored, scores, slices
from darkroom.evaluation.cost import cost
from darkroom.evaluation.groups import group_numbers
from darkroom.evaluation.intervals import Interval
from darkroom.networks import Network, inference, penultimate, reference, weights_file
from darkroom.networks.reference import Reference
from darkroom.params import EvaluateParams, Params
from darkroom.registry import packages, records
from darkroom.reporting import figures
from darkroom.reporting.results import Report
from darkroom.tracking import runs, store
from darkroom.tracking.record import RunRecord

IN_SHORT = ("accuracy", "macro_f1", "calibration_error", "images")
"""Metrics that promotion reads from ``test.json``."""


def main(params: Params, network: Network, prepared: str, model: str, summary: str, previews: str, folder: str) -> None:
    """Write the report and the summary for promotion, and log both and the packaged model to the network's run."""
    store.open_store()
    record = RunRecord.read(Path(summary) / "run.json")
    with runs.continue_run(record, network) as run:
        images, files = Prepared(Path(prepared)), Report(Path(folder))
        found = _evaluate(params.evaluate, network, record, images, Path(model), files)
        write_record(Path(summary) / "cost.json", found.cost)
        views = params.evaluate.test_time_augmentation
        added = {**({packages.VIEWS: list(views)} if views else {}), **found.packaged}
        short = {**_summary(found.metrics, files.predictions), **_for_front_page(found), **added}
        write_record(Path(summary) / "test.json", short)
        write_json(files.summary, {network: _shown(found)})
        sample = reference.path_of(Path(model))
        packages.log_model(run, model, images.description_file, added=added, reference=sample)
        run.tag({"test_time_augmentation": ", ".join(views) or "none"})
        records.log_curves(run, files)
        records.log_preview(run, Path(previews), network)
        records.log_evaluation(run, found.as_json(), files)
    _print(network, found)


@dataclass(frozen=True)
class Evaluated:
    """Results of one network on the test split."""

    metrics: metrics.Metrics
    accuracy_interval: Interval
    diagnosis: diagnosis.Diagnosis
    cost: dict[str, float]
    known: dict[str, known.Finding]
    """Prediction sets and unknown images, by key of the packaged description; see ``known``."""

    @property
    def packaged(self) -> dict[str, Any]:
        """What the packaged model needs of them."""
        return {key: finding.packaged for key, finding in self.known.items() if finding.packaged}

    def as_json(self) -> dict[str, Any]:
        """Return the content of metrics.json."""
        return with_known(self.metrics, self.known)


def with_known(reached: metrics.Metrics, found: dict[str, known.Finding]) -> dict[str, Any]:
    """Return all metrics: scores, and those of prediction sets and unknown images."""
    return {**reached.as_json(), **{name: value for each in found.values() for name, value in each.metrics.items()}}


def _evaluate(
    params: EvaluateParams, network: Network, record: RunRecord, prepared: Prepared, model: Path, files: Report
) -> Evaluated:
    """Predict the test split and write the report."""
    description, test = prepared.description, prepared.test
    choose_deterministic_kernels()
    with reading(model):
        loaded = inference.load(model)
    sample = Reference.read(reference.path_of(model))
    views = params.test_time_augmentation
    show = known.Shown(loaded, sample.layer, views)
    outputs = show(test.images)
    probabilities = outputs.probabilities
    predictions = scores.Predictions(test.classes, probabilities, params.top)
    reached = _metrics(predictions, description, test, params)
    measured = cost(loaded, model, test, views)
    answers = _known(params, outputs, test, show, sample)
    write_record(files.metrics, with_known(reached, answers))
    report.write_table(files.predictions, report.predictions_table(test, probabilities, description.labels))
    accuracy_interval = _write_scores(predictions, test, description, files)
    report.draw(predictions, test, reached, description.labels, _title(network, reached), files)
    report.explain(loaded, test, probabilities, description.labels, files.explanations)
    with reading(files.history):
        epochs = pd.read_csv(files.history).to_dict("records")
    history = [{str(name): float(value) for name, value in epoch.items()} for epoch in epochs]
    figures.curves(history, record.best_epoch - 1, network, files.curves)
    found = _diagnosis(record, history, reached, description)
    result = _result(record, predictions, description, test, accuracy_interval)
    head_only = result.is_pretrained and penultimate.only_last_trains(loaded)
    result = replace(result, is_regression="penalty" in history[-1], trained_head_only=head_only)
    found = replace(found, next_steps=next_steps.next_steps(result, found.verdict, found.advice))
    write_json(files.diagnosis, found.as_json())
    return Evaluated(reached, accuracy_interval, found, measured, answers)


def _known(
    params: EvaluateParams, outputs: known.Outputs, test: Split, show: known.Shown, sample: Reference
) -> dict[str, known.Finding]:
    """Calibrate prediction sets and the distance of unknown images on the test images that are clean."""
    clean = ~test.manifest["leaked"].to_numpy(dtype=bool)
    images = known.Calibration(test.classes[clean], group_numbers(test.manifest["cluster"])[clean])
    features = None if outputs.features is None else outputs.features[clean]
    kept = known.Outputs(outputs.probabilities[clean], features)
    found = {}
    if params.coverage is not None:
        found[packages.SETS] = known.prediction_sets(kept, images, params.coverage)
    if params.unknown_false_alarms is not None:
        strangers = known.Strangers(sample, params.unknown_false_alarms)
        found[packages.UNKNOWN] = strangers.calibrate(kept, images, show)
    return found


def _title(network: Network, reached: metrics.Metrics) -> str:
    return f"{network}: {reached.accuracy:.4f} of {reached.images} test images correct"


def _metrics(
    predictions: scores.Predictions, description: Description, test: Split, params: EvaluateParams
) -> metrics.Metrics:
    return metrics.evaluate(
        predictions,
        description.labels,
        _largest(description),
        test.manifest["leaked"].to_numpy(dtype=bool),
        unverified=test.manifest["unverified"].to_numpy(dtype=bool),
        groups=group_numbers(test.manifest["cluster"]),
        human_accuracy=params.human_accuracy,
    )


def _write_scores(predictions: scores.Predictions, test: Split, description: Description, files: Report) -> Interval:
    """Write the scores with confidence intervals, on all test images and on slices; return that of the accuracy."""
    groups = group_numbers(test.manifest["cluster"])
    found = scored.score(predictions, groups)
    report.write_table(files.scores, metrics.scores_table(found, description.labels))
    parts = slices.find_slices(own_columns.join(test.manifest))
    report.write_table(files.slices, slices.slices_table(predictions, parts, groups))
    return found.intervals["accuracy"]


def _summary(reached: metrics.Metrics, predictions: Path) -> dict[str, Any]:
    """Return the input of promotion; the digest identifies the predictions."""
    return {**{name: getattr(reached, name) for name in IN_SHORT}, "predictions": file_digest(predictions)}


def _for_front_page(found: Evaluated) -> dict[str, Any]:
    """Return what the front page states of a network, beside the input of promotion."""
    interval = found.accuracy_interval
    return {
        "baseline_accuracy": found.metrics.baseline_accuracy,
        "interval": list(interval) if np.isfinite(interval.low) else None,
        "diagnosis": found.diagnosis.as_json(),
    }


def _shown(found: Evaluated) -> dict[str, float]:
    """Return what ``dvc metrics show`` and ``dvc exp show`` show of a network."""
    return {
        "accuracy": round(found.metrics.accuracy, 4),
        "macro_f1": round(found.metrics.macro_f1, 4),
        "ms": round(found.cost["latency_ms"], 2),
    }


def _diagnosis(
    record: RunRecord, history: list[dict[str, float]], reached: metrics.Metrics, description: Description
) -> diagnosis.Diagnosis:
    return diagnosis.diagnose(
        history,
        classes=len(reached.classes),
        one_class=record.one_class,
        training_accuracy=record.training_accuracy,
        best_possible=reached.human_accuracy,
        validation_images=description.counts["validation"],
    )


def _result(
    record: RunRecord, predictions: scores.Predictions, description: Description, test: Split, interval: Interval
) -> next_steps.Result:
    """Return what the next steps depend on."""
    matrix = metrics.confusion_matrix(predictions.labels, predictions.predicted, len(description.labels))
    return next_steps.Result(
        accuracy=float(predictions.right.mean()),
        interval=interval,
        baseline=float(np.mean(predictions.labels == _largest(description))),
        test_images=len(predictions.labels),
        all_images=sum(description.counts.values()),
        shorter=float(test.manifest[["width", "height"]].min(axis=1).median()),
        is_pretrained=weights_file.NAME in record.tags,
        confusions=next_steps.confusions(matrix, description.labels),
    )


def _largest(description: Description) -> int:
    """Return the number of the class with the most training images."""
    return description.labels.index(max(description.labels, key=lambda label: description.training_counts[label]))


def _print(network: Network, found: Evaluated) -> None:
    reached = found.metrics
    human = "" if reached.human_accuracy is None else f", human accuracy {reached.human_accuracy:.4f}"
    print(
        f"{_title(network, reached)} (95 % interval {found.accuracy_interval}), macro F {reached.macro_f1:.4f}; "
        f"baseline (largest class) {reached.baseline_accuracy:.4f}{human}"
    )
    for each in found.known.values():
        print(f"{network}: {each.line}")
    print(f"{network}: {found.diagnosis.verdict}: {found.diagnosis.reason}")
    for step in found.diagnosis.next_steps:
        print(f"{network}: next: {step}")
    if reached.leaked_images:
        print(
            f"{network}: accuracy {reached.leak_free_accuracy:.4f} without the {reached.leaked_images} test images "
            "that have a near-duplicate or group member in training or validation"
        )
    if reached.unverified_images:
        print(f"{network}: not known to be clean: {counted(reached.unverified_images, 'test image')}")
