"""Compare the best network with the champion on the same test images; promote it or keep the champion."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from mlflow.entities.model_registry import ModelVersion

from darkroom.base.files import read_record, write_json
from darkroom.base.types import Flags
from darkroom.data.prepared import own_columns
from darkroom.data.prepared.prepared import Prepared
from darkroom.params import Params
from darkroom.promotion import champions, comparing, gate, history, lives, looks, predictions
from darkroom.promotion.comparing import Own, TestImages
from darkroom.promotion.contenders import Anchor, Comparison, Contender, Decision, Life
from darkroom.promotion.leaks import Relations
from darkroom.promotion.predictions import candidate_predictions
from darkroom.registry import queries, turns
from darkroom.registry import versions as registry_versions
from darkroom.registry.versions import TEST_IMAGES, register, run_of, set_alias
from darkroom.tracking import lineage, store
from darkroom.tracking.record import RunRecord

OVERUSED = 20  # decisions after which new test images are advised


def main(params: Params, prepared: str, divided: str, runs: str, promotion: str) -> None:
    """Write the decision to promotion.json and, unless it is a dry run, carry it out in the registry."""
    store.open_store()
    images, related = Prepared(Path(prepared)), Relations.read(Path(divided))
    dry_run = lineage.dry_run_reason()
    # A dry run changes nothing in the registry and need not wait for other promotions.
    lock = nullcontext() if dry_run else turns.promotion_lock(params.promote.registered_model)
    tag_dvc_lock(params, Path(runs))
    with lock:
        decision = decide(params, images, related, Path(runs), Path(promotion).parent)
        if dry_run is None:
            carry_out(decision, params, images, Path(runs))
        known = history.history(decision, params.promote.registered_model)
    write_json(promotion, {**decision.as_json(dry_run), **known})
    print(f"{decision.outcome}: {decision.reason}{f' (not carried out: {dry_run})' if dry_run else ''}")


def decide(params: Params, prepared: Prepared, related: Relations, runs: Path, reports: Path) -> Decision:
    """Select the candidate on validation data and compare it with the champion on the current test images.

    The look at the test images is recorded with the candidate's run, also for a dry run.

    Args:
        params: params.yaml.
        prepared: the prepared images.
        related: which images belong together.
        runs: folder with a folder of results for each network.
        reports: folder with a report for each network.

    Raises:
        InputError: predictions or images needed for the comparison are missing.
    """
    rules = params.promote
    candidate = gate.best_candidate([_contender(network, runs / network) for network in params.models], rules)
    version = registry_versions.champion(rules.registered_model)
    if version is not None and run_of(version) == candidate.run_id:
        measured = replace(_champion(version), test_accuracy=candidate.test_accuracy, test_images=candidate.test_images)
        return gate.decide(candidate, measured, None, rules)
    rows = own_columns.join(prepared.test.manifest, rules.groups)
    test = TestImages(rows, prepared.description, related, params.data, rules.groups)
    digest = read_record(runs / candidate.network / "test.json").get("predictions")
    file = reports / candidate.network / "predictions.csv"
    own = Own.of(candidate.run_id, candidate_predictions(candidate, test.manifest, file, digest), test)
    if own.seen_test.all():
        return _no_comparison(candidate, version, "it has seen all current test images, or near-duplicates of them")
    if version is None:
        compared = comparing.with_largest_class(own, test)
        return gate.decide(_measured(candidate, compared.candidate), None, compared, rules)
    found = comparing.with_champion(own, version, test)
    if isinstance(found, str):
        return _no_comparison(candidate, version, found)
    life = _life(params, candidate, (own, test), version, found)
    shared = found.on_shared_classes()
    found = replace(found, notes=(*found.notes, *_overused(life)))
    champion = _measured(_champion(version), shared.champion)
    return gate.decide(_measured(candidate, shared.candidate), champion, found, rules, life)


def _life(
    params: Params, candidate: Contender, compared: tuple[Own, TestImages], version: ModelVersion, found: Comparison
) -> Life:
    """Return what came before the decision, and record its look at the test images."""
    own, test = compared
    name, rule = params.promote.registered_model, gate.applicable_rule(found, params.promote)
    before = lives.champions_of(name, version)
    look = looks.new_look(name, (candidate.run_id, run_of(version)), test.manifest, rule, before.begun_with)
    look = looks.numbered(look, looks.recorded(name, test.manifest), test.manifest)
    looks.record(candidate.run_id, look)
    life = Life(look.look, look.attempt, look.decision)
    if rule == "better" and not gate.is_best(found.on_shared_classes(), params.promote, life):
        # Then nothing depends on the champions before, which may take long to predict.
        return life
    anchors = []
    for earlier in before.before:
        answer = comparing.with_champion(own, earlier, test)
        why = answer if isinstance(answer, str) else ""
        anchors.append(Anchor(str(earlier.version), None if isinstance(answer, str) else answer, why))
    if before.deleted is not None:
        anchors.append(Anchor(before.deleted, None, "it was deleted"))
    return replace(life, anchors=tuple(anchors))


def _champion(version: ModelVersion) -> Contender:
    return Contender(version.tags.get("network", "unnamed"), run_of(version), None, None)


def _measured(contender: Contender, right: Flags) -> Contender:
    """Return a contender with its accuracy on the compared images."""
    accuracy = float(right.mean()) if len(right) else None
    return replace(contender, test_accuracy=accuracy, test_images=len(right))


def record_of(runs: Path, contender: Contender) -> RunRecord:
    """Return the record of a contender's training run."""
    return RunRecord.read(runs / contender.network / "run.json")


def _contender(network: str, folder: Path) -> Contender:
    record = RunRecord.read(folder / "run.json")
    metrics = read_record(folder / "test.json")
    # Earlier versions of Darkroom did not write cost.json.
    cost = read_record(folder / "cost.json") if (folder / "cost.json").is_file() else {}
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


def _no_comparison(candidate: Contender, version: ModelVersion | None, why: str) -> Decision:
    """Return the decision to keep what there is, because the candidate cannot be compared with it."""
    if version is None:
        return Decision("keep", f"{candidate.network} cannot be judged: {why}", candidate, None)
    champion = _champion(version)
    reason = f"{candidate.network} cannot be compared with the champion, run {champion.run_id}: {why}"
    return Decision("keep", reason, candidate, champion)


def _overused(life: Life) -> Iterator[str]:
    """Yield a remark if the test images were used often."""
    if life.look > OVERUSED:
        yield f"these test images have been used for about {life.look - 1:.0f} decisions; use new ones"


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
        champions.WAITS: json.dumps(decision.waits_for, ensure_ascii=False),
        champions.RULE: decision.evidence.rule,
    }
    origin = {key: value for key, value in of_run.items() if key not in {"stage", "data_docs"}}
    tags = {**origin, **verdict, **of_data, "network": candidate.network, "dvc_lock": lineage.current_lock_digest()}
    version = register(name, candidate.run_id, tags)
    queries.annotate_run(candidate.run_id, verdict)
    if decision.outcome == "keep":
        set_alias(name, "challenger", version)
        return
    champions.promote_version(name, version, "decision", decision.reason, decision.evidence.rule)


def tag_dvc_lock(params: Params, runs: Path) -> None:
    """Tag each network's run with the digest of the first dvc.lock that contains it."""
    digest = lineage.current_lock_digest()
    for network in params.models:
        record = RunRecord.read(runs / network / "run.json")
        queries.annotate_run(record.run_id, {"dvc_lock": digest}, keep=True)
