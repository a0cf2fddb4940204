"""``darkroom learning-curve``: train one network on increasing shares of the images. More data, or more tuning?

After *Deep Learning for Vision Systems* (M. Elgendy, 2020), section 4.5.1: a high training error calls for tuning, a
low training error with a higher validation error for more data. The decrease of the error between shares indicates
how much more data would help.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from darkroom import training
from darkroom.base import project, spreadsheets
from darkroom.base.errors import InputError
from darkroom.data.prepared.datasets import Description, Split
from darkroom.data.prepared.prepared import Prepared
from darkroom.evaluation.diagnosis import POOR
from darkroom.experiments import figures
from darkroom.experiments.sweep import subset
from darkroom.networks import Network, NetworkParams, check_data, inference
from darkroom.params import Params
from darkroom.tracking import runs, store
from darkroom.tracking.initial_network import initial_network
from darkroom.training import StopTraining, TrainingJob

COUNTED = 5000  # maximum number of training images for the training error
FADING = 0.5  # expected gain of the next doubling, relative to the last one
Verdict = Literal["more tuning", "more data", "neither"]


@dataclass(frozen=True)
class Point:
    """Errors after training on a number of images."""

    images: int
    training_error: float
    """On those images, without augmentation."""
    validation_error: float


@dataclass(frozen=True)
class Conclusion:
    """What to improve, data or tuning."""

    verdict: Verdict
    reason: str


def conclude(points: Sequence[Point], validation_images: int, best_possible: float = 0.0) -> Conclusion:
    """Draw a conclusion from a learning curve.

    Args:
        points: from few images to all, each with about twice as many as the previous one.
        validation_images: number of validation images.
        best_possible: human error, if known.
    """
    last, before = points[-1], points[-2]
    error, lacking = last.validation_error, last.training_error - best_possible
    errors = f"error {100 * last.training_error:.1f} % on its {last.images:,} training images"
    if lacking > POOR:
        return Conclusion("more tuning", f"{errors}: the network underfits them")
    gained = before.validation_error - error
    # Upper bound for the difference of two error rates on the same validation images; smaller ones may be chance.
    noise = 2 * math.sqrt(max(error * (1 - error), 1e-9) / validation_images)
    doublings = math.log2(last.images / before.images)
    summary = f"{errors} and {100 * error:.1f} % on validation images; the last {_times(doublings)} reduced it by "
    if gained > noise:
        expected = FADING * gained / doublings
        reason = f"{summary}{100 * gained:.1f} points: twice as many may reduce it by about {100 * expected:.1f} more"
        return Conclusion("more data", reason)
    return Conclusion(
        "neither", f"{summary}{100 * gained:.1f} points, which may be chance: check the labels and the network"
    )


def _times(doublings: float) -> str:
    return "doubling of the images" if abs(doublings - 1) < 0.1 else f"{2**doublings:.1f} times as many images"  # noqa: PLR2004


def folder(network: Network) -> Path:
    """Return the folder of ``learning_curve.png`` and ``learning_curve.csv``."""
    return project.state_folder() / "learning_curves" / network


def learning_curve(
    network: Network, params: Params, shares: Sequence[float], prepared: Prepared, *, show: bool
) -> tuple[list[Point], Conclusion]:
    """Train on each share of the training images, with the network's parameters, as nested MLflow runs.

    Args:
        network: the network's name.
        params: all of params.yaml.
        shares: shares of the training images, ascending, the last one 1.
        prepared: the packed images; test images are not used.
        show: whether to print a line per epoch.

    Raises:
        InputError: the images do not fit the network, or the smallest share lacks a class.
        TrainingError: a training diverges.
    """
    values = params.network(network)
    job = TrainingJob.from_prepared(prepared, network, values, params)
    counts = [round(share * len(job.training.classes)) for share in shares]
    jobs = [replace(job, training=subset(job.training, count, job.seed)) for count in counts]
    for one in jobs:
        _check(network, values, one.training, job.description)
    initial = initial_network(network, values)
    tags = {"network": network, "data_digest": job.description.digest}
    store.open_store()
    points = []
    with runs.start_run(
        f"{network} learning curve", "learning_curve", tags, untracked=params.tracking.untracked
    ) as parent:
        parent.log_dataset(job.description)
        parent.log_params(values.model_dump(mode="json"))
        for one in jobs:
            title = f"{network} {len(one.training.classes):,} images"
            with runs.start_trial(title, {**tags, "stage": "learning_curve"}, StopTraining) as run:
                point = _point(replace(one, initial=initial), run, title, show=show)
                run.log_metrics(asdict(point))
            points.append(point)
        best_possible = 1 - (params.evaluate.human_accuracy or 1.0)
        found = conclude(points, len(job.validation.classes), best_possible)
        _record(parent, network, points, found)
    return points, found


def _check(network: Network, values: NetworkParams, share: Split, description: Description) -> None:
    """Check that a share of the images can be trained on."""
    check_data(network, values, len(share.classes), len(description.labels))
    if lacking := sorted(set(range(len(description.labels))) - set(share.classes.tolist())):
        raise InputError(
            f"{len(share.classes)} training images contain none of class {description.labels[lacking[0]]!r}; "
            "give larger --shares"
        )


def _point(job: TrainingJob, run: runs.Run, title: str, *, show: bool) -> Point:
    """Train on a share of the images and measure the errors."""
    progress = [training.progress_line(title, job.values.all_epochs)] if show else []
    trained = training.train(job, on_epoch=[*progress, run.log_epoch])
    training_error = 1 - inference.results_on(trained.model, job.training, COUNTED).accuracy
    return Point(len(job.training.classes), training_error, 1 - trained.best["val_accuracy"])


def _record(parent: runs.Run, network: Network, points: Sequence[Point], found: Conclusion) -> None:
    """Draw the curve, write the table, and log both with the conclusion."""
    picture, table = folder(network) / "learning_curve.png", folder(network) / "learning_curve.csv"
    rows = [asdict(point) for point in points]
    figures.learning_curve(rows, f"{network}: {found.verdict}", picture)
    spreadsheets.write(table, pd.DataFrame(rows))
    parent.log_file(picture)
    parent.log_file(table)
    parent.tag({"verdict": found.verdict})
    parent.describe(f"{found.verdict.capitalize()}: {found.reason}")
