"""``darkroom clean``: what the tracking store, DVC's cache and unfinished work hold on disk, and how to free it.

What an alias, a working tree, a stash, or the tip of a branch, tag or experiment names is never freed. What only older
commits name may go: ``darkroom restore --all`` packages a model again from DVC's outputs, as long as DVC has them. In a
shared store, what another clone made is never freed: what that one needs, it may not have pushed.

``mlflow gc`` is not called: whatever it is told to delete, it empties the rest of MLflow's trash too. Runs and models
are put into that trash, from which ``mlflow gc`` removes their rows, and their files are deleted here.
"""

import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, RunStatus
from mlflow.entities import Run as StoredRun
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from darkroom import needs, processes, registry, repository, services, tracking
from darkroom.errors import InputError
from darkroom.lineage import git

COLLECT = ("gc", "--workspace", "--all-branches", "--all-tags", "--all-experiments", "--force")
CACHE = Path(".dvc") / "cache"
BEGUN_ANEW = {
    "searches": "such a search begins anew",
    "trainings": "such a training begins anew",
    "images": "all are decoded anew when they are ingested",
}
UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True)
class Thing:
    """Something that takes up room."""

    name: str
    size: int | None
    """In bytes; None where it cannot be known from here."""
    kept: str
    """Why it is kept; empty where it can be freed."""


def rows() -> list[dict[str, Any]]:
    """Say what there is, why it is kept, and how the rest is freed.

    Returns:
        One mapping for each kind of thing and reason, with the names of the table's columns.

    Raises:
        InputError: git, DVC or the tracking store cannot say what is needed.
    """
    _open()
    found = [row for what in FREED for row in _summary(what, FIND[what]())]
    store = services.local_store()
    if services.is_local() and store.is_file():
        found.append(_row("store", [Thing(store.name, store.stat().st_size, "")], "the parameters and metrics of runs"))
    return found


def _summary(what: str, things: Sequence[Thing]) -> Iterator[dict[str, Any]]:
    by_reason: dict[str, list[Thing]] = defaultdict(list)
    for thing in things:
        by_reason[thing.kept].append(thing)
    for reason in sorted(by_reason, key=lambda reason: (not reason, reason)):
        yield _row(what, by_reason[reason], reason, "" if reason else f"darkroom clean {what}{_price(what)}")


def _price(what: str) -> str:
    """Say what is lost by freeing something, where that is not plain."""
    if what in BEGUN_ANEW:
        return f" ({BEGUN_ANEW[what]})"
    if what == "cache":
        return " (dvc pull brings back what was pushed)" if repository.has_remote() else " (no DVC remote: for good)"
    return ""


def _row(what: str, things: Sequence[Thing], kept: str = "", freed: str = "") -> dict[str, Any]:
    sizes = [thing.size for thing in things if thing.size is not None]
    size = sum(sizes) if len(sizes) == len(things) else None
    return {"what": what, "items": len(things), "size": size, "kept because": kept, "freed by": freed}


def shortened(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row for a terminal: the size in a unit that suits it, nothing where it is unknown."""
    return {**row, "size": shown_size(row["size"])}


def shown_size(size: int | None) -> str:
    """Write a number of bytes for people."""
    if size is None:
        return ""
    value, unit = float(size), 0
    while value >= 1000 and unit < len(UNITS) - 1:  # noqa: PLR2004 - the step between two units
        value, unit = value / 1000, unit + 1
    return f"{value:.1f} {UNITS[unit]}" if unit else f"{size} B"


def free(chosen: Sequence[str], name: str) -> Iterator[dict[str, Any]]:
    """Free what nothing needs.

    Args:
        chosen: kinds of things, of ``FREED``.
        name: the registered model.

    Yields:
        What was freed of each kind, as ``what``, ``items`` and ``size``.

    Raises:
        InputError: something is at work here, or cannot say what it needs.
    """
    _open()
    # Looked at first: a cache that others use is refused before anything else is gone.
    if "cache" in chosen:
        _require_own_cache()
    for what in FREED:
        if what not in chosen:
            continue
        # A promotion that is at work may point an alias to what has none yet.
        with registry.one_promotion_at_a_time(name) if what in {"runs", "models"} else nullcontext():
            _require_rest()
            things = [thing for thing in FIND[what]() if not thing.kept]
            if things:
                FREE[what](things)
        yield {key: value for key, value in _row(what, things).items() if key in {"what", "items", "size"}}


def line(freed: dict[str, Any]) -> str:
    """Write what was freed of one kind for a terminal."""
    if not freed["items"]:
        return f"{freed['what']}: nothing to free"
    size = shown_size(freed["size"])
    return f"{freed['what']}: {freed['items']} freed{f', {size}' if size else ''}"


def remainder(freed: Sequence[dict[str, Any]]) -> str:
    """Return a line on what of the things that were freed is left to others; empty where nothing is."""
    of_store = [row["items"] for row in freed if row["what"] in {"runs", "models"}]
    if not of_store or (services.is_local() and not any(of_store)):
        return ""
    if services.is_local():
        store = f"sqlite:///{services.local_store().name}"
        return f"rows of the store stay until mlflow gc --backend-store-uri {store} --tracking-uri {store}"
    return (
        f"in {services.shown_uri()}, what other clones made is left to them, and files are left to the server's owner: "
        "mlflow gc frees those of what is deleted"
    )


def _open() -> None:
    """Open the store, where everything that is asked for what it needs can answer."""
    if not Path("dvc.yaml").is_file():
        raise InputError("dvc.yaml: no such file; run from the root of the project")
    if git("rev-parse", "--git-dir") is None:
        raise InputError("git does not answer here, and without it nobody knows what is needed; git status says why")
    tracking.open_store()


def _require_rest() -> None:
    """Refuse to go on while a process of this host writes a run: what it needs is written down at its end."""
    for run in needs.runs_of_store():
        named = run.data.tags.get(tracking.PROCESS, "")
        if _is_running(run) and _is_alive(named):
            raise InputError(
                f"run {run.info.run_name} ({run.info.run_id}) is at work in process {named.split()[3]}; wait for it to "
                "end, or end it"
            )


def _is_alive(named: str) -> bool:
    """Say whether a process of this host, as ``processes.identity`` named it, is alive for certain."""
    try:
        number = int(named.split()[3])
        os.kill(number, 0)  # nothing is sent; it fails where there is no such process
    except PermissionError:
        pass
    except (IndexError, ValueError, OSError):
        return False
    return processes.identity(number) == named


# Models and runs.


def _models() -> list[Thing]:
    needed, aliased = needs.needed_runs(), needs.aliased()
    runs = {run.info.run_id: run for run in needs.runs_of_store()}

    def reason(model: LoggedModel) -> str:
        run_id = model.source_run_id
        if run_id is None:
            return "it was packaged by hand"
        for version, alias in aliased:
            if needs.points_to(version, model):
                return alias
        run = runs.get(run_id)
        if run is None:
            return needed.get(run_id) or ("" if services.is_local() else "nobody knows which clone made it")
        if _is_running(run):
            return "its run is at work"
        return needs.why_needed(run, needed)

    return [Thing(model.model_id, _size(model.artifact_location), reason(model)) for model in needs.logged_models()]


def _free_models(things: Sequence[Thing]) -> None:
    chosen = {thing.name for thing in things}
    for model in needs.logged_models():
        if model.model_id in chosen:
            _free_model(model)


def _free_model(model: LoggedModel) -> None:
    """Take a packaged model out of the registry and off its run, then delete it.

    The model is marked as deleted last: what an interruption leaves is found by the next call.
    """
    client = MlflowClient()
    for version in tracking.all_pages(lambda token: client.search_model_versions(page_token=token)):
        if needs.points_to(version, model):
            client.delete_model_version(version.name, version.version)
    run = tracking.find_run(model.source_run_id) if model.source_run_id else None
    if run and run.data.tags.get(tracking.MODEL) == model.model_uri:
        client.delete_tag(run.info.run_id, tracking.MODEL)
    _delete_files(model.artifact_location)
    client.delete_logged_model(model.model_id)


def _runs() -> list[Thing]:
    """Find the runs; of those in MLflow's trash, the ones that still have files."""
    runs = needs.runs_of_store()
    reasons = _reasons(runs)
    found = [(run, Thing(run.info.run_id, _size(run.info.artifact_uri), reasons[run.info.run_id])) for run in runs]
    return [thing for run, thing in found if thing.size or not _is_trash(run)]


def _is_trash(run: StoredRun) -> bool:
    return bool(run.info.lifecycle_stage == "deleted")


def _is_running(run: StoredRun) -> bool:
    return bool(run.info.status == RunStatus.to_string(RunStatus.RUNNING)) and not _is_trash(run)


def _reasons(runs: Sequence[StoredRun]) -> dict[str, str]:
    """Say of each run why it is kept: what was killed goes, together with the trials of a search that was."""
    needed = needs.needed_runs()
    interrupted = {thing.name.rpartition("-")[0] for thing in _searches()}
    abandoned = {run.info.run_id for run in runs if not _why_continued(run, interrupted)}

    def reason(run: StoredRun) -> str:
        if why := needs.why_needed(run, needed):
            return why
        if _is_running(run):
            return "it is at work"
        if run.data.tags.get(MLFLOW_PARENT_RUN_ID) in abandoned:
            return ""
        return _why_continued(run, interrupted)

    return {run.info.run_id: reason(run) for run in runs}


def _why_continued(run: StoredRun, interrupted: set[str]) -> str:
    """Say why a run that nothing names is kept.

    Args:
        run: of the store.
        interrupted: the networks that have an interrupted search.
    """
    tags = run.data.tags
    if not (_is_trash(run) or tracking.ENDED in tags):
        return "it came to its end"
    if tags.get("stage") == "search" and tags.get("network") in interrupted:
        return "an interrupted search may go on with it; darkroom clean searches gives it up"
    return ""


def _free_runs(things: Sequence[Thing]) -> None:
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
    """Return the size of a run's or model's files; None where a server has them."""
    folder = _folder(place)
    return None if folder is None else sum(_sizes(folder).values())


def _sizes(folder: Path) -> dict[Path, int]:
    return {path: path.lstat().st_size for path in folder.rglob("*") if path.is_symlink() or path.is_file()}


def _folder(place: str) -> Path | None:
    """Return the folder that an address names, of those that the default store keeps; None for any other place."""
    if not (services.is_local() and place.startswith(f"{services.artifacts_uri()}/")):
        return None
    return Path(url2pathname(urlsplit(place).path))


def _delete_files(place: str) -> None:
    folder = _folder(place)
    if folder is None or not folder.is_dir():
        return
    shutil.rmtree(folder)
    with suppress(OSError):  # something else is in there
        folder.parent.rmdir()


# Interrupted searches and trainings, and decoded images.


def _searches() -> list[Thing]:
    return [_unfinished(study, "a search is at work") for study in _kept("search", "*.db")]


def _trainings() -> list[Thing]:
    return [_unfinished(checkpoint, "a training is at work") for checkpoint in _kept("train", "*.npz")]


def _images() -> list[Thing]:
    """Find what was decoded, one folder for each size and rule that images were ever brought to."""
    return [_unfinished(ledger, "images are being read") for ledger in _kept("ingested", "*/")]


def _kept(kind: str, pattern: str) -> list[Path]:
    return sorted((services.state_folder() / kind).glob(pattern))


def _unfinished(path: Path, at_work: str) -> Thing:
    return Thing(path.stem, sum(file.stat().st_size for file in _parts(path)), at_work if _is_held(path) else "")


def _parts(path: Path) -> list[Path]:
    """Return a file and what SQLite puts beside it, or what a folder holds; the lock stays, others may wait for it."""
    return sorted(path.iterdir() if path.is_dir() else path.parent.glob(f"{path.name}*"))


def _lock(path: Path) -> FileLock:
    return FileLock(path.with_suffix(".lock"), timeout=0)


def _is_held(path: Path) -> bool:
    try:
        with _lock(path):
            return False
    except Timeout:
        return True


def _free_kept(kind: str, suffix: str) -> Callable[[Sequence[Thing]], None]:
    def free(things: Sequence[Thing]) -> None:
        for thing in things:
            path = services.state_folder() / kind / f"{thing.name}{suffix}"
            with suppress(Timeout), _lock(path):  # one that goes on just now is left alone
                for file in _parts(path):
                    file.unlink()
                if path.is_dir():
                    path.rmdir()

    return free


# DVC's experiments and cache.


def _experiments() -> list[Thing]:
    """Find the experiments; those from older commits can go, which ``dvc exp show`` no longer shows either."""
    references = needs.references()
    tips = {commit for name, commit in references.items() if not name.startswith("refs/exps/")}
    aliased = {registry.run_of(version) for version, _ in needs.aliased()}
    found = []
    for name, commit in references.items():
        match = needs.EXPERIMENT.fullmatch(name)
        if match is None:
            continue
        if "".join(match.groups()) in tips:
            reason = "HEAD, a branch or a tag is the commit that it started from"
        else:
            reason = "an alias names its model" if aliased & needs.runs_of_commit(commit) else ""
        found.append(Thing(name, None, reason))
    return found


def _free_experiments(things: Sequence[Thing]) -> None:
    repository.ask_dvc("exp", "remove", *(thing.name for thing in things))


def _cache() -> list[Thing]:
    if set_to := _cache_elsewhere():
        return [
            Thing(str(path), size, "cache.dir is set: other projects may use it") for path, size in _objects(set_to)
        ]
    lines = [line for line in _collect("--dry").splitlines() if line.startswith("Removing ")]
    removed = {Path(line.removeprefix("Removing ")).resolve() for line in lines}
    reason = "the workspace, an alias, a branch, a tag or an experiment needs it"
    return [Thing(str(path), size, "" if path in removed else reason) for path, size in _objects(CACHE)]


def _objects(folder: Path) -> list[tuple[Path, int]]:
    """List what a cache holds, but for DVC's records of runs, which are small and which it never removes."""
    own = folder.resolve()
    return [(path, size) for path, size in _sizes(own).items() if path.relative_to(own).parts[0] != "runs"]


def _cache_elsewhere() -> Path | None:
    """Return the folder that cache.dir names; None where the cache is the project's own."""
    lines = repository.ask_dvc("config", "--list").splitlines()
    return next((Path(line.removeprefix("cache.dir=")) for line in lines if line.startswith("cache.dir=")), None)


def _require_own_cache() -> None:
    if _cache_elsewhere():
        raise InputError(
            "cache.dir is set, and other projects may use that cache; name them: dvc gc --workspace --all-branches "
            "--all-tags --all-experiments --projects FOLDER..."
        )


def _free_cache(_things: Sequence[Thing]) -> None:
    _collect()


def _collect(*options: str) -> str:
    """Let DVC remove what is not needed; return what it printed."""
    # HEAD need not be a branch.
    head = ("--rev", "HEAD") if "HEAD" in needs.references() else ()
    with _other_projects() as others:
        return repository.ask_dvc(*COLLECT, *options, *head, *(("--projects", *others) if others else ()))


@contextmanager
def _other_projects() -> Iterator[list[str]]:
    """Check out what DVC would not think of: the commits of needed runs that are no tip, experiments at work."""
    folders = [str(folder) for folder in needs.experiments_at_work()]
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        for commit in needs.commits_beside_tips():
            folder = Path(temporary).resolve() / commit
            stack.enter_context(repository.worktree(folder, commit))
            # Without the cache, DVC would not know which files a folder among the outputs has.
            (folder / ".dvc" / "config.local").write_text(f'[cache]\n    dir = "{CACHE.resolve()}"\n', encoding="utf-8")
            folders.append(str(folder))
        yield folders


FIND: dict[str, Callable[[], list[Thing]]] = {
    "searches": _searches,
    "trainings": _trainings,
    "images": _images,
    "experiments": _experiments,
    "runs": _runs,
    "models": _models,
    "cache": _cache,
}
FREE: dict[str, Callable[[Sequence[Thing]], None]] = {
    "searches": _free_kept("search", ".db"),
    "trainings": _free_kept("train", ".npz"),
    "images": _free_kept("ingested", ""),
    "experiments": _free_experiments,
    "runs": _free_runs,
    "models": _free_models,
    "cache": _free_cache,
}
FREED = tuple(FREE)
"""What can be freed, in this order: each may be what keeps something of those after it."""
