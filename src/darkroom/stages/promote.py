"""Promotion as it runs in the pipeline: gather the contenders, decide, and make the registry obey."""

from pathlib import Path

import numpy as np
import pandas as pd

from darkroom import lineage, promotion, tracking
from darkroom.datasets import Description, read_split
from darkroom.files import read_json
from darkroom.params import DataParams, Params
from darkroom.promotion import Contender, Decision
from darkroom.sources import samples
from darkroom.tracking import RunRecord

PORTION = 256  # images in memory at a time


def decide(params: Params, prepared: Path, runs: Path) -> Decision:
    """Pick the candidate on validation data, and decide whether it beats the champion on the current test images."""
    rules = params.promote
    candidate = promotion.best_candidate([_contender(network, runs / network) for network in params.models], rules)
    champion = _champion(rules.registered_model, candidate, prepared, params.data)
    return promotion.decide(candidate, champion, rules)


def _contender(network: str, folder: Path) -> Contender:
    record = RunRecord.read(folder / "run.json")
    metrics = read_json(folder / "test.json")
    return Contender(
        network=network,
        run_id=record.run_id,
        test_accuracy=metrics["accuracy"],
        test_images=metrics["images"],
        validation_accuracy=record.validation_accuracy,
        validation_loss=record.validation_loss,
    )


def _champion(name: str, candidate: Contender, prepared: Path, data: DataParams) -> Contender | None:
    """Give the champion's accuracy on the current test images."""
    version = tracking.champion(name)
    if version is None:
        return None
    run_id = version.run_id or "none"  # a version may be registered by hand, without a run
    if run_id == candidate.run_id:
        accuracy = candidate.test_accuracy
    else:
        accuracy = _accuracy(run_id, f"models:/{name}/{version.version}", prepared, data)
    return Contender(version.tags.get("network", "unnamed"), run_id, accuracy, candidate.test_images)


def _accuracy(run_id: str, model_uri: str, prepared: Path, data: DataParams) -> float:
    """Take the champion's saved predictions where they are of the same images and labels; else let it predict.

    The champion decodes and resizes the original images by its own code, not by the candidate's.
    """
    labels = Description.read(prepared / "dataset.json").labels
    test = read_split(prepared / "test", labels).manifest
    saved = tracking.saved_predictions(run_id)
    if saved is not None and _same(saved, test):
        return float((saved["predicted"] == saved["label"]).mean())
    content = {sample.name: sample for sample in samples(data)}
    model = tracking.load_model(model_uri)
    names = list(test["name"])
    predicted: list[str] = []
    for start in range(0, len(names), PORTION):
        answers = model.predict([content[name].content() for name in names[start : start + PORTION]])
        predicted.extend(answer["label"] for answer in answers)
    return float(np.mean(test["label"].to_numpy() == np.array(predicted)))


def _same(saved: pd.DataFrame, test: pd.DataFrame) -> bool:
    """Say whether saved predictions are of these images, with these labels."""
    pairs = [sorted(zip(table["sha256"], table["label"], strict=True)) for table in (saved, test)]
    return pairs[0] == pairs[1]


def carry_out(decision: Decision, params: Params, runs: Path) -> None:
    """Register the candidate and set the aliases; does nothing that is done already, and nothing in an experiment."""
    candidate, champion = decision.candidate, decision.champion
    verdict = {"promotion": decision.outcome, "promotion_reason": decision.reason}
    if lineage.in_experiment() or (champion and champion.run_id == candidate.run_id):
        return
    name = params.promote.registered_model
    version = tracking.register(name, RunRecord.read(runs / candidate.network / "run.json"))
    tracking.describe_version(name, version, {**verdict, "network": candidate.network})
    if decision.outcome == "keep":
        tracking.point(name, "challenger", version)
    else:
        beaten = tracking.champion(name)
        tracking.point(name, "champion", version)
        if beaten is not None:
            tracking.point(name, "challenger", beaten)
    tracking.annotate_run(candidate.run_id, verdict)
