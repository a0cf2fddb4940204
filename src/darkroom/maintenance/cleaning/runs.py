"""Runs and packaged models of the tracking store."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, RunStatus
from mlflow.entities import Run as StoredRun
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from darkroom.maintenance import needs
from darkroom.maintenance.cleaning import work
from darkroom.maintenance.cleaning.things import Thing, sizes
from darkroom.tracking import address, store


def models() -> list[Thing]:
    """Find the packaged models."""
    needed, aliased = needs.needed_runs(), needs.aliased()
    runs = {run.info.run_id: run for run in needs.runs_of_store()}

    def reason(model: LoggedModel) -> str:
        run_id = model.source_run_id
        if run_id is None:
            return "packaged by hand"
        for version, alias in aliased:
            if needs.points_to(version, model):
                return alias
        run = runs.get(run_id)
        if run is None:
            return needed.get(run_id) or ("" if address.is_local() else "unknown clone")
        if is_running(run):
            return "its run is active"
        return needs.why_needed(run, needed)

    return [Thing(model.model_id, _size(model.artifact_location), reason(model)) for model in needs.logged_models()]


def free_models(things: Sequence[Thing]) -> None:
    """Delete packaged models, their registered versions and their files."""
    chosen = {thing.name for thing in things}
    for model in needs.logged_models():
        if model.model_id in chosen:
            _free_model(model)


def _free_model(model: LoggedModel) -> None:
    """Delete a packaged model, its registered versions and its run's reference to it.

    The model is marked as deleted last, so that the next call completes an interrupted one.
    """
    client = MlflowClient()
    for version in store.all_pages(lambda token: client.search_model_versions(page_token=token)):
        if needs.points_to(version, model):
            client.delete_model_version(version.name, version.version)
    run = store.find_run(model.source_run_id) if model.source_run_id else None
    if run and run.data.tags.get(store.MODEL) == model.model_uri:
        client.delete_tag(run.info.run_id, store.MODEL)
    _delete_files(model.artifact_location)
    client.delete_logged_model(model.model_id)


def runs() -> list[Thing]:
    """Find the runs; of those in MLflow's trash, only the ones with files."""
    runs = needs.runs_of_store()
    reasons = _reasons(runs)
    found = [(run, Thing(run.info.run_id, _size(run.info.artifact_uri), reasons[run.info.run_id])) for run in runs]
    return [thing for run, thing in found if thing.size or not _is_trash(run)]


def _is_trash(run: StoredRun) -> bool:
    return bool(run.info.lifecycle_stage == "deleted")


def is_running(run: StoredRun) -> bool:
    """Return whether a run has the status RUNNING and is not in the trash."""
    return bool(run.info.status == RunStatus.to_string(RunStatus.RUNNING)) and not _is_trash(run)


def _reasons(runs: Sequence[StoredRun]) -> dict[str, str]:
    """Return why each run is kept; empty for killed runs and for the trials of killed searches."""
    needed = needs.needed_runs()
    interrupted = {thing.name.rpartition("-")[0] for thing in work.searches()}
    abandoned = {run.info.run_id for run in runs if not _why_continued(run, interrupted)}

    def reason(run: StoredRun) -> str:
        if why := needs.why_needed(run, needed):
            return why
        if is_running(run):
            return "active"
        if run.data.tags.get(MLFLOW_PARENT_RUN_ID) in abandoned:
            return ""
        return _why_continued(run, interrupted)

    return {run.info.run_id: reason(run) for run in runs}


def _why_continued(run: StoredRun, interrupted: set[str]) -> str:
    """Return why a run is kept that nothing refers to.

    Args:
        run: a run of the store.
        interrupted: the networks with an interrupted search.
    """
    tags = run.data.tags
    if not (_is_trash(run) or store.ENDED in tags):
        return "finished"
    if tags.get("stage") == "search" and tags.get("network") in interrupted:
        return "an interrupted search may resume it; darkroom clean searches discards the search"
    return ""


def free_runs(things: Sequence[Thing]) -> None:
    """Delete runs, with their packaged models and files."""
    chosen = {thing.name for thing in things}
    for model in needs.logged_models():
        if model.source_run_id in chosen:
            _free_model(model)
    for run in needs.runs_of_store():
        if run.info.run_id in chosen:
            _delete_files(run.info.artifact_uri)
            if not _is_trash(run):
                MlflowClient().delete_run(run.info.run_id)


def _size(place: str) -> int | None:
    """Return the size of a run's or model's files in bytes; None if a server has them."""
    folder = _folder(place)
    return None if folder is None else sum(sizes(folder).values())


def _folder(place: str) -> Path | None:
    """Return the folder of an address in the default store; None for other addresses."""
    if not (address.is_local() and place.startswith(f"{address.artifacts_uri()}/")):
        return None
    return Path(url2pathname(urlsplit(place).path))


def _delete_files(place: str) -> None:
    folder = _folder(place)
    if folder is None or not folder.is_dir():
        return
    shutil.rmtree(folder)
    with suppress(OSError):  # not empty
        folder.parent.rmdir()
