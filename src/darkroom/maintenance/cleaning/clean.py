"""List and free items, kind by kind."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from darkroom.base.errors import InputError
from darkroom.base.git import git
from darkroom.base.processes import ProcessId
from darkroom.maintenance import needs
from darkroom.maintenance.cleaning import dvc_cache, runs, work
from darkroom.maintenance.cleaning.things import Thing
from darkroom.maintenance.cleaning.words import consequence, row_of
from darkroom.registry import turns
from darkroom.tracking import address
from darkroom.tracking.store import PROCESS, open_store


def rows() -> list[dict[str, Any]]:
    """Return what is on disk, why it is kept, and how to free the rest.

    Returns:
        One mapping per kind and reason, by column name.

    Raises:
        InputError: git, DVC or the tracking store cannot be read.
    """
    _open()
    found = [row for what in FREED for row in _summary(what, FIND[what]())]
    store = address.local_store()
    if address.is_local() and store.is_file():
        found.append(
            row_of("store", [Thing(store.name, store.stat().st_size, "")], "the parameters and metrics of runs")
        )
    return found


def _summary(what: str, things: Sequence[Thing]) -> Iterator[dict[str, Any]]:
    by_reason: dict[str, list[Thing]] = defaultdict(list)
    for thing in things:
        by_reason[thing.kept].append(thing)
    for reason in sorted(by_reason, key=lambda reason: (not reason, reason)):
        yield row_of(what, by_reason[reason], reason, "" if reason else f"darkroom clean {what}{consequence(what)}")


def free(chosen: Sequence[str], name: str) -> Iterator[dict[str, Any]]:
    """Free unneeded items.

    Args:
        chosen: kinds to free, from ``FREED``.
        name: the registered model.

    Yields:
        A row per kind with ``what``, ``items`` and ``size``.

    Raises:
        InputError: a process is running, or git, DVC or the tracking store cannot be read.
    """
    _open()
    # First, so that a shared cache is rejected before anything is freed.
    if "cache" in chosen:
        dvc_cache.require_own_cache()
    for what in FREED:
        if what not in chosen:
            continue
        # A running promotion may set an alias to a model without one.
        with turns.promotion_lock(name) if what in {"runs", "models"} else nullcontext():
            _require_rest()
            things = [thing for thing in FIND[what]() if not thing.kept]
            if things:
                FREE[what](things)
        yield {key: value for key, value in row_of(what, things).items() if key in {"what", "items", "size"}}


def _open() -> None:
    """Check that this is a project in a git repository, and open the store."""
    if not Path("dvc.yaml").is_file():
        raise InputError("dvc.yaml: no such file; run from the root of the project")
    if git("rev-parse", "--git-dir") is None:
        raise InputError("git is not available here, so it is unknown what is needed; run git status")
    open_store()


def _require_rest() -> None:
    """Check that no process of this host writes a run; its results are recorded only at the end."""
    for run in needs.runs_of_store():
        writer = ProcessId.parse(run.data.tags.get(PROCESS, ""))
        if writer and runs.is_running(run) and writer.is_running():
            raise InputError(
                f"run {run.info.run_name} ({run.info.run_id}) is running in process {writer.pid}; wait for it to end, "
                "or stop it"
            )


FIND: dict[str, Callable[[], list[Thing]]] = {
    "searches": work.searches,
    "trainings": work.trainings,
    "images": work.images,
    "experiments": dvc_cache.experiments,
    "runs": runs.runs,
    "models": runs.models,
    "cache": dvc_cache.cache,
}
FREE: dict[str, Callable[[Sequence[Thing]], None]] = {
    "searches": work.free_kept("search", ".db"),
    "trainings": work.free_kept("train", ".npz"),
    "images": work.free_kept("ingested", ""),
    "experiments": dvc_cache.free_experiments,
    "runs": runs.free_runs,
    "models": runs.free_models,
    "cache": dvc_cache.free_cache,
}
FREED = tuple(FREE)
"""Kinds in the order of freeing: each may keep items of later kinds."""
