"""Which code and which data: what git and DVC know at the moment a stage runs."""

import hashlib
import os
import subprocess
from pathlib import Path


def _git(*arguments: str) -> str | None:
    """Ask git; None outside a repository or where git is missing."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)  # noqa: S603, S607
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout


def uncommitted_diff() -> str:
    """Return what differs from the last commit in the files that git tracks."""
    return _git("diff", "--no-ext-diff", "HEAD") or ""


def tags(stage: str) -> dict[str, str]:
    """Describe a stage's run: git commit, uncommitted changes, state of dvc.lock, DVC experiment."""
    diff = uncommitted_diff()
    lock = Path("dvc.lock")
    return {
        "stage": stage,
        "git_commit": (_git("rev-parse", "HEAD") or "none").strip(),
        "git_uncommitted_diff": hashlib.sha256(diff.encode()).hexdigest()[:16] if diff else "none",
        "dvc_lock": hashlib.sha256(lock.read_bytes()).hexdigest()[:16] if lock.is_file() else "none",
        "dvc_experiment": os.environ.get("DVC_EXP_NAME", "none"),
    }


def in_experiment() -> bool:
    """Say whether ``dvc exp run`` started this stage."""
    return "DVC_EXP_NAME" in os.environ
