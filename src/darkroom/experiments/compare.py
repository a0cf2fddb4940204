"""Compare two models on the test images that both have predicted."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from darkroom.base import wording
from darkroom.base.errors import InputError
from darkroom.evaluation import scores
from darkroom.evaluation.groups import group_numbers
from darkroom.evaluation.scored import Scored, score
from darkroom.promotion import contenders
from darkroom.promotion.rules import better
from darkroom.registry import versions as registry_versions
from darkroom.registry.versions import run_of, saved_predictions
from darkroom.tracking import store

SHOWN = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "brier", "calibration_error")
PREFIX = "p("


@dataclass(frozen=True)
class Side:
    """A model's saved predictions."""

    name: str
    run_id: str
    table: pd.DataFrame

    @property
    def labels(self) -> list[str]:
        """The model's class names."""
        return [column[len(PREFIX) : -1] for column in map(str, self.table) if column.startswith(PREFIX)]


def find(name: str, named: str) -> Side:
    """Return a model's saved predictions.

    Args:
        name: the registered model.
        named: an alias, a version number, ``models:/…``, or the beginning of a run id.

    Raises:
            InputError: the name is unknown or ambiguous, or the model has no predictions.
    """
    run_id = run_named(name, named)
    table = saved_predictions(run_id)
    if table is None or not (side := Side(_shown(named, run_id), run_id, table)).labels:
        raise InputError(f"{named} (run {run_id}) has no saved predictions; run dvc repro evaluate")
    return side


def _shown(named: str, run_id: str) -> str:
    """Return how a model is called: as the user did, but a run by its network and its first digits."""
    # A shorter number is a version.
    is_run = len(named) >= wording.SHORT and run_id.startswith(named)
    run = store.find_run(run_id) if is_run else None
    network = run.data.tags.get("network", "") if run else ""
    return f"{network} {run_id[: wording.SHORT]}" if network else named


def run_named(name: str, named: str) -> str:
    """Return the id of the run with an alias, version, ``models:/…`` or beginning of an id.

    Raises:
        InputError: the name is unknown or ambiguous.
    """
    wanted = named.removeprefix(f"models:/{name}").lstrip("/@") if named.startswith("models:/") else named
    aliases = {alias: number for number, of in registry_versions.aliases(name).items() for alias in of}
    versions = {str(version.version): run_of(version) for version in registry_versions.versions(name)}
    number = aliases.get(wanted, wanted)
    if number in versions:
        return versions[number]
    known: list[str] = [run.data.tags.get(store.ORIGINAL, run.info.run_id) for run in store.training_runs()]
    found = [run_id for run_id in known if run_id.startswith(wanted)]
    if len(found) != 1:
        what = f"{len(found)} runs match" if found else "no such alias, version or run"
        raise InputError(f"{named}: {what}; darkroom runs lists them")
    return found[0]


@dataclass(frozen=True)
class Compared:
    """Result of a comparison."""

    images: int
    rows: list[dict[str, Any]]
    """One per score: both values with confidence intervals, and their difference."""
    gained: int
    p: float
    test: str
    disagreeing: pd.DataFrame
    """Images with different predictions, by ``picture`` or ``sha256``: ``image``, ``label`` and both predictions."""
    confidence: pd.DataFrame
    """Confidence of the predictions on these images; a column per model."""


def compare(one: Side, other: Side) -> Compared:
    """Compare the second model with the first.

    Raises:
        InputError: the models are the same, differ in their classes, or have no test image in common.
    """
    first, second = _common_predictions(one, other)
    groups = group_numbers(first["cluster"] if "cluster" in first else np.arange(len(first)))
    predictions = [_predictions(table, one.labels) for table in (first, second)]
    scored = [score(each, groups) for each in predictions]
    rows = [
        {
            "score": name,
            one.name: _with_interval(scored[0], name),
            other.name: _with_interval(scored[1], name),
            "difference": scored[1].estimates[name] - scored[0].estimates[name],
        }
        for name in SHOWN
    ]
    compared = contenders.Comparison(
        predictions[0].labels, tuple(one.labels), predictions[1].right, predictions[0].right, groups
    )
    p, test = better.p_value(compared)
    disagreeing, confidence = _disagreements(one, other, (first, second), predictions)
    return Compared(
        len(first),
        rows,
        int(predictions[1].right.sum() - predictions[0].right.sum()),
        p,
        test,
        disagreeing,
        confidence,
    )


def _common_predictions(one: Side, other: Side) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return both tables of predictions of the images with equal labels in both, by picture.

    Tables that earlier versions saved do not name the picture; then images are the same if their files are.

    Raises:
        InputError: see ``compare``.
    """
    if one.name == other.name:
        raise InputError(f"{one.name} was named twice; name two models, darkroom runs lists them")
    if one.labels != other.labels:
        difference = sorted(set(one.labels) ^ set(other.labels)) or ["their order"]
        raise InputError(
            f"{one.name} and {other.name} have different classes ({', '.join(difference)}); "
            "name two models trained on the same classes, darkroom runs lists them"
        )
    identity = "picture" if "picture" in one.table and "picture" in other.table else "sha256"
    first, second = (side.table.drop_duplicates(identity).set_index(identity) for side in (one, other))
    common = first.index.intersection(second.index)
    common = common[(first.loc[common, "label"] == second.loc[common, "label"]).to_numpy()]
    if not len(common):
        raise InputError(
            f"{one.name} and {other.name} have no predicted test images in common; evaluate both on the same data"
        )
    return first.loc[common], second.loc[common]


def _disagreements(
    one: Side, other: Side, tables: tuple[pd.DataFrame, pd.DataFrame], predictions: list[scores.Predictions]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the images with different predictions, and the confidence of both models on them."""
    first, second = tables
    apart = (first["predicted"] != second["predicted"]).to_numpy()
    disagreeing = pd.DataFrame(
        {
            "image": first["image"][apart],
            "label": first["label"][apart],
            one.name: first["predicted"][apart],
            other.name: second["predicted"][apart],
        }
    )
    confidence = pd.DataFrame(
        {
            side.name: each.probabilities.max(axis=1)[apart]
            for side, each in zip((one, other), predictions, strict=True)
        },
        index=disagreeing.index,
    )
    return disagreeing, confidence


def summary_line(other: str, found: Compared) -> str:
    """Summarise the comparison of the model ``other`` with the first one."""
    gained = f"{abs(found.gained)} {'more' if found.gained > 0 else 'fewer'}" if found.gained else "as many"
    return (
        f"{found.images} images predicted by both: {other} is right on {gained} ({wording.p_value(found.p)} if it were "
        f"no better, {found.test}); they disagree on {len(found.disagreeing)}"
    )


def _predictions(table: pd.DataFrame, labels: list[str]) -> scores.Predictions:
    number = {label: index for index, label in enumerate(labels)}
    probabilities = table[[f"{PREFIX}{label})" for label in labels]].to_numpy().astype(np.float32)
    return scores.Predictions(np.array([number[label] for label in table["label"]], dtype=np.int64), probabilities)


def _with_interval(scored: Scored, name: str) -> str:
    return f"{scored.estimates[name]:.4f} ({scored.intervals[name]})"
