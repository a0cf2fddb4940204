"""Check out other commits, with their DVC outputs, in temporary folders."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from darkroom.base import commands
from darkroom.base.commands import DVC
from darkroom.base.errors import DarkroomError, InputError
from darkroom.base.git import git
from darkroom.repository.commands import run_git
from darkroom.repository.remote import has_remote


@contextmanager
def checkout(commit: str, targets: Sequence[str]) -> Iterator[Path]:
    """Check out a commit and some of its DVC outputs into a temporary folder.

    Args:
        commit: a revision of this repository.
        targets: files tracked by DVC, fetched from its cache or remote.

    Raises:
        InputError: neither DVC's cache nor its remote still has an output.
        DarkroomError: git cannot check out the commit.
    """
    root = Path(git("rev-parse", "--show-toplevel") or ".").resolve()
    with tempfile.TemporaryDirectory() as temporary, worktree(Path(temporary) / "checkout", commit) as folder:
        _share_dvc(root, folder)
        _fetch(targets, commit, folder)
        yield folder


def _fetch(targets: Sequence[str], commit: str, folder: Path) -> None:
    try:
        commands.run(*DVC, "pull" if has_remote() else "checkout", "--quiet", *targets, folder=folder)
    except DarkroomError as error:
        missing = [name for name in targets if not (folder / name).exists()]
        what = f"{missing[0]} of commit {commit[:12]}" if missing else f"an output of commit {commit[:12]}"
        raise InputError(
            f"{what} is neither in DVC's cache nor in its remote ({str(error).rpartition(' failed: ')[2]}); run "
            "dvc push --all-commits on a machine that still has it"
        ) from None


def changed_deps(stage: str, folder: Path) -> list[str]:
    """Return the dependencies of a stage that differ from those in dvc.lock: code, data and parameters.

    Args:
        stage: the stage's name.
        folder: the root of a checkout.

    Raises:
        DarkroomError: dvc status failed.
    """
    found = json.loads(commands.run(*DVC, "status", "--json", stage, folder=folder))
    parts = [part for part in found.get(stage, []) if isinstance(part, dict)]
    return [name for part in parts for name in part.get("changed deps", {})]


@contextmanager
def worktree(folder: Path, commit: str) -> Iterator[Path]:
    """Check out a commit in a temporary git worktree.

    Raises:
        DarkroomError: git worktree failed.
    """
    # Without hooks: DVC's would fetch all outputs, and if a hook fails, git leaves the folder behind.
    run_git("-c", "core.hooksPath=/dev/null", "worktree", "add", "--quiet", "--detach", str(folder), commit)
    try:
        yield folder
    finally:
        run_git("worktree", "remove", "--force", str(folder))


def _share_dvc(root: Path, folder: Path) -> None:
    """Configure a checkout to use this repository's DVC cache and remotes, with relative paths resolved."""
    from dvc.config import Config

    local = root / ".dvc" / "config.local"
    if local.is_file():
        shutil.copy(local, folder / ".dvc" / "config.local")
    known = Config(str(root / ".dvc"))
    with Config(str(folder / ".dvc")).edit("local") as config:
        config["cache"]["dir"] = str(root / ".dvc" / "cache")
        if default := known["core"].get("remote"):
            config["core"]["remote"] = default
        for name, remote in known["remote"].items():
            config["remote"].setdefault(name, {})["url"] = str(remote["url"])
