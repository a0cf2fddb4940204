"""Saved state of interrupted searches and trainings, and decoded images."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from filelock import Timeout

from darkroom.base import project
from darkroom.maintenance.cleaning.things import Thing


def searches() -> list[Thing]:
    """Find the studies of interrupted searches."""
    return [_unfinished(study, "a search is running") for study in _kept("search", "*.db")]


def trainings() -> list[Thing]:
    """Find the checkpoints of interrupted trainings."""
    return [_unfinished(checkpoint, "a training is running") for checkpoint in _kept("train", "*.npz")]


def images() -> list[Thing]:
    """Find the decoded images, one folder per size and preprocessing."""
    return [_unfinished(ledger, "images are being read") for ledger in _kept("ingested", "*/")]


def _kept(kind: str, pattern: str) -> list[Path]:
    return sorted((project.state_folder() / kind).glob(pattern))


def _unfinished(path: Path, reason: str) -> Thing:
    return Thing(path.stem, sum(file.stat().st_size for file in _files(path)), reason if _is_locked(path) else "")


def _files(path: Path) -> list[Path]:
    """Return a file with SQLite's side files, or a folder's files; not the lock, for which others may wait."""
    return sorted(path.iterdir() if path.is_dir() else path.parent.glob(f"{path.name}*"))


def _lock(path: Path) -> AbstractContextManager[None]:
    return project.lock(path.with_suffix(".lock"), 0)


def _is_locked(path: Path) -> bool:
    try:
        with _lock(path):
            return False
    except Timeout:
        return True


def free_kept(kind: str, suffix: str) -> Callable[[Sequence[Thing]], None]:
    """Return a function that deletes the saved state of one kind.

    Args:
        kind: name of its folder.
        suffix: of its files.
    """

    def free(things: Sequence[Thing]) -> None:
        for thing in things:
            path = project.state_folder() / kind / f"{thing.name}{suffix}"
            with suppress(Timeout), _lock(path):  # skip what is running now
                for file in _files(path):
                    file.unlink()
                if path.is_dir():
                    path.rmdir()

    return free
