"""The project's root, the folder of its state, and locks."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

from darkroom.base.errors import InputError


def project_root() -> Path:
    """Return the folder with dvc.yaml; in an experiment, which DVC runs in a copy, still the user's own folder.

    Raises:
        InputError: the current folder was removed.
    """
    if root := os.environ.get("DVC_ROOT"):
        return Path(root).resolve()
    try:
        here = Path.cwd()
    except FileNotFoundError:
        raise InputError("the current folder no longer exists; change to the project's folder") from None
    return next((folder for folder in (here, *here.parents) if (folder / "dvc.yaml").is_file()), here)


def state_folder() -> Path:
    """Return the folder for disposable state between calls, such as locks and interrupted work; create it if needed.

    In a project that cannot be written, it is a temporary folder: nothing is remembered.
    """
    folder = project_root() / ".darkroom"
    if not os.access(folder if folder.is_dir() else project_root(), os.W_OK):
        return temporary_folder()
    folder.mkdir(exist_ok=True)
    return folder


@cache
def temporary_folder() -> Path:
    """Return a folder of this process, which is removed when it ends."""
    folder = Path(tempfile.mkdtemp(prefix="darkroom-"))
    atexit.register(remove_temporary_folder)
    return folder


def remove_temporary_folder() -> None:
    """Remove the folder of this process, if it has one; for processes that end without Python's own clean-up."""
    if temporary_folder.cache_info().currsize:
        shutil.rmtree(temporary_folder(), ignore_errors=True)


@contextmanager
def lock(path: Path, seconds: float = -1) -> Iterator[None]:
    """Hold a lock file, which the system releases if its holder dies; it is removed at the end.

    Args:
        path: the file, in a folder that exists.
        seconds: timeout; -1 waits for ever.

    Raises:
        filelock.Timeout: another process still held the lock at the timeout.
    """
    held = FileLock(path)
    with held.acquire(timeout=seconds):
        try:
            yield
        finally:
            # While it is held: whoever waits for the removed file notices it and opens the new one.
            path.unlink(missing_ok=True)


@contextmanager
def locked(name: str, seconds: float) -> Iterator[None]:
    """Hold a project-wide lock, which the system releases if its holder dies.

    Args:
        name: the lock's name.
        seconds: timeout.

    Raises:
        InputError: another process still held the lock at the timeout.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(lock(state_folder() / f"{name}.lock", seconds))
        except Timeout:
            raise InputError(
                f"another process holds .darkroom/{name}.lock (waited {seconds:g} s); wait for it to end, or end it"
            ) from None
        yield
