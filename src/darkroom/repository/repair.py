"""Detect other running DVC processes, and repair files that a killed DVC left half-written."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from darkroom.base.errors import InputError
from darkroom.base.files import set_aside
from darkroom.base.git import git
from darkroom.base.hooks import require_hook
from darkroom.base.yaml_files import parse_yaml

LOCKFILE = Path("dvc.lock")
RWLOCK = Path(".dvc/tmp/rwlock")
"""DVC's record of running commands and the files they use."""


def require_idle() -> None:
    """Check that no other DVC command is running in this project.

    Raises:
        InputError: another DVC command is running.
    """
    from dvc.lock import LockError
    from dvc.repo import Repo

    repair_files()
    try:
        with Repo() as repo, require_hook(repo, "lock", "dvc"):
            busy = _running_commands()
    except LockError:
        busy = ["it holds .dvc/tmp/lock"]
    if busy:
        raise InputError(f"another DVC command is running in this project ({busy[0]}); wait for it to end, or end it")


def _running_commands() -> list[str]:
    """Return the commands in DVC's record whose processes are still running.

    Raises:
        DarkroomError: this version of DVC keeps no such record.
        InputError: the record's format is not that of this version of DVC.
    """
    from dvc import rwlock
    from voluptuous import Invalid

    record = RWLOCK.with_name(require_hook(rwlock, "RWLOCK_FILE", "dvc"))
    schema = require_hook(rwlock, "SCHEMA", "dvc")
    if not record.is_file():
        return []
    try:
        # The schema rejects other formats and fills in omitted keys.
        held = schema(json.loads(record.read_text(encoding="utf-8")))
    except Invalid as error:
        raise InputError(
            f"{record} does not have the format of this version of DVC ({error}); remove it when no DVC is running"
        ) from None
    holders = [*held["write"].values(), *(holder for holders in held["read"].values() for holder in holders)]
    return [f"process {holder['pid']}: {holder['cmd']}" for holder in holders if psutil.pid_exists(holder["pid"])]


def repair_files() -> None:
    """Repair the files that a killed DVC left half-written, with which no DVC command would start.

    DVC writes two files in place: its record of running commands, before and after each stage, and ``dvc.lock``, after
    each stage.
    """
    if _is_truncated(RWLOCK):
        from dvc import rwlock

        with _dvc_lock(require_hook(rwlock, "RWLOCK_LOCK", "dvc")):
            if _is_truncated(RWLOCK):
                RWLOCK.unlink()
                print(f"{RWLOCK}: left half-written by a killed DVC; removed")
    if _is_lockfile_damaged():
        with _dvc_lock("lock"):
            if _is_lockfile_damaged():
                print(f"{LOCKFILE}: left half-written by a killed DVC; {_restore_lockfile()}")


@contextmanager
def _dvc_lock(name: str) -> Iterator[None]:
    """Hold one of DVC's own locks."""
    from dvc.lock import make_lock

    with make_lock(str(RWLOCK.with_name(name)), tmp_dir=str(RWLOCK.parent)):
        yield


def _is_lockfile_damaged() -> bool:
    """Whether DVC would reject dvc.lock; False for merge conflicts, which the user has to resolve."""
    text = LOCKFILE.read_text(encoding="utf-8", errors="replace") if LOCKFILE.is_file() else None
    if text is None or "<<<<<<<" in text:
        return False
    from dvc import schema
    from voluptuous import Invalid

    try:
        require_hook(schema, "COMPILED_LOCKFILE_SCHEMA", "dvc")(parse_yaml(text, LOCKFILE.name) or {})
    except (InputError, Invalid):
        return True
    return False


def _restore_lockfile() -> str:
    """Restore dvc.lock from the last commit, or set it aside if git has none, and return what was done.

    Stages run since then are in DVC's run cache.
    """
    committed = git("show", f"HEAD:./{LOCKFILE}")
    if committed is None:
        return f"git has none, so it is {set_aside(LOCKFILE)} now, and dvc repro writes another one"
    LOCKFILE.write_text(f"{committed}\n", encoding="utf-8")
    return "restored from the last commit"


def _is_truncated(path: Path) -> bool:
    """Whether a JSON file exists and is not valid."""
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    return False
