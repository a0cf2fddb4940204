"""``darkroom learning-curve``: one network trained on growing shares of the images. More data, or more tuning?

After *Deep Learning for Vision Systems* (M. Elgendy, 2020), section 4.5.1: a network that does poorly on the images
that it has needs tuning; one that does well on them and worse on others needs more of them. How the error falls from
one share to the next says how much they would help.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from darkroom import figures, inference, services, tracking, training
from darkroom.backend import keras
from darkroom.datasets import Description, Split, read_split
from darkroom.diagnosis import POOR
from darkroom.errors import InputError
from darkroom.files import write_text
from darkroom.networks import Network, NetworkParams, check_data
from darkroom.params import Params
from darkroom.stages.initial import initial_network
from darkroom.sweeping import subset
from darkroom.training import Enough

COUNTED = 5000  # training images, of which the error is counted, at most
FADING = 0.5  # the most that a doubling is trusted to bring, as a share of what the last one brought

Verdict = Literal["more tuning", "more data", "neither"]


@dataclass(frozen=True)
class Point:
    """What came of training on so many images."""

    images: int
    training_error: float
    """Of those images, as they are."""
    validation_error: float


@dataclass(frozen=True)
class Answer:
    """More data, or more tuning."""

    verdict: Verdict
    reason: str


def answer(points: Sequence[Point], validation_images: int, best_possible: float = 0.0) -> Answer:
    """Read a learning curve.

    Args:
        points: from few images to all, each with about twice as many as the one before.
        validation_images: of which the errors were counted.
        best_possible: the error of people, where it is known.
    """
    last, before = points[-1], points[-2]
    error, lacking = last.validation_error, last.training_error - best_possible
    errors = f"error {100 * last.training_error:.1f} % on its {last.images:,} training images"
    if lacking > POOR:
        return Answer("more tuning", f"{errors}: it does not fit those that it has")
    gained = before.validation_error - error
    # Of a difference between two shares of the same validation images, at most; what is smaller may be chance.
    noise = 2 * math.sqrt(max(error * (1 - error), 1e-9) / validation_images)
    doublings = math.log2(last.images / before.images)
    told = f"{errors} and {100 * error:.1f} % on validation images; the last {_times(doublings)} took off "
    if gained > noise:
        expected = FADING * gained / doublings
        reason = f"{told}{100 * gained:.1f} points: twice as many may take off about {100 * expected:.1f} more"
        return Answer("more data", reason)
    return Answer(
        "neither", f"{told}{100 * gained:.1f} points, which may be chance: look at the labels and the network"
    )


def _times(doublings: float) -> str:
    return "doubling of the images" if abs(doublings - 1) < 0.1 else f"{2**doublings:.1f} times as many images"  # noqa: PLR2004


def folder(network: Network) -> Path:
    """Return where ``learning_curve.png`` and ``learning_curve.csv`` are left."""
    return services.state_folder() / "learning_curves" / network


def learning_curve(
    network: Network, params: Params, shares: Sequence[float], prepared: Path, *, show: bool
) -> tuple[list[Point], Answer]:
    """Train on each share of the training images, with the network's own values, as nested MLflow runs.

    Args:
        network: its name.
        params: the whole of params.yaml.
        shares: of the training images, ascending, the last one 1.
        prepared: folder of the packed images, of which the test images are left alone.
        show: whether a line is printed for each epoch.

    Raises:
        InputError: the images do not go with the network, or the smallest share lacks a class.
        TrainingError: a training diverges.
    """
    description = Description.read(prepared / "dataset.json")
    values = params.network(network)
    everything, validation = (read_split(prepared / name, description.labels) for name in ("train", "validation"))
    parts = [subset(everything, round(share * len(everything.classes)), params.train.seed) for share in shares]
    for part in parts:
        _check(network, values, part, description)
    initial = initial_network(network, values)
    tags = {"network": network, "data_digest": description.digest}
    tracking.open_store()
    points = []
    with tracking.start_run(f"{network} learning curve", "learning_curve", tags) as parent:
        parent.log_dataset(description)
        parent.log_params(values.model_dump(mode="json"))
        for part in parts:
            title = f"{network} {len(part.classes):,} images"
            with tracking.start_trial(title, {**tags, "stage": "learning_curve"}, Enough) as run:
                point = _point(network, values, description, (part, validation), params, initial, run, title, show=show)
                run.log_metrics(asdict(point))
            points.append(point)
        best_possible = 1 - (params.evaluate.human_accuracy or 1.0)
        found = answer(points, len(validation.classes), best_possible)
        _record(parent, network, points, found)
    return points, found


def _check(network: Network, values: NetworkParams, part: Split, description: Description) -> None:
    """Check what training would stumble over."""
    check_data(network, values, len(part.classes), len(description.labels))
    if lacking := sorted(set(range(len(description.labels))) - set(part.classes.tolist())):
        raise InputError(
            f"{len(part.classes)} training images hold none of class {description.labels[lacking[0]]!r}; "
            "take larger --shares"
        )


def _point(  # noqa: PLR0913 - all that a training depends on
    network: Network,
    values: NetworkParams,
    description: Description,
    data: tuple[Split, Split],
    params: Params,
    initial: keras.Model | None,
    run: tracking.Run,
    title: str,
    *,
    show: bool,
) -> Point:
    progress = [training.progress_line(title, values.epochs)] if show else []
    trained = training.train(
        network,
        values,
        description,
        data,
        seed=params.train.seed,
        augmentation=params.preprocess.augmentation,
        initial=initial,
        on_epoch=[*progress, run.log_epoch],
    )
    training_error = 1 - inference.accuracy_on(trained.model, data[0], COUNTED)
    return Point(len(data[0].classes), training_error, 1 - trained.best["val_accuracy"])


def _record(parent: tracking.Run, network: Network, points: Sequence[Point], found: Answer) -> None:
    """Draw the curve, write the table, and log both with the answer."""
    picture, table = folder(network) / "learning_curve.png", folder(network) / "learning_curve.csv"
    rows = [asdict(point) for point in points]
    figures.learning_curve(rows, f"{network}: {found.verdict}", picture)
    write_text(table, pd.DataFrame(rows).to_csv(index=False, lineterminator="\n"))
    parent.log_file(picture)
    parent.log_file(table)
    parent.tag({"verdict": found.verdict})
    parent.describe(f"{found.verdict.capitalize()}: {found.reason}")
