"""Promotion as it runs in the pipeline: gather the contenders, decide, and make the registry obey."""

from pathlib import Path

import numpy as np
import pandas as pd

from darkroom import lineage, promotion, registry, services, tracking
from darkroom.datasets import Description, read_split
from darkroom.errors import InputError
from darkroom.files import read_json
from darkroom.params import DataParams, Params
from darkroom.promotion import Contender, Decision
from darkroom.samples import Sample
from darkroom.sources import find
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
    version = registry.champion(name)
    if version is None:
        return None
    run_id = registry.run_of(version)
    if run_id == candidate.run_id:
        accuracy = candidate.test_accuracy
    else:
        accuracy = _accuracy(run_id, f"models:/{name}/{version.version}", prepared, data)
    return Contender(version.tags.get("network", "unnamed"), run_id, accuracy, candidate.test_images)


def _accuracy(run_id: str, model_uri: str, prepared: Path, data: DataParams) -> float:
    """Take the champion's saved predictions where they are of the same images and labels; else let it predict.

    The champion decodes and resizes the original images by its own code, not by the candidate's.
    """
    description = Description.read(prepared / "dataset.json")
    test = read_split(prepared / "test", description.labels).manifest
    saved = registry.saved_predictions(run_id)
    if saved is not None and _same(saved, test):
        return float((saved["predicted"] == saved["label"]).mean())
    names = list(test["name"])
    content = _originals(names, data, description.size)
    model = tracking.load_model(model_uri)
    predicted: list[str] = []
    for start in range(0, len(names), PORTION):
        answers = model.predict([content[name].content() for name in names[start : start + PORTION]])
        predicted.extend(answer["label"] for answer in answers)
    return float(np.mean(test["label"].to_numpy() == np.array(predicted)))


def _originals(names: list[str], data: DataParams, size: tuple[int, int, int]) -> dict[str, Sample]:
    """Find images in the source. It is no dependency of promotion: few promotions need it, and it may not be here."""
    found = {sample.name: sample for sample in find(data, size).samples} if Path(data.path).exists() else {}
    if lacking := [name for name in names if name not in found]:
        wish_for_images().touch()
        raise InputError(
            f"the champion has no saved predictions of the current test images, and {len(lacking)} of them, such as "
            f"{lacking[0]}, are not in {data.path}; dvc pull {data.path} brings them"
        )
    return found


def wish_for_images() -> Path:
    """Return the file whose presence tells that promotion failed for lack of the images themselves.

    DVC has one exit code for all failures.
    """
    return services.state_folder() / "images-wanted"


def _same(saved: pd.DataFrame, test: pd.DataFrame) -> bool:
    """Say whether saved predictions are of these images, with these labels."""
    pairs = [sorted(zip(table["sha256"], table["label"], strict=True)) for table in (saved, test)]
    return pairs[0] == pairs[1]


def carry_out(decision: Decision, params: Params, runs: Path) -> None:
    """Register the candidate and set the aliases; does nothing that is done already.

    What an interruption leaves undone is done by the next call: the alias ``champion`` moves last.
    """
    candidate, champion = decision.candidate, decision.champion
    if champion and champion.run_id == candidate.run_id:
        return
    name = params.promote.registered_model
    verdict = {"promotion": decision.outcome, "promotion_reason": decision.reason}
    of_run = RunRecord.read(runs / candidate.network / "run.json").tags
    origin = {key: value for key, value in of_run.items() if key not in {"stage", "data_docs"}}
    tags = {**origin, **verdict, "network": candidate.network, "dvc_lock": lineage.current_lock_digest()}
    version = registry.register(name, candidate.run_id, tags)
    tracking.annotate_run(candidate.run_id, verdict)
    if decision.outcome == "keep":
        registry.point(name, "challenger", version)
        return
    beaten = registry.champion(name)
    if beaten is not None:
        registry.point(name, "challenger", beaten)
    registry.point(name, "champion", version)


def name_lock(params: Params, runs: Path) -> None:
    """Let each network's run name the state of dvc.lock that it was first part of."""
    digest = lineage.current_lock_digest()
    for network in params.models:
        record = RunRecord.read(runs / network / "run.json")
        tracking.annotate_run(record.run_id, {"dvc_lock": digest}, keep=True)
