"""DVC's experiments and cache."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from darkroom import repository
from darkroom.base.errors import InputError
from darkroom.maintenance import needs
from darkroom.maintenance.cleaning.things import Thing, sizes
from darkroom.registry import versions

COLLECT = ("gc", "--workspace", "--all-branches", "--all-tags", "--all-experiments", "--force")
CACHE = Path(".dvc") / "cache"


def experiments() -> list[Thing]:
    """Find the experiments; those from older commits, which ``dvc exp show`` no longer shows, can be freed."""
    references = needs.references()
    tips = {commit for name, commit in references.items() if not name.startswith("refs/exps/")}
    aliased = {versions.run_of(version) for version, _ in needs.aliased()}
    found = []
    for name, commit in references.items():
        match = needs.EXPERIMENT.fullmatch(name)
        if match is None:
            continue
        if "".join(match.groups()) in tips:
            reason = "its base commit is HEAD, a branch or a tag"
        else:
            reason = "an alias refers to its model" if aliased & needs.runs_of_commit(commit) else ""
        found.append(Thing(name, None, reason))
    return found


def free_experiments(things: Sequence[Thing]) -> None:
    """Remove experiments from git, as ``dvc exp remove`` does."""
    repository.ask_dvc("exp", "remove", *(thing.name for thing in things))


def cache() -> list[Thing]:
    """Find the files of DVC's cache, except those that ``dvc gc`` removes, with the reason to keep them."""
    if set_to := _cache_elsewhere():
        return [
            Thing(str(path), size, "cache.dir is set: other projects may use it") for path, size in _objects(set_to)
        ]
    lines = [line for line in _collect("--dry").splitlines() if line.startswith("Removing ")]
    removed = {Path(line.removeprefix("Removing ")).resolve() for line in lines}
    reason = "needed by the workspace, an alias, a branch, a tag or an experiment"
    return [Thing(str(path), size, "" if path in removed else reason) for path, size in _objects(CACHE)]


def _objects(folder: Path) -> list[tuple[Path, int]]:
    """List a cache's files, without DVC's run cache, which is small and which DVC never removes."""
    own = folder.resolve()
    return [(path, size) for path, size in sizes(own).items() if path.relative_to(own).parts[0] != "runs"]


def _cache_elsewhere() -> Path | None:
    """Return the folder set by cache.dir; None if the cache is the project's own."""
    lines = repository.ask_dvc("config", "--list").splitlines()
    return next((Path(line.removeprefix("cache.dir=")) for line in lines if line.startswith("cache.dir=")), None)


def require_own_cache() -> None:
    """Check that no other project may use the cache.

    Raises:
        InputError: cache.dir is set.
    """
    if _cache_elsewhere():
        raise InputError(
            "cache.dir is set, and other projects may use that cache; run dvc gc with their folders: "
            "dvc gc --workspace --all-branches --all-tags --all-experiments --projects FOLDER..."
        )


def free_cache(_things: Sequence[Thing]) -> None:
    """Remove files that no commit, experiment or needed run refers to, with ``dvc gc``."""
    _collect()


def _collect(*options: str) -> str:
    """Run ``dvc gc``; return its output."""
    # HEAD may be detached.
    head = ("--rev", "HEAD") if "HEAD" in needs.references() else ()
    with _other_projects() as others:
        return repository.ask_dvc(*COLLECT, *options, *head, *(("--projects", *others) if others else ()))


@contextmanager
def _other_projects() -> Iterator[list[str]]:
    """Check out what ``dvc gc`` would ignore: commits of needed runs that are not a tip, and running experiments."""
    folders = [str(folder) for folder in needs.experiments_at_work()]
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        for commit in needs.commits_beside_tips():
            folder = Path(temporary).resolve() / commit
            stack.enter_context(repository.worktree(folder, commit))
            # DVC needs the cache to list the files of output folders.
            (folder / ".dvc" / "config.local").write_text(f'[cache]\n    dir = "{CACHE.resolve()}"\n', encoding="utf-8")
            folders.append(str(folder))
        yield folders
