"""Compare the best network with the champion on the same test images; promote it or keep the champion."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow.entities.model_registry import ModelVersion

from darkroom.base.files import read_json, write_json
from darkroom.base.types import HASH_DIGITS
from darkroom.data.prepared.datasets import Description
from darkroom.data.prepared.prepared import Prepared
from darkroom.evaluation import bootstrap
from darkroom.params import Params
from darkroom.promotion import champions, gate, history, predictions
from darkroom.promotion.contenders import Comparison, Contender, Decision
from darkroom.registry import queries, turns
from darkroom.registry import versions as registry_versions
from darkroom.registry.versions import TEST_IMAGES, count_decisions, register, run_of, set_alias, training_images
from darkroom.tracking import lineage, store
from darkroom.tracking.record import RunRecord

OVERUSED = 20  # decisions after which test images are overused: models may be selected to fit them


def main(params: Params, prepared: str, runs: str, promotion: str) -> None:
    """Write the decision to promotion.json and, unless it is a dry run, carry it out in the registry."""
    images = Prepared(Path(prepared))
    store.open_store()
    dry_run = lineage.dry_run_reason()
    # A dry run changes nothing and need not wait for other promotions.
    lock = nullcontext() if dry_run else turns.promotion_lock(params.promote.registered_model)
    with store.report_outage():
        tag_dvc_lock(params, Path(runs))
        with lock:
            decision = decide(params, images, Path(runs), Path(promotion).parent)
            if dry_run is None:
                carry_out(decision, params, images, Path(runs))
            known = history.history(decision, params.promote.registered_model)
    write_json(promotion, {**decision.as_json(dry_run), **known})
    print(f"{decision.outcome}: {decision.reason}{f' (not carried out: {dry_run})' if dry_run else ''}")


def decide(params: Params, prepared: Prepared, runs: Path, reports: Path) -> Decision:
    """Select the candidate on validation data and compare it with the champion on the current test images.

    Args:
        params: params.yaml.
        prepared: the prepared images.
        runs: folder with a folder of results for each network.
        reports: folder with a report for each network.

    Raises:
        InputError: predictions or images needed for the comparison are missing.
    """
    rules = params.promote
    contenders = [_contender(network, runs / network) for network in params.models]
    candidate = gate.best_candidate(contenders, rules)
    version = registry_versions.champion(rules.registered_model)
    if version is None:
        return gate.decide(candidate, None, None, rules)
    champion = Contender(version.tags.get("network", "unnamed"), run_of(version), None, None)
    if champion.run_id == candidate.run_id:
        measured = replace(champion, test_accuracy=candidate.test_accuracy, test_images=candidate.test_images)
        return gate.decide(candidate, measured, None, rules)
    description, test = prepared.description, prepared.test.manifest
    trained_on = test["sha256"].str[:HASH_DIGITS].isin(training_images(champion.run_id))
    if trained_on.all():
        return _no_comparison(candidate, champion, "it was trained on all current test images")
    predicted = predictions.champion_predictions(version, champion.run_id, test, params.data, description)
    if isinstance(predicted, str):
        return _no_comparison(candidate, champion, predicted)
    digest = read_json(runs / candidate.network / "test.json").get("predictions")
    own = predictions.candidate_predictions(candidate, test, reports / candidate.network / "predictions.csv", digest)
    data_digest = record_of(runs, candidate).tags.get("data_digest")
    compared = _compare(test[~trained_on], own[~trained_on], predicted[~trained_on], description)
    notes = tuple(_notes(rules.registered_model, test, int(trained_on.sum()), version, description))
    compared = replace(compared, data_changed=data_digest != version.tags.get("data_digest"), notes=notes)
    count = len(compared.candidate)
    return gate.decide(
        replace(candidate, test_accuracy=float(compared.candidate.mean()), test_images=count),
        replace(champion, test_accuracy=float(compared.champion.mean()), test_images=count),
        compared,
        rules,
    )


def record_of(runs: Path, contender: Contender) -> RunRecord:
    """Return the record of a contender's training run."""
    return RunRecord.read(runs / contender.network / "run.json")


def _contender(network: str, folder: Path) -> Contender:
    record = RunRecord.read(folder / "run.json")
    metrics = read_json(folder / "test.json")
    # Earlier versions of Darkroom did not write cost.json.
    cost = read_json(folder / "cost.json") if (folder / "cost.json").is_file() else {}
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
    """Return the decision to keep a champion that the candidate cannot be compared with."""
    reason = f"{candidate.network} cannot be compared with the champion, run {champion.run_id}: {why}"
    return Decision("keep", reason, candidate, champion)


def _compare(test: pd.DataFrame, candidate: pd.Series, champion: pd.Series, description: Description) -> Comparison:
    """Compare two models' predicted labels with the labels of the test images."""
    number = {label: index for index, label in enumerate(description.labels)}
    return Comparison(
        classes=np.array([number[label] for label in test["label"]], dtype=np.int64),
        labels=description.labels,
        candidate=(candidate == test["label"]).to_numpy(dtype=bool),
        champion=(champion == test["label"]).to_numpy(dtype=bool),
        clusters=bootstrap.group_numbers(test["cluster"]),
    )


def _notes(
    name: str, test: pd.DataFrame, excluded: int, version: ModelVersion, description: Description
) -> Iterator[str]:
    """Yield remarks on a comparison: excluded test images, new classes, overused test images."""
    if excluded:
        yield f"{excluded} test images are excluded, because the champion was trained on them"
    known = version.tags.get("labels")
    if known is not None and (unknown := sorted(set(description.labels) - set(json.loads(known)))):
        yield f"the champion was not trained on {', '.join(unknown)}"
    if (decided := count_decisions(name, predictions.digest_of(test))) >= OVERUSED:
        yield f"these test images have been used for {decided} decisions, so results are optimistic; use new ones"


def carry_out(decision: Decision, params: Params, prepared: Prepared, runs: Path) -> None:
    """Register the candidate and set the aliases; steps already done are skipped.

    The alias ``champion`` is set last, so that the next call completes an interrupted one.
    """
    candidate, champion = decision.candidate, decision.champion
    if champion and champion.run_id == candidate.run_id:
        return
    name = params.promote.registered_model
    verdict = {"promotion": decision.outcome, "promotion_reason": decision.reason}
    of_run = record_of(runs, candidate).tags
    of_data = {
        "labels": json.dumps(prepared.description.labels, ensure_ascii=False),
        TEST_IMAGES: predictions.digest_of(prepared.test.manifest),
    }
    origin = {key: value for key, value in of_run.items() if key not in {"stage", "data_docs"}}
    tags = {**origin, **verdict, **of_data, "network": candidate.network, "dvc_lock": lineage.current_lock_digest()}
    version = register(name, candidate.run_id, tags)
    queries.annotate_run(candidate.run_id, verdict)
    if decision.outcome == "keep":
        set_alias(name, "challenger", version)
        return
    champions.promote_version(name, version, "decision", decision.reason)


def tag_dvc_lock(params: Params, runs: Path) -> None:
    """Tag each network's run with the digest of the first dvc.lock that contains it."""
    digest = lineage.current_lock_digest()
    for network in params.models:
        record = RunRecord.read(runs / network / "run.json")
        queries.annotate_run(record.run_id, {"dvc_lock": digest}, keep=True)
