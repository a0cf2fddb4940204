"""Git and DVC, asked through their command lines."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from darkroom.errors import DarkroomError, InputError
from darkroom.lineage import git

DVC = (sys.executable, "-m", "dvc")
DEFAULT_REMOTE = "darkroom"


def run(*command: str, folder: str | Path = ".") -> None:
    """Run a command quietly.

    Raises:
        DarkroomError: it failed; the text holds the last line of what it said.
    """
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise DarkroomError(f"{' '.join(command[:2])} failed: {_last_line(done.stderr)}")


def run_git(*arguments: str, folder: str | Path = ".") -> None:
    """Let git do something.

    Raises:
        DarkroomError: git did not do it; the text holds what it said.
    """
    run("git", *arguments, folder=folder)


def changed_files(*places: str) -> list[str]:
    """Return the files that differ from the last commit, or that git does not know and does not ignore."""
    # Without rstrip of git(): the first column of the first line may be a space.
    return [line[3:] for line in (git("status", "--porcelain", "--", *places) or "").splitlines()]


def ask_dvc(*arguments: str) -> str:
    """Return what a DVC command prints.

    Raises:
        InputError: the command failed.
    """
    done = subprocess.run([*DVC, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise InputError(f"dvc {arguments[0]} failed: {_last_line(done.stderr)}")
    return done.stdout


def run_dvc(*arguments: str, folder: str | Path = ".", **environment: str) -> None:
    """Let DVC do something, in sight of the user.

    Raises:
        DarkroomError: the command failed; DVC has said why.
    """
    sys.stdout.flush()
    done = subprocess.run([*DVC, *arguments], cwd=folder, env={**os.environ, **environment}, check=False)  # noqa: S603
    if done.returncode:
        raise DarkroomError(f"dvc {arguments[0]} failed; the lines above say why")


def _last_line(text: str) -> str:
    """Return the last error that a command printed, else its last line."""
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["no reason given"])[-1]


def has_remote() -> bool:
    """Say whether DVC has a default remote to pull from and push to."""
    return any(line.startswith("core.remote=") for line in ask_dvc("config", "--list").splitlines())


def reach_remote() -> None:
    """Check that the default remote can be read.

    Raises:
        InputError: it does not answer, or lets us not in.
    """
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            remote = repo.cloud.get_remote_odb()
            remote.fs.exists(remote.path)
    except Exception as error:  # noqa: BLE001 - every kind of remote has errors of its own
        raise InputError(
            f"the DVC remote cannot be read ({_last_line(str(error))}); check its address (dvc remote list, or "
            "DVC_REMOTE_URL) and its keys (such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
        ) from None


def push() -> None:
    """Push data, outputs and the run cache to the default remote, so that no machine runs again what another ran.

    ``dvc push --run-cache`` leaves out the outputs that are in git (``cache: false``), without which a stage cannot be
    restored elsewhere; DVC has them in its local cache all the same.

    Raises:
        DarkroomError: the remote refuses; DVC has said why.
    """
    run_dvc("push", "--quiet", "--run-cache")
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            in_git = {out.hash_info for out in repo.index.outs if not out.use_cache and out.hash_info}
            repo.cloud.push({known for known in in_git if repo.cache.local.exists(known.value)})
    except DvcException as error:
        raise DarkroomError(f"dvc push failed: {error}") from None


def remove_torn_lock() -> None:
    """Remove DVC's record of running commands where a killed DVC left it half-written, since no DVC would start again.

    DVC writes ``.dvc/tmp/rwlock`` in place, before and after each stage.
    """
    record = Path(".dvc/tmp/rwlock")
    if not _torn(record):
        return
    from dvc.lock import make_lock

    # A DVC that is writing it at this moment holds this lock.
    with make_lock(f"{record}.lock", tmp_dir=str(record.parent)):
        if _torn(record):
            record.unlink()
            print(f"{record}: left half-written by a DVC that was killed; removed")


def _torn(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    return False


@contextmanager
def checkout(commit: str, targets: Sequence[str]) -> Iterator[Path]:
    """Bring a commit, and some of its DVC outputs, into a temporary folder.

    Args:
        commit: a revision of this repository.
        targets: files that DVC tracks, from its cache or remote.

    Raises:
        DarkroomError: git or DVC cannot bring something.
    """
    root = Path(git("rev-parse", "--show-toplevel") or ".").resolve()
    with tempfile.TemporaryDirectory() as temporary, worktree(Path(temporary) / "checkout", commit) as folder:
        _share_dvc(root, folder)
        run_dvc("pull" if has_remote() else "checkout", "--quiet", *targets, folder=folder)
        yield folder


@contextmanager
def worktree(folder: Path, commit: str) -> Iterator[Path]:
    """Check a commit out into a new folder for a while.

    Raises:
        DarkroomError: git cannot.
    """
    # Without hooks: DVC's own would fetch the outputs, and where one fails, git leaves the folder behind.
    run_git("-c", "core.hooksPath=/dev/null", "worktree", "add", "--quiet", "--detach", str(folder), commit)
    try:
        yield folder
    finally:
        run_git("worktree", "remove", "--force", str(folder))


def _share_dvc(root: Path, folder: Path) -> None:
    """Let a checkout use this repository's cache and remotes, also those whose places are relative to it."""
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
