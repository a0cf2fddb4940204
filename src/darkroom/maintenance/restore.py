"""``darkroom restore``: rebuild a lost or empty tracking store from git and DVC.

MLflow assigns new run ids, but DVC tracks ``runs/<network>/run.json``, which must not change. A restored run therefore
has its original id as a tag, by which it is found.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from darkroom import repository
from darkroom.base import git
from darkroom.base.errors import InputError
from darkroom.base.files import is_there, read_json, read_record
from darkroom.data.prepared.prepared import Prepared
from darkroom.networks import Network
from darkroom.params import read_best_params, read_params, with_values
from darkroom.promotion import champions
from darkroom.registry import packages, queries, records, turns, versions
from darkroom.reporting.results import Report, Results
from darkroom.tracking import address, lineage, runs, seen_images, store
from darkroom.tracking.record import RunRecord
from darkroom.tracking.records import log_best_epoch, log_inputs, log_training_images
from darkroom.tracking.runs import Run

ORIGIN = ("network", "git_commit", "git_uncommitted_diff", "dvc_experiment", "dvc_lock", "data_digest")
STAGES = ("search", "train", "evaluate")
"""The stages whose outputs a run is restored from."""
SEARCH_COLUMNS = {"number", "state", "val_loss", "epochs"}


def restore(*, every: bool = False) -> Iterator[str]:
    """Restore the workspace's runs and the champion; complete runs in the store are not changed.

    Args:
        every: whether to restore all runs with results in git's history, branches and experiments too.

    Yields:
            A line per restored run, model or alias.

    Raises:
            InputError: an output is missing; run dvc pull first.
    """
    store.open_store()
    folder = Path()
    for network in networks_of(folder):
        yield from _restore_network(folder, network)
    recorded = lineage.recorded_runs()
    for run_id in recorded if every else ():
        yield from _restore_recorded(run_id, recorded)
    report = folder / "reports" / "promotion.json"
    if is_there(report):
        yield from _restore_champion(read_json(report), recorded)


def networks_of(folder: Path) -> list[Network]:
    """Return the networks with results in a folder."""
    return [one.network for one in Results.all_of(folder)]


def outputs_of(network: Network, dvc_lock: str = "") -> list[str]:
    """Return the DVC-tracked files from which a network's run is restored.

    Args:
        network: the network's name.
        dvc_lock: text of the corresponding dvc.lock; files that earlier versions of Darkroom did not write count only
            if it lists them.
    """
    files = [Prepared.of_project().description_file, *Results(Path(), network).tracked(dvc_lock)]
    return [file.as_posix() for file in files]


def targets_of(network: Network) -> list[str]:
    """Return the targets of ``dvc pull`` for ``outputs_of``: stages, since DVC parses all its files for each target."""
    return [Prepared.of_project().description_file.as_posix(), *(f"{stage}@{network}" for stage in STAGES)]


def lock_of(folder: Path) -> str:
    """Return the text of a folder's dvc.lock; empty if there is none."""
    lock = folder / "dvc.lock"
    return lock.read_text(encoding="utf-8") if is_there(lock) else ""


def _restore_recorded(run_id: str, recorded: dict[str, str]) -> Iterator[str]:
    """Restore a run outside the workspace from the commit with its results."""
    if _is_whole(run_id):
        return
    if run_id not in recorded:
        raise InputError(
            f"run {run_id}, which reports/promotion.json names, is in no commit; run git fetch, or "
            "promote again: dvc repro --force --single-item promote"
        )
    commit = recorded[run_id]
    holder = [
        network
        for network in git.networks_at(commit)
        if f'"{run_id}"' in (git.git("show", f"{commit}:./{Results(Path(), network).run_record.as_posix()}") or "")
    ]
    lock = git.git("show", f"{commit}:./dvc.lock") or ""
    for network in holder:
        with repository.checkout(commit, outputs_of(network, lock)) as folder:
            yield from _restore_network(folder, network)


def _restore_network(folder: Path, network: Network) -> Iterator[str]:
    results = Results(folder, network)
    record = RunRecord.read(results.run_record)
    if _is_whole(record.run_id):
        return
    missing = [name for name in outputs_of(network, lock_of(folder)) if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{missing[0]} does not exist ({len(missing)} outputs of {network} are missing); run dvc pull first"
        )
    report = results.report
    if store.find_run(record.run_id):
        with runs.continue_run(record, network) as run:
            _package(run, results)
            _restore_files(run, report)
        yield f"{network}: restored the packaged model of run {record.run_id}"
        return
    lock = lineage.lock_digest(lock_of(folder))
    name = f"{network} {_origin(record)}"
    with runs.restored_run(name, record.started, {**record.tags, "dvc_lock": lock}) as run:
        yield from _restore_inputs(run, results)
        history = pd.read_csv(report.history)
        for epoch, values in enumerate(history.drop(columns="epoch").to_dict("records")):
            run.log_epoch(epoch, {str(name): value for name, value in values.items()})
        _package(run, results)
        records.log_curves(run, report)
        log_best_epoch(run, record)
        if report.metrics.is_file():
            records.log_evaluation(run, read_record(report.metrics), report)
    _restore_search(report.trials, network, record)
    # Last, so that an incompletely restored run is not mistaken for the original.
    queries.annotate_run(run.run_id, {store.ORIGINAL: record.run_id})
    yield f"{network}: restored run {record.run_id} as {run.run_id}"


def _is_whole(run_id: str) -> bool:
    """Return whether the store has a run and its packaged model with files."""
    run = store.find_run(run_id)
    model = packages.logged_model(run) if run else None
    return model is not None and packages.has_files(model)


def _restore_files(run: Run, report: Report) -> None:
    """Restore the files of a run whose metrics are still in the store."""
    records.log_curves(run, report)
    if report.metrics.is_file():
        records.log_evaluation_files(run, report)


def _package(run: Run, results: Results) -> None:
    description, code = Prepared.of_project(results.root).description_file, results.root / "src" / "darkroom"
    summary = read_record(results.test_summary) if results.test_summary.is_file() else {}
    packages.log_model(run, results.model, description, code, packages.added_by(summary), results.reference)


def _origin(record: RunRecord) -> str:
    """Return the experiment or commit for a run's name."""
    experiment, commit = record.tags.get("dvc_experiment", "none"), record.tags.get("git_commit", "none")
    return experiment if experiment != "none" else commit[:7]


def _restore_inputs(run: Run, results: Results) -> Iterator[str]:
    folder, network = results.root, results.network
    try:
        params = read_params(folder / "params.yaml")
        values = with_values(params.network(network), read_best_params(results.best_params))
    except InputError as error:
        # This version may not support an older commit's parameters; its metrics are restored nevertheless.
        yield f"{network}: parameters not restored, this version does not support them ({error})"
        return
    prepared = Prepared.of_project(folder)
    log_inputs(run, params, values, prepared.description)
    records.log_preview(run, folder / "reports" / "augmentation", network)
    if prepared.manifest_file("train").is_file():
        train = prepared.manifest("train")
        log_training_images(run, train)
        validation = prepared.manifest("validation") if prepared.manifest_file("validation").is_file() else None
        # An address may lead to another model by now.
        initial = None if values.initial_weights is None else seen_images.not_known(values.initial_weights)
        seen_images.log(run, train, validation, initial)


def _restore_search(trials: Path, network: Network, record: RunRecord) -> None:
    """Restore a search's trials with their parameters and losses."""
    table = pd.read_csv(trials)
    if table.empty:
        return
    tags = {**record.tags, "stage": "search"}
    with runs.restored_run(f"{network} search {_origin(record)}", record.started, tags):
        for values in table.to_dict("records"):
            # Empty cells are conditional parameters that the trial did not have.
            tried = {
                str(name): value for name, value in values.items() if name not in SEARCH_COLUMNS and pd.notna(value)
            }
            with runs.start_trial(f"{network} trial {values['number']}", tags, InputError) as trial:
                trial.log_params(tried)
                loss: Any = values["val_loss"]
                if not math.isnan(loss):
                    trial.log_metrics({"best_val_loss": loss})


def _restore_champion(decision: dict[str, Any], recorded: dict[str, str]) -> Iterator[str]:
    """Restore the last promotion's champion and, unless it may have been removed on purpose, its alias."""
    run_id = decision.get("champion_run_id")
    name = read_params().promote.registered_model
    if run_id is None:
        return
    yield from _restore_recorded(run_id, recorded)
    if versions.champion(name) is not None:
        return
    with turns.promotion_lock(name):
        known = [version for version in versions.versions(name) if versions.run_of(version) == run_id]
        version = known[0] if known else versions.register(name, run_id, _version_tags(run_id, decision))
        # In a shared store, another clone may have promoted another version.
        left_alone = lineage.dry_run_reason() if address.is_local() else "the store is shared"
        if left_alone:
            yield (
                f"models:/{name} has no alias champion, and it was not restored ({left_alone}); if it was lost, set "
                f"it to version {version.version}, run {run_id}, in the MLflow UI"
            )
        elif versions.champion(name) is None:
            champions.promote_version(name, version, "restore", decision["reason"])
            yield f"models:/{name}@champion is version {version.version}, run {run_id}"


def _version_tags(run_id: str, decision: dict[str, Any]) -> dict[str, Any]:
    """Return a version's tags: the origin of its run, and the last promotion's reason."""
    run = store.find_run(run_id)
    own = {key: run.data.tags[key] for key in ORIGIN if key in run.data.tags} if run else {}
    promoted = decision["candidate"]["run_id"] == run_id
    verdict = {"promotion_reason": decision["reason"]} if promoted else {}
    return {**own, "promotion": "restored", **verdict}
