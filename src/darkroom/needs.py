"""What ``darkroom clean`` must leave alone: the runs and models that aliases, the workspace and git name."""

import re
from functools import cache
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, ViewType
from mlflow.entities import Run as StoredRun
from mlflow.entities.model_registry import ModelVersion

from darkroom import lineage, registry, services, tracking
from darkroom.errors import InputError
from darkroom.lineage import git

EXPERIMENT = re.compile(r"refs/exps/([0-9a-f]{2})/([0-9a-f]{38})/.+")
"""Git's reference of a DVC experiment: the commit that it started from, in two parts, and its name."""
OTHERS = "another clone made it"


def references() -> dict[str, str]:
    """Return the commits that git has names for, HEAD, branches, tags and DVC's experiments, by these names."""
    listed = git(
        *("for-each-ref", "--format=%(refname) %(objectname) %(*objectname)"),
        *("refs/heads", "refs/remotes", "refs/tags", "refs/exps"),
    )
    if listed is None:
        raise InputError("git for-each-ref failed, and without it nobody knows what is needed; git fsck says why")
    named = {line.split()[0]: line.split()[-1] for line in listed.splitlines()}
    # What else DVC keeps below refs/exps are notes to itself.
    found = {name: of for name, of in named.items() if not name.startswith("refs/exps/") or EXPERIMENT.fullmatch(name)}
    head = git("rev-parse", "--verify", "--quiet", "HEAD")
    return {**found, "HEAD": head} if head else found


@cache
def runs_of_commit(commit: str) -> frozenset[str]:
    """Return the runs whose results a commit holds."""
    listed = git("ls-tree", "-r", commit, "--", "runs/")
    files = [line.split(maxsplit=3) for line in (listed or "").splitlines()]
    texts = [git("cat-file", "blob", file[2]) for file in files if file[3].endswith("/run.json")]
    if listed is None or None in texts:
        raise InputError(f"git cannot read {commit}, which may name what is needed; git fsck says why")
    return frozenset(run for text in texts for run in _run_ids(text or ""))


def _run_ids(text: str) -> list[str]:
    # Not read as JSON: in a file with a conflict, both sides count.
    return re.findall(r'"run_id": "(\w+)"', text)


def _runs_in(folder: Path) -> set[str]:
    """Return the runs whose results a folder holds."""
    files = sorted((folder / "runs").glob("*/run.json"))
    return {run for file in files for run in _run_ids(file.read_text(encoding="utf-8"))}


def _stashed() -> list[str]:
    """Return the commits that hold what was stashed."""
    return (git("stash", "list", "--format=%H") or "").split()


def _other_worktrees() -> list[tuple[Path, str]]:
    """Return the other folders in which this repository is checked out, each with its commit."""
    found, here = [], Path(git("rev-parse", "--show-toplevel") or ".").resolve()
    for listed in (git("worktree", "list", "--porcelain") or "").split("\n\n"):
        lines = dict(line.split(maxsplit=1) for line in listed.splitlines() if " " in line)
        folder = Path(lines.get("worktree", ""))
        if "HEAD" in lines and folder.is_dir() and folder.resolve() != here:
            found.append((folder, lines["HEAD"]))
    return found


def experiments_at_work() -> list[Path]:
    """Return the folders of experiments that DVC runs, or ran until it was killed, outside the workspace."""
    work = Path(".dvc") / "tmp" / "exps"
    return [lock.parent for depth in ("*", "*/*") for lock in sorted(work.glob(f"{depth}/dvc.lock"))]


def needed_runs() -> dict[str, str]:
    """Return the runs that must stay as they are, by either of the ids that a restored one has, and why."""
    needed = {
        run: "a branch, a tag or an experiment holds its results"
        for commit in references().values()
        for run in runs_of_commit(commit)
    }
    needed |= {run: "a stash holds its results" for commit in _stashed() for run in runs_of_commit(commit)}
    for folder, commit in _other_worktrees():
        needed |= dict.fromkeys(runs_of_commit(commit) | _runs_in(folder), f"{folder} holds its results")
    needed |= {run: "an experiment at work holds its results" for at in experiments_at_work() for run in _runs_in(at)}
    needed |= dict.fromkeys(_runs_in(Path()), "the workspace holds its results")
    models = logged_models()
    for version, alias in aliased():
        needed |= {registry.run_of(version): alias, version.run_id or "none": alias}
        needed |= {model.source_run_id or "none": alias for model in models if points_to(version, model)}
    return needed


def aliased() -> list[tuple[ModelVersion, str]]:
    """Return the versions that aliases name, of whatever registered model, with the alias."""
    client = MlflowClient()
    registered = tracking.all_pages(lambda token: client.search_registered_models(page_token=token))
    return [
        (client.get_model_version(model.name, str(number)), f"models:/{model.name}@{alias}")
        for model in registered
        for alias, number in client.get_registered_model(model.name).aliases.items()
    ]


def points_to(version: ModelVersion, model: LoggedModel) -> bool:
    """Say whether a registered version is a packaged model, or one of the same run."""
    places = {model.artifact_location, model.model_uri}
    return version.model_id == model.model_id or version.source in places or _same_run(version, model)


def _same_run(version: ModelVersion, model: LoggedModel) -> bool:
    return bool(version.run_id) and version.run_id == model.source_run_id


def commits_beside_tips() -> list[str]:
    """Return the commits that hold the results of needed runs, where no branch, tag or experiment here does."""
    tips = {commit for name, commit in references().items() if not name.startswith("refs/remotes/")}
    known = _runs_in(Path()).union(*map(runs_of_commit, tips), *map(_runs_in, experiments_at_work()))
    recorded = lineage.recorded_runs()
    unnamed = {*_stashed(), *(head for _, head in _other_worktrees())}
    beside = {recorded[run] for run in needed_runs() if run not in known and run in recorded}
    return sorted(beside | {commit for commit in unnamed if not runs_of_commit(commit) <= known})


def _experiment_id() -> str:
    experiment = MlflowClient().get_experiment_by_name(services.EXPERIMENT)
    if experiment is None:
        raise InputError(f"the tracking store has no experiment {services.EXPERIMENT}; dvc repro makes it")
    return str(experiment.experiment_id)


def logged_models() -> list[LoggedModel]:
    """Return all packaged models that are not marked as deleted."""
    client, within = MlflowClient(), [_experiment_id()]
    return tracking.all_pages(lambda token: client.search_logged_models(within, page_token=token))


def runs_of_store() -> list[StoredRun]:
    """Return all runs, also those in MLflow's trash."""
    client, within = MlflowClient(), [_experiment_id()]
    return tracking.all_pages(lambda token: client.search_runs(within, run_view_type=ViewType.ALL, page_token=token))


def why_needed(run: StoredRun, needed: dict[str, str]) -> str:
    """Return why a run is kept, since it is among ``needed_runs`` or its clone may need it; empty where it can go."""
    named = needed.get(run.info.run_id) or needed.get(run.data.tags.get(tracking.ORIGINAL, ""))
    return named or ("" if is_own(run) else OTHERS)


def is_own(run: StoredRun) -> bool:
    """Say whether a run is this clone's; what others need of theirs, they may not have pushed yet."""
    return services.is_local() or run.data.tags.get(tracking.CLONE) == tracking.clone()
