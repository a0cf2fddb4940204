"""Promotion as it runs in the pipeline: gather the contenders, decide, and make the registry obey."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow.entities.model_registry import ModelVersion

from darkroom import champions, lineage, promotion, registry, scores, services, tracking
from darkroom.datasets import Description, read_split
from darkroom.errors import InputError
from darkroom.files import read_json
from darkroom.params import DataParams, Params
from darkroom.promotion import Comparison, Contender, Decision
from darkroom.samples import Sample
from darkroom.sources import find
from darkroom.splits import HASH_DIGITS
from darkroom.tracking import RunRecord

PORTION = 256  # images in memory at a time
WORN = 20  # decisions, from which on a set of test images has been asked too often


def decide(params: Params, prepared: Path, runs: Path, reports: Path) -> Decision:
    """Pick the candidate on validation data, and decide whether it beats the champion on the current test images.

    Args:
        params: the whole of params.yaml.
        prepared: folder of the packed images.
        runs: folder of what each network left.
        reports: folder of what evaluation wrote of each network.

    Raises:
        InputError: predictions or images are not here that are needed.
    """
    rules = params.promote
    contenders = [_contender(network, runs / network, reports / network) for network in params.models]
    candidate = promotion.best_candidate(contenders, rules)
    version = registry.champion(rules.registered_model)
    if version is None:
        return promotion.decide(candidate, None, None, rules)
    champion = Contender(version.tags.get("network", "unnamed"), registry.run_of(version), None, None)
    if champion.run_id == candidate.run_id:
        measured = replace(champion, test_accuracy=candidate.test_accuracy, test_images=candidate.test_images)
        return promotion.decide(candidate, measured, None, rules)
    description = Description.read(prepared / "dataset.json")
    test = read_split(prepared / "test", description.labels).manifest
    seen = test["sha256"].str[:HASH_DIGITS].isin(registry.training_images(champion.run_id))
    if seen.all():
        return _no_comparison(candidate, champion, "it was trained on all of the current test images")
    answers = _answers(version, champion.run_id, test, params.data, description)
    if isinstance(answers, str):
        return _no_comparison(candidate, champion, answers)
    own = _own_answers(candidate, test, reports)
    digest = record_of(runs, candidate).tags.get("data_digest")
    compared = _compared(test[~seen], own[~seen], answers[~seen], description)
    notes = tuple(_notes(rules.registered_model, test, int(seen.sum()), version, description))
    compared = replace(compared, data_changed=digest != version.tags.get("data_digest"), notes=notes)
    count = len(compared.candidate)
    return promotion.decide(
        replace(candidate, test_accuracy=float(compared.candidate.mean()), test_images=count),
        replace(champion, test_accuracy=float(compared.champion.mean()), test_images=count),
        compared,
        rules,
    )


def record_of(runs: Path, contender: Contender) -> RunRecord:
    """Return what the training of a contender left."""
    return RunRecord.read(runs / contender.network / "run.json")


def _contender(network: str, folder: Path, report: Path) -> Contender:
    record = RunRecord.read(folder / "run.json")
    metrics = read_json(folder / "test.json")
    # In no folder that DVC watches for this stage: other numbers each time are no reason to decide anew.
    cost = read_json(report / "cost.json") if (report / "cost.json").is_file() else {}
    return Contender(
        network=network,
        run_id=record.run_id,
        test_accuracy=metrics["accuracy"],
        test_images=metrics["images"],
        validation_accuracy=record.validation_accuracy,
        validation_loss=record.validation_loss,
        calibration_error=metrics.get("calibration_error"),
        **cost,
    )


def _no_comparison(candidate: Contender, champion: Contender, why: str) -> Decision:
    """Keep a champion that cannot be compared: nobody knows whether the candidate is better."""
    reason = f"{candidate.network} cannot be held against the champion, run {champion.run_id}: {why}"
    return Decision("keep", reason, candidate, champion)


def _compared(test: pd.DataFrame, own: pd.Series, others: pd.Series, description: Description) -> Comparison:
    """Say which images each of two models answers right."""
    number = {label: index for index, label in enumerate(description.labels)}
    return Comparison(
        classes=np.array([number[label] for label in test["label"]], dtype=np.int64),
        labels=description.labels,
        candidate=(own == test["label"]).to_numpy(dtype=bool),
        champion=(others == test["label"]).to_numpy(dtype=bool),
        clusters=scores.clusters_of(test["cluster"]),
    )


def _notes(name: str, test: pd.DataFrame, seen: int, version: ModelVersion, description: Description) -> Iterator[str]:
    """Say what else there is to know of a comparison."""
    if seen:
        yield f"{seen} test images are left out, which the champion was trained on"
    known = version.tags.get("labels")
    if known is not None and (unknown := sorted(set(description.labels) - set(json.loads(known)))):
        yield f"the champion does not know {', '.join(unknown)}"
    if (decided := registry.decided_by(name, digest_of(test))) >= WORN:
        yield f"these test images have decided {decided} times, and fit the models that they chose; bring new ones"


def digest_of(test: pd.DataFrame) -> str:
    """Name a set of test images with its labels, whatever their order."""
    lines = sorted(f"{sha256} {label}" for sha256, label in zip(test["sha256"], test["label"], strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _answers(
    version: ModelVersion, run_id: str, test: pd.DataFrame, data: DataParams, description: Description
) -> "pd.Series | str":
    """Take the champion's saved predictions where they are of the same images; else let it predict.

    The champion decodes and resizes the original images by its own code, not by the candidate's.

    Returns:
        A label for each test image; or why there is none.
    """
    saved = _answers_in(registry.saved_predictions(run_id), test)
    if saved is not None:
        return saved
    names = list(test["name"])
    content = _originals(names, data, description.size)
    try:
        model = tracking.load_model(f"models:/{version.name}/{version.version}")
    except InputError as error:
        # Without its remedies, which are for those who have no champion yet.
        reason = str(error).partition("; dvc repro makes")[0]
        return f"{reason}; darkroom restore brings it back, darkroom promote replaces it"
    predicted: list[str] = []
    for start in range(0, len(names), PORTION):
        answers = model.predict([content[name].content() for name in names[start : start + PORTION]])
        predicted.extend(answer["label"] for answer in answers)
    return pd.Series(predicted, index=test.index)


def _own_answers(candidate: Contender, test: pd.DataFrame, reports: Path) -> "pd.Series":
    """Return the candidate's answers to the test images, as evaluation left them here or in its run."""
    path = reports / candidate.network / "predictions.csv"
    saved = pd.read_csv(path, dtype=str, keep_default_na=False) if path.is_file() else None
    for table in (saved, registry.saved_predictions(candidate.run_id)):
        if (answers := _answers_in(table, test)) is not None:
            return answers
    _wish(path)
    raise InputError(
        f"{path} is not here, or of other test images, and run {candidate.run_id} has no predictions of them; "
        f"dvc pull {path} brings them, dvc repro --force --single-item evaluate@{candidate.network} makes them"
    )


def _answers_in(table: pd.DataFrame | None, test: pd.DataFrame) -> "pd.Series | None":
    """Return the answers to test images that a table of predictions holds; None where it has not all of them."""
    if table is None:
        return None
    # Equal files get equal answers.
    answers = test["sha256"].map(table.drop_duplicates("sha256").set_index("sha256")["predicted"])
    return None if answers.isna().any() else answers


def _originals(names: list[str], data: DataParams, size: tuple[int, int, int]) -> dict[str, Sample]:
    """Find images in the source. It is no dependency of promotion: few promotions need it, and it may not be here."""
    found = {sample.name: sample for sample in find(data, size).samples} if Path(data.path).exists() else {}
    if lacking := [name for name in names if name not in found]:
        _wish(Path(data.path))
        raise InputError(
            f"the champion has no saved predictions of the current test images, and {len(lacking)} of them, such as "
            f"{lacking[0]}, are not in {data.path}; dvc pull {data.path} brings them"
        )
    return found


def wish() -> Path:
    """Return the file that tells what promotion failed for lack of: the place of files that DVC may bring.

    DVC has one exit code for all failures.
    """
    return services.state_folder() / "wanted"


def _wish(path: Path) -> None:
    wish().write_text(path.as_posix(), encoding="utf-8")


def carry_out(decision: Decision, params: Params, prepared: Path, runs: Path) -> None:
    """Register the candidate and set the aliases; does nothing that is done already.

    What an interruption leaves undone is done by the next call: the alias ``champion`` moves last.
    """
    candidate, champion = decision.candidate, decision.champion
    if champion and champion.run_id == candidate.run_id:
        return
    name = params.promote.registered_model
    verdict = {"promotion": decision.outcome, "promotion_reason": decision.reason}
    of_run = record_of(runs, candidate).tags
    description = Description.read(prepared / "dataset.json")
    of_data = {
        "labels": json.dumps(description.labels, ensure_ascii=False),
        registry.TEST_IMAGES: digest_of(read_split(prepared / "test", description.labels).manifest),
    }
    origin = {key: value for key, value in of_run.items() if key not in {"stage", "data_docs"}}
    tags = {**origin, **verdict, **of_data, "network": candidate.network, "dvc_lock": lineage.current_lock_digest()}
    version = registry.register(name, candidate.run_id, tags)
    tracking.annotate_run(candidate.run_id, verdict)
    if decision.outcome == "keep":
        registry.point(name, "challenger", version)
        return
    champions.crown(name, version, "decision", decision.reason)


def name_lock(params: Params, runs: Path) -> None:
    """Let each network's run name the state of dvc.lock that it was first part of."""
    digest = lineage.current_lock_digest()
    for network in params.models:
        record = RunRecord.read(runs / network / "run.json")
        tracking.annotate_run(record.run_id, {"dvc_lock": digest}, keep=True)
