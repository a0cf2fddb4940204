"""Runs and models that ``darkroom clean`` must keep: those that aliases, the workspace and git refer to."""

import re
from functools import cache
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, ViewType
from mlflow.entities import Run as StoredRun
from mlflow.entities.model_registry import ModelVersion

from darkroom.base.errors import InputError
from darkroom.base.git import git, head
from darkroom.promotion import lives
from darkroom.registry import versions
from darkroom.reporting.results import Results
from darkroom.tracking import address, lineage, runs, store

EXPERIMENT = re.compile(r"refs/exps/([0-9a-f]{2})/([0-9a-f]{38})/.+")
"""Git reference of a DVC experiment: its base commit, in two parts, and its name."""
OTHERS = "created by another clone"


def references() -> dict[str, str]:
    """Return the commits of HEAD, branches, tags and DVC experiments, by reference name."""
    listed = git(
        *("for-each-ref", "--format=%(refname) %(objectname) %(*objectname)"),
        *("refs/heads", "refs/remotes", "refs/tags", "refs/exps"),
    )
    if listed is None:
        raise InputError("git for-each-ref failed, so it is unknown what is needed; run git fsck")
    named = {line.split()[0]: line.split()[-1] for line in listed.splitlines()}
    # Other references in refs/exps are internal to DVC.
    found = {name: of for name, of in named.items() if not name.startswith("refs/exps/") or EXPERIMENT.fullmatch(name)}
    commit = head()
    return {**found, "HEAD": commit} if commit else found


@cache
def runs_of_commit(commit: str) -> frozenset[str]:
    """Return the runs whose results a commit contains."""
    listed = git("ls-tree", "-r", commit, "--", "runs/")
    files = [line.split(maxsplit=3) for line in (listed or "").splitlines()]
    texts = [git("cat-file", "blob", file[2]) for file in files if file[3].endswith("/run.json")]
    if listed is None or None in texts:
        raise InputError(f"git cannot read {commit}, which may refer to needed runs; run git fsck")
    return frozenset(run for text in texts for run in _run_ids(text or ""))


def _run_ids(text: str) -> list[str]:
    # Not parsed as JSON: in a file with merge conflicts, both sides count.
    return re.findall(r'"run_id": "(\w+)"', text)


def _runs_in(folder: Path) -> set[str]:
    """Return the runs whose results a folder contains."""
    files = [one.run_record for one in Results.all_of(folder)]
    return {run for file in files for run in _run_ids(file.read_text(encoding="utf-8"))}


def _stashed() -> list[str]:
    """Return the commits of git stashes."""
    return (git("stash", "list", "--format=%H") or "").split()


def _other_worktrees() -> list[tuple[Path, str]]:
    """Return the folders and commits of this repository's other worktrees."""
    found, here = [], Path(git("rev-parse", "--show-toplevel") or ".").resolve()
    for listed in (git("worktree", "list", "--porcelain") or "").split("\n\n"):
        lines = dict(line.split(maxsplit=1) for line in listed.splitlines() if " " in line)
        folder = Path(lines.get("worktree", ""))
        # Also one whose folder is not here now, as on a disk that is not mounted.
        if "HEAD" in lines and folder.resolve() != here:
            found.append((folder, lines["HEAD"]))
    return found


def experiments_at_work() -> list[Path]:
    """Return the folders of DVC experiments that run, or were killed, outside the workspace."""
    work = Path(".dvc") / "tmp" / "exps"
    return [lock.parent for depth in ("*", "*/*") for lock in sorted(work.glob(f"{depth}/dvc.lock"))]


def needed_runs() -> dict[str, str]:
    """Return the reason to keep each needed run, by run id; restored runs have two ids."""
    needed = {
        run: "a branch, tag or experiment contains its results"
        for commit in references().values()
        for run in runs_of_commit(commit)
    }
    needed |= {run: "a stash contains its results" for commit in _stashed() for run in runs_of_commit(commit)}
    for folder, commit in _other_worktrees():
        needed |= dict.fromkeys(runs_of_commit(commit) | _runs_in(folder), f"{folder} contains its results")
    needed |= {run: "a running experiment contains its results" for at in experiments_at_work() for run in _runs_in(at)}
    needed |= dict.fromkeys(_runs_in(Path()), "the workspace contains its results")
    models = logged_models()
    for version, alias in aliased():
        needed |= {versions.run_of(version): alias, version.run_id or "none": alias}
        needed |= {model.source_run_id or "none": alias for model in models if points_to(version, model)}
    return needed


def aliased() -> list[tuple[ModelVersion, str]]:
    """Return the versions that have an alias, with the alias, and earlier champions that are still compared with."""
    client = MlflowClient()
    registered = store.all_pages(lambda token: client.search_registered_models(page_token=token))
    named = [
        (client.get_model_version(model.name, str(number)), f"models:/{model.name}@{alias}")
        for model in registered
        for alias, number in client.get_registered_model(model.name).aliases.items()
    ]
    return [*named, *lives.needed()]


def points_to(version: ModelVersion, model: LoggedModel) -> bool:
    """Return whether a registered version is a packaged model, or of the same run."""
    places = {model.artifact_location, model.model_uri}
    return version.model_id == model.model_id or version.source in places or _same_run(version, model)


def _same_run(version: ModelVersion, model: LoggedModel) -> bool:
    return bool(version.run_id) and version.run_id == model.source_run_id


def commits_beside_tips() -> list[str]:
    """Return the commits with results of needed runs that no local branch, tag or experiment contains."""
    tips = {commit for name, commit in references().items() if not name.startswith("refs/remotes/")}
    known = _runs_in(Path()).union(*map(runs_of_commit, tips), *map(_runs_in, experiments_at_work()))
    recorded = lineage.recorded_runs()
    unnamed = {*_stashed(), *(head for _, head in _other_worktrees())}
    beside = {recorded[run] for run in needed_runs() if run not in known and run in recorded}
    return sorted(beside | {commit for commit in unnamed if not runs_of_commit(commit) <= known})


def _experiment_id() -> str:
    experiment = MlflowClient().get_experiment_by_name(address.EXPERIMENT)
    if experiment is None:
        raise InputError(f"the tracking store has no experiment {address.EXPERIMENT}; run dvc repro")
    return str(experiment.experiment_id)


def logged_models() -> list[LoggedModel]:
    """Return all packaged models that are not marked as deleted."""
    client, within = MlflowClient(), [_experiment_id()]
    return store.all_pages(lambda token: client.search_logged_models(within, page_token=token))


def runs_of_store() -> list[StoredRun]:
    """Return all runs, including those in MLflow's trash."""
    client, within = MlflowClient(), [_experiment_id()]
    return store.all_pages(lambda token: client.search_runs(within, run_view_type=ViewType.ALL, page_token=token))


def why_needed(run: StoredRun, needed: dict[str, str]) -> str:
    """Return why a run is kept: it is in ``needed_runs``, or its clone may need it; empty if it can be deleted."""
    named = needed.get(run.info.run_id) or needed.get(run.data.tags.get(store.ORIGINAL, ""))
    return named or ("" if is_own(run) else OTHERS)


def is_own(run: StoredRun) -> bool:
    """Return whether this clone created a run; other clones may need theirs for results not yet pushed."""
    return address.is_local() or run.data.tags.get(store.CLONE) == runs.clone()
