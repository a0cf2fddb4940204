"""Git and DVC, asked through their command lines."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from darkroom.errors import DarkroomError, InputError
from darkroom.lineage import git

DVC = (sys.executable, "-m", "dvc")
DEFAULT_REMOTE = "darkroom"
PROBE = "writable"  # name of a file in the remote
LOCKFILE = Path("dvc.lock")
RWLOCK = Path(".dvc/tmp/rwlock")
"""Where DVC writes down which process works on which files."""


def run(*command: str, folder: str | Path = ".", stdin: str = "", environment: Mapping[str, str] | None = None) -> str:
    """Run a command quietly.

    Args:
        command: what to run.
        folder: where.
        stdin: what it reads.
        environment: variables for it alone.

    Returns:
        What it printed.

    Raises:
        DarkroomError: it failed; the text holds the last line of what it said.
    """
    done = subprocess.run(  # noqa: S603
        command,
        cwd=folder,
        input=stdin,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise DarkroomError(f"{' '.join(command[:2])} failed: {_last_line(done.stderr)}")
    return done.stdout


def run_git(*arguments: str, folder: str | Path = ".") -> None:
    """Let git do something.

    Raises:
        DarkroomError: git did not do it; the text holds what it said.
    """
    run("git", *arguments, folder=folder)


def changed_files(*places: str) -> list[str]:
    """Return the files that differ from the last commit, or that git does not know and does not ignore.

    Args:
        places: files, folders or other words of git's for what to look at; all where there are none.
    """
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


@contextmanager
def default_remote(url: str | None) -> Iterator[None]:
    """Let another address be that of DVC's default remote for a while; the project's own settings stay as they are.

    Args:
        url: the address; None or nothing where that of the settings is meant.
    """
    if not url:
        yield
        return
    settings = Path(".dvc") / "config.local"
    before = settings.read_bytes() if settings.is_file() else None
    try:
        run_dvc("remote", "add", "--quiet", "--local", "--force", "--default", DEFAULT_REMOTE, url)
        yield
    finally:
        if before is not None:
            settings.write_bytes(before)
        else:
            settings.unlink(missing_ok=True)


def reach_remote() -> None:
    """Check that the default remote can be read and written, by writing a small file into it.

    Whether a place is there says nothing: that of a new remote is not, nor is one in a bucket that does not exist.

    Raises:
        InputError: it does not answer, is not there, or lets us not in.
    """
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            remote = repo.cloud.get_remote()
            remote.fs.exists(remote.path)
            remote.fs.makedirs(remote.path)
            remote.fs.pipe_file(remote.fs.join(remote.path, PROBE), b"darkroom retrain saw that it may write here.\n")
    except Exception as error:  # noqa: BLE001 - every kind of remote has errors of its own
        raise InputError(
            f"the DVC remote cannot be read and written ({_last_line(str(error))}); check its address (dvc remote "
            "list, or DVC_REMOTE_URL) and its keys (such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
        ) from None


def require_idle() -> None:
    """Check that no other DVC is at work in this project.

    Raises:
        InputError: there is one.
    """
    from dvc.lock import LockError
    from dvc.repo import Repo

    mend_torn_files()
    try:
        with Repo() as repo, repo.lock:
            busy = _at_work(RWLOCK)
    except LockError:
        busy = ["it holds .dvc/tmp/lock"]
    if busy:
        raise InputError(f"another DVC is at work in this project ({busy[0]}); wait for it to end, or end it")


def _at_work(record: Path) -> list[str]:
    """Return the living processes of DVC's record of running commands."""
    if not record.is_file():
        return []
    held = json.loads(record.read_text(encoding="utf-8"))
    of_reading = [holder for holders in held.get("read", {}).values() for holder in holders]
    holders = [*held.get("write", {}).values(), *of_reading]
    return [f"process {holder['pid']}: {holder['cmd']}" for holder in holders if _lives(holder["pid"])]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True


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
            failed = repo.cloud.push({known for known in in_git if repo.cache.local.exists(known.value)}).failed
    except DvcException as error:
        raise DarkroomError(f"dvc push failed: {error}") from None
    if failed:
        raise DarkroomError(f"dvc push failed: {len(failed)} of the outputs that are in git did not reach the remote")


def mend_torn_files() -> None:
    """Mend what a killed DVC left half-written, since no DVC would start again.

    DVC writes two files in place: its record of running commands, before and after each stage, and ``dvc.lock`` after
    each.
    """
    if _torn(RWLOCK):
        with _while_no_dvc_writes(f"{RWLOCK}.lock"):
            if _torn(RWLOCK):
                RWLOCK.unlink()
                print(f"{RWLOCK}: left half-written by a DVC that was killed; removed")
    if _torn_lockfile():
        with _while_no_dvc_writes(str(RWLOCK.with_name("lock"))):
            if _torn_lockfile():
                _restore_lockfile()
                print(f"{LOCKFILE}: left half-written by a DVC that was killed; as it was committed, if it was")


@contextmanager
def _while_no_dvc_writes(lock: str) -> Iterator[None]:
    from dvc.lock import make_lock

    with make_lock(lock, tmp_dir=str(RWLOCK.parent)):
        yield


def _torn_lockfile() -> bool:
    """Say whether DVC would refuse dvc.lock, if not for a merge, whose conflicts a person must solve."""
    text = LOCKFILE.read_text(encoding="utf-8", errors="replace") if LOCKFILE.is_file() else None
    if text is None or "<<<<<<<" in text:
        return False
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError
    from voluptuous import Invalid

    try:
        COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe", pure=True).load(text) or {})
    except (YAMLError, Invalid):
        return True
    return False


def _restore_lockfile() -> None:
    """Bring dvc.lock back from the last commit, or remove it: what has been run since is in DVC's run cache."""
    committed = git("show", f"HEAD:./{LOCKFILE}")
    if committed is None:
        LOCKFILE.unlink()
    else:
        LOCKFILE.write_text(f"{committed}\n", encoding="utf-8")


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
        InputError: neither DVC's cache nor its remote has an output any more.
        DarkroomError: git cannot bring the commit.
    """
    root = Path(git("rev-parse", "--show-toplevel") or ".").resolve()
    with tempfile.TemporaryDirectory() as temporary, worktree(Path(temporary) / "checkout", commit) as folder:
        _share_dvc(root, folder)
        _bring(targets, commit, folder)
        yield folder


def _bring(targets: Sequence[str], commit: str, folder: Path) -> None:
    try:
        run(*DVC, "pull" if has_remote() else "checkout", "--quiet", *targets, folder=folder)
    except DarkroomError as error:
        missing = [name for name in targets if not (folder / name).exists()]
        what = f"{missing[0]}, as commit {commit[:12]} has it," if missing else f"an output of commit {commit[:12]}"
        raise InputError(
            f"{what} is neither in DVC's cache nor in its remote ({str(error).rpartition(' failed: ')[2]}); dvc push "
            "--all-commits where it still is brings it into the remote"
        ) from None


def changed_deps(stage: str, folder: Path) -> list[str]:
    """Return in what a folder's code, data and parameters are not those that a stage of its dvc.lock has run with.

    Raises:
        DarkroomError: DVC cannot tell.
    """
    found = json.loads(run(*DVC, "status", "--json", stage, folder=folder))
    parts = [part for part in found.get(stage, []) if isinstance(part, dict)]
    return [name for part in parts for name in part.get("changed deps", {})]


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
