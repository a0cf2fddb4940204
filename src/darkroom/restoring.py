"""``darkroom restore``: a lost or empty tracking store rebuilt from what git and DVC hold.

MLflow gives every run a new id, and ``runs/<network>/run.json`` is under DVC's eyes and must not change. So a restored
run carries its first id as a tag, and is found by it.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from darkroom import champions, lineage, records, registry, repository, services, tracking
from darkroom.datasets import Description
from darkroom.errors import InputError
from darkroom.files import read_json
from darkroom.networks import NETWORKS, Network
from darkroom.params import read_best_params, read_params, with_values
from darkroom.tracking import Run, RunRecord

ORIGIN = ("network", "git_commit", "git_uncommitted_diff", "dvc_experiment", "dvc_lock", "data_digest")
LATER = ("explanations.png", "calibration.png", "mistakes.png", "diagnosis.json", "scores.csv", "slices.csv")
"""Files of a network's report that the first versions of Darkroom did not write."""
SEARCH_COLUMNS = {"number", "state", "val_loss", "epochs"}


def restore(*, every: bool = False) -> Iterator[str]:
    """Bring back the runs of the workspace, and the champion; what the store has whole is left alone.

    Args:
        every: whether to bring back all runs whose results are in git's history, branches and experiments too.

    Yields:
        A line for each thing that was brought back.

    Raises:
        InputError: an output is not here; DVC has to pull it first.
    """
    tracking.open_store()
    folder = Path()
    for network in networks_of(folder):
        yield from _restore_network(folder, network)
    recorded = lineage.recorded_runs()
    for run_id in recorded if every else ():
        yield from _restore_recorded(run_id, recorded)
    report = folder / "reports" / "promotion.json"
    if report.is_file():
        yield from _restore_champion(read_json(report), recorded)


def networks_of(folder: Path) -> list[Network]:
    """Return the networks that a folder has the results of."""
    return [network for network in NETWORKS if (folder / "runs" / network / "run.json").is_file()]


def outputs_of(network: Network, dvc_lock: str = "") -> list[str]:
    """Return the files, tracked by DVC, that a network's run is restored from.

    Args:
        network: its name.
        dvc_lock: the text of the dvc.lock beside them: what earlier versions of Darkroom did not write must be in it.
    """
    names = ("trials.csv", "history.csv", "curves.png", "predictions.csv", "confusion_matrix.png")
    reports = [f"reports/{network}/{name}" for name in names]
    written_later = (f"reports/{network}/{name}" for name in LATER)
    later = [name for name in written_later if f"path: {name}\n" in dvc_lock]
    return ["data/prepared/dataset.json", f"models/{network}.keras", *reports, *later]


def lock_of(folder: Path) -> str:
    """Return the text of a folder's dvc.lock; empty where there is none."""
    lock = folder / "dvc.lock"
    return lock.read_text(encoding="utf-8") if lock.is_file() else ""


def _restore_recorded(run_id: str, recorded: dict[str, str]) -> Iterator[str]:
    """Bring back a run that is not one of the workspace, from the commit that holds its results."""
    if _is_whole(run_id):
        return
    if run_id not in recorded:
        raise InputError(
            f"run {run_id}, which reports/promotion.json names, is in no commit; git fetch brings those of others, or "
            "decide anew: dvc repro --force --single-item promote"
        )
    commit = recorded[run_id]
    holder = [
        network
        for network in NETWORKS
        if f'"{run_id}"' in (lineage.git("show", f"{commit}:./runs/{network}/run.json") or "")
    ]
    lock = lineage.git("show", f"{commit}:./dvc.lock") or ""
    for network in holder:
        with repository.checkout(commit, outputs_of(network, lock)) as folder:
            yield from _restore_network(folder, network)


def _restore_network(folder: Path, network: Network) -> Iterator[str]:
    record = RunRecord.read(folder / "runs" / network / "run.json")
    if _is_whole(record.run_id):
        return
    missing = [name for name in outputs_of(network, lock_of(folder)) if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{missing[0]} is not here ({len(missing)} outputs of {network} are missing); run dvc pull first"
        )
    report = folder / "reports" / network
    if tracking.find_run(record.run_id):
        with tracking.continue_run(record, network) as run:
            _package(run, folder, network)
            _restore_files(run, report)
        yield f"{network}: the packaged model of run {record.run_id} is back"
        return
    lock = lineage.lock_digest(lock_of(folder))
    name = f"{network} {_origin(record)}"
    with tracking.restored_run(name, record.started, {**record.tags, "dvc_lock": lock}) as run:
        yield from _restore_inputs(run, folder, network)
        history = pd.read_csv(report / "history.csv")
        for epoch, values in enumerate(history.drop(columns="epoch").to_dict("records")):
            run.log_epoch(epoch, {str(name): value for name, value in values.items()})
        _package(run, folder, network)
        records.log_curves(run, report)
        records.log_best_epoch(run, record)
        if (report / "metrics.json").is_file():
            records.log_evaluation(run, read_json(report / "metrics.json"), report)
    _restore_search(report / "trials.csv", network, record)
    # Last, so that a run that was restored by half is not taken for the one that it stands for.
    tracking.annotate_run(run.run_id, {tracking.ORIGINAL: record.run_id})
    yield f"{network}: run {record.run_id} is back as {run.run_id}"


def _is_whole(run_id: str) -> bool:
    """Say whether the store has a run, and its packaged model, which may have been freed or lost its files."""
    run = tracking.find_run(run_id)
    model = tracking.logged_model(run) if run else None
    return model is not None and tracking.has_files(model)


def _restore_files(run: Run, report: Path) -> None:
    """Bring back the files of a run whose numbers the store still has."""
    records.log_curves(run, report)
    if (report / "metrics.json").is_file():
        records.log_evaluation_files(run, report)


def _package(run: Run, folder: Path, network: Network) -> None:
    run.log_model(
        folder / "models" / f"{network}.keras", folder / "data/prepared/dataset.json", folder / "src" / "darkroom"
    )


def _origin(record: RunRecord) -> str:
    """Return the experiment or commit that a run is named by."""
    experiment, commit = record.tags.get("dvc_experiment", "none"), record.tags.get("git_commit", "none")
    return experiment if experiment != "none" else commit[:7]


def _restore_inputs(run: Run, folder: Path, network: Network) -> Iterator[str]:
    try:
        params = read_params(folder / "params.yaml")
        values = with_values(params.network(network), read_best_params(folder / "runs" / network / "best_params.json"))
    except InputError as error:
        # An older commit may have parameters that this code does not know; its metrics are worth having all the same.
        yield f"{network}: without its parameters, which are not those of this version ({error})"
        return
    description = Description.read(folder / "data" / "prepared" / "dataset.json")
    records.log_inputs(run, params, values, description, folder / "reports" / "augmentation.png")
    manifest = folder / "data" / "prepared" / "train" / "manifest.parquet"
    if manifest.is_file():
        records.log_training_images(run, pd.read_parquet(manifest))


def _restore_search(trials: Path, network: Network, record: RunRecord) -> None:
    """Bring back a search's trials: what each tried, and its loss."""
    table = pd.read_csv(trials)
    if table.empty:
        return
    tags = {**record.tags, "stage": "search"}
    with tracking.restored_run(f"{network} search {_origin(record)}", record.started, tags):
        for values in table.to_dict("records"):
            # What was not tried in a trial, because of what something else was, is empty in the table.
            tried = {
                str(name): value for name, value in values.items() if name not in SEARCH_COLUMNS and pd.notna(value)
            }
            with tracking.start_trial(f"{network} trial {values['number']}", tags, InputError) as trial:
                trial.log_params(tried)
                loss: Any = values["val_loss"]
                if not math.isnan(loss):
                    trial.log_metrics({"best_val_loss": loss})


def _restore_champion(decision: dict[str, Any], recorded: dict[str, str]) -> Iterator[str]:
    """Bring back the champion of the last promotion, and its alias, unless that may have been taken away on purpose."""
    run_id = decision.get("champion_run_id")
    name = read_params().promote.registered_model
    if run_id is None:
        return
    yield from _restore_recorded(run_id, recorded)
    if registry.champion(name) is not None:
        return
    with registry.one_promotion_at_a_time(name):
        known = [version for version in registry.versions(name) if registry.run_of(version) == run_id]
        version = known[0] if known else registry.register(name, run_id, _version_tags(run_id, decision))
        # On a shared store, other clones have results of their own, and may be of another opinion.
        left_alone = lineage.withheld() if services.is_local() else "the store is shared"
        if left_alone:
            yield (
                f"models:/{name} has no alias champion, and gets none ({left_alone}); if it was lost, let it point to "
                f"version {version.version}, run {run_id}, in the MLflow UI"
            )
        elif registry.champion(name) is None:
            champions.crown(name, version, "restore", decision["reason"])
            yield f"models:/{name}@champion is version {version.version}, run {run_id}"


def _version_tags(run_id: str, decision: dict[str, Any]) -> dict[str, Any]:
    """Say of a version where its run comes from, and what the last promotion said of it."""
    run = tracking.find_run(run_id)
    own = {key: run.data.tags[key] for key in ORIGIN if key in run.data.tags} if run else {}
    promoted = decision["candidate"]["run_id"] == run_id
    verdict = {"promotion_reason": decision["reason"]} if promoted else {}
    return {**own, "promotion": "restored", **verdict}
