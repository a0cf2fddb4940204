"""Log evaluation results with a network's run."""

import csv
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from darkroom.base.files import is_there, read_json
from darkroom.reporting.results import Report
from darkroom.tracking.runs import Run


def log_preview(run: Run, folder: Path, network: str) -> None:
    """Log the stage ``preview``'s figure of augmented training images, if there is one."""
    for name in (f"{network}.png", "default.png"):
        if (folder / name).is_file():
            with tempfile.TemporaryDirectory() as copies:
                run.log_file(shutil.copy(folder / name, Path(copies) / "augmentation.png"))
            return


def log_curves(run: Run, report: Report) -> None:
    """Log the learning curves as a figure and as a table."""
    run.log_file(report.curves)
    run.log_file(report.history)


def log_evaluation(run: Run, metrics: Mapping[str, Any], report: Report) -> None:
    """Log the results on the test split.

    Args:
        run: the network's run.
        metrics: content of metrics.json.
        report: the network's report; reports of earlier Darkroom versions may lack files.
    """
    run.log_metrics(
        {
            **{f"test_{name}": value for name, value in metrics.items() if name != "classes"},
            **{f"test_{name}": value for name, value in accuracy_bounds(report.scores).items()},
            **{f"test_recall/{label}": of_class["recall"] for label, of_class in metrics["classes"].items()},
        }
    )
    if is_there(report.diagnosis):
        found = read_json(report.diagnosis)
        steps = found.get("next_steps") or [found["advice"]]
        run.tag({"diagnosis": found["verdict"], "next_steps": "\n".join(steps)})
    log_evaluation_files(run, report)


def log_evaluation_files(run: Run, report: Report) -> None:
    """Log the files of the evaluation report; see ``log_evaluation``."""
    for file in report.logged():
        run.log_file(file, "evaluation")


def accuracy_bounds(path: Path) -> dict[str, float]:
    """Return the bounds of the 95 % confidence interval of the accuracy from the scores file; none if not known."""
    if not is_there(path):
        return {}
    with path.open(encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if row["score"] == "accuracy")
    return {f"accuracy_{bound}": float(row[bound]) for bound in ("low", "high") if row[bound]}
