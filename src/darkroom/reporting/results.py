"""Paths of one network's result files, as in dvc.yaml."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from darkroom.base.errors import InputError
from darkroom.base.files import is_there

REFERENCE = ".reference.npz"
"""Ending of the file of ``networks.reference``, beside the network's."""


class ReportFile(NamedTuple):
    """A file in a network's report."""

    name: str
    tracked: Literal["always", "later", "in git"]
    """By DVC since Darkroom's first version, by DVC since a later version, or in git."""
    logged: bool = False
    """Whether it is logged to the run's folder ``evaluation``."""
    caption: str = ""
    """Caption of a picture in the model card."""


REPORT_FILES = (
    ReportFile("trials.csv", "always"),
    ReportFile("history.csv", "always"),
    ReportFile("curves.png", "always", caption="Training history"),
    ReportFile("metrics.json", "in git", logged=True),
    ReportFile("summary.json", "in git"),
    ReportFile("diagnosis.json", "later", logged=True),
    ReportFile("predictions.csv", "always", logged=True),
    ReportFile("scores.csv", "later", logged=True),
    ReportFile("slices.csv", "later", logged=True),
    ReportFile("confusion_matrix.png", "always", logged=True, caption="Confusion matrix"),
    ReportFile("calibration.png", "later", logged=True, caption="Calibration"),
    ReportFile("mistakes.png", "later", logged=True, caption="Most confident mistakes"),
    ReportFile("explanations.png", "later", logged=True, caption="Grad-CAM heat maps of a few test images"),
)
"""The files that search, training and evaluation write; ``darkroom restore`` and the model card read them."""


@dataclass(frozen=True)
class Report:
    """The report of one network: tables and pictures in ``reports/<network>``."""

    folder: Path

    @property
    def trials(self) -> Path:
        """Table of the search's trials."""
        return self.folder / "trials.csv"

    @property
    def history(self) -> Path:
        """Table of the training's epochs."""
        return self.folder / "history.csv"

    @property
    def curves(self) -> Path:
        """Picture of the training's epochs."""
        return self.folder / "curves.png"

    @property
    def metrics(self) -> Path:
        """Scores of all test images."""
        return self.folder / "metrics.json"

    @property
    def summary(self) -> Path:
        """The few values that DVC shows: accuracy, macro F-score, milliseconds for an image."""
        return self.folder / "summary.json"

    @property
    def diagnosis(self) -> Path:
        """Whether the network overfits or underfits."""
        return self.folder / "diagnosis.json"

    @property
    def predictions(self) -> Path:
        """Table of the predictions of the test images."""
        return self.folder / "predictions.csv"

    @property
    def scores(self) -> Path:
        """Table of the scores with their confidence intervals."""
        return self.folder / "scores.csv"

    @property
    def slices(self) -> Path:
        """Table of the accuracy on slices of the test images."""
        return self.folder / "slices.csv"

    @property
    def confusion_matrix(self) -> Path:
        """Picture of the confusion matrix."""
        return self.folder / "confusion_matrix.png"

    @property
    def calibration(self) -> Path:
        """Picture of the calibration."""
        return self.folder / "calibration.png"

    @property
    def mistakes(self) -> Path:
        """Picture of the most confident mistakes."""
        return self.folder / "mistakes.png"

    @property
    def explanations(self) -> Path:
        """Picture of Grad-CAM heat maps."""
        return self.folder / "explanations.png"

    def logged(self) -> list[Path]:
        """Return the existing files that are logged to the run's folder ``evaluation``.

        Earlier versions of Darkroom wrote fewer files.
        """
        files = [self.folder / file.name for file in REPORT_FILES if file.logged]
        return [file for file in files if file.is_file()]

    def pictures(self) -> dict[Path, str]:
        """Return the pictures of the model card with their captions."""
        return {self.folder / file.name: file.caption for file in REPORT_FILES if file.caption}


@dataclass(frozen=True)
class Results:
    """All result files of one network."""

    root: Path
    """The project's root."""
    network: str

    @classmethod
    def all_of(cls, root: Path) -> "list[Results]":
        """Return the results of all trained networks, sorted by name.

        Raises:
            InputError: the folder of results cannot be read, so that results might be missed.
        """
        folder = root / "runs"
        try:
            names = sorted(place.name for place in folder.iterdir() if is_there(place / "run.json"))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise InputError(f"{error.filename} cannot be read ({error.strerror}); make it readable") from None
        return [cls(root, name) for name in names]

    @property
    def summaries(self) -> Path:
        """Folder of the small files in git."""
        return self.root / "runs" / self.network

    @property
    def run_record(self) -> Path:
        """Identity and validation metrics of the training."""
        return self.summaries / "run.json"

    @property
    def best_params(self) -> Path:
        """The best parameters of the search."""
        return self.summaries / "best_params.json"

    @property
    def test_summary(self) -> Path:
        """The test metrics that promotion reads."""
        return self.summaries / "test.json"

    @property
    def cost(self) -> Path:
        """Latency, size and memory."""
        return self.summaries / "cost.json"

    @property
    def model(self) -> Path:
        """File of the trained network."""
        return self.root / "models" / f"{self.network}.keras"

    @property
    def reference(self) -> Path | None:
        """File of features of training images; None if there is none, as with earlier versions of Darkroom."""
        path = self.model.with_suffix(REFERENCE)
        return path if path.is_file() else None

    @property
    def report(self) -> Report:
        """Tables and pictures."""
        return Report(self.root / "reports" / self.network)

    def tracked(self, dvc_lock: str = "") -> list[Path]:
        """Return the files of the network and its report that DVC tracks.

        Args:
            dvc_lock: text of the corresponding dvc.lock; files tracked since a later version count if it lists them.
        """
        folder = self.report.folder
        always = [folder / file.name for file in REPORT_FILES if file.tracked == "always"]
        later = [folder / file.name for file in REPORT_FILES if file.tracked == "later"]
        later.append(self.model.with_suffix(REFERENCE))
        locked = [path for path in later if f"path: {path.relative_to(self.root).as_posix()}\n" in dvc_lock]
        return [self.model, *always, *locked]
