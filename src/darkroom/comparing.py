"""Two models side by side on the test images that both have answered."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from darkroom import promotion, registry, scores, tracking
from darkroom.errors import InputError
from darkroom.params import PromoteParams

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
        """The classes that it knows."""
        return [column[len(PREFIX) : -1] for column in map(str, self.table) if column.startswith(PREFIX)]


def find(name: str, named: str) -> Side:
    """Return a model's saved predictions.

    Args:
        name: the registered model.
        named: an alias, a version's number, ``models:/…``, or the beginning of a run's id.

    Raises:
        InputError: nothing or more than one is named so, or it has no predictions.
    """
    run_id = run_named(name, named)
    table = registry.saved_predictions(run_id)
    if table is None or not (side := Side(named, run_id, table)).labels:
        raise InputError(f"{named} (run {run_id}) has no saved predictions; dvc repro evaluate makes them")
    return side


def run_named(name: str, named: str) -> str:
    """Return the id of the run that an alias, a version, ``models:/…`` or the beginning of an id names.

    Raises:
        InputError: nothing or more than one is named so.
    """
    wanted = named.removeprefix(f"models:/{name}").lstrip("/@") if named.startswith("models:/") else named
    aliases = {alias: number for number, of in registry.aliases(name).items() for alias in of}
    versions = {str(version.version): registry.run_of(version) for version in registry.versions(name)}
    number = aliases.get(wanted, wanted)
    if number in versions:
        return versions[number]
    known: list[str] = [run.data.tags.get(tracking.ORIGINAL, run.info.run_id) for run in tracking.training_runs()]
    found = [run_id for run_id in known if run_id.startswith(wanted)]
    if len(found) != 1:
        what = f"{len(found)} runs begin so" if found else "no alias, version or run is called so"
        raise InputError(f"{named}: {what}; darkroom runs lists them")
    return found[0]


@dataclass(frozen=True)
class Compared:
    """What came of a comparison."""

    images: int
    rows: list[dict[str, Any]]
    """One for each score: both values with their intervals."""
    gained: int
    p: float
    test: str
    disagreeing: pd.DataFrame
    """Images that the two answer differently, by their SHA-256: ``image``, ``label`` and both answers."""
    certainty: pd.DataFrame
    """How probable both found their answers to these images; a column for each model."""


def compare(one: Side, other: Side, rules: PromoteParams) -> Compared:
    """Hold the second model against the first.

    Raises:
        InputError: they have no test image in common, or know other classes; or they are one.
    """
    if one.name == other.name:
        raise InputError(f"{one.name} was named twice; name two models, darkroom runs lists them")
    if one.labels != other.labels:
        difference = sorted(set(one.labels) ^ set(other.labels)) or ["their order"]
        raise InputError(
            f"{one.name} and {other.name} know other classes ({', '.join(difference)}), and nothing compares them; "
            "name two that were trained on the same classes, darkroom runs lists them"
        )
    first, second = (side.table.drop_duplicates("sha256").set_index("sha256") for side in (one, other))
    common = first.index.intersection(second.index)
    common = common[(first.loc[common, "label"] == second.loc[common, "label"]).to_numpy()]
    if not len(common):
        raise InputError(
            f"{one.name} and {other.name} have answered no test image in common; evaluate both on the same"
        )
    first, second = first.loc[common], second.loc[common]
    clusters = scores.clusters_of(first["cluster"] if "cluster" in first else np.arange(len(first)))
    answers = [_answers(table, one.labels) for table in (first, second)]
    scored = [scores.score(each, clusters, rules.draws, rules.seed) for each in answers]
    rows = [
        {
            "score": name,
            one.name: _with_interval(scored[0], name),
            other.name: _with_interval(scored[1], name),
            "difference": scored[1].estimates[name] - scored[0].estimates[name],
        }
        for name in SHOWN
    ]
    compared = promotion.Comparison(answers[0].truth, tuple(one.labels), answers[1].right, answers[0].right, clusters)
    p, test = promotion.chance(compared, rules)
    apart = (first["predicted"] != second["predicted"]).to_numpy()
    disagreeing = pd.DataFrame(
        {
            "image": first["image"][apart],
            "label": first["label"][apart],
            one.name: first["predicted"][apart],
            other.name: second["predicted"][apart],
        }
    )
    certainty = pd.DataFrame(
        {side.name: each.probabilities.max(axis=1)[apart] for side, each in zip((one, other), answers, strict=True)},
        index=disagreeing.index,
    )
    return Compared(
        len(common), rows, int(answers[1].right.sum() - answers[0].right.sum()), p, test, disagreeing, certainty
    )


def sentence(other: str, found: Compared) -> str:
    """Say what came of holding a model, the other one, against a first."""
    return (
        f"{found.images} images that both have answered: {other} has {found.gained:+d} right answers (p {found.p:.4f} "
        f"that it is no better, {found.test}); they disagree on {len(found.disagreeing)}"
    )


def _answers(table: pd.DataFrame, labels: list[str]) -> scores.Answers:
    number = {label: index for index, label in enumerate(labels)}
    probabilities = table[[f"{PREFIX}{label})" for label in labels]].to_numpy().astype(np.float32)
    return scores.Answers(np.array([number[label] for label in table["label"]], dtype=np.int64), probabilities)


def _with_interval(scored: scores.Scored, name: str) -> str:
    low, high = scored.intervals[name]
    return f"{scored.estimates[name]:.4f} ({low:.4f} to {high:.4f})"
